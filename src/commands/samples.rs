//! Reads the recordings that are compared with each other, and says which of them do not count.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use super::Usage;
use super::report::{span, why_empty};
use crate::cli::compare::Range;
use crate::cli::part::PartArgs;
use crate::collect::catalog;
use crate::compare::run::{Phases, Plan, Run, not_a_sample};
use crate::query::threads;
use crate::query::window::{Ambiguous, When, window};
use crate::store::read::piece::{Source, Window};
use crate::store::read::{self, Recording};
use crate::store::runs::{Meant, meant};
use crate::ui;

/// Reads recordings, and reports what cannot be read.
pub struct Samples<'a> {
    part: &'a PartArgs,
    threads: usize,
    /// Everything could be read.
    pub is_complete: bool,
}

/// What is read of the recordings.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    pub each_phase: bool,
    pub range: Option<Range>,
    /// Also how much each metric spreads within the run.
    pub has_spread: bool,
}

/// What was named: a recording, or the runs of a folder.
#[derive(Debug)]
pub struct Named {
    pub path: PathBuf,
    pub recordings: Vec<PathBuf>,
}

impl<'a> Samples<'a> {
    pub fn new(part: &'a PartArgs, threads: Option<usize>) -> Samples<'a> {
        let threads = threads.unwrap_or_else(threads::default).min(threads::MOST);
        Samples { part, threads, is_complete: true }
    }

    /// The recordings that paths mean, without the warm-ups of a folder.
    ///
    /// # Errors
    /// When an index cannot be read, a folder has several sides, or a recording is named twice.
    pub fn named(&mut self, paths: &[PathBuf]) -> Result<Vec<Named>> {
        let mut all = Vec::new();
        let mut seen = Vec::new();
        for meant in meant(paths)? {
            meant.problem().iter().for_each(|problem| self.complain(problem));
            let named = match meant {
                Meant::Recording(path) => Named { path: path.clone(), recordings: vec![path] },
                Meant::Runs(runs) => {
                    if let [_, other, ..] = runs.sides()[..] {
                        let (path, count) = (runs.path.display(), runs.sides().len());
                        let why = format!("{path} has {count} sides; name one of them, such as {path}/{other}");
                        return Err(Usage(why).into());
                    }
                    let counting = runs.index.runs.iter().filter(|run| !run.warmup);
                    let recordings = counting.map(|run| runs.path.join(&run.directory)).collect();
                    Named { path: runs.path, recordings }
                }
            };
            for path in &named.recordings {
                let place = place(path);
                if seen.contains(&place) {
                    return Err(Usage(format!("{} is named twice", path.display())).into());
                }
                seen.push(place);
            }
            all.push(named);
        }
        Ok(all)
    }

    /// Opens those that count. Why others do not is added to `left_out`.
    pub fn open(&mut self, paths: &[PathBuf], left_out: &mut Vec<String>) -> Vec<Recording> {
        let mut opened = Vec::new();
        for path in paths {
            match read::open(path, catalog::tables()) {
                Err(error) => self.complain(&error.to_string()),
                Ok(recording) => match not_a_sample(path, recording.manifest()) {
                    Some(why) => left_out.push(why),
                    None => opened.push(recording),
                },
            }
        }
        opened
    }

    /// Reads the wanted part. A recording that has nothing in it does not count, which is added to `left_out`.
    ///
    /// # Errors
    /// When a time has several meanings in a recording.
    pub fn read(&mut self, recordings: &[Recording], wish: Wish, left_out: &mut Vec<String>) -> Result<Vec<Run>> {
        let mut runs = Vec::new();
        for recording in recordings {
            recording.problems().iter().for_each(|problem| self.complain(&problem.to_string()));
            let mut problems = Vec::new();
            let phases = match &self.part.phase {
                _ if wish.each_phase => Phases::Each,
                Some(name) => Phases::One(name),
                None => Phases::Whole,
            };
            let window = self.window(recording, wish.range)?;
            let is_steady = self.part.auto_warmup;
            let plan = Plan { window, phases, is_steady, has_spread: wish.has_spread, threads: self.threads };
            let run = Run::read(recording, plan, &mut problems);
            problems.iter().for_each(|problem| self.complain(&problem.to_string()));
            let is_part = wish.each_phase || self.part.phase.is_some() || window != Window::ALL;
            if run.measured.is_empty() && is_part && problems.is_empty() {
                let why = match wish.each_phase {
                    true => "no phases; `perfwatch mark` sets them".into(),
                    false => why_empty(self.part.phase.as_deref(), recording),
                };
                left_out.push(format!("{}: {why}", recording.path().display()));
            } else {
                runs.push(run);
            }
        }
        Ok(runs)
    }

    pub fn window(&self, recording: &Recording, range: Option<Range>) -> Result<Window, Usage> {
        let PartArgs { trim_start: start, trim_end: end, .. } = self.part;
        if start.is_none() && end.is_none() && range.is_none() {
            return Ok(Window::ALL);
        }
        let Some(span) = span(recording as &dyn Source, &mut Vec::new()) else { return Ok(Window::ALL) };
        let resolve = |when: Option<When>| {
            when.map(|when| when.resolve(span)).transpose().map_err(|Ambiguous(days)| {
                let path = recording.path().display();
                Usage(format!("{path} has this time on {days} days: write the date too"))
            })
        };
        let chosen = match range {
            Some(range) => window(resolve(range.from)?, resolve(range.to)?),
            None => Window::ALL,
        };
        let us = |time: &Option<Duration>| time.map_or(0, |time| i64::try_from(time.as_micros()).unwrap_or(i64::MAX));
        let (from_us, to_us) = (chosen.from_us.max(span.0), chosen.to_us.min(span.1.saturating_add(1)));
        // A row is about the time before it: the one at the end of what is left out belongs to it.
        let from_us = start.map_or(from_us, |_| from_us.saturating_add(us(start)).saturating_add(1));
        Ok(Window { from_us, to_us: to_us.saturating_sub(us(end)) })
    }

    pub fn complain(&mut self, text: &str) {
        ui::message(text);
        self.is_complete = false;
    }
}

/// The same for all names of a recording.
pub fn place(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_path_buf())
}

/// No recording is left.
pub fn none_left(name: &str, left_out: &[String]) -> anyhow::Error {
    match left_out {
        [] => anyhow::anyhow!("{name}: no run that counts"),
        [only] => anyhow::anyhow!("no run that counts: {only}"),
        [first, rest @ ..] => anyhow::anyhow!("{name}: no run that counts: {first}; and {} more", rest.len()),
    }
}
