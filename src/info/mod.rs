//! The facts about a recording: its manifest, and what its files contain. [`page`] prints them as text, JSON is for
//! programs, and [`diff`] shows the facts that differ between recordings.

pub mod diff;
mod noise;
pub mod page;
mod tree;
mod words;

use serde::Serialize;

use crate::query::{Choice, Rows};
use crate::report::model::{self, Instant};
use crate::report::summary::{Request, summarise};
use crate::store::manifest::Manifest;
use crate::store::read::piece::{ReadError, Source, Window};
use crate::store::read::{self, RecordingState};
use crate::store::runs::Runs;

/// The version of the JSON form.
pub const JSON_VERSION: u32 = 1;

/// What `perfwatch info --json` prints.
#[derive(Debug, Serialize)]
pub struct Info {
    pub version: u32,
    /// The folders of runs to which some of the recordings belong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<Runs>,
    pub recordings: Vec<RecordingInfo>,
}

#[derive(Debug, Default, Serialize)]
pub struct RecordingInfo {
    pub path: String,
    /// "live", "killed", "finished"; null if the manifest is lost.
    pub state: Option<RecordingState>,
    /// Times of the first and the last tick in the recording.
    pub start: Option<Instant>,
    pub end: Option<Instant>,
    pub ticks: Option<u64>,
    /// Ticks that were due but were not taken.
    pub missed: Option<i64>,
    /// Ticks that could not be written, in all sessions that have ended.
    pub lost_ticks: u64,
    /// Size of the whole directory.
    pub files: u64,
    pub bytes: u64,
    /// Journals that are not yet converted to Parquet: the open hour, or what a killed recorder left.
    pub journals: usize,
    /// Journals that were set aside because they could not be read to the end.
    pub damaged_journals: Vec<String>,
    pub tables: Vec<Table>,
    /// Files that could not be read.
    pub problems: Vec<String>,
    pub manifest: Option<Manifest>,
    /// The line below the name.
    #[serde(skip)]
    heading: String,
}

/// A table with rows.
#[derive(Debug, Serialize)]
pub struct Table {
    pub table: &'static str,
    /// Including rows in journals.
    pub rows: usize,
    /// Parquet files only.
    pub files: usize,
    pub bytes: u64,
}

/// Collects the facts about a recording in any state.
pub fn inspect(recording: &read::Recording) -> RecordingInfo {
    let layout = recording.layout();
    let mut faults = Vec::new();
    let tables = recording.tables().into_iter().map(|table| {
        let files = layout.sealed_files(table.name).unwrap_or_default();
        Table {
            table: table.name,
            rows: recording.pieces(table, Window::ALL, &mut faults).iter().map(|p| p.rows()).sum(),
            bytes: files.iter().filter_map(|file| layout.bytes_of(file)).sum(),
            files: files.len(),
        }
    });
    let tables = tables.collect();
    let head = head(recording, &mut faults);
    let mut problems: Vec<String> = Vec::new();
    for fault in recording.problems().iter().chain(&faults).map(ToString::to_string) {
        if !problems.contains(&fault) {
            problems.push(fault);
        }
    }
    let damaged = layout.all_damaged().unwrap_or_default();
    let manifest = recording.manifest();
    let all = manifest.map(|manifest| match manifest.clone().with_past(layout) {
        Ok(all) => all,
        Err(error) => {
            problems.push(format!("{}: {error}", layout.past_sessions().display()));
            manifest.clone()
        }
    });
    let (files, bytes) = layout.whole_size();
    RecordingInfo {
        path: layout.root.display().to_string(),
        state: recording.state(),
        heading: crate::report::view::heading(&head),
        start: head.start,
        end: head.end,
        ticks: head.ticks,
        missed: head.missed,
        lost_ticks: manifest.map_or(0, Manifest::lost_ticks),
        files,
        bytes,
        journals: recording.journals(),
        damaged_journals: damaged.iter().map(|n| layout.damaged(*n).display().to_string()).collect(),
        tables,
        problems,
        manifest: all,
    }
}

/// Time span and ticks, as at the top of a report.
fn head(recording: &read::Recording, faults: &mut Vec<ReadError>) -> model::Recording {
    let choice = Choice { tables: vec!["tick".into()], metrics: vec!["tick.missed".into()] };
    let request = Request::of(Rows::ALL, &choice);
    let mut head = summarise(recording, &request, faults, &mut |_| {});
    // The page shows tags and state in more detail.
    head.tags.clear();
    if head.notes.is_empty() && head.state == Some(RecordingState::Finished) {
        head.notes.push("finished".into());
    }
    head
}
