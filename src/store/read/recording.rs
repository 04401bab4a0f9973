//! A recording on disk: sealed files and journals together, while it is live, killed or finished.
//!
//! Reading takes no lock. Journals are opened first, and the table folders are listed afterwards: a journal that is
//! sealed in between stays readable through its descriptor. If a table already has the file of a journal, the journal's
//! rows of that table are ignored, so no row is missed or seen twice. If files are merged or deleted in between, the
//! folder is listed again.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use arrow_schema::SchemaRef;

use super::gather::{Gathered, Gathering, Ready};
use super::journal_piece::{JournalPiece, fault_of};
use super::parquet::ParquetPiece;
use super::piece::{Facts, Fault, NO_JOURNAL, Piece, ReadError, RecordingState, Source, Window};
use super::sealed_reader::SealedReader;
use crate::store::journal::{Journal, JournalError};
use crate::store::layout::merged::{RowFile, rows_of};
use crate::store::layout::{self, Layout, Lock};
use crate::store::manifest::{Manifest, ManifestError};
use crate::table::arrow::shared_schema;
use crate::table::{TableDef, keep};

/// Maximum number of times a table is listed again because its files disappeared. A merge removes files once per table
/// and day.
const MAX_TRIES: u32 = 20;

/// An open recording, as it was when it was opened.
pub struct Recording {
    layout: Layout,
    /// None if it is missing or damaged; the rows do not need it.
    manifest: Option<Manifest>,
    journals: Vec<Unsealed>,
    tables: Vec<ListedTable>,
    /// By name, tables of one small file: a comparison reads them several times.
    kept: Mutex<HashMap<&'static str, (&'static TableDef, Gathered)>>,
    problems: Vec<ReadError>,
}

/// A table and its sealed files, as listed.
struct ListedTable {
    /// As declared by this version, the journals and the latest file.
    table: &'static TableDef,
    files: Vec<RowFile>,
    /// The latest file, if it has the columns of this version: opened for its declaration, and read later.
    latest: Mutex<Option<SealedReader>>,
}

impl ListedTable {
    /// A file that is open already, with this schema. It is handed out once.
    fn opened(&self, path: &Path, schema: &SchemaRef) -> Option<SealedReader> {
        let mut latest = self.latest.lock().ok()?;
        latest.take_if(|file| file.path() == path && file.has_schema(Some(schema)))
    }
}

/// A journal, and the row count of each table in its header.
struct Unsealed {
    number: u32,
    journal: Journal,
    /// As declared by this version and the journal.
    tables: Vec<&'static TableDef>,
    rows: Vec<usize>,
}

impl Unsealed {
    fn new(number: u32, journal: Journal, rows: Vec<usize>, catalog: &'static [TableDef]) -> Unsealed {
        let tables = journal.header().map(|header| header.tables(catalog)).unwrap_or_default();
        let tables = tables.into_iter().map(|table| match table {
            Cow::Borrowed(table) => table,
            Cow::Owned(table) => keep(table),
        });
        Unsealed { number, tables: tables.collect(), journal, rows }
    }

    fn table(&self, name: &str) -> Option<&'static TableDef> {
        self.tables.iter().find(|table| table.name == name).copied()
    }

    fn has(&self, name: &str) -> bool {
        let mut tables = self.journal.header().into_iter().flat_map(|h| &h.tables).zip(&self.rows);
        tables.any(|(table, rows)| table.name == name && *rows > 0)
    }
}

/// A directory that cannot be read as a recording.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error("cannot list {}: {error}", path.display())]
    List { path: PathBuf, error: std::io::Error },
}

/// Opens the recording at `path`. `catalog`: the tables that this version knows.
///
/// # Errors
/// When it is not a recording, has a later format, or cannot be listed. Files that cannot be read are listed as
/// problems.
pub fn open(path: &Path, catalog: &'static [TableDef]) -> Result<Recording, OpenError> {
    let layout = Layout::new(path);
    let mut problems = Vec::new();
    let manifest = match Manifest::read(path) {
        Ok(manifest) => Ok(manifest),
        Err(error @ ManifestError::Format { .. }) => return Err(error.into()),
        Err(error) if !layout.is_there() => return Err(error.into()),
        Err(error) => Err(error),
    };
    let list = |error| OpenError::List { path: path.to_path_buf(), error };
    let mut journals = Vec::new();
    for (number, path) in layout.journals().map_err(list)? {
        match Journal::open(&layout, number).and_then(|journal| Ok((journal.row_counts()?, journal))) {
            Ok((rows, journal)) => {
                problems.extend(fault_of(&journal).map(|fault| ReadError::new(&path, fault)));
                journals.push(Unsealed::new(number, journal, rows, catalog));
            }
            // It was sealed and removed since the listing; its files exist.
            Err(JournalError::Io { error, .. }) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(JournalError::Io { error, .. }) => problems.push(ReadError::new(&path, error.into())),
            Err(JournalError::Version { found, .. }) => {
                problems.push(ReadError::new(&path, Fault::Version { found: found.to_string() }));
            }
        }
    }
    let tables = tables(&layout, catalog, &journals, &mut problems);
    let manifest = match manifest {
        Ok(manifest) => Some(manifest),
        Err(error) if journals.is_empty() && tables.iter().all(|listed| listed.files.is_empty()) => {
            return Err(error.into());
        }
        Err(error) => {
            problems.insert(0, ReadError::new(&layout.manifest(), Fault::Manifest(error.what())));
            None
        }
    };
    let mut recording = Recording { layout, manifest, journals, tables, kept: Mutex::default(), problems };
    if recording.lacks_journals() && !recording.has_files() {
        recording.problems.push(ReadError::new(&recording.layout.journal_folder(), Fault::NoJournal));
    }
    Ok(recording)
}

/// The tables that a recording has or may have, as declared by this version, the journals and the latest files.
pub fn tables_of(layout: &Layout, catalog: &'static [TableDef]) -> Vec<&'static TableDef> {
    let journals = layout.journals().unwrap_or_default().into_iter().filter_map(|(number, _)| {
        let journal = Journal::open(layout, number).ok()?;
        Some(Unsealed::new(number, journal, Vec::new(), catalog))
    });
    let journals: Vec<Unsealed> = journals.collect();
    tables(layout, catalog, &journals, &mut Vec::new()).iter().map(|listed| listed.table).collect()
}

/// The tables of a recording, with or without rows, in the order of the catalog, followed by unknown tables.
fn tables(
    layout: &Layout,
    catalog: &'static [TableDef],
    journals: &[Unsealed],
    problems: &mut Vec<ReadError>,
) -> Vec<ListedTable> {
    let is_unknown = |name: &&str| catalog.iter().all(|table| table.name != *name);
    // Listed after the journals were opened, so rows of a table that is not there yet are in a journal. A directory that
    // cannot be listed has been reported, or does not exist.
    let entries = layout.list(&layout.root);
    let folders = entries.as_deref().map(layout::tables_in).unwrap_or_default();
    let in_journals = journals.iter().flat_map(|unsealed| &unsealed.tables).map(|table| table.name);
    let unknown: BTreeSet<&str> = folders.iter().map(String::as_str).chain(in_journals).filter(is_unknown).collect();
    let known = catalog.iter().map(|table| (table.name, Some(table)));
    let all = known.chain(unknown.into_iter().map(|name| (name, None)));
    let is_there = |name| {
        let entries = entries.as_ref().map(|entries| entries.iter().any(|entry| entry.name() == Some(name)));
        entries.unwrap_or(true)
    };
    all.filter_map(|(name, known)| {
        let files = if is_there(name) { rows_of(layout, name) } else { Ok(Vec::new()) };
        let files = files.unwrap_or_else(|error| {
            problems.push(ReadError::new(&layout.table_folder(name), error.into()));
            Vec::new()
        });
        let expected = known.map(shared_schema);
        let latest = files.last().and_then(|file| SealedReader::open(layout, &file.path, expected.as_ref()).ok());
        let (latest, other) = match latest {
            Some(file) if file.has_schema(expected.as_ref()) => (Some(file), None),
            other => (None, other.filter(|file| file.table_name() == name)),
        };
        let in_file = other.and_then(|file| file.table(name));
        let in_journals = journals.iter().filter_map(|unsealed| unsealed.table(name)).cloned();
        let more = in_file.into_iter().chain(in_journals);
        let table = more.fold(known, |table, other| match table {
            Some(table) => Some(table.with_columns_of(&other).map_or(table, keep)),
            None => Some(keep(other)),
        });
        // A foreign folder has no table.
        Some(ListedTable { table: table?, files, latest: Mutex::new(latest) })
    })
    .collect()
}

/// The state of a recording.
pub fn state_of(layout: &Layout, manifest: &Manifest) -> RecordingState {
    match manifest.sessions.last() {
        Some(session) if session.ended.is_some() => RecordingState::Finished,
        Some(_) if Lock::is_held(layout) => RecordingState::Live,
        _ => RecordingState::Killed,
    }
}

/// Was the recorder killed, and are its journals missing without having been sealed?
pub fn lacks_journals(layout: &Layout, manifest: &Manifest) -> bool {
    manifest.sessions.last().is_some_and(|session| session.recovered.is_none())
        && state_of(layout, manifest) == RecordingState::Killed
        && !layout.has_folder(&layout.journal_folder())
}

impl Recording {
    pub fn manifest(&self) -> Option<&Manifest> {
        self.manifest.as_ref()
    }

    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Number of journals that are not sealed yet, or could not be sealed.
    pub fn journals(&self) -> usize {
        self.journals.len()
    }

    /// None if the manifest is missing or damaged.
    pub fn state(&self) -> Option<RecordingState> {
        Some(state_of(&self.layout, self.manifest.as_ref()?))
    }

    fn lacks_journals(&self) -> bool {
        self.manifest.as_ref().is_some_and(|manifest| lacks_journals(&self.layout, manifest))
    }

    fn has_files(&self) -> bool {
        self.tables.iter().any(|listed| !listed.files.is_empty())
    }

    /// The journals with rows of this table that are not yet in its files.
    fn unsealed(&self, name: &str, files: &[RowFile]) -> impl Iterator<Item = &Unsealed> {
        let sealed = |journal: u32| files.iter().any(|f| f.name.is_some_and(|name| name.holds(journal)));
        self.journals.iter().filter(move |u| !sealed(u.number) && u.has(name))
    }

    fn kept(&self, name: &str) -> Option<(&'static TableDef, Gathered)> {
        self.kept.lock().ok()?.get(name).cloned()
    }

    fn keep(&self, table: &'static TableDef, gathered: Gathered) {
        if let Ok(mut kept) = self.kept.lock() {
            kept.insert(table.name, (table, gathered));
        }
    }

    /// Opens the sealed files of a table. Returns the table with the additional columns of the files, the pieces, and
    /// the listing that was used. If a file has disappeared, it was merged or deleted as too old, and the folder is
    /// listed again.
    fn sealed(
        &self,
        listed: &ListedTable,
        window: Window,
        problems: &mut Vec<ReadError>,
    ) -> (&'static TableDef, Vec<Box<dyn Piece>>, Vec<RowFile>) {
        let mut files = listed.files.clone();
        if let Some((table, gathered)) = self.kept(listed.table.name).filter(|_| window == Window::ALL) {
            return (table, vec![Box::new(gathered)], files);
        }
        let mut tries = 0;
        let mut table = listed.table;
        let mut schema = shared_schema(table);
        loop {
            let mut faults = Vec::new();
            let mut pieces = Gathering::default();
            for file in &files {
                let piece = match listed.opened(&file.path, &schema) {
                    Some(opened) => ParquetPiece::new(opened, table, &schema),
                    None => ParquetPiece::open_as(&self.layout, &file.path, table, &schema),
                };
                let added = piece.and_then(|mut piece| {
                    if let Some(wider) = piece.wider(table) {
                        table = keep(wider);
                        schema = shared_schema(table);
                        piece.widen(&schema);
                    }
                    pieces.add(piece.within(window))
                });
                faults.extend(added.err());
            }
            let again = tries < MAX_TRIES && faults.iter().any(ReadError::is_gone);
            match again.then(|| rows_of(&self.layout, table.name)) {
                Some(Ok(listed)) => files = listed,
                _ => {
                    let pieces = pieces.finish(&schema).map_err(|error| faults.push(error)).unwrap_or_default();
                    if let (1, [Ready::Many(gathered)], Window::ALL, []) = (files.len(), &*pieces, window, &*faults) {
                        self.keep(table, gathered.clone());
                    }
                    problems.extend(faults);
                    return (table, pieces.into_iter().map(Ready::boxed).collect(), files);
                }
            }
            tries += 1;
        }
    }
}

impl Source for Recording {
    fn path(&self) -> &Path {
        &self.layout.root
    }

    fn facts(&self) -> Facts {
        let Some(manifest) = &self.manifest else { return Facts::default() };
        let mut notes: Vec<String> = Vec::new();
        notes.extend(match self.state() {
            Some(RecordingState::Live) if self.layout.is_packed() => {
                Some("was still being recorded when it was packed".into())
            }
            Some(RecordingState::Live) => Some("still recording".into()),
            Some(RecordingState::Finished) => {
                let kept = self.layout.all_damaged().unwrap_or_default();
                kept.first().map(|n| format!("partly damaged (see {})", self.layout.damaged(*n).display()))
            }
            Some(RecordingState::Killed) | None => Some("not ended cleanly (killed?)".into()),
        });
        if self.lacks_journals() && self.has_files() {
            let unless = "unless an older perfwatch recovered it";
            notes.push(format!(
                "without its .journal, so rows that were not sealed are missing, {unless}: {NO_JOURNAL}"
            ));
        }
        let lost = manifest.lost_ticks();
        notes.extend((lost > 0).then(|| format!("{} could not be written", crate::text::words::ticks(lost))));
        notes.extend(manifest.deleted_before().map(|at| format!("rows before {at} were deleted")));
        Facts {
            host: manifest.host.hostname.clone(),
            interval_s: manifest.sessions.last().map(|s| s.interval_s),
            state: self.state(),
            notes,
            lost_ticks: lost,
            tags: manifest.tags.clone(),
            command: manifest.sessions.last().and_then(|s| Some(s.command.as_ref()?.in_a_line(s.ended.is_some()))),
        }
    }

    fn manifest(&self) -> Option<&Manifest> {
        self.manifest.as_ref()
    }

    fn problems(&self) -> &[ReadError] {
        &self.problems
    }

    fn tables(&self) -> Vec<&'static TableDef> {
        let has_rows = |listed: &&ListedTable| {
            !listed.files.is_empty() || self.unsealed(listed.table.name, &listed.files).next().is_some()
        };
        self.tables.iter().filter(has_rows).map(|listed| listed.table).collect()
    }

    fn pieces(
        &self,
        table: &'static TableDef,
        window: Window,
        problems: &mut Vec<ReadError>,
    ) -> Vec<Box<dyn Piece + '_>> {
        self.read(table, window, problems).1
    }

    fn read(
        &self,
        table: &'static TableDef,
        window: Window,
        problems: &mut Vec<ReadError>,
    ) -> (&'static TableDef, Vec<Box<dyn Piece + '_>>) {
        let Some(listed) = self.tables.iter().find(|listed| listed.table.name == table.name) else {
            return (table, Vec::new());
        };
        let (table, sealed, files) = self.sealed(listed, window, problems);
        let mut pieces: Vec<Box<dyn Piece>> = sealed;
        let schema = shared_schema(table);
        for unsealed in self.unsealed(table.name, &files) {
            let Some(of_journal) = unsealed.table(table.name) else { continue };
            let piece = JournalPiece::new(&unsealed.journal, of_journal, schema.clone());
            // An unreadable journal must be reported, not treated as a journal without rows.
            match piece.batches() {
                Ok(_) => pieces.push(Box::new(piece)),
                Err(error) => problems.push(piece.failed(error)),
            }
        }
        pieces.retain(|p| p.rows() > 0 && p.span().is_none_or(|span| window.overlaps(span)));
        // By time, for sums over differences between pieces.
        pieces.sort_by_key(|p| p.span());
        (table, pieces)
    }
}
