//! Records a command several times, or two commands alternately. Each run is a separate recording made by a separate
//! process, the same as a plain `perfwatch record -- COMMAND`.

mod child;
mod feeder;
mod input;
mod kept;
mod series;
mod unnamed;

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::record::summary::SummaryFile;
use super::tags::tags;
use super::{Outcome, Usage, record};
use crate::cli::ab::AbArgs;
use crate::cli::record::RecordArgs;
use crate::compare::sides::conclusion;
use crate::record::directory::{default_directory, make_default};
use crate::store::runs::Runs;
use crate::ui;
use input::Input;
use series::Series;

/// `record --runs N -- COMMAND`
///
/// # Errors
/// When the runs cannot start or continue. A command that fails is an outcome.
pub fn repeat(args: &RecordArgs) -> Result<Outcome> {
    if let Some(status) = record::not_there(args) {
        return Ok(Outcome::Status(status));
    }
    record::checks::all(args)?;
    let side = Side { name: None, command: args.command.clone(), tags: Vec::new() };
    run(args, &[side])
}

/// `ab --base SCRIPT --new SCRIPT`
///
/// # Errors
/// [`Usage`] for invalid arguments; otherwise when the runs cannot start or continue.
pub fn ab(args: &AbArgs) -> Result<Outcome> {
    if !args.record.command.is_empty() {
        return Err(Usage("ab takes its commands from --base and --new, not after `--`".into()).into());
    }
    if args.record.duration.is_some() || args.record.append {
        let option = if args.record.append { "--append" } else { "--duration" };
        return Err(Usage(format!("{option} cannot be used with ab; --timeout limits a run")).into());
    }
    let side = |name: &'static str, script: &str, given: &[String]| {
        tags(given).map_err(|Usage(why)| Usage(why.replacen("--tag", &format!("--{name}-tag"), 1)))?;
        let command = vec!["sh".into(), "-c".into(), script.into()];
        Ok::<Side, Usage>(Side { name: Some(name), command, tags: given.to_vec() })
    };
    let sides = [side("base", &args.base, &args.base_tags)?, side("new", &args.new, &args.new_tags)?];
    record::checks::all(&sides[0].args(&args.record))?;
    run(&args.record, &sides)
}

/// One of the commands that alternate.
struct Side {
    name: Option<&'static str>,
    command: Vec<OsString>,
    /// Tags for the runs of this side only.
    tags: Vec<String>,
}

impl Side {
    /// The directory of a run, relative to the folder of all runs.
    fn directory(&self, warmup: bool, number: u32) -> PathBuf {
        let run = format!("{}-{number:03}", if warmup { "warmup" } else { "run" });
        self.name.map(PathBuf::from).unwrap_or_default().join(run)
    }

    /// The arguments of a single run.
    fn args(&self, args: &RecordArgs) -> RecordArgs {
        RecordArgs {
            command: self.command.clone(),
            tags: args.tags.iter().chain(&self.tags).cloned().collect(),
            runs: None,
            warmup_runs: None,
            ignore_failure: false,
            // The series has already opened it.
            stdin: None,
            summary: None,
            // The result is printed once for the series.
            quiet: if args.quiet > 0 { 2 } else { 0 },
            ..args.clone()
        }
    }
}

fn run(args: &RecordArgs, sides: &[Side]) -> Result<Outcome> {
    let messages = ui::Messages { quiet: args.quiet, verbose: args.verbose };
    args.stdin.iter().try_for_each(|path| super::input::take(path))?;
    let root = match &args.output {
        Some(root) => begin(root).map(|()| root.clone())?,
        None => make_default(&default_directory())?,
    };
    let summary = args.summary.as_deref().map(SummaryFile::open).transpose()?;
    let warmups = (1..=args.warmup_runs.unwrap_or(0)).map(|n| (true, n));
    let runs = (1..=args.runs.unwrap_or(1)).map(|n| (false, n));
    let all: Vec<(bool, u32, &Side)> =
        warmups.chain(runs).flat_map(|(warmup, n)| sides.iter().map(move |side| (warmup, n, side))).collect();
    // A single run can read the input directly.
    let input = if all.len() > 1 { Input::detect(&root, &messages)? } else { Input::Same };
    let mut series = Series::new(args, messages, root, input);
    series.index.sides = sides.iter().filter_map(|side| side.name.map(str::to_string)).collect();
    let mut cut = None;
    for (warmup, number, side) in all {
        cut = series.run(side, warmup, number)?;
        if let Some(cut) = &cut {
            ui::message(&cut.why);
            break;
        }
    }
    if args.quiet < 2 {
        let mut lines = series.index.summary();
        lines.push(format!("the runs are in {}", series.root.display()));
        lines.extend(conclusion(&Runs { path: series.root.clone(), index: series.index.clone(), problem: None }));
        lines.iter().for_each(|line| ui::message(line));
    }
    // The runs are complete, even if the summary file cannot be written.
    if let Some(file) = summary
        && let Err(error) = file.write(&Runs { path: series.root.clone(), index: series.index.clone(), problem: None })
    {
        ui::message(&format!("{error:#}"));
    }
    Ok(cut.map_or(Outcome::Done, |cut| cut.outcome))
}

/// Creates the folder of all runs, which must be new or empty.
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
