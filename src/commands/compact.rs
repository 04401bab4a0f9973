//! Merges the hours of finished days, and says what it came to.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use chrono::Utc;
use indicatif::BinaryBytes;
use serde::Serialize;

use super::Outcome;
use super::output::write_all;
use crate::cli::compact::CompactArgs;
use crate::collect::catalog;
use crate::store::compact::{Job, Plan, merge, plan};
use crate::store::layout::merged::{Tidying, has_replaced};
use crate::store::layout::{Layout, Lock};
use crate::store::manifest::Manifest;
use crate::store::read::tables_of;
use crate::store::runs::all_recordings;
use crate::ui::{self, Teller};

/// A recorder that deletes old files is done in a moment.
const TIDYING_TRIES: u32 = 20;
const TIDYING_PAUSE: Duration = Duration::from_millis(100);

/// What became of a recording, or would become of it.
#[derive(Serialize)]
struct Merged {
    recording: PathBuf,
    dry_run: bool,
    /// Files that were merged, of which days, and into how many.
    files: usize,
    days: Vec<String>,
    into: usize,
    bytes_before: u64,
    /// Null where nothing was written.
    bytes_after: Option<u64>,
    /// Days whose journals are not sealed yet.
    waiting: Vec<String>,
}

impl Merged {
    fn of(path: &Path, jobs: &[Job], plan_waiting: &Plan, bytes_after: Option<u64>) -> Merged {
        let days: BTreeSet<String> = jobs.iter().map(|job| job.name.date().to_string()).collect();
        Merged {
            recording: path.to_path_buf(),
            dry_run: bytes_after.is_none(),
            files: sum(jobs).0,
            days: days.into_iter().collect(),
            into: jobs.len(),
            bytes_before: sum(jobs).2,
            bytes_after,
            waiting: plan_waiting.waiting.iter().map(|(day, _)| day.to_string()).collect(),
        }
    }
}

/// How it is told.
struct Telling {
    words: Teller,
    merged: Vec<Merged>,
}

/// `perfwatch compact`
///
/// # Errors
/// When nothing could be said, or the arguments make no sense.
pub fn run(args: &CompactArgs) -> Result<Outcome> {
    let mut tell = Telling { words: Teller { quiet: args.quiet, verbose: false }, merged: Vec::new() };
    let mut outcome = Outcome::Done;
    for path in &all_recordings(&args.recordings)? {
        // One that cannot be merged does not keep the others.
        let done = if args.dry_run { preview(path, &mut tell) } else { compact(path, &mut tell) };
        if done.unwrap_or_else(|error| {
            ui::complain(&format!("{error:#}"));
            Outcome::Incomplete
        }) != Outcome::Done
        {
            outcome = Outcome::Incomplete;
        }
    }
    if args.output.is_json() {
        write_all(&mut std::io::stdout().lock(), &(serde_json::to_string_pretty(&tell.merged)? + "\n"))?;
    }
    Ok(outcome)
}

fn look(layout: &Layout) -> Result<Plan> {
    plan(layout, &tables_of(layout, catalog::tables()), Utc::now().date_naive())
        .with_context(|| format!("cannot list {}", layout.root.display()))
}

fn preview(path: &Path, tell: &mut Telling) -> Result<Outcome> {
    Manifest::read(path)?;
    let plan = look(&Layout::new(path))?;
    tell.merged.push(Merged::of(path, &plan.jobs, &plan, None));
    tell.words.result(&match sum(&plan.jobs) {
        (0, ..) => format!("{}: nothing to merge", path.display()),
        (files, days, bytes) => {
            let into = plan.jobs.len();
            let (shown, files) = (path.display(), crate::text::words::count(files as u64, "file"));
            format!("{shown}: would merge {files} of {days} into {into}, {}", BinaryBytes(bytes))
        }
    });
    Ok(waiting(path, &plan))
}

fn compact(path: &Path, tell: &mut Telling) -> Result<Outcome> {
    Manifest::read(path)?;
    let layout = Layout::new(path);
    // Nothing is left in a recording that needs nothing; it may be one that may only be read.
    let unfinished = || has_replaced(&layout).with_context(|| format!("cannot list {}", path.display()));
    if layout.has_folder(&layout.tidying()) || !look(&layout)?.jobs.is_empty() || unfinished()? {
        let merged = merge_all(&layout, tell);
        // The folder that the files were merged in, if no recorder is using it.
        if let Ok(_lock) = Lock::take(&layout) {
            layout.sweep();
        }
        return merged;
    }
    tell.words.say(&format!("{}: nothing to merge", path.display()));
    let plan = look(&layout)?;
    tell.merged.push(Merged::of(path, &[], &plan, Some(0)));
    Ok(waiting(path, &plan))
}

fn merge_all(layout: &Layout, tell: &mut Telling) -> Result<Outcome> {
    let path = &layout.root;
    let tidying = take(layout)?;
    let mut plan = look(layout)?;
    let mut outcome = waiting(path, &plan);
    let mut done = Vec::new();
    let mut bytes_after = 0;
    for job in std::mem::take(&mut plan.jobs) {
        match merge(layout, &tidying, &job) {
            Ok(bytes) => {
                bytes_after += bytes;
                done.push(job);
            }
            Err(error) => {
                ui::complain(&format!("{}, {}: {error}", job.table.name, job.name.date()));
                outcome = Outcome::Incomplete;
            }
        }
    }
    let (files, days, bytes) = sum(&done);
    tell.merged.push(Merged::of(path, &done, &plan, Some(bytes_after)));
    tell.words.result(&if done.is_empty() {
        format!("{}: nothing merged", path.display())
    } else {
        let (before, after, into) = (BinaryBytes(bytes), BinaryBytes(bytes_after), done.len());
        let (shown, files) = (path.display(), crate::text::words::count(files as u64, "file"));
        format!("{shown}: merged {files} of {days} into {into}, {before} into {after}")
    });
    Ok(outcome)
}

fn take(layout: &Layout) -> Result<Tidying> {
    for _ in 0..TIDYING_TRIES {
        let begun =
            Tidying::begin(layout).with_context(|| format!("cannot write to {}", layout.tidying().display()))?;
        if let Some(tidying) = begun {
            return Ok(tidying);
        }
        std::thread::sleep(TIDYING_PAUSE);
    }
    bail!("{} is being merged by another perfwatch already", layout.root.display())
}

/// Says which days could not be merged yet.
fn waiting(path: &Path, plan: &Plan) -> Outcome {
    for (day, journal) in &plan.waiting {
        ui::complain(&format!(
            "{}: {day} is not merged, for journal {journal:04} is not sealed yet; if nobody is recording, `perfwatch recover` seals it",
            path.display()
        ));
    }
    if plan.waiting.is_empty() { Outcome::Done } else { Outcome::Incomplete }
}

/// Files, days in words, bytes.
fn sum(jobs: &[Job]) -> (usize, String, u64) {
    let days = jobs.iter().map(|job| job.name.date()).collect::<BTreeSet<_>>().len();
    let days = if days == 1 { "1 day".to_string() } else { format!("{days} days") };
    (jobs.iter().map(|job| job.sources.len()).sum(), days, jobs.iter().map(|job| job.bytes).sum())
}
