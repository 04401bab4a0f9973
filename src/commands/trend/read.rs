//! Opens and reads the recordings, and makes points of them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use super::super::Usage;
use super::super::report::span;
use crate::cli::trend::TrendArgs;
use crate::collect::catalog;
use crate::compare::run::{Phases, Plan, Run, not_a_sample};
use crate::query::threads;
use crate::store::read::piece::{Source, Window};
use crate::store::read::{self, Recording};
use crate::store::runs::{Meant, meant};
use crate::trend::Point;
use crate::ui;

/// Reads recordings, and reports what cannot be read.
pub struct Reader<'a> {
    args: &'a TrendArgs,
    pub is_complete: bool,
    /// Recordings that are no samples, and why.
    pub left_out: Vec<String>,
}

/// The runs of a series, or one recording.
struct Group {
    /// What was named.
    path: PathBuf,
    /// Of the runs; None of a recording that is not one of several.
    series: Option<String>,
    runs: Vec<Run>,
}

impl<'a> Reader<'a> {
    pub fn new(args: &'a TrendArgs) -> Reader<'a> {
        Reader { args, is_complete: true, left_out: Vec::new() }
    }

    /// In the order in which they were named.
    ///
    /// # Errors
    /// When the arguments make no sense, or an index cannot be read.
    pub fn points(&mut self) -> Result<Vec<Point>> {
        let mut groups: Vec<Group> = Vec::new();
        let mut seen: Vec<PathBuf> = Vec::new();
        for meant in meant(&self.args.recordings)? {
            meant.problem().iter().for_each(|problem| self.complain(problem));
            let (path, recordings) = match meant {
                Meant::Recording(path) => (path.clone(), vec![path]),
                Meant::Runs(runs) => {
                    if runs.sides().len() > 1 {
                        let path = runs.path.display();
                        let why = format!("{path} has two sides; name one of them, such as {path}/{}", runs.sides()[1]);
                        return Err(Usage(why).into());
                    }
                    let counting = runs.index.runs.iter().filter(|run| !run.warmup);
                    let recordings = counting.map(|run| runs.path.join(&run.directory)).collect();
                    (runs.path, recordings)
                }
            };
            for recording in recordings {
                let whole = recording.canonicalize().unwrap_or_else(|_| recording.clone());
                if seen.contains(&whole) {
                    return Err(Usage(format!("{} is named twice", recording.display())).into());
                }
                seen.push(whole);
                let Some(run) = self.read(&recording) else { continue };
                let series = series(&run);
                // The runs of a series count as one point, however they were named.
                match groups.iter_mut().find(|group| series.is_some() && group.series == series) {
                    Some(group) => group.runs.push(run),
                    None => groups.push(Group { path: path.clone(), series, runs: vec![run] }),
                }
            }
        }
        Ok(points(groups))
    }

    /// None of a recording that is no sample, or cannot be read.
    fn read(&mut self, path: &Path) -> Option<Run> {
        let recording = match read::open(path, catalog::tables()) {
            Ok(recording) => recording,
            Err(error) => {
                self.complain(&error.to_string());
                return None;
            }
        };
        let warmup = recording.manifest().and_then(|manifest| manifest.run.as_ref()).is_some_and(|run| run.warmup);
        let why = if warmup {
            Some(format!("{} is a warm-up", path.display()))
        } else {
            not_a_sample(path, recording.manifest())
        };
        if let Some(why) = why {
            self.left_out.push(why);
            return None;
        }
        Some(self.run(&recording))
    }

    fn run(&mut self, recording: &Recording) -> Run {
        recording.problems().iter().for_each(|problem| self.complain(&problem.to_string()));
        let mut problems = Vec::new();
        let plan = Plan {
            window: self.window(recording),
            phases: self.args.phase.as_deref().map_or(Phases::Whole, Phases::One),
            is_steady: self.args.auto_warmup,
            has_spread: false,
            threads: self.args.threads.unwrap_or_else(threads::default).min(threads::MOST),
        };
        let run = Run::read(recording, plan, &mut problems);
        problems.iter().for_each(|problem| self.complain(&problem.to_string()));
        run
    }

    fn window(&self, recording: &Recording) -> Window {
        let (start, end) = (self.args.trim_start, self.args.trim_end);
        if start.is_none() && end.is_none() {
            return Window::ALL;
        }
        let Some((from_us, to_us)) = span(recording as &dyn Source, &mut Vec::new()) else { return Window::ALL };
        let us = |time: Option<Duration>| time.map_or(0, |time| i64::try_from(time.as_micros()).unwrap_or(i64::MAX));
        Window { from_us: from_us.saturating_add(us(start)), to_us: to_us.saturating_add(1).saturating_sub(us(end)) }
    }

    fn complain(&mut self, text: &str) {
        ui::message(text);
        self.is_complete = false;
    }
}

/// The series to which a run belongs, with its side.
fn series(run: &Run) -> Option<String> {
    let of = run.manifest.as_ref()?.run.as_ref()?;
    Some(format!("{} {}", of.series, of.side.as_deref().unwrap_or_default()))
}

/// If there is one series only, its runs are the points.
fn points(groups: Vec<Group>) -> Vec<Point> {
    if let [Group { series: Some(_), .. }] = &groups[..] {
        let runs = groups.into_iter().flat_map(|group| group.runs);
        return runs.map(|run| Point::of(run.path.clone(), vec![run])).collect();
    }
    groups.into_iter().map(|group| Point::of(group.path, group.runs)).collect()
}
