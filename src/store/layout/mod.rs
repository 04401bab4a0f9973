//! Paths in a recording's directory. Writers and readers get all paths from here.
//!
//! ```text
//! my-run/_recording.json                      manifest
//! my-run/_sessions.json                       older sessions
//! my-run/_columns.json.zst                    what the columns mean
//! my-run/cpu/20261120T0700Z-0001.parquet      table / window, number of the journal it was made from
//! my-run/.journal/0002                        the journal of the current window
//! my-run/.journal/cpu-0001.tmp                a Parquet file that is being written
//! my-run/.journal/0001.damaged                a damaged journal; its readable rows were sealed
//! my-run/.journal/lock                        locked by the recorder; only its owner can open it
//! my-run/.journal/manifest.lock               locked by the process that changes the manifest
//! my-run/.journal/compact.lock                locked by the process that removes sealed files
//! my-run/.journal/control                     names the socket on which the recorder receives marks
//! my-run/.journal/compact/                    files that are being merged: see [`merged`]
//! ```

mod durable;
pub mod files;
mod lock;
pub mod merged;
mod name;
pub mod near;
mod stored;

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

pub use files::Entry;
pub use lock::Lock;
pub use name::SealedName;
pub use stored::Stored;

use super::pack::Found;

/// Version of the recording's layout and tables.
pub const FORMAT: u32 = 1;

/// File name of the manifest; a directory that contains it is a recording.
pub const MANIFEST: &str = "_recording.json";
/// The file that lists the runs in a folder of runs.
pub const INDEX: &str = "_runs.json";
const JOURNALS: &str = ".journal";

/// A recording's directory. It is opened once, at first use; everything in it is accessed through that descriptor. Or a
/// recording in a pack: `runs.perfwatch`, or `runs.perfwatch/base/run=001`.
#[derive(Clone, Debug)]
pub struct Layout {
    pub root: PathBuf,
    opened: Arc<OnceLock<OwnedFd>>,
    found: Arc<Found>,
}

impl Layout {
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Layout { root: root.into(), opened: Arc::default(), found: Arc::default() }
    }
    pub fn manifest(&self) -> PathBuf {
        self.root.join(MANIFEST)
    }
    /// Older sessions, which are no longer in the manifest.
    pub fn past_sessions(&self) -> PathBuf {
        self.root.join("_sessions.json")
    }
    /// What the columns mean.
    pub fn columns(&self) -> PathBuf {
        self.root.join("_columns.json.zst")
    }
    /// Only for processes that hold the manifest's lock or start the recording.
    pub fn temporary_manifest(&self) -> PathBuf {
        self.root.join(format!("{MANIFEST}.tmp"))
    }
    pub fn journal_folder(&self) -> PathBuf {
        self.root.join(JOURNALS)
    }
    pub fn journal(&self, number: u32) -> PathBuf {
        self.journal_folder().join(format!("{number:04}"))
    }
    pub fn table_folder(&self, table: &str) -> PathBuf {
        self.root.join(table)
    }
    pub fn sealed(&self, table: &str, window: &str, journal: u32) -> PathBuf {
        self.table_folder(table).join(format!("{window}-{journal:04}.parquet"))
    }
    /// The folder in which files are merged.
    pub fn tidying(&self) -> PathBuf {
        self.journal_folder().join("compact")
    }
    /// A journal that could not be read to the end. It is kept, but does not count as a journal any more.
    pub fn damaged(&self, number: u32) -> PathBuf {
        self.journal_folder().join(format!("{number:04}.damaged"))
    }
    /// The numbers of the journals that were set aside, in order.
    ///
    /// # Errors
    /// When the folder exists and cannot be listed.
    pub fn all_damaged(&self) -> io::Result<Vec<u32>> {
        let mut found = Vec::new();
        for entry in self.list(&self.journal_folder())? {
            found.extend(entry.name().and_then(|n| name::number(n.strip_suffix(".damaged")?)));
        }
        found.sort_unstable();
        Ok(found)
    }
    /// Temporary files are next to the journals, so that no reader's pattern for a table folder can match one.
    pub fn temporary(&self, name: &str) -> PathBuf {
        self.journal_folder().join(format!("{name}.tmp"))
    }

    /// Locked by the recorder while it runs.
    pub fn recorder_lock(&self) -> PathBuf {
        self.journal_folder().join("lock")
    }
    /// Locked by the process that changes the manifest.
    pub fn manifest_lock(&self) -> PathBuf {
        self.journal_folder().join("manifest.lock")
    }
    /// Locked by the process that removes sealed files.
    pub fn compact_lock(&self) -> PathBuf {
        self.journal_folder().join("compact.lock")
    }

    /// Names the socket on which the recorder receives marks.
    pub fn control(&self) -> PathBuf {
        self.journal_folder().join("control")
    }

    /// The journals by number.
    ///
    /// # Errors
    /// When the folder exists and cannot be listed.
    pub fn journals(&self) -> io::Result<Vec<(u32, PathBuf)>> {
        let mut found = Vec::new();
        for entry in self.list(&self.journal_folder())? {
            if let Some(number) = entry.name().and_then(name::number) {
                found.push((number, entry.path));
            }
        }
        found.sort();
        Ok(found)
    }

    /// The Parquet files of a table, ordered by window and journal.
    ///
    /// # Errors
    /// When the folder exists and cannot be listed.
    pub fn sealed_files(&self, table: &str) -> io::Result<Vec<PathBuf>> {
        let mut found: Vec<_> = self.list(&self.table_folder(table))?.into_iter().map(|entry| entry.path).collect();
        found.retain(|path| path.extension().is_some_and(|e| e == "parquet"));
        found.sort();
        Ok(found)
    }

    /// Reserves space that the manifest may need at the end.
    pub fn reserve(&self) -> PathBuf {
        self.temporary("reserve")
    }

    /// Removes what an interrupted writer left: temporary files, and the journal folder if it is empty. Only for
    /// processes that hold the [`Lock`].
    pub fn sweep(&self) {
        for entry in self.list(&self.journal_folder()).unwrap_or_default() {
            if entry.path.extension().is_some_and(|e| e == "tmp") {
                let _ = self.remove(&entry.path);
            }
        }
        // Taking and releasing a lock removes its file, unless another process holds it.
        for lock in [self.manifest_lock(), self.compact_lock()].into_iter().filter(|lock| self.has_file(lock)) {
            drop(Lock::take_at(self, &lock));
        }
        self.drop_journal_folder();
    }

    /// Removes the journal folder if it is empty.
    fn drop_journal_folder(&self) {
        let _ = self.remove_folder(&self.journal_folder());
    }

    /// Is the directory empty, or does it only contain what a recorder left that was killed before it wrote the
    /// manifest?
    ///
    /// # Errors
    /// When it cannot be listed.
    pub fn is_empty(&self) -> io::Result<bool> {
        let is_left = |entry: &Entry| {
            let ends_so =
                |endings: &[&str]| entry.path.extension().is_some_and(|e| endings.iter().any(|end| e == *end));
            ends_so(&["tmp", "lock"]) || entry.path == self.recorder_lock() || entry.path == self.control()
        };
        for entry in self.list(&self.root)? {
            let is_ours = entry.path == self.temporary_manifest()
                || entry.path == self.journal_folder() && self.list(&entry.path)?.iter().all(is_left);
            if !is_ours {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The highest journal number in use by a journal or a sealed file; 0 if there is none.
    ///
    /// # Errors
    /// When a folder cannot be listed. If the name of a table folder is not a folder, it has no files.
    pub fn last_journal_number<'n>(&self, tables: impl Iterator<Item = &'n str>) -> io::Result<u32> {
        let mut last = self.journals()?.last().map_or(0, |(number, _)| *number);
        // Otherwise a second damaged journal would get the name of the first.
        last = last.max(self.all_damaged()?.last().copied().unwrap_or(0));
        last = last.max(merged::last_number(self)?);
        for table in tables {
            let files = match self.sealed_files(table) {
                Err(error) if error.kind() == io::ErrorKind::NotADirectory => continue,
                files => files?,
            };
            let numbers = files.iter().filter_map(|p| SealedName::from_path(p)).map(|name| name.last);
            last = last.max(numbers.max().unwrap_or(0));
        }
        Ok(last)
    }
}

/// The names of the folders that may hold tables, known or not, sorted.
///
/// # Errors
/// When the directory cannot be listed.
pub fn tables_of(layout: &Layout) -> io::Result<Vec<String>> {
    Ok(tables_in(&layout.list(&layout.root)?))
}

/// The same of entries of the directory.
pub fn tables_in(entries: &[Entry]) -> Vec<String> {
    let folders = entries.iter().filter(|entry| entry.is_folder).filter_map(Entry::name);
    let mut names: Vec<String> = folders.filter(|name| !name.starts_with('.')).map(String::from).collect();
    names.sort();
    names
}

impl Layout {
    /// Number of files and bytes in the recording, without the recorder's lock.
    pub fn size(&self) -> (u64, u64) {
        let (files, bytes) = self.whole_size();
        (files - u64::from(files > 0 && self.has_file(&self.recorder_lock())), bytes)
    }
}

impl Layout {
    /// Number of files and bytes in the recording.
    pub fn whole_size(&self) -> (u64, u64) {
        match self.pack() {
            Ok(Some(inside)) => inside.pack.size(&inside.folder),
            _ => size(&self.root),
        }
    }
}

/// Number of files and bytes below a directory. Links are counted, not followed.
pub fn size(root: &Path) -> (u64, u64) {
    let all = std::fs::read_dir(root).into_iter().flatten().flatten();
    all.fold((0, 0), |(files, bytes), entry| match entry.metadata() {
        Ok(m) if m.is_dir() => {
            let (f, b) = size(&entry.path());
            (files + f, bytes + b)
        }
        Ok(m) => (files + 1, bytes + m.len()),
        Err(_) => (files, bytes),
    })
}

/// The window of wall-clock time (UTC) that determines the file of a tick's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalWindow {
    start_us: i64,
}

impl JournalWindow {
    pub fn containing(ts_us: i64, length: Duration) -> JournalWindow {
        let length = i64::try_from(length.as_micros()).unwrap_or(i64::MAX).max(1);
        JournalWindow { start_us: ts_us.div_euclid(length).saturating_mul(length) }
    }

    /// As in file names: `20261120T0700Z`.
    pub fn name(&self) -> String {
        let start = DateTime::<Utc>::UNIX_EPOCH + TimeDelta::microseconds(self.start_us);
        start.format("%Y%m%dT%H%MZ").to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_cut_at_wall_clock_multiples() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap().timestamp_micros();
        let hour = Duration::from_secs(3600);
        assert_eq!(JournalWindow::containing(at("2026-11-20T07:59:59.999999Z"), hour).name(), "20261120T0700Z");
        assert_eq!(JournalWindow::containing(at("2026-11-20T08:00:00Z"), hour).name(), "20261120T0800Z");
        assert_eq!(JournalWindow::containing(at("2026-11-20T08:09:59Z"), hour / 12).name(), "20261120T0805Z");
        assert_eq!(JournalWindow::containing(at("1969-12-31T23:30:00Z"), hour).name(), "19691231T2300Z");
    }

    #[test]
    fn numbers_continue_after_existing_ones() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path());
        assert_eq!(layout.last_journal_number(["cpu"].into_iter()).unwrap(), 0);
        std::fs::create_dir(layout.table_folder("cpu")).unwrap();
        std::fs::write(layout.sealed("cpu", "20261120T0700Z", 12), "").unwrap();
        std::fs::create_dir(layout.journal_folder()).unwrap();
        std::fs::write(layout.journal(3), "").unwrap();
        std::fs::write(layout.temporary("cpu-0003"), "").unwrap();
        assert_eq!(layout.last_journal_number(["cpu"].into_iter()).unwrap(), 12);
        assert_eq!(layout.journals().unwrap(), [(3, layout.journal(3))]);
        std::fs::write(layout.sealed("cpu", "not one of ours", 99), "").unwrap();
        assert_eq!(layout.last_journal_number(["cpu"].into_iter()).unwrap(), 12);
        std::fs::write(layout.table_folder("cpu").join("20261119-0002-0013.parquet"), "").unwrap();
        assert_eq!(layout.last_journal_number(["cpu"].into_iter()).unwrap(), 13);
        std::fs::write(layout.damaged(14), "").unwrap();
        std::fs::write(layout.table_folder("disk"), "a file").unwrap();
        assert_eq!(layout.last_journal_number(["disk", "cpu"].into_iter()).unwrap(), 14);
        assert_eq!(layout.journals().unwrap(), [(3, layout.journal(3))]);
        std::fs::create_dir(layout.tidying()).unwrap();
        std::fs::write(layout.tidying().join("cpu-20261120-0001-0015.ready"), "").unwrap();
        assert_eq!(layout.last_journal_number(["cpu"].into_iter()).unwrap(), 15);
        // Foreign files: there is a next number, and none of them is mistaken for ours.
        for name in ["4294967295", "4294967295.damaged", "+016", "16", "00016", "1000000000", "18446744073709551616"] {
            std::fs::write(layout.journal_folder().join(name), "").unwrap();
        }
        std::fs::write(layout.table_folder("cpu").join("20261120T0700Z-4294967295.parquet"), "").unwrap();
        assert_eq!(layout.last_journal_number(["cpu"].into_iter()).unwrap(), 15);
        assert_eq!(layout.journals().unwrap(), [(3, layout.journal(3))]);
    }
}
