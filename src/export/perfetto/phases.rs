//! Phases as slices on one track, marks as instants on another. The marks are few, and are read at once.

use std::io;

use super::proto::Event;
use super::{Exported, Trace};
use crate::query::read::{floats, timestamps};
use crate::report::marks::{self, ListedMark};
use crate::store::read::piece::{ReadError, Source, Window};
use crate::table::ELAPSED_S;
use crate::table::phase::SEPARATOR;

/// The first and the last tick of each session.
fn sessions(source: &dyn Source, window: Window, problems: &mut Vec<ReadError>) -> Vec<(i64, i64)> {
    let mut found: Vec<(i64, i64)> = Vec::new();
    for table in source.tables().into_iter().filter(|table| table.name == "tick") {
        for piece in source.pieces(table, window, problems) {
            let rows = timestamps(piece.as_ref()).and_then(|ts| Ok((ts, floats(piece.as_ref(), ELAPSED_S)?)));
            let (stamps, elapsed) = match rows {
                Ok(rows) => rows,
                Err(error) => {
                    problems.push(error);
                    continue;
                }
            };
            for (ts_us, elapsed) in stamps.into_iter().zip(elapsed).filter(|(ts_us, _)| window.contains(*ts_us)) {
                match found.last_mut() {
                    Some((_, last)) if elapsed.is_some() => *last = ts_us.max(*last),
                    _ => found.push((ts_us, ts_us)),
                }
            }
        }
    }
    found
}

/// The slices that are open.
struct Slices {
    track: u64,
    open: Vec<String>,
}

impl Slices {
    fn close_to(&mut self, depth: usize, ts_us: i64, trace: &mut Trace<'_>) -> io::Result<()> {
        while self.open.len() > depth {
            self.open.pop();
            trace.event(ts_us, self.track, &Event::End)?;
        }
        Ok(())
    }

    fn begin(&mut self, name: &str, ts_us: i64, trace: &mut Trace<'_>) -> io::Result<()> {
        self.open.push(name.to_string());
        trace.event(ts_us, self.track, &Event::Begin(name))
    }

    /// Opens and closes slices until these are open: phases that began before the window have no mark in it.
    fn must_be(&mut self, path: Option<&str>, began_us: i64, ts_us: i64, trace: &mut Trace<'_>) -> io::Result<()> {
        let names: Vec<&str> = path.map(|path| path.split(SEPARATOR).collect()).unwrap_or_default();
        let same = self.open.iter().zip(&names).take_while(|(a, b)| a == b).count();
        self.close_to(same, ts_us, trace)?;
        names.iter().skip(same).try_for_each(|name| self.begin(name, began_us, trace))
    }
}

/// # Errors
/// When they cannot be written.
pub fn write(
    trace: &mut Trace<'_>,
    exported: &Exported<'_>,
    root: u64,
    problems: &mut Vec<ReadError>,
) -> io::Result<()> {
    let rows = exported.request.rows;
    // Those around the chosen phase too: a slice is seen in its surroundings.
    let marks = marks::read(exported.source, rows.window, None, None, problems).marks;
    if marks.is_empty() {
        return Ok(());
    }
    let mut sessions = sessions(exported.source, rows.window, problems).into_iter().peekable();
    let mut session = sessions.next();
    let mut slices = Slices { track: trace.track(Some(root), "phases", None)?, open: Vec::new() };
    for mark in &marks {
        let ts_us = mark.ts.0;
        // The end of a session closes all phases.
        while let Some(next) = sessions.next_if(|(first, _)| *first <= ts_us) {
            slices.close_to(0, session.map_or(ts_us, |(_, last)| last), trace)?;
            session = Some(next);
        }
        slices.must_be(mark.phase.as_deref(), session.map_or(ts_us, |(first, _)| first.min(ts_us)), ts_us, trace)?;
        match (mark.kind.as_str(), &mark.name) {
            ("start", Some(name)) => slices.begin(name, ts_us, trace)?,
            ("end", Some(name)) => {
                if let Some(depth) = slices.open.iter().rposition(|open| open == name) {
                    slices.close_to(depth, ts_us, trace)?;
                }
            }
            _ => {}
        }
    }
    let last_us = marks.last().map_or(0, |mark| mark.ts.0);
    slices.close_to(0, session.map_or(last_us, |(_, last)| last.max(last_us)), trace)?;
    let track = trace.track(Some(root), "marks", None)?;
    let marks = marks::read(exported.source, rows.window, rows.phase, None, &mut Vec::new()).marks;
    marks.iter().try_for_each(|mark| instant(trace, track, mark))
}

fn instant(trace: &mut Trace<'_>, track: u64, mark: &ListedMark) -> io::Result<()> {
    let what = mark.text.as_deref().or(mark.name.as_deref()).unwrap_or_default();
    let name = if mark.text.is_some() { what.to_string() } else { format!("{} {what}", mark.kind) };
    let tags: Vec<(String, String)> = mark.tags.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    trace.event(mark.ts.0, track, &Event::Instant(&name, &tags))
}
