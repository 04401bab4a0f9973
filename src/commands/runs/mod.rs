//! Records a command several times, or two commands alternately. Each run is a separate recording made by a separate
//! process, the same as a plain `perfwatch record -- COMMAND`.

mod child;
mod feeder;
mod input;
mod kept;

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use chrono::Utc;
use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use super::record::summary::SummaryFile;
use super::tags::tags;
use super::{Outcome, Usage, record};
use crate::cli::OUR_FAILURE;
use crate::cli::ab::AbArgs;
use crate::cli::record::RecordArgs;
use crate::linux::signal::name;
use crate::record::directory::{default_directory, make_default};
use crate::store::layout::INDEX;
use crate::store::manifest::SeriesRun;
use crate::store::runs::{Index, Run, Runs};
use crate::ui;
use child::{Ended, in_child};
use input::Input;

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

/// Runs that belong together.
struct Series<'a> {
    args: &'a RecordArgs,
    tell: ui::Teller,
    root: PathBuf,
    index: Index,
    input: Input,
    /// Reserves disk space for the index, in case the disk is full later.
    reserve: Option<File>,
    /// Whether the user was warned that the index cannot be written.
    is_warned: bool,
}

/// Why no more runs are started, and the resulting outcome.
struct Cut {
    why: String,
    outcome: Outcome,
}

fn run(args: &RecordArgs, sides: &[Side]) -> Result<Outcome> {
    let tell = ui::Teller { quiet: args.quiet, verbose: args.verbose };
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
    let input = if all.len() > 1 { Input::detect(&root, &tell)? } else { Input::Same };
    let series = format!("{}-{}", Utc::now().format("%Y%m%dT%H%M%S%6fZ"), std::process::id());
    let index = Index::new(Some(series));
    let mut series = Series { args, tell, root, index, input, reserve: None, is_warned: false };
    let mut cut = None;
    for (warmup, number, side) in all {
        cut = series.run(side, warmup, number)?;
        if let Some(cut) = &cut {
            ui::complain(&cut.why);
            break;
        }
    }
    if args.quiet < 2 {
        let mut lines = series.index.summary();
        lines.iter_mut().next_back().iter_mut().for_each(|last| **last += &format!("; in {}", series.root.display()));
        lines.iter().for_each(|line| ui::complain(line));
    }
    // The runs are complete, even if the summary file cannot be written.
    if let Some(file) = summary
        && let Err(error) = file.write(&Runs { path: series.root.clone(), index: series.index.clone(), problem: None })
    {
        ui::complain(&format!("{error:#}"));
    }
    Ok(cut.map_or(Outcome::Done, |cut| cut.outcome))
}

impl Series<'_> {
    fn run(&mut self, side: &Side, warmup: bool, number: u32) -> Result<Option<Cut>> {
        let directory = side.directory(warmup, number);
        let name = side.name.map(str::to_string);
        let run = Run { directory: directory.clone(), number, warmup, side: name.clone(), ..Run::default() };
        self.index.runs.push(run);
        self.note();
        let series = self.index.series.clone().unwrap_or_default();
        let one = RecordArgs {
            output: Some(self.root.join(&directory)),
            run: Some(SeriesRun { series, side: name, number, warmup }),
            ..side.args(self.args)
        };
        let (given, kept) = (self.input.next().context("standard input")?, self.input.kept_bytes());
        let ended = in_child(|| {
            given.take().context("standard input")?;
            record::run(&one)
        })?;
        let is_fed = given.finish();
        if self.input.kept_bytes() > kept {
            let shown = directory.display();
            self.tell.warn(&format!(
                "{shown}: standard input arrived during the run, which may have waited for it; later runs do not wait"
            ));
        }
        let mut by = ended.signal;
        if let Some(run) = self.index.runs.last_mut() {
            let interrupted = ended.signal.is_some() || ended.killed_by.is_some();
            // A signal may have been sent only to the recorder of the run.
            by = by.or(run.ended(&self.root, ended.status.into(), interrupted));
            run.interrupted |= !is_fed;
        }
        self.note();
        let cut = self.cut(&directory, ended, by);
        let unfed =
            || Cut { why: format!("{}: its input was cut off; no more runs", directory.display()), outcome: OURS };
        Ok(cut.or((!is_fed).then(unfed)))
    }

    /// Should the series stop after this run?
    fn cut(&self, directory: &Path, ended: Ended, by: Option<libc::c_int>) -> Option<Cut> {
        let Ended { status, killed_by, signal: _, by_key } = ended;
        let shown = directory.display();
        let of = |signal: libc::c_int| Outcome::Status(128u8.wrapping_add(signal as u8));
        if let Some(signal) = by {
            let outcome = if by_key { Outcome::Key(signal) } else { of(signal) };
            return Some(Cut { why: format!("{shown}: received {}; no more runs", name(signal)), outcome });
        }
        if let Some(signal) = killed_by {
            let why = format!("{shown}: {} ended its recorder; no more runs", name(signal));
            return Some(Cut { why, outcome: of(signal) });
        }
        // A failure of ours is not a failure of the command, and would occur again in the next run.
        let continues = self.args.ignore_failure && status != OUR_FAILURE;
        (status != 0 && !continues).then(|| {
            let advice = if status == OUR_FAILURE { "" } else { " (see --ignore-failure)" };
            Cut {
                why: format!("{shown}: exit status {status}; no more runs{advice}"),
                outcome: Outcome::Status(status),
            }
        })
    }

    /// Writes the index. A failure does not stop the series, because the manifests of the runs contain the same facts.
    fn note(&mut self) {
        let mut written = self.index.write(&self.root);
        // Dropping the file frees its space.
        if written.is_err() && self.reserve.take().is_some() {
            written = self.index.write(&self.root);
        }
        if self.reserve.is_none() {
            self.reserve =
                reserve(&self.root, RESERVE_BYTES + RESERVE_BYTES_OF_RUN * self.index.runs.len() as u64).ok();
        }
        if let Err(error) = written
            && !std::mem::replace(&mut self.is_warned, true)
        {
            let path = self.root.join(INDEX);
            let effect = "the runs continue, and their manifests contain the same facts";
            ui::complain(&format!("warning: cannot write {}: {error}; {effect}", path.display()));
        }
    }
}

/// Space for an index, and for each run in it.
const RESERVE_BYTES: u64 = 8192;
const RESERVE_BYTES_OF_RUN: u64 = 512;

/// A file with this much disk space allocated.
fn reserve(root: &Path, bytes: u64) -> io::Result<File> {
    let file = nameless(root)?;
    match fallocate(&file, FallocateFlags::empty(), 0, bytes) {
        // A file system that cannot allocate ahead of a write.
        Err(Errno::OPNOTSUPP) => io::copy(&mut io::repeat(0).take(bytes), &mut &file).map(drop)?,
        done => done?,
    }
    Ok(file)
}

/// A new file without a name, only for us. It is deleted when it is closed, even if this process is killed.
fn nameless(root: &Path) -> io::Result<File> {
    let path = root.join(".perfwatch.tmp");
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

const OURS: Outcome = Outcome::Status(OUR_FAILURE);

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
