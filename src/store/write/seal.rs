//! Converts a closed journal into Parquet files, one per table, and unlinks it.
//!
//! The order matters: write and verify the temporary files, sync them, rename each into its table's folder, sync the
//! folders, then unlink the journal. A crash between any two steps leaves the journal; the names of the files show
//! which tables are done. Readers take each table from one place, and sealing again writes the same rows under the same
//! names.
//!
//! Unreadable bytes are never deleted: a journal that is damaged before its end, or at its start, is kept in the same
//! folder as `0001.damaged`.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use arrow_schema::ArrowError;

use super::describe::describe;
use super::output::{Output, OutputError};
use super::profile::FileFacts;
use super::sorter::Sorter;
use crate::store::journal::{self, Journal, JournalError, Tail};
use crate::store::layout::Layout;
use crate::store::replay::{self, ReplayError};
use crate::table::TableDef;

/// Rows that are decoded and passed to the Parquet writer at a time.
const BATCH_ROWS: usize = 16 * 1024;

/// Why a journal could not be sealed. It still exists, and nothing is lost.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error("cannot write {}: {error}", path.display())]
    Write { path: PathBuf, error: io::Error },
}

/// The result of sealing a journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SealedJournal {
    pub files: Vec<SealedFile>,
    pub damage: Option<Damage>,
}

impl SealedJournal {
    /// Rows in all files.
    pub fn rows(&self) -> usize {
        self.files.iter().map(|file| file.rows).sum()
    }

    /// Size of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

/// A file that was made from a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedFile {
    pub table: &'static str,
    pub path: PathBuf,
    pub rows: usize,
    pub bytes: u64,
}

/// The unreadable part of a journal, and where the journal is kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}; the file is kept as {}", kept.display())]
pub struct Damage {
    pub what: journal::Damage,
    pub kept: PathBuf,
}

/// A finished file that is not yet in its table's folder.
struct Written {
    temporary: PathBuf,
    /// Its final path and size.
    file: SealedFile,
}

/// Seals journal `number` and unlinks it, or sets it aside if it is damaged.
///
/// # Errors
/// The journal stays; calling this again is safe.
pub fn seal(layout: &Layout, number: u32, catalog: &[TableDef], facts: &FileFacts) -> Result<SealedJournal, SealError> {
    let path = layout.journal(number);
    let journal = Journal::open(layout, number)?;
    let tables = journal.header().map(|header| header.tables(catalog)).unwrap_or_default();
    let written = write_all(layout, &journal, number, &tables, facts)?;
    let moved = move_all(layout, &written).inspect_err(|_| remove_all(layout, &written));
    moved.map_err(|(path, error)| SealError::Write { path, error })?;
    let has_file = |table: &&TableDef| written.iter().any(|written| written.file.table == table.name);
    let with_files: Vec<&TableDef> = tables.iter().map(|table| &**table).filter(has_file).collect();
    // Only texts for people: if this fails, the next journal tries again.
    let _ = describe(layout, &with_files);
    let files = written.into_iter().map(|written| written.file).collect();
    let mut sealed = SealedJournal { files, damage: None };
    // The removal does not need to be durable: sealing the journal again would write the same files.
    let failed = |path: &Path, error| SealError::Write { path: path.to_path_buf(), error };
    match journal.tail()? {
        Tail::Clean | Tail::Torn => layout.remove(&path).map_err(|error| failed(&path, error))?,
        Tail::Damaged(what) => {
            let kept = layout.damaged(number);
            layout.rename(&path, &kept).map_err(|error| failed(&kept, error))?;
            sealed.damage = Some(Damage { what, kept });
        }
    }
    Ok(sealed)
}

/// Smaller journals belong to short recordings. Users wait for their end.
const SHORT_BYTES: u64 = 1 << 20;

/// Writes the files of all tables next to the journal: one at a time to limit memory, or with two threads for a short
/// recording.
fn write_all(
    layout: &Layout,
    journal: &Journal,
    number: u32,
    tables: &[Cow<'_, TableDef>],
    facts: &FileFacts,
) -> Result<Vec<Written>, SealError> {
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let work = || {
        let mut mine = Vec::new();
        while let Some((i, table)) = take_next(&next, tables).filter(|_| !failed.load(Relaxed)) {
            let written = write_table(layout, journal, number, table, facts);
            failed.fetch_or(written.is_err(), Relaxed);
            mine.push((i, written));
        }
        mine
    };
    let mut all = std::thread::scope(|scope| {
        let is_short = journal.length() < SHORT_BYTES;
        // If no thread can be started, this one does all the work.
        let other = is_short.then(|| std::thread::Builder::new().name("seal".into()).spawn_scoped(scope, work).ok());
        let mut all = work();
        match other.flatten().map(std::thread::ScopedJoinHandle::join) {
            Some(Ok(theirs)) => all.extend(theirs),
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => {}
        }
        all
    });
    all.sort_by_key(|(i, _)| *i);
    let mut written = Vec::new();
    let mut first_error = None;
    for (_, result) in all {
        match result {
            Ok(file) => written.extend(file),
            Err(error) if first_error.is_none() => first_error = Some(error),
            Err(_) => {}
        }
    }
    match first_error {
        None => Ok(written),
        Some(error) => {
            // The disk may be full.
            remove_all(layout, &written);
            Err(error)
        }
    }
}

/// The next table that no thread has taken.
fn take_next<'a>(next: &AtomicUsize, tables: &'a [Cow<'a, TableDef>]) -> Option<(usize, &'a TableDef)> {
    let i = next.fetch_add(1, Relaxed);
    tables.get(i).map(|table| (i, &**table))
}

fn write_table(
    layout: &Layout,
    journal: &Journal,
    number: u32,
    table: &TableDef,
    facts: &FileFacts,
) -> Result<Option<Written>, SealError> {
    let Some(window) = journal.header().map(|h| h.window.clone()) else { return Ok(None) };
    let temporary = layout.temporary(&format!("{}-{number:04}", table.name));
    let mut output = Output::new(layout, &temporary, table, &window, facts);
    let mut sorter = table.order.map(Sorter::by);
    let ordered = |error: ArrowError| OutputError::Parquet { path: temporary.clone(), error: error.into() };
    let replayed = replay::table(journal, table, BATCH_ROWS, |batch| match &mut sorter {
        None => output.write(&batch),
        Some(sorter) => sorter.add(&batch).map_err(ordered)?.map_or(Ok(()), |group| output.write_group(&group)),
    });
    let rest = |sorter: &mut Sorter| sorter.rest().map_err(ordered);
    let written = match replayed {
        Ok(()) => match sorter.as_mut().map(rest).transpose()?.flatten() {
            Some(group) => output.write_group(&group).and_then(|()| output.close()),
            None => output.close(),
        }
        .map_err(SealError::from),
        Err(ReplayError::Taker(error)) => Err(error.into()),
        Err(ReplayError::Journal(error)) => Err(error.into()),
        Err(ReplayError::Arrow(error)) => Err(OutputError::parquet(&temporary, error).into()),
    };
    match written {
        Ok(0) => Ok(None),
        Ok(rows) => {
            let bytes = layout.bytes_of(&temporary).unwrap_or(0);
            let path = layout.sealed(table.name, &window, number);
            Ok(Some(Written { temporary, file: SealedFile { table: table.name, path, rows, bytes } }))
        }
        Err(error) => {
            // A partial file is useless.
            let _ = layout.remove(&temporary);
            Err(error)
        }
    }
}

/// Moves the files to their tables' folders. Contents are made durable before names, and both before the journal is
/// removed.
fn move_all(layout: &Layout, written: &[Written]) -> Result<(), (PathBuf, io::Error)> {
    let Some(first) = written.first() else { return Ok(()) };
    let files: Vec<&Path> = written.iter().map(|w| w.temporary.as_path()).collect();
    layout.sync(&files, &[]).map_err(|error| (first.temporary.clone(), error))?;
    let mut folders = vec![layout.root.clone()];
    for Written { temporary, file } in written {
        let folder = layout.table_folder(file.table);
        let moved = layout.make_folder(&folder).and_then(|()| layout.rename(temporary, &file.path));
        moved.map_err(|error| (file.path.clone(), error))?;
        folders.push(folder);
    }
    let folders: Vec<&Path> = folders.iter().map(PathBuf::as_path).collect();
    layout.sync(&[], &folders).map_err(|error| (layout.root.clone(), error))
}

fn remove_all(layout: &Layout, written: &[Written]) {
    written.iter().for_each(|file| drop(layout.remove(&file.temporary)));
}
