//! Packs: everything of a recording, or of a folder of runs, in one archive.
//!
//! What a reader would see is packed: the manifest, the sealed files that no other replaces, and the whole frames of the
//! journals. Journals are opened before the files are listed, as every reader does it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::store::journal::{Journal, JournalError, Tail};
use crate::store::layout::merged::rows_of;
use crate::store::layout::{INDEX, Layout, Lock, tables_of};
use crate::store::manifest::{Manifest, ManifestError};
use crate::store::pack::{Content, PackWriter};
use crate::store::runs::{Meant, Runs};

/// Files up to this size are deflated: readers read them as a whole anyway.
const SMALL_BYTES: u64 = 64 << 10;
/// A journal is inflated as a whole.
const SMALL_JOURNAL_BYTES: u64 = 16 << 20;
const PIECE: usize = 1 << 20;

/// A recording that could not be packed.
#[derive(Debug, thiserror::Error)]
pub enum PackingError {
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error("cannot read {}: {error}", path.display())]
    Read { path: PathBuf, error: io::Error },
    #[error("cannot read {}: {error}", .0.display(), error = .1)]
    Journal(PathBuf, JournalError),
    #[error("{} is a packed recording already: copy it", .0.display())]
    Packed(PathBuf),
    /// The archive itself.
    #[error(transparent)]
    Write(io::Error),
}

impl PackingError {
    /// A file disappeared, because it was merged, sealed or deleted in the meantime: trying again helps.
    pub fn is_changing(&self) -> bool {
        match self {
            PackingError::Read { error, .. } | PackingError::Journal(_, JournalError::Io { error, .. }) => {
                error.kind() == io::ErrorKind::NotFound
            }
            _ => false,
        }
    }
}

/// What was packed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packed {
    pub files: u64,
    /// Of the archive.
    pub bytes: u64,
    /// Recordings that were still running.
    pub live: Vec<PathBuf>,
}

/// Writes a recording, or a folder of runs with all its recordings, as one archive.
///
/// # Errors
/// When a file cannot be read, or the archive cannot be written.
pub fn write(meant: &Meant, out: &mut dyn Write) -> Result<Packed, PackingError> {
    let mut packing = Packing { writer: PackWriter::new(out), packed: Packed::default() };
    match meant {
        Meant::Recording(path) => packing.recording(path, Path::new(""))?,
        Meant::Runs(runs) => packing.runs(runs)?,
    }
    packing.packed.bytes = packing.writer.finish().map_err(PackingError::Write)?;
    Ok(packing.packed)
}

struct Packing<'w> {
    writer: PackWriter<'w>,
    packed: Packed,
}

impl Packing<'_> {
    fn runs(&mut self, runs: &Runs) -> Result<(), PackingError> {
        let index = serde_json::to_vec_pretty(&runs.index).map_err(|error| PackingError::Write(error.into()))?;
        self.small(Path::new(INDEX), &index)?;
        for run in &runs.index.runs {
            match self.recording(&runs.path.join(&run.directory), &run.directory) {
                // A run that was listed and never began, or was deleted.
                Err(PackingError::Manifest(ManifestError::Absent { .. } | ManifestError::Missing { .. })) => {}
                packed => packed?,
            }
        }
        Ok(())
    }

    /// A recording, below this folder of the archive.
    fn recording(&mut self, path: &Path, below: &Path) -> Result<(), PackingError> {
        let layout = Layout::new(path);
        if layout.is_packed() {
            return Err(PackingError::Packed(path.to_path_buf()));
        }
        let is_live = Lock::is_held(&layout);
        Manifest::read_in(&layout)?;
        let read = |path: &Path| layout.read(path).map_err(|error| PackingError::Read { path: path.into(), error });
        let manifest = read(&layout.manifest())?;
        let mut others = Vec::new();
        for path in [layout.past_sessions(), layout.columns()] {
            if layout.has_file(&path) {
                others.push((read(&path)?, path));
            }
        }
        let journals = journals(&layout)?;
        let place = |path: &Path| below.join(path.strip_prefix(&layout.root).unwrap_or(path));
        self.small(&place(&layout.manifest()), &manifest)?;
        for (bytes, path) in others {
            self.small(&place(&path), &bytes)?;
        }
        if is_live {
            self.packed.live.push(path.to_path_buf());
            self.small(&place(&layout.recorder_lock()), &[])?;
        }
        for (path, journal, bytes) in &journals {
            self.file(&place(path), *bytes, SMALL_JOURNAL_BYTES, path, &|at, length| journal.bytes(at, length))?;
        }
        let list = |error| PackingError::Read { path: path.to_path_buf(), error };
        for table in tables_of(&layout).map_err(list)? {
            for file in rows_of(&layout, &table).map_err(list)? {
                let name = match &file.name {
                    Some(name) => layout.table_folder(&table).join(format!("{name}.parquet")),
                    None => file.path.clone(),
                };
                let fail = |error| PackingError::Read { path: file.path.clone(), error };
                let stored = layout.stored(&file.path).map_err(fail)?;
                let read = |at, length| stored.bytes(at, length);
                self.file(&place(&name), stored.length(), SMALL_BYTES, &file.path, &read)?;
            }
        }
        for number in layout.all_damaged().map_err(list)? {
            let path = layout.damaged(number);
            let stored = layout.stored(&path).map_err(|error| PackingError::Read { path: path.clone(), error })?;
            let read = |at, length| stored.bytes(at, length);
            self.file(&place(&path), stored.length(), SMALL_JOURNAL_BYTES, &path, &read)?;
        }
        Ok(())
    }

    fn small(&mut self, place: &Path, bytes: &[u8]) -> Result<(), PackingError> {
        self.packed.files += 1;
        self.writer.add(&name(place)?, &Content::Small(bytes)).map_err(PackingError::Write)
    }

    /// A file of any size.
    fn file(
        &mut self,
        place: &Path,
        bytes: u64,
        small: u64,
        from: &Path,
        read: &dyn Fn(u64, usize) -> io::Result<bytes::Bytes>,
    ) -> Result<(), PackingError> {
        let fail = |error| PackingError::Read { path: from.to_path_buf(), error };
        if bytes <= small {
            return self.small(place, &read(0, bytes as usize).map_err(fail)?);
        }
        self.packed.files += 1;
        let piece = |at: u64| read(at, (bytes - at).min(PIECE as u64) as usize);
        self.writer.add(&name(place)?, &Content::Large { bytes, read: &piece }).map_err(PackingError::Write)
    }
}

/// The journals, and how many of their bytes are whole.
fn journals(layout: &Layout) -> Result<Vec<(PathBuf, Journal, u64)>, PackingError> {
    let folder = layout.journal_folder();
    let listed = layout.journals().map_err(|error| PackingError::Read { path: folder, error })?;
    let mut found = Vec::new();
    for (number, path) in listed {
        let fail = |error| PackingError::Journal(path.clone(), error);
        let journal = match Journal::open(layout, number) {
            // It was sealed and removed since the listing; its files exist.
            Err(JournalError::Io { error, .. }) if error.kind() == io::ErrorKind::NotFound => continue,
            journal => journal.map_err(fail)?,
        };
        let bytes = match journal.tail().map_err(fail)? {
            // Without the space that is only allocated, and the frame that is being written.
            Tail::Clean | Tail::Torn => journal.replay(|_| false, |_, _, _| ()).map_err(fail)?.end,
            Tail::Damaged(_) => journal.length(),
        };
        found.push((path, journal, bytes));
    }
    Ok(found)
}

fn name(place: &Path) -> Result<String, PackingError> {
    let not_text = || PackingError::Write(io::Error::other(format!("{} is not UTF-8", place.display())));
    Ok(place.to_str().ok_or_else(not_text)?.to_string())
}
