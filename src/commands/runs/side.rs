//! One of the commands that take turns.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use crate::cli::record::RecordArgs;
use crate::text::words::quoted;

#[derive(Clone, Debug, Default)]
pub struct Side {
    /// The folder of its runs; None if a single command is repeated.
    pub name: Option<String>,
    pub command: Vec<OsString>,
    /// Instead of those of the series.
    pub prepare: Option<String>,
    pub conclude: Option<String>,
    /// Tags for the runs of this side only.
    pub tags: Vec<String>,
    /// The value of each `--parameter-list`.
    pub parameters: BTreeMap<String, String>,
}

impl Side {
    /// A command that is repeated as it is.
    pub fn of(args: &RecordArgs) -> Side {
        let (prepare, conclude) = (args.prepare.clone(), args.conclude.clone());
        Side { command: args.command.clone(), prepare, conclude, ..Side::default() }
    }

    /// A script for the shell.
    pub fn script(name: &str, script: &str, tags: &[String], args: &RecordArgs) -> Side {
        let command = vec!["sh".into(), "-c".into(), script.into()];
        Side { name: Some(name.into()), command, tags: tags.to_vec(), ..Side::of(args) }
    }

    /// The directory of a run, relative to the folder of all runs: `run=001`, so that engines read the folder as one table
    /// with a column `run`. Warm-ups have names of another form, because they do not count: `warmup-001`.
    pub fn directory(&self, warmup: bool, number: u32) -> PathBuf {
        let run = if warmup { format!("warmup-{number:03}") } else { format!("run={number:03}") };
        self.name.as_ref().map(PathBuf::from).unwrap_or_default().join(run)
    }

    /// The command as a user would write it: a script, or words for a shell.
    pub fn text(&self) -> String {
        let words: Vec<String> = self.command.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        match &words[..] {
            [shell, option, script] if shell == "sh" && option == "-c" => script.clone(),
            words => words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "),
        }
    }

    /// The arguments of a single run.
    pub fn args(&self, args: &RecordArgs) -> RecordArgs {
        RecordArgs {
            command: self.command.clone(),
            prepare: self.prepare.clone(),
            conclude: self.conclude.clone(),
            tags: args.tags.iter().chain(&self.tags).cloned().collect(),
            runs: None,
            warmup_runs: None,
            ignore_failure: false,
            parameter_lists: Vec::new(),
            order: None,
            seed: None,
            export_json: None,
            // The series has already opened it.
            stdin: None,
            summary: None,
            // The result is printed once for the series.
            quiet: if args.quiet > 0 { 2 } else { 0 },
            ..args.clone()
        }
    }
}
