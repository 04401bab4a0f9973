//! Deletes the oldest sealed files if they are too old, or if the recording is too large. Nothing else is deleted: no
//! journals, no files without one of our names in a table's folder, and never the newest hour.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta};
use indicatif::BinaryBytes;

use crate::store::layout::merged::Tidying;
use crate::store::layout::{Layout, SealedName, size};
use crate::store::read::tables_of;
use crate::table::TableDef;
use crate::text::words::count;

/// How much of a recording is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Files older than this are deleted.
    pub age: Option<Duration>,
    /// Maximum size of the whole directory.
    pub max_bytes: Option<u64>,
}

/// The result of a deletion.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    pub files: u64,
    pub bytes: u64,
    /// Start of the remaining data, UTC.
    pub before: NaiveDateTime,
    /// The recording is still too large by this many bytes, but only the newest hour is left.
    pub too_large_by: Option<u64>,
    /// An old file that a listener still needs.
    pub waits_for: Option<PathBuf>,
    /// A file that could not be deleted, and why.
    pub problem: Option<String>,
}

impl fmt::Display for Deleted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (files, bytes, before) =
            (count(self.files, "file"), BinaryBytes(self.bytes), self.before.format("%Y-%m-%d %H:%M UTC"));
        write!(f, "deleted {files} from before {before}, {bytes}")
    }
}

/// The files of all tables for one window of at most an hour; for a whole day if the files of a table are merged.
#[derive(Debug, Default)]
struct Slice {
    end: NaiveDateTime,
    last_journal: u32,
    files: Vec<PathBuf>,
}

/// Deletes what `retention` does not keep at this time, oldest first and an hour at a time. Does nothing during a
/// merge; the next call will.
///
/// # Errors
/// When a folder cannot be listed.
pub fn retain(
    layout: &Layout,
    catalog: &'static [TableDef],
    retention: Retention,
    now_us: i64,
    is_held: &dyn Fn(&Path) -> bool,
) -> io::Result<Deleted> {
    if retention == Retention::default() {
        return Ok(Deleted::default());
    }
    let Some(_tidying) = Tidying::begin(layout)? else { return Ok(Deleted::default()) };
    let tables = tables_of(layout, catalog);
    let mut slices = slices(layout, &tables)?;
    // Journal numbers only grow, and continue from the existing ones, so the highest must stay.
    let newest = slices.keys().last().copied();
    let last_journal = slices.values().map(|s| s.last_journal).max();
    let too_old = retention.age.and_then(|age| {
        let now = DateTime::from_timestamp_micros(now_us)?.naive_utc();
        now.checked_sub_signed(TimeDelta::from_std(age).ok()?)
    });
    let mut total = if retention.max_bytes.is_some() { size(&layout.root).1 } else { 0 };
    let mut deleted = Deleted::default();
    let all = slices.len();
    while let Some(oldest) = slices.first_entry() {
        let is_old = too_old.is_some_and(|limit| oldest.get().end <= limit);
        let is_too_much = retention.max_bytes.is_some_and(|limit| total > limit);
        if !is_old && !is_too_much {
            break;
        }
        if newest == Some(*oldest.key()) || last_journal == Some(oldest.get().last_journal) {
            deleted.too_large_by = retention.max_bytes.and_then(|limit| total.checked_sub(limit)).filter(|by| *by > 0);
            break;
        }
        if let Some(held) = oldest.get().files.iter().find(|path| is_held(path)) {
            deleted.waits_for = Some(held.clone());
            break;
        }
        for path in &oldest.get().files {
            let bytes = layout.bytes_of(path).unwrap_or(0);
            match layout.remove(path) {
                Ok(()) => {
                    deleted.files += 1;
                    deleted.bytes += bytes;
                    total = total.saturating_sub(bytes);
                }
                // Already deleted by another process.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => deleted.problem = Some(format!("{}: {error}", path.display())),
            }
        }
        oldest.remove();
        deleted.before = slices.keys().next().copied().unwrap_or_default();
    }
    if slices.len() < all {
        // A table without rows must not have a folder. The kernel refuses to remove folders that are not empty.
        tables.iter().for_each(|table| drop(layout.remove_folder(&layout.table_folder(table.name))));
    }
    Ok(deleted)
}

/// All sealed files by the start of their hour, or of their day if any table has a merged file for that day: an hour
/// must be deleted from all tables at once.
fn slices(layout: &Layout, tables: &[&TableDef]) -> io::Result<BTreeMap<NaiveDateTime, Slice>> {
    let mut files = Vec::new();
    for table in tables {
        let paths = match layout.sealed_files(table.name) {
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => continue,
            paths => paths?,
        };
        files.extend(paths.into_iter().filter_map(|path| Some((SealedName::from_path(&path)?, path))));
    }
    files.retain(|(_, path)| layout.has_file(path));
    let days: BTreeSet<NaiveDate> = files.iter().filter(|(name, _)| name.is_day).map(|(name, _)| name.date()).collect();
    let mut slices: BTreeMap<NaiveDateTime, Slice> = BTreeMap::new();
    for (name, path) in files {
        let (start, length) = match days.get(&name.date()) {
            Some(day) => (day.and_hms_opt(0, 0, 0).unwrap_or(name.start), TimeDelta::days(1)),
            // Shorter windows are kept some minutes longer, because names do not contain the length.
            None => (name.start, TimeDelta::hours(1)),
        };
        let slice = slices.entry(start).or_default();
        slice.end = start + length;
        slice.last_journal = slice.last_journal.max(name.last);
        slice.files.push(path);
    }
    Ok(slices)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::collect::catalog;

    /// Two tables with an hour of 100 and 50 bytes per start, numbered from 1.
    fn recording(starts: &[&str]) -> (tempfile::TempDir, Layout) {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path());
        for (start, number) in starts.iter().zip(1..) {
            put(&layout, "cpu", &format!("{start}-{number:04}"), 100);
            put(&layout, "memory", &format!("{start}-{number:04}"), 50);
        }
        (folder, layout)
    }

    fn put(layout: &Layout, table: &str, name: &str, bytes: usize) {
        fs::create_dir_all(layout.table_folder(table)).unwrap();
        fs::write(layout.table_folder(table).join(format!("{name}.parquet")), vec![0; bytes]).unwrap();
    }

    fn left(layout: &Layout, table: &str) -> Vec<String> {
        let files = layout.sealed_files(table).unwrap();
        files.iter().map(|p| p.file_stem().unwrap().to_str().unwrap().to_string()).collect()
    }

    fn age(hours: u64) -> Retention {
        Retention { age: Some(Duration::from_secs(hours * 3600)), max_bytes: None }
    }

    fn at(text: &str) -> i64 {
        text.parse::<DateTime<chrono::Utc>>().unwrap().timestamp_micros()
    }

    fn at_most(bytes: u64) -> Retention {
        Retention { age: None, max_bytes: Some(bytes) }
    }

    fn run(layout: &Layout, retention: Retention, now: &str) -> Deleted {
        retain(layout, catalog::tables(), retention, at(now), &|_| false).unwrap()
    }

    const HOURS: [&str; 4] = ["20261120T0700Z", "20261120T0800Z", "20261120T0900Z", "20261120T1000Z"];

    #[test]
    fn an_hour_is_deleted_from_all_tables_when_all_of_it_is_too_old() {
        let (_folder, layout) = recording(&HOURS);
        // Hour 7 ends at 8: it is two hours old at 10.
        assert_eq!(run(&layout, age(2), "2026-11-20T09:59:59Z"), Deleted::default());
        let deleted = run(&layout, age(2), "2026-11-20T10:00:00Z");
        let before = "2026-11-20T08:00:00".parse().unwrap();
        assert_eq!(deleted, Deleted { files: 2, bytes: 150, before, ..Deleted::default() });
        for table in ["cpu", "memory"] {
            assert_eq!(left(&layout, table), ["20261120T0800Z-0002", "20261120T0900Z-0003", "20261120T1000Z-0004"]);
        }
        // The newest hour stays, at any age.
        assert_eq!(run(&layout, age(2), "2027-11-20T10:00:00Z").files, 4);
        assert_eq!(left(&layout, "cpu"), ["20261120T1000Z-0004"]);
        assert_eq!(run(&layout, age(2), "2027-11-20T10:00:00Z"), Deleted::default());
        assert!(!layout.journal_folder().join("compact").exists());
        // A further table; all its files are deleted.
        put(&layout, "disk", "20261120T0900Z-0003", 10);
        put(&layout, "cpu", "20261120T1100Z-0005", 10);
        assert_eq!(run(&layout, age(2), "2027-11-20T10:00:00Z").files, 3);
        assert!(!layout.table_folder("disk").exists() && layout.table_folder("cpu").exists());
    }

    #[test]
    fn the_oldest_hours_are_deleted_until_the_size_is_right() {
        let (_folder, layout) = recording(&HOURS);
        let now = "2026-11-20T11:00:00Z";
        assert_eq!(run(&layout, at_most(600), now), Deleted::default());
        // There are 600 bytes: 450 with one hour less, 300 with two hours less.
        let deleted = run(&layout, at_most(449), now);
        assert_eq!((deleted.files, deleted.bytes, deleted.too_large_by), (4, 300, None));
        assert_eq!(left(&layout, "memory"), ["20261120T0900Z-0003", "20261120T1000Z-0004"]);
        // Other files count, but are kept.
        fs::create_dir_all(layout.journal_folder()).unwrap();
        fs::write(layout.journal(5), vec![0; 1000]).unwrap();
        let deleted = run(&layout, at_most(1100), now);
        assert_eq!((deleted.files, deleted.too_large_by), (2, Some(50)));
        assert_eq!(left(&layout, "cpu"), ["20261120T1000Z-0004"]);
        assert!(layout.journal(5).exists());
    }

    #[test]
    fn foreign_files_are_not_deleted() {
        let (_folder, layout) = recording(&HOURS);
        put(&layout, "cpu", "20261120T0600Z", 10);
        put(&layout, "cpu", "notes", 10);
        put(&layout, "my_own", "20261120T0600Z-0001", 10);
        fs::create_dir(layout.table_folder("cpu").join("20261120T0500Z-0009.parquet")).unwrap();
        fs::write(layout.table_folder("disk"), "a file").unwrap();
        let deleted = run(&layout, age(1), "2027-01-01T00:00:00Z");
        assert_eq!(deleted.files, 6);
        let names = ["20261120T0500Z-0009", "20261120T0600Z", "20261120T1000Z-0004", "notes"];
        assert_eq!(left(&layout, "cpu"), names);
        assert_eq!(left(&layout, "my_own"), ["20261120T0600Z-0001"]);
    }

    #[test]
    fn a_merged_day_is_deleted_with_the_hours_of_other_tables() {
        let (_folder, layout) = recording(&[]);
        put(&layout, "cpu", "20261120-0001-0024", 10);
        put(&layout, "memory", "20261120T0700Z-0001", 10);
        put(&layout, "memory", "20261120T2300Z-0024", 10);
        put(&layout, "memory", "20261121T0000Z-0025", 10);
        assert_eq!(run(&layout, age(24), "2026-11-21T23:59:59Z").files, 0);
        assert_eq!(run(&layout, age(24), "2026-11-22T00:00:00Z").files, 3);
        assert_eq!(left(&layout, "memory"), ["20261121T0000Z-0025"]);
    }

    #[test]
    fn the_highest_number_stays_when_the_clock_was_set_back() {
        let (_folder, layout) = recording(&["20261120T0700Z", "20261120T0800Z", "20261119T0700Z"]);
        assert_eq!(run(&layout, at_most(10), "2026-11-21T00:00:00Z").files, 0);
        assert_eq!(left(&layout, "cpu").len(), 3);
    }

    #[test]
    fn nothing_is_deleted_during_a_merge() {
        let (_folder, layout) = recording(&HOURS);
        let tidying = Tidying::begin(&layout).unwrap();
        assert_eq!(run(&layout, age(1), "2027-01-01T00:00:00Z").files, 0);
        drop(tidying);
        assert_eq!(run(&layout, age(1), "2027-01-01T00:00:00Z").files, 6);
    }
}
