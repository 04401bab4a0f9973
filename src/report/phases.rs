//! The phases of a recording: their names, how often each was started, and how long it took.

use std::collections::HashMap;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use serde::Serialize;

use crate::mark::request::MarkKind;
use crate::query::read::{floats, texts, timestamps, wrong};
use crate::store::read::piece::{Piece, ReadError, Source, Window};
use crate::table::human::time;
use crate::table::phase::{SEPARATOR, inside};
use crate::table::{ELAPSED_S, PHASE};

/// One phase, identified by its path: `load/warmup`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Phase {
    pub phase: String,
    /// How often it was started.
    pub times: u64,
    /// Its total duration over all times, with nested phases.
    pub seconds: f64,
}

/// The phases in the window, in the order of their first start. Counts come from the marks, and so do durations if
/// every start has an end. Otherwise (the recorder was killed, or the window cuts a phase) durations come from the
/// ticks.
pub fn phases(source: &dyn Source, window: Window, problems: &mut Vec<ReadError>) -> Vec<Phase> {
    let mut found = Found::default();
    for table in source.tables() {
        let take = match table.name {
            "tick" => Found::ticks,
            "mark" => Found::marks,
            _ => continue,
        };
        for piece in source.pieces(table, window, problems) {
            problems.extend(take(&mut found, piece.as_ref(), window).err());
        }
    }
    found.whole()
}

/// `load (2 times, 3.20 s), load/warmup (0.500 s)`; at most `most` phases.
pub fn words(phases: &[Phase], most: usize) -> String {
    let word = |p: &Phase| match p.times {
        0 | 1 => format!("{} ({})", p.phase, time(p.seconds)),
        times => format!("{} ({times} times, {})", p.phase, time(p.seconds)),
    };
    let shown: Vec<String> = phases.iter().take(most).map(word).collect();
    let more = phases.len().saturating_sub(most);
    shown.join(", ") + &if more > 0 { format!(", and {more} more") } else { String::new() }
}

#[derive(Default)]
struct Found {
    /// Each with the time at which it was first seen.
    phases: Vec<(i64, Phase)>,
    by_path: HashMap<String, usize>,
    /// According to the marks.
    spans: HashMap<String, Spans>,
}

/// The times that a phase was open, from mark to mark.
#[derive(Default)]
struct Spans {
    /// Monotonic start times of those that have not ended yet.
    open_ns: Vec<i64>,
    ended: u64,
    seconds: f64,
}

impl Found {
    fn at(&mut self, path: &str, ts_us: i64) -> &mut Phase {
        let index = self.by_path.get(path).copied().unwrap_or_else(|| {
            self.phases.push((ts_us, Phase { phase: path.into(), times: 0, seconds: 0.0 }));
            self.by_path.insert(path.into(), self.phases.len() - 1);
            self.phases.len() - 1
        });
        let (first_us, phase) = &mut self.phases[index];
        *first_us = ts_us.min(*first_us);
        phase
    }

    fn ticks(&mut self, piece: &dyn Piece, window: Window) -> Result<(), ReadError> {
        let elapsed = floats(piece, ELAPSED_S)?;
        let paths = texts(piece, PHASE)?;
        for ((ts_us, elapsed), path) in timestamps(piece)?.into_iter().zip(elapsed).zip(&paths) {
            let Some(path) = path.as_deref().filter(|_| window.contains(ts_us)) else { continue };
            let ends = path.match_indices(SEPARATOR).map(|(at, _)| at).chain([path.len()]);
            for end in ends {
                self.at(&path[..end], ts_us).seconds += elapsed.unwrap_or(0.0);
            }
        }
        Ok(())
    }

    fn marks(&mut self, piece: &dyn Piece, window: Window) -> Result<(), ReadError> {
        let (kinds, names, around) = (texts(piece, "kind")?, texts(piece, "name")?, texts(piece, PHASE)?);
        let stamps = timestamps(piece)?.into_iter().zip(clock(piece)?);
        for (((stamp, kind), name), around) in stamps.zip(kinds).zip(names).zip(around) {
            let ((ts_us, mono_ns), Some(name)) = (stamp, name) else { continue };
            if !window.contains(ts_us) {
                continue;
            }
            match kind.as_deref() {
                Some(kind) if kind == MarkKind::Start.word() => {
                    let path = inside(around.as_deref(), &name);
                    self.at(&path, ts_us).times += 1;
                    self.spans.entry(path).or_default().open_ns.push(mono_ns);
                }
                Some(kind) if kind == MarkKind::End.word() => self.end(around.as_deref().unwrap_or(""), &name, mono_ns),
                _ => {}
            }
        }
        Ok(())
    }

    /// Ends a phase and those inside it.
    fn end(&mut self, path: &str, name: &str, mono_ns: i64) {
        let mut ends: Vec<usize> = path.match_indices(SEPARATOR).map(|(at, _)| at).chain([path.len()]).collect();
        while let Some(end) = ends.pop() {
            let path = &path[..end];
            let spans = self.spans.entry(path.into()).or_default();
            if let Some(began) = spans.open_ns.pop() {
                spans.ended += 1;
                spans.seconds += mono_ns.saturating_sub(began) as f64 / 1e9;
            }
            if path.rsplit(SEPARATOR).next() == Some(name) {
                return;
            }
        }
    }

    fn whole(self) -> Vec<Phase> {
        let mut phases = self.phases;
        for (_, phase) in &mut phases {
            if let Some(spans) = self.spans.get(&phase.phase).filter(|s| s.ended > 0 && s.ended == phase.times) {
                phase.seconds = spans.seconds;
            }
        }
        phases.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.phase.cmp(&b.1.phase)));
        phases.into_iter().map(|(_, phase)| phase).collect()
    }
}

/// The monotonic clock at each mark.
fn clock(piece: &dyn Piece) -> Result<Vec<i64>, ReadError> {
    const MONO: &str = "mono_ns";
    let mut all = Vec::with_capacity(piece.rows());
    for chunk in piece.column(MONO)? {
        all.extend_from_slice(chunk.as_primitive_opt::<Int64Type>().ok_or_else(|| wrong(piece, MONO))?.values());
    }
    Ok(all)
}
