//! The marks of a recording in chronological order.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

use super::csv::field;
use super::markdown::escape;
use super::model::Instant;
use crate::mark::request::MarkKind;
use crate::query::read::{texts, timestamps};
use crate::store::read::piece::{Piece, ReadError, Source, Window};
use crate::table::PHASE;
use crate::table::human::time;
use crate::table::phase::{inside, is_within};
use crate::text::printable::printable;

/// What `report --marks` prints.
#[derive(Debug, Serialize)]
pub struct MarkList {
    pub version: u32,
    pub recordings: Vec<MarkedRecording>,
}

#[derive(Debug, Serialize)]
pub struct MarkedRecording {
    pub path: String,
    /// The time of its first tick.
    pub start: Option<Instant>,
    pub marks: Vec<ListedMark>,
}

#[derive(Debug, PartialEq, Serialize)]
pub struct ListedMark {
    pub ts: Instant,
    /// `start`, `end`, `event`.
    pub kind: String,
    /// The name of the phase.
    pub name: Option<String>,
    /// The text of the event.
    pub text: Option<String>,
    pub tags: BTreeMap<String, String>,
    /// The phase that was open before the mark.
    pub phase: Option<String>,
}

/// The marks in the window. If a phase is given: its start, its end and the marks between them.
pub fn read(
    source: &dyn Source,
    window: Window,
    phase: Option<&str>,
    start_us: Option<i64>,
    problems: &mut Vec<ReadError>,
) -> MarkedRecording {
    let mut marks = Vec::new();
    for table in source.tables().into_iter().filter(|table| table.name == "mark") {
        for piece in source.pieces(table, window, problems) {
            match read_piece(piece.as_ref()) {
                Ok(found) => marks.extend(found),
                Err(error) => problems.push(error),
            }
        }
    }
    marks.retain(|mark| window.contains(mark.ts.0) && phase.is_none_or(|asked| mark.is_of(asked)));
    // Marks with the same time stay in order.
    marks.sort_by_key(|mark| mark.ts.0);
    MarkedRecording { path: source.path().display().to_string(), start: start_us.map(Instant), marks }
}

fn read_piece(piece: &dyn Piece) -> Result<Vec<ListedMark>, ReadError> {
    let texts = |column: &str| texts(piece, column);
    let (kinds, names, said) = (texts("kind")?, texts("name")?, texts("text")?);
    let (tags, phases) = (texts("tags")?, texts(PHASE)?);
    let stamps = timestamps(piece)?.into_iter().zip(kinds);
    let rows = stamps.zip(names).zip(said).zip(tags).zip(phases);
    Ok(rows
        .map(|(((((ts_us, kind), name), text), tags), phase)| ListedMark {
            ts: Instant(ts_us),
            kind: kind.unwrap_or_default(),
            name,
            text,
            tags: tags.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default(),
            phase,
        })
        .collect())
}

impl ListedMark {
    fn is_of(&self, asked: &str) -> bool {
        let begun = self.name.as_deref().filter(|_| self.kind == MarkKind::Start.word());
        let begun = begun.map(|name| inside(self.phase.as_deref(), name));
        begun.as_deref().or(self.phase.as_deref()).is_some_and(|path| is_within(path, asked))
    }

    fn name_or_text(&self) -> &str {
        self.name.as_deref().or(self.text.as_deref()).unwrap_or_default()
    }

    /// Time, time since the start, kind, name or text, phase before it, tags.
    fn cells(&self, start: Option<Instant>) -> [String; 6] {
        let at = self.ts.rfc3339().replacen('T', " ", 1).trim_end_matches('Z').to_string();
        let after = start.map_or_else(String::new, |s| time(self.ts.0.saturating_sub(s.0) as f64 / 1e6));
        let tags: Vec<String> = self.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let phase = self.phase.clone().unwrap_or_default();
        [at, after, self.kind.clone(), self.name_or_text().to_string(), phase, tags.join(", ")]
            .map(|cell| printable(&cell).into_owned())
    }
}

const HEAD: [&str; 6] = ["time (UTC)", "after", "mark", "name or text", "phase before", "tags"];

/// One line per mark, in columns.
pub fn text(list: &MarkList) -> String {
    let mut out = String::new();
    for recording in &list.recordings {
        if !out.is_empty() {
            out.push('\n');
        }
        let _ = writeln!(out, "{}", printable(&recording.path));
        if recording.marks.is_empty() {
            out.push_str("  no marks\n");
            continue;
        }
        let rows: Vec<[String; 6]> = std::iter::once(HEAD.map(String::from))
            .chain(recording.marks.iter().map(|mark| mark.cells(recording.start)))
            .collect();
        let widest = |n: usize| rows.iter().map(|row| row[n].chars().count()).max().unwrap_or(0);
        let widths: [usize; 6] = std::array::from_fn(widest);
        for row in &rows {
            let line = row.iter().zip(widths).map(|(cell, width)| format!("  {cell:<width$}"));
            let _ = writeln!(out, "{}", line.collect::<String>().trim_end());
        }
    }
    out
}

pub fn markdown(list: &MarkList) -> String {
    let mut out = String::new();
    for recording in &list.recordings {
        if !out.is_empty() {
            out.push('\n');
        }
        let _ = writeln!(out, "# {}\n", escape(&printable(&recording.path)));
        if recording.marks.is_empty() {
            out.push_str("no marks\n");
            continue;
        }
        let _ = writeln!(out, "| {} |\n|{}", HEAD.join(" | "), "---|".repeat(HEAD.len()));
        for mark in &recording.marks {
            let _ = writeln!(out, "| {} |", mark.cells(recording.start).map(|cell| escape(&cell)).join(" | "));
        }
    }
    out
}

/// Unscaled. For a terminal, control characters are made visible.
pub fn csv(list: &MarkList, is_terminal: bool) -> String {
    let shown = |text: &str| field(&if is_terminal { printable(text) } else { text.into() });
    let mut out = String::from("recording,ts,kind,name,text,phase,tags\n");
    for recording in &list.recordings {
        for mark in &recording.marks {
            let tags = if mark.tags.is_empty() { String::new() } else { serde_json::json!(mark.tags).to_string() };
            let texts = [mark.name.as_deref(), mark.text.as_deref(), mark.phase.as_deref(), Some(&*tags)];
            let texts = texts.map(|text| shown(text.unwrap_or_default())).join(",");
            let (path, kind) = (shown(&recording.path), shown(&mark.kind));
            let _ = writeln!(out, "{path},{},{kind},{texts}", mark.ts.rfc3339());
        }
    }
    out
}
