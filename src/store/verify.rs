//! Verifies that a recording is as it was written: reads every byte, and changes nothing.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::journal::{Journal, JournalError};
use super::layout::merged::{RowFile, rows_of};
use super::layout::{Layout, tables_of};
use super::manifest::{Manifest, ManifestError};
use super::pack::Entry;
use super::read::piece::{Fault, ReadError, RecordingState};
use super::read::sealed_reader::{SealedReader, TABLE_KEY};
use super::read::{fault_of, lacks_journals, state_of};
use crate::table::TableDef;

/// Version of the JSON form.
pub const JSON_VERSION: u32 = 1;

/// The results for all recordings.
#[derive(Debug, Serialize)]
pub struct Verified {
    pub version: u32,
    pub recordings: Vec<VerifiedRecording>,
}

/// The results for a recording.
#[derive(Debug, Default, Serialize)]
pub struct VerifiedRecording {
    pub path: String,
    /// Null if the manifest is lost.
    pub state: Option<RecordingState>,
    /// Parquet files.
    pub files: usize,
    pub bytes: u64,
    /// Files of an older perfwatch: values that can be decoded are assumed to be correct.
    pub files_without_checksums: usize,
    pub journals: usize,
    /// Rows per table, including journals.
    pub rows: BTreeMap<String, usize>,
    /// Messages, each with the path.
    pub problems: Vec<String>,
}

/// Files may disappear during verification because they are merged, deleted as too old, or sealed. Then it starts
/// again.
const MAX_TRIES: u32 = 5;

/// Verifies the recording at `path`. `catalog`: the tables that it may have.
///
/// # Errors
/// When it is not a recording, or has a later format.
pub fn verify(path: &Path, catalog: &[TableDef]) -> Result<VerifiedRecording, ManifestError> {
    let mut tries = 0;
    loop {
        let (recording, is_changing) = verify_once(path, catalog)?;
        tries += 1;
        if !is_changing || tries == MAX_TRIES {
            return Ok(recording);
        }
    }
}

/// Verifies once. Also returns whether a file disappeared in the meantime.
fn verify_once(path: &Path, catalog: &[TableDef]) -> Result<(VerifiedRecording, bool), ManifestError> {
    let layout = Layout::new(path);
    let mut found = VerifiedRecording { path: path.display().to_string(), ..VerifiedRecording::default() };
    let manifest = match Manifest::read(path) {
        Ok(manifest) => Some(manifest),
        Err(error @ (ManifestError::Format { .. } | ManifestError::Io { .. })) => return Err(error),
        Err(error) if !holds_rows(&layout, catalog) => return Err(error),
        Err(error) => {
            found.problems.push(error.to_string());
            None
        }
    };
    found.problems.extend(damage_of_pack(&layout));
    found.state = manifest.as_ref().map(|manifest| state_of(&layout, manifest));
    // Journals before files, as in every reader.
    let journals = open_journals(&layout, &mut found);
    let mut is_changing = false;
    let mut sealed = BTreeMap::new();
    let tables = tables_of(&layout).unwrap_or_else(|error| {
        found.problems.push(format!("{}: cannot be listed: {error}", path.display()));
        Vec::new()
    });
    for table in tables {
        let files = rows_of(&layout, &table).unwrap_or_else(|error| {
            found.problems.push(format!("{}: cannot be listed: {error}", layout.table_folder(&table).display()));
            Vec::new()
        });
        for file in &files {
            match check(&layout, file, &table, &mut found) {
                Ok(rows) => *found.rows.entry(table.clone()).or_default() += rows,
                Err(error) => {
                    is_changing |= error.is_gone();
                    found.problems.push(error.to_string());
                }
            }
        }
        sealed.insert(table, files);
    }
    for (number, journal) in &journals {
        let is_sealed = |table: &str| {
            let files = sealed.get(table).into_iter().flatten();
            files.filter_map(|file| file.name).any(|name| name.holds(*number))
        };
        count(journal, is_sealed, &mut found);
    }
    if let Some(manifest) = manifest {
        if found.files == 0 && lacks_journals(&layout, &manifest) {
            found.problems.push(ReadError::new(&layout.journal_folder(), Fault::NoJournal).to_string());
        }
        compare(&layout, &manifest, &mut found);
        if let Err(error) = manifest.with_past(&layout) {
            found.problems.push(format!("{}: {error}", layout.past_sessions().display()));
        }
    }
    Ok((found, is_changing))
}

/// The files of a recording in a pack that do not have the checksums with which they were packed.
fn damage_of_pack(layout: &Layout) -> Vec<String> {
    let Ok(Some(inside)) = layout.pack() else { return Vec::new() };
    let problem = |(name, entry): (&str, &Entry)| {
        let error = inside.pack.check(name, entry).err()?;
        Some(format!("{}: {error}", layout.root.display()))
    };
    inside.pack.below(&inside.folder).filter_map(problem).collect()
}

fn holds_rows(layout: &Layout, catalog: &[TableDef]) -> bool {
    let has_journals = layout.journals().is_ok_and(|journals| !journals.is_empty());
    has_journals || catalog.iter().any(|table| layout.has_folder(&layout.table_folder(table.name)))
}

fn open_journals(layout: &Layout, found: &mut VerifiedRecording) -> Vec<(u32, Journal)> {
    let listed = layout.journals().unwrap_or_else(|error| {
        found.problems.push(format!("{}: cannot be listed: {error}", layout.journal_folder().display()));
        Vec::new()
    });
    let mut opened = Vec::new();
    for (number, path) in listed {
        match Journal::open(layout, number) {
            Ok(journal) => {
                found.problems.extend(fault_of(&journal).map(|fault| ReadError::new(&path, fault).to_string()));
                opened.push((number, journal));
            }
            // It was sealed and removed since the listing; its files exist.
            Err(JournalError::Io { error, .. }) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => found.problems.push(error.to_string()),
        }
    }
    found.journals = opened.len();
    for number in layout.all_damaged().unwrap_or_default() {
        found.problems.push(format!("{}: a damaged journal that was set aside", layout.damaged(number).display()));
    }
    opened
}

/// Reads a whole file. Returns its number of rows.
fn check(layout: &Layout, file: &RowFile, table: &str, found: &mut VerifiedRecording) -> Result<usize, ReadError> {
    found.files += 1;
    found.bytes += layout.bytes_of(&file.path).unwrap_or(0);
    let sealed = SealedReader::open(layout, &file.path, None)?;
    let rows = sealed.check()?;
    found.files_without_checksums += usize::from(!sealed.has_checksums());
    let fail = |what: String| Err(ReadError::new(&file.path, Fault::Schema(what)));
    match sealed.fact(TABLE_KEY) {
        None => Err(ReadError::new(&file.path, Fault::Foreign)),
        Some(other) if other != table => fail(format!("it belongs to table {other}")),
        Some(_) => match (sealed.fact(WINDOW_KEY), file.name.map(|name| name.window())) {
            (Some(window), Some(name)) if window != name => fail(format!("its metadata says {window}")),
            _ => Ok(rows),
        },
    }
}

const WINDOW_KEY: &str = "perfwatch.window";

/// Counts the rows of a journal that are not in a file yet.
fn count(journal: &Journal, is_sealed: impl Fn(&str) -> bool, found: &mut VerifiedRecording) {
    let tables = journal.header().map_or(&[][..], |header| &header.tables);
    let counts = journal.row_counts().unwrap_or_else(|error| {
        found.problems.push(error.to_string());
        Vec::new()
    });
    for (table, rows) in tables.iter().zip(counts).filter(|(table, rows)| *rows > 0 && !is_sealed(&table.name)) {
        *found.rows.entry(table.name.clone()).or_default() += rows;
    }
}

/// Compares the number of ticks with the manifest. This is only possible if nothing was deleted and no recorder was
/// killed.
fn compare(layout: &Layout, manifest: &Manifest, found: &mut VerifiedRecording) {
    let no_past_killed = manifest.past.as_ref().is_none_or(|past| past.killed == 0);
    let all_ended = no_past_killed && manifest.sessions.iter().all(|s| s.ended.is_some());
    let is_whole = manifest.deleted_before().is_none() && all_ended;
    if !is_whole || !found.problems.is_empty() {
        return;
    }
    let ticks = manifest.ticks();
    let rows = found.rows.get("tick").copied().unwrap_or(0);
    if u64::try_from(rows) != Ok(ticks) {
        let path = layout.manifest();
        found.problems.push(format!("{}: says {ticks} ticks, but table tick has {rows} rows", path.display()));
    }
}
