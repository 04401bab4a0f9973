//! `perfwatch compact`: merges the hourly files of finished days and prints the result.

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
use crate::ui::{self, Messages};

/// A recorder that deletes old files finishes within this time.
const TIDYING_TRIES: u32 = 20;
const TIDYING_PAUSE: Duration = Duration::from_millis(100);

/// The result for a recording; with --dry-run, the expected result.
#[derive(Serialize)]
struct Merged {
    recording: PathBuf,
    dry_run: bool,
    /// Merged files, their days, and the number of files written.
    files: usize,
    days: Vec<String>,
    into: usize,
    bytes_before: u64,
    /// Null if nothing was written.
    bytes_after: Option<u64>,
    /// Days with journals that are not sealed yet.
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

/// Where results go: messages, and the list for JSON.
struct Output {
    messages: Messages,
    merged: Vec<Merged>,
}

/// `perfwatch compact`
///
/// # Errors
/// When the result cannot be printed, or an index of runs cannot be read.
pub fn run(args: &CompactArgs) -> Result<Outcome> {
    let mut output = Output { messages: Messages { quiet: args.quiet, verbose: false }, merged: Vec::new() };
    let mut outcome = Outcome::Done;
    for path in &all_recordings(&args.recordings)? {
        // A recording that cannot be merged does not stop the others.
        let done = if args.dry_run { preview(path, &mut output) } else { compact(path, &mut output) };
        if done.unwrap_or_else(|error| {
            ui::message(&format!("{error:#}"));
            Outcome::Incomplete
        }) != Outcome::Done
        {
            outcome = Outcome::Incomplete;
        }
    }
    if args.output.is_json() {
        write_all(&mut std::io::stdout().lock(), &(serde_json::to_string_pretty(&output.merged)? + "\n"))?;
    }
    Ok(outcome)
}

/// What can be merged now.
fn plan_now(layout: &Layout) -> Result<Plan> {
    plan(layout, &tables_of(layout, catalog::tables()), Utc::now().date_naive())
        .with_context(|| format!("cannot list {}", layout.root.display()))
}

fn preview(path: &Path, output: &mut Output) -> Result<Outcome> {
    Manifest::read(path)?;
    let plan = plan_now(&Layout::new(path))?;
    output.merged.push(Merged::of(path, &plan.jobs, &plan, None));
    output.messages.result(&match sum(&plan.jobs) {
        (0, ..) => format!("{}: nothing to merge", path.display()),
        (files, days, bytes) => {
            let into = plan.jobs.len();
            let (shown, files) = (path.display(), crate::text::words::count(files as u64, "file"));
            format!("{shown}: would merge {files} of {days} into {into}, {}", BinaryBytes(bytes))
        }
    });
    Ok(waiting(path, &plan))
}

fn compact(path: &Path, output: &mut Output) -> Result<Outcome> {
    Manifest::read(path)?;
    let layout = Layout::new(path);
    // If nothing needs to be merged, nothing is written: the recording may be read-only.
    let unfinished = || has_replaced(&layout).with_context(|| format!("cannot list {}", path.display()));
    if layout.has_folder(&layout.tidying()) || !plan_now(&layout)?.jobs.is_empty() || unfinished()? {
        let merged = merge_all(&layout, output);
        // Remove the folder used for merging, unless a recorder is using it.
        if let Ok(_lock) = Lock::take(&layout) {
            layout.sweep();
        }
        return merged;
    }
    // A merge that was killed at its very end leaves the folder, which then contains only locks.
    let is_left = layout.has_folder(&layout.journal_folder()) && layout.journals().is_ok_and(|all| all.is_empty());
    if let Some(Ok(_lock)) = is_left.then(|| Lock::take(&layout)) {
        layout.sweep();
    }
    output.messages.news(&format!("{}: nothing to merge", path.display()));
    let plan = plan_now(&layout)?;
    output.merged.push(Merged::of(path, &[], &plan, Some(0)));
    Ok(waiting(path, &plan))
}

fn merge_all(layout: &Layout, output: &mut Output) -> Result<Outcome> {
    let path = &layout.root;
    let tidying = take(layout)?;
    let mut plan = plan_now(layout)?;
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
                ui::message(&format!("{}, {}: {error}", job.table.name, job.name.date()));
                outcome = Outcome::Incomplete;
            }
        }
    }
    let (files, days, bytes) = sum(&done);
    output.merged.push(Merged::of(path, &done, &plan, Some(bytes_after)));
    output.messages.result(&if done.is_empty() {
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
    bail!("{} is already being merged by another perfwatch", layout.root.display())
}

/// Reports the days that cannot be merged yet.
fn waiting(path: &Path, plan: &Plan) -> Outcome {
    for (day, journal) in &plan.waiting {
        ui::message(&format!(
            "{}: {day} is not merged because journal {journal:04} is not sealed yet; if no recorder is running, `perfwatch recover` seals it",
            path.display()
        ));
    }
    if plan.waiting.is_empty() { Outcome::Done } else { Outcome::Incomplete }
}

/// Number of files, number of days as text, total bytes.
fn sum(jobs: &[Job]) -> (usize, String, u64) {
    let days = jobs.iter().map(|job| job.name.date()).collect::<BTreeSet<_>>().len();
    let days = if days == 1 { "1 day".to_string() } else { format!("{days} days") };
    (jobs.iter().map(|job| job.sources.len()).sum(), days, jobs.iter().map(|job| job.bytes).sum())
}
