//! Opens and reads the recordings of both sides.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::super::Usage;
use super::super::report::span;
use crate::cli::compare::{CompareArgs, Range};
use crate::collect::catalog;
use crate::compare::comparison::Side;
use crate::compare::judge::LEAST_RUNS;
use crate::compare::run::{Phases, Plan, Run, not_a_sample};
use crate::compare::sides::recordings;
use crate::query::threads;
use crate::query::window::{Ambiguous, When, window};
use crate::store::read::piece::{Source, Window};
use crate::store::read::{self, Recording};
use crate::store::runs::{Meant, meant};
use crate::ui;

/// Reads recordings, and reports what cannot be read.
pub struct Reader<'a> {
    args: &'a CompareArgs,
    pub is_complete: bool,
}

/// The recordings of a side, as they were named.
#[derive(Default)]
struct Named {
    name: String,
    recordings: Vec<PathBuf>,
}

/// A side whose recordings are open.
struct Opened {
    name: String,
    recordings: Vec<Recording>,
    left_out: Vec<String>,
    range: Option<Range>,
}

impl<'a> Reader<'a> {
    pub fn new(args: &'a CompareArgs) -> Reader<'a> {
        Reader { args, is_complete: true }
    }

    /// # Errors
    /// When a side has no run that counts, or the arguments make no sense.
    pub fn sides(&mut self) -> Result<(Side, Side)> {
        let (base, new) = match self.args.sides.as_slice() {
            [both] if self.has_ranges() => {
                (self.named(std::slice::from_ref(both))?, self.named(std::slice::from_ref(both))?)
            }
            [both] => self.of_one(both)?,
            [base, new] => (self.named(std::slice::from_ref(base))?, self.named(std::slice::from_ref(new))?),
            [] if self.args.base.is_empty() => {
                return Err(Usage("name two sides: perfwatch compare BASE NEW".into()).into());
            }
            [] => (self.named(&self.args.base)?, self.named(&self.args.new)?),
            more => {
                let why =
                    format!("{} sides; name two, or several recordings of each with --base and --new", more.len());
                return Err(Usage(why).into());
            }
        };
        let (base, new) = (self.open(base, self.args.base_range)?, self.open(new, self.args.new_range)?);
        let has_few_runs = base.recordings.len().min(new.recordings.len()) < LEAST_RUNS;
        Ok((self.read(base, has_few_runs)?, self.read(new, has_few_runs)?))
    }

    /// All recordings that were named, as one side.
    ///
    /// # Errors
    /// When there is no run that counts.
    pub fn one_side(&mut self, paths: &[PathBuf]) -> Result<Side> {
        let named = self.named(paths)?;
        let opened = self.open(named, None)?;
        self.read(opened, false)
    }

    fn has_ranges(&self) -> bool {
        self.args.base_range.is_some() && self.args.new_range.is_some()
    }

    /// The two sides in a folder of `perfwatch ab`.
    fn of_one(&mut self, path: &Path) -> Result<(Named, Named)> {
        let found = meant(&[path.to_path_buf()])?.pop();
        let Some(Meant::Runs(runs)) = found.filter(|m| matches!(m, Meant::Runs(runs) if runs.sides().len() == 2))
        else {
            let path = path.display();
            let why = format!(
                "{path} has only one side; name two: perfwatch compare {path} OTHER, or two times of it with --base-range \
                 and --new-range"
            );
            return Err(Usage(why).into());
        };
        runs.problem.iter().for_each(|problem| self.complain(problem));
        let side = |name: &str| {
            let recordings = recordings(&runs, name);
            Named { name: runs.path.join(name).display().to_string(), recordings }
        };
        let names = runs.sides();
        Ok((side(names[0]), side(names[1])))
    }

    fn named(&mut self, paths: &[PathBuf]) -> Result<Named> {
        let first = paths.first().map_or_else(String::new, |path| path.display().to_string());
        let name = if paths.len() > 1 { format!("{first} and {} more", paths.len() - 1) } else { first };
        let mut named = Named { name, ..Named::default() };
        for meant in meant(paths)? {
            meant.problem().iter().for_each(|problem| self.complain(problem));
            match meant {
                Meant::Recording(path) => named.recordings.push(path),
                Meant::Runs(runs) => {
                    let counting = runs.index.runs.iter().filter(|run| !run.warmup);
                    named.recordings.extend(counting.map(|run| runs.path.join(&run.directory)));
                }
            }
        }
        Ok(named)
    }

    fn open(&mut self, named: Named, range: Option<Range>) -> Result<Opened> {
        let mut side = Opened { name: named.name, recordings: Vec::new(), left_out: Vec::new(), range };
        for path in named.recordings {
            let recording = match read::open(&path, catalog::tables()) {
                Ok(recording) => recording,
                Err(error) => {
                    self.complain(&error.to_string());
                    continue;
                }
            };
            match not_a_sample(&path, recording.manifest()) {
                Some(why) => side.left_out.push(why),
                None => side.recordings.push(recording),
            }
        }
        if side.recordings.is_empty() {
            anyhow::bail!("{}: no run that counts", side.name);
        }
        Ok(side)
    }

    fn read(&mut self, side: Opened, has_spread: bool) -> Result<Side> {
        let mut runs = Vec::new();
        for recording in &side.recordings {
            runs.push(self.run(recording, side.range, has_spread)?);
        }
        let name = match side.range {
            Some(_) if self.args.sides.len() == 1 => format!("{} in its range", side.name),
            _ => side.name,
        };
        Ok(Side { name, runs, left_out: side.left_out })
    }

    fn run(&mut self, recording: &Recording, range: Option<Range>, has_spread: bool) -> Result<Run> {
        recording.problems().iter().for_each(|problem| self.complain(&problem.to_string()));
        let mut problems = Vec::new();
        let threads = self.args.threads.unwrap_or_else(threads::default).min(threads::MOST);
        let phases = match (self.args.by, &self.args.phase) {
            (Some(_), _) => Phases::Each,
            (None, Some(name)) => Phases::One(name),
            (None, None) => Phases::Whole,
        };
        let window = self.window(recording, range)?;
        let plan = Plan { window, phases, is_steady: self.args.auto_warmup, has_spread, threads };
        let run = Run::read(recording, plan, &mut problems);
        problems.iter().for_each(|problem| self.complain(&problem.to_string()));
        Ok(run)
    }

    fn window(&self, recording: &Recording, range: Option<Range>) -> Result<Window, Usage> {
        let (start, end) = (self.args.trim_start, self.args.trim_end);
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
        let us = |time: Option<std::time::Duration>| {
            time.map_or(0, |time| i64::try_from(time.as_micros()).unwrap_or(i64::MAX))
        };
        let (from_us, to_us) = (chosen.from_us.max(span.0), chosen.to_us.min(span.1.saturating_add(1)));
        if from_us >= to_us {
            return Err(Usage(format!("{} has nothing in this range", recording.path().display())));
        }
        Ok(Window { from_us: from_us.saturating_add(us(start)), to_us: to_us.saturating_sub(us(end)) })
    }

    fn complain(&mut self, text: &str) {
        ui::message(text);
        self.is_complete = false;
    }
}
