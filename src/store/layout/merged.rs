//! Replaces files by the file that they were merged into, so that a row never appears twice, even after a crash.
//!
//! ```text
//! my-run/.journal/compact.lock                           locked by the process that removes sealed files
//! my-run/.journal/compact/cpu-20261120-0001-0024.tmp     a merged file that is being written
//! my-run/.journal/compact/cpu-20261120-0001-0024.ready   finished; replaces its sources
//! ```
//!
//! First, the finished file is renamed to `.ready`, which commits the merge. Then its sources are unlinked. Then it is
//! renamed into the table's folder. Readers that only list the table's folder miss rows for a moment, between the first
//! unlink and the last rename, but never see a row twice. [`rows_of`] misses none, because it includes `.ready` files.
//! After a crash, the next process that takes the [`Tidying`] completes the merge.

use std::io;
use std::path::PathBuf;

use super::{Layout, Lock, SealedName, tables_of};

/// Maximum number of times that a folder is listed again because it changed. It changes a few times per hour.
const MAX_LISTINGS: usize = 100;

/// A file with rows of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowFile {
    pub path: PathBuf,
    /// None for a file that we did not name.
    pub name: Option<SealedName>,
}

/// The files that together contain each sealed row of a table exactly once.
///
/// # Errors
/// When a folder exists and cannot be listed.
pub fn rows_of(layout: &Layout, table: &str) -> io::Result<Vec<RowFile>> {
    // Ready files are listed between two equal listings. Then either no file was removed in favour of a ready file, or
    // that file is in one of the lists.
    let mut before = layout.sealed_files(table)?;
    let mut ready = Vec::new();
    for _ in 0..MAX_LISTINGS {
        ready = all_ready(layout)?;
        let after = layout.sealed_files(table)?;
        if std::mem::replace(&mut before, after) == before {
            break;
        }
    }
    let sealed = before.into_iter().map(|path| RowFile { name: SealedName::from_path(&path), path });
    let ready = ready.into_iter().filter(|r| r.table == table).map(|r| RowFile { name: Some(r.name), path: r.path });
    Ok(without_replaced(sealed.chain(ready).collect()))
}

/// Removes files that another file replaces, and duplicates: ready, and already in the folder.
fn without_replaced(mut files: Vec<RowFile>) -> Vec<RowFile> {
    files.sort_by_key(|f| f.name.map_or_else(|| f.path.display().to_string(), |n| n.to_string()));
    files.dedup_by(|a, b| a.name.is_some() && a.name == b.name);
    let names: Vec<SealedName> = files.iter().filter_map(|f| f.name).filter(|n| n.is_day).collect();
    files.retain(|f| f.name.is_none_or(|name| !names.iter().any(|other| other.stands_for(&name))));
    files
}

/// Are there files that another file replaces? A power failure or a restored backup can bring one back.
///
/// # Errors
/// When a folder cannot be listed.
pub fn has_replaced(layout: &Layout) -> io::Result<bool> {
    for table in tables_of(layout)? {
        let names: Vec<_> =
            layout.sealed_files(&table)?.iter().filter_map(|path| SealedName::from_path(path)).collect();
        let days: Vec<_> = names.iter().filter(|name| name.is_day).collect();
        if names.iter().any(|name| days.iter().any(|day| day.stands_for(name))) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A merged file that is not yet in the table's folder.
struct Ready {
    table: String,
    name: SealedName,
    path: PathBuf,
}

fn all_ready(layout: &Layout) -> io::Result<Vec<Ready>> {
    let mut found = Vec::new();
    for entry in layout.list(&layout.tidying())? {
        let parts = entry.name().and_then(|n| n.strip_suffix(".ready")?.split_once('-'));
        if let Some((table, name)) = parts.and_then(|(table, name)| Some((table.to_string(), SealedName::parse(name)?)))
        {
            found.push(Ready { table, name, path: entry.path });
        }
    }
    Ok(found)
}

/// The highest number in the names of `.ready` files; 0 if there are none.
pub(super) fn last_number(layout: &Layout) -> io::Result<u32> {
    Ok(all_ready(layout)?.iter().map(|r| r.name.last).max().unwrap_or(0))
}

/// Permission to remove sealed files, which one process has at a time. It is separate from the recorder's [`Lock`], so
/// that files can be merged during a recording.
pub struct Tidying {
    layout: Layout,
    folder: PathBuf,
    _lock: Lock,
}

impl Tidying {
    /// Takes it, and completes an interrupted merge. None if another process holds it.
    ///
    /// # Errors
    /// When the folders cannot be written.
    pub fn begin(layout: &Layout) -> io::Result<Option<Tidying>> {
        let lock = match Lock::take_at(layout, &layout.compact_lock()) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            lock => lock?,
        };
        let folder = layout.tidying();
        layout.make_folder(&folder)?;
        let tidying = Tidying { layout: layout.clone(), folder, _lock: lock };
        tidying.finish_interrupted()?;
        Ok(Some(tidying))
    }

    /// Completes an interrupted merge, if there is one. Does nothing if another process is merging.
    ///
    /// # Errors
    /// When the folders cannot be written.
    pub fn repair(layout: &Layout) -> io::Result<()> {
        // A killed process leaves at least its lock file.
        if layout.has_file(&layout.compact_lock()) || layout.has_folder(&layout.tidying()) || has_replaced(layout)? {
            Tidying::begin(layout).map(drop)
        } else {
            Ok(())
        }
    }

    /// Path for writing a merged file.
    pub fn temporary(&self, table: &str, name: &SealedName) -> PathBuf {
        self.folder.join(format!("{table}-{name}.tmp"))
    }

    /// Replaces the sources by the merged file, which must be written and synced at [`Tidying::temporary`].
    ///
    /// # Errors
    /// When a step fails. Completed steps are kept; [`rows_of`] still finds each row once.
    pub fn replace(&self, table: &str, name: &SealedName) -> io::Result<()> {
        let temporary = self.temporary(table, name);
        let ready = temporary.with_extension("ready");
        self.layout.rename(&temporary, &ready)?;
        self.layout.sync_folder(&self.folder)?;
        self.move_to_table(&Ready { table: table.to_string(), name: *name, path: ready })
    }

    fn move_to_table(&self, ready: &Ready) -> io::Result<()> {
        let folder = self.layout.table_folder(&ready.table);
        self.unlink_replaced(&ready.table, &[ready.name])?;
        self.layout.rename(&ready.path, &folder.join(format!("{}.parquet", ready.name)))?;
        self.layout.sync_folder(&folder)
    }

    fn unlink_replaced(&self, table: &str, by: &[SealedName]) -> io::Result<()> {
        for path in self.layout.sealed_files(table)? {
            if SealedName::from_path(&path).is_some_and(|name| by.iter().any(|b| b.stands_for(&name))) {
                self.layout.remove(&path)?;
            }
        }
        Ok(())
    }

    fn finish_interrupted(&self) -> io::Result<()> {
        for ready in all_ready(&self.layout)? {
            self.move_to_table(&ready)?;
        }
        // A power failure may have kept the rename but not an earlier unlink.
        for table in tables_of(&self.layout)? {
            let names: Vec<_> =
                self.layout.sealed_files(&table)?.iter().filter_map(|p| SealedName::from_path(p)).collect();
            self.unlink_replaced(&table, &names)?;
        }
        Ok(())
    }
}

impl Drop for Tidying {
    fn drop(&mut self) {
        for entry in self.layout.list(&self.folder).unwrap_or_default() {
            if entry.path.extension().is_some_and(|e| e == "tmp") {
                let _ = self.layout.remove(&entry.path);
            }
        }
        // Fails if a ready file could not be moved, which is intended.
        let _ = self.layout.remove_folder(&self.folder);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    const HOURS: [&str; 3] = ["20261120T0700Z-0001", "20261120T0800Z-0002", "20261120T0900Z-0003"];
    const NEXT_DAY: &str = "20261121T0000Z-0004";
    const DAY: &str = "20261120-0001-0003";

    /// A recording with three hours of a day and one of the next. The content of each file is its name.
    fn recording() -> (tempfile::TempDir, Layout) {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path());
        fs::create_dir(layout.table_folder("cpu")).unwrap();
        for name in HOURS.iter().chain([&NEXT_DAY]) {
            put(&layout, name);
        }
        (folder, layout)
    }

    fn path(layout: &Layout, name: &str) -> PathBuf {
        layout.table_folder("cpu").join(format!("{name}.parquet"))
    }

    fn put(layout: &Layout, name: &str) {
        fs::write(path(layout, name), name).unwrap();
    }

    fn put_ready(layout: &Layout, table: &str) {
        fs::create_dir_all(layout.tidying()).unwrap();
        fs::write(layout.tidying().join(format!("{table}-{DAY}.ready")), DAY).unwrap();
    }

    fn held(layout: &Layout) -> Vec<String> {
        rows_of(layout, "cpu").unwrap().into_iter().map(|f| fs::read_to_string(f.path).unwrap()).collect()
    }

    fn in_folder(layout: &Layout) -> Vec<String> {
        layout.sealed_files("cpu").unwrap().into_iter().map(|p| fs::read_to_string(p).unwrap()).collect()
    }

    #[test]
    fn each_row_counts_once_wherever_the_merge_was_killed() {
        // Before the commit: a partial file or a whole one.
        let (_folder, layout) = recording();
        let hours = [HOURS[0], HOURS[1], HOURS[2], NEXT_DAY];
        fs::create_dir_all(layout.tidying()).unwrap();
        fs::write(layout.tidying().join(format!("cpu-{DAY}.tmp")), "half").unwrap();
        assert_eq!(held(&layout), hours);
        drop(Tidying::begin(&layout).unwrap().unwrap());
        assert_eq!(in_folder(&layout), hours);
        assert!(!layout.tidying().exists(), "left-overs are removed");

        // After it: with all, some or none of the hours left, and moved into the folder with an hour that a power
        // failure brought back.
        for left in [3, 2, 1, 0] {
            for arrived in [false, true] {
                let (_folder, layout) = recording();
                for name in &HOURS[left..] {
                    fs::remove_file(path(&layout, name)).unwrap();
                }
                if arrived {
                    put(&layout, DAY);
                } else {
                    put_ready(&layout, "cpu");
                }
                put_ready(&layout, "disk");
                fs::create_dir(layout.table_folder("disk")).unwrap();
                assert_eq!(held(&layout), [DAY, NEXT_DAY], "{left} left, arrived: {arrived}");
                Tidying::repair(&layout).unwrap();
                assert_eq!(in_folder(&layout), [DAY, NEXT_DAY], "{left} left, arrived: {arrived}");
                assert_eq!(held(&layout), [DAY, NEXT_DAY]);
                assert!(!layout.tidying().exists());
                assert!(layout.table_folder("disk").join(format!("{DAY}.parquet")).exists());
            }
        }
    }

    #[test]
    fn a_merged_file_replaces_its_sources() {
        let (_folder, layout) = recording();
        put(&layout, "somebody's");
        let tidying = Tidying::begin(&layout).unwrap().unwrap();
        assert!(Tidying::begin(&layout).unwrap().is_none(), "one at a time");
        let name = SealedName::parse(DAY).unwrap();
        fs::write(tidying.temporary("cpu", &name), DAY).unwrap();
        tidying.replace("cpu", &name).unwrap();
        assert_eq!(in_folder(&layout), [DAY, NEXT_DAY, "somebody's"]);
        drop(tidying);
        assert!(!layout.tidying().exists());
        assert!(Tidying::begin(&layout).unwrap().is_some());
        Tidying::repair(&layout).unwrap();
    }

    /// Lists while another thread merges repeatedly: no row is seen twice, and none is missing.
    #[test]
    fn listing_during_a_merge() {
        let (_folder, layout) = recording();
        let cpu = layout.table_folder("cpu");
        // Three hours of a day and one of the next, different in each round, and the merged file.
        let hours = |round: u32| (1..=4).map(move |i| format!("2026112{}T0{i}00Z-{:04}", i / 4, 4 * round + i));
        let merged =
            |round: u32| SealedName::parse(&format!("20261120-{:04}-{:04}", 4 * round + 1, 4 * round + 3)).unwrap();
        let done = std::sync::atomic::AtomicBool::new(false);
        // The hours appear at once, because the whole folder is exchanged.
        let begin = |round| {
            // What was there before stays whole under this name, for a listing that has just opened it.
            let fresh = layout.root.join(format!(".fresh-{round}"));
            fs::create_dir(&fresh).unwrap();
            for name in hours(round) {
                fs::write(fresh.join(format!("{name}.parquet")), "").unwrap();
            }
            exchange(&fresh, &cpu);
        };
        begin(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for round in 0..300 {
                    let tidying = Tidying::begin(&layout).unwrap().unwrap();
                    fs::write(tidying.temporary("cpu", &merged(round)), "").unwrap();
                    tidying.replace("cpu", &merged(round)).unwrap();
                    drop(tidying);
                    begin(round + 1);
                }
                done.store(true, std::sync::atomic::Ordering::Relaxed);
            });
            let mut looks = 0;
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                let names: Vec<SealedName> = rows_of(&layout, "cpu").unwrap().iter().map(|f| f.name.unwrap()).collect();
                let text: Vec<String> = names.iter().map(SealedName::to_string).collect();
                let round = (names[0].first - 1) / 4;
                let whole = text == hours(round).collect::<Vec<_>>()
                    || text == [merged(round).to_string(), hours(round).next_back().unwrap()];
                assert!(whole, "{text:?}");
                looks += 1;
            }
            assert!(looks > 10);
        });
    }

    fn exchange(a: &Path, b: &Path) {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE).unwrap();
    }
}
