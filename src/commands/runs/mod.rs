//! A command recorded several times, or two of them in turn: each run is a recording of its own, made by a process of its
//! own, which is a plain `perfwatch record -- COMMAND`.

mod child;

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use self::child::{Ended, in_child};
use super::directory::{default_directory, make_default};
use super::record::summary::SummaryFile;
use super::{Outcome, Usage, record};
use crate::cli::OUR_FAILURE;
use crate::cli::ab::AbArgs;
use crate::cli::record::RecordArgs;
use crate::run::signal::name;
use crate::runs::{Index, Run, Runs};
use crate::ui;

/// `record --runs N -- COMMAND`
pub fn repeat(args: &RecordArgs) -> Result<Outcome> {
    if let Some(status) = record::not_there(args) {
        return Ok(Outcome::Status(status));
    }
    record::checks::all(args)?;
    let side = Side { name: None, command: args.command.clone() };
    run(args, &[side])
}

/// `ab --base SCRIPT --new SCRIPT`
pub fn ab(args: &AbArgs) -> Result<Outcome> {
    if !args.record.command.is_empty() {
        return Err(Usage("ab takes its commands from --base and --new, not from behind `--`".into()).into());
    }
    if args.record.duration.is_some() || args.record.append {
        let option = if args.record.append { "--append" } else { "--duration" };
        return Err(Usage(format!("{option} is not for ab; --timeout ends a run")).into());
    }
    let side = |name, script: &str| Side { name: Some(name), command: vec!["sh".into(), "-c".into(), script.into()] };
    run(&args.record, &[side("base", &args.base), side("new", &args.new)])
}

/// One of the commands that take turns.
struct Side {
    name: Option<&'static str>,
    command: Vec<OsString>,
}

impl Side {
    /// Where a run of it is recorded, below the folder of all.
    fn directory(&self, warmup: bool, number: u32) -> PathBuf {
        let run = format!("{}-{number:03}", if warmup { "warmup" } else { "run" });
        self.name.map(PathBuf::from).unwrap_or_default().join(run)
    }
}

fn run(args: &RecordArgs, sides: &[Side]) -> Result<Outcome> {
    let root = match &args.output {
        Some(root) => begin(root).map(|()| root.clone())?,
        None => make_default(&default_directory())?,
    };
    let summary = args.summary.as_deref().map(SummaryFile::open).transpose()?;
    let mut index = Index::new();
    let write = |index: &Index| index.write(&root).with_context(|| format!("cannot write {}", root.display()));
    let warmups = (1..=args.warmup_runs.unwrap_or(0)).map(|n| (true, n));
    let runs = (1..=args.runs.unwrap_or(1)).map(|n| (false, n));
    let mut failed = None;
    'all: for (warmup, number) in warmups.chain(runs) {
        for side in sides {
            let directory = side.directory(warmup, number);
            let side_name = side.name.map(str::to_string);
            index.runs.push(Run { directory: directory.clone(), number, warmup, side: side_name, ..Run::default() });
            write(&index)?;
            let one = RecordArgs {
                output: Some(root.join(&directory)),
                command: side.command.clone(),
                runs: None,
                warmup_runs: None,
                ignore_failure: false,
                summary: None,
                // The result is that of all together.
                quiet: if args.quiet > 0 { 2 } else { 0 },
                ..args.clone()
            };
            let ended = in_child(|| record::run(&one)).context("cannot start a process")?;
            if let Some(run) = index.runs.last_mut() {
                run.ended(&root, ended.status.into(), ended.signal.is_some());
            }
            write(&index)?;
            if let Some(signal) = ended.signal {
                ui::complain(&format!("{} came: no more runs", name(signal)));
                failed = Some(ended);
                break 'all;
            }
            // What we could not do is no failure of the command, and would not do the next time either.
            if ended.status != 0 && (!args.ignore_failure || ended.status == OUR_FAILURE) {
                let shown = directory.display();
                ui::complain(&format!("{shown}: exit status {}; no more runs (see --ignore-failure)", ended.status));
                failed = Some(ended);
                break 'all;
            }
        }
    }
    if args.quiet < 2 {
        let mut lines = index.summary();
        lines.iter_mut().next_back().iter_mut().for_each(|last| **last += &format!("; in {}", root.display()));
        lines.iter().for_each(|line| ui::complain(line));
    }
    if let Some(file) = summary {
        file.write(&Runs { path: root.clone(), index: index.clone() })?;
    }
    Ok(failed.map_or(Outcome::Done, |Ended { status, signal, by_key }| match signal {
        Some(signal) if by_key => Outcome::Key(signal),
        _ => Outcome::Status(status),
    }))
}

/// The folder of all runs, which must be new or empty.
fn begin(root: &Path) -> Result<()> {
    match fs::read_dir(root) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                bail!("{} is not empty: choose a new directory", root.display());
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("cannot list {}", root.display())),
    }
    fs::create_dir_all(root).with_context(|| format!("cannot make {}", root.display()))
}
