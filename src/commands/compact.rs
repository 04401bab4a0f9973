//! Merges the hours of finished days, and says what it came to.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use chrono::Utc;
use indicatif::BinaryBytes;

use super::Outcome;
use crate::catalog;
use crate::cli::compact::CompactArgs;
use crate::compact::{Job, Plan, merge, plan};
use crate::manifest::Manifest;
use crate::recording::merged::{Tidying, has_replaced};
use crate::recording::{Layout, Lock};
use crate::runs::all_recordings;
use crate::ui::{self, Teller};

/// A recorder that deletes old files is done in a moment.
const TIDYING_TRIES: u32 = 20;
const TIDYING_PAUSE: Duration = Duration::from_millis(100);

pub fn run(args: &CompactArgs) -> Result<Outcome> {
    let tell = Teller { quiet: args.quiet, verbose: false };
    let mut outcome = Outcome::Done;
    for path in &all_recordings(&args.recordings)? {
        // One that cannot be merged does not keep the others.
        let done = if args.dry_run { preview(path) } else { compact(path, &tell) };
        if done.unwrap_or_else(|error| {
            ui::complain(&format!("{error:#}"));
            Outcome::Incomplete
        }) != Outcome::Done
        {
            outcome = Outcome::Incomplete;
        }
    }
    Ok(outcome)
}

fn look(layout: &Layout) -> Result<Plan> {
    plan(layout, catalog::tables(), Utc::now().date_naive())
        .with_context(|| format!("cannot list {}", layout.root.display()))
}

fn preview(path: &Path) -> Result<Outcome> {
    Manifest::read(path)?;
    let plan = look(&Layout::new(path))?;
    ui::complain(&match sum(&plan.jobs) {
        (0, ..) => format!("{}: nothing to merge", path.display()),
        (files, days, bytes) => {
            let into = plan.jobs.len();
            format!("{}: would merge {files} files of {days} into {into}, {}", path.display(), BinaryBytes(bytes))
        }
    });
    Ok(waiting(path, &plan))
}

fn compact(path: &Path, tell: &Teller) -> Result<Outcome> {
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
    tell.say(&format!("{}: nothing to merge", path.display()));
    Ok(waiting(path, &look(&layout)?))
}

fn merge_all(layout: &Layout, tell: &Teller) -> Result<Outcome> {
    let path = &layout.root;
    let tidying = take(layout)?;
    let plan = look(layout)?;
    let mut outcome = waiting(path, &plan);
    let mut done = Vec::new();
    let mut bytes_after = 0;
    for job in plan.jobs {
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
    tell.say(&if done.is_empty() {
        format!("{}: nothing merged", path.display())
    } else {
        let (before, after, into) = (BinaryBytes(bytes), BinaryBytes(bytes_after), done.len());
        format!("{}: merged {files} files of {days} into {into}, {before} into {after}", path.display())
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
