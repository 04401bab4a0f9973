//! Merges the hourly files of a table for a finished UTC day into one. A recorder may keep writing and readers may keep
//! reading: see [`super::layout::merged`] for how the one file replaces the others.

mod merge;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;

use chrono::NaiveDate;

use super::layout::merged::{RowFile, rows_of};
use super::layout::{Layout, SealedName};
use crate::table::TableDef;

pub use merge::{CompactError, merge};

/// The files of one table and day, in the order in which their rows were written, and the name of the merged file.
#[derive(Debug)]
pub struct Job {
    pub table: &'static TableDef,
    pub name: SealedName,
    pub sources: Vec<PathBuf>,
    pub bytes: u64,
}

/// The work to do.
#[derive(Debug, Default)]
pub struct Plan {
    pub jobs: Vec<Job>,
    /// Days that must wait, with the unsealed journal: its number would be in the range of the merged file, so its rows
    /// would count as merged.
    pub waiting: BTreeSet<(NaiveDate, u32)>,
}

/// Finds the days before `today` with more than one file of a table.
///
/// # Errors
/// When a folder cannot be listed.
pub fn plan(layout: &Layout, tables: &[&'static TableDef], today: NaiveDate) -> io::Result<Plan> {
    // List the journals before the files: a journal that is missing by then is sealed, and its files are found. In the
    // other order, a journal could be sealed in between, and its file would count as one of those merged.
    let journals: Vec<u32> = layout.journals()?.into_iter().map(|(number, _)| number).collect();
    let mut found = Vec::new();
    for &table in tables {
        let mut days: BTreeMap<NaiveDate, Vec<(SealedName, PathBuf)>> = BTreeMap::new();
        for RowFile { path, name } in rows_of(layout, table.name)? {
            if let Some(name) = name.filter(|name| name.date() < today) {
                days.entry(name.date()).or_default().push((name, path));
            }
        }
        found.extend(days.into_iter().filter(|(_, files)| files.len() > 1).map(|(day, files)| (table, day, files)));
    }
    let mut plan = Plan::default();
    for (table, day, mut files) in found {
        files.sort_by_key(|(name, _)| name.first);
        let numbers = files.iter().flat_map(|(name, _)| [name.first, name.last]);
        let (first, last) = numbers.fold((u32::MAX, 0), |(first, last), n| (first.min(n), last.max(n)));
        let name = SealedName::day_of(day, first, last);
        if let Some(unsealed) = journals.iter().find(|n| name.holds(**n)) {
            plan.waiting.insert((day, *unsealed));
            continue;
        }
        let sources: Vec<PathBuf> = files.into_iter().map(|(_, path)| path).collect();
        let bytes = sources.iter().filter_map(|path| layout.bytes_of(path)).sum();
        plan.jobs.push(Job { table, name, sources, bytes });
    }
    // By day, so that the tables of a day differ only for a short time.
    plan.jobs.sort_by_key(|job| job.name.start);
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::collect::catalog;

    fn layout(files: &[&str], journals: &[u32]) -> (tempfile::TempDir, Layout) {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path());
        for file in files {
            let path = folder.path().join(format!("{file}.parquet"));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "12345").unwrap();
        }
        fs::create_dir_all(layout.journal_folder()).unwrap();
        for number in journals {
            fs::write(layout.journal(*number), "").unwrap();
        }
        (folder, layout)
    }

    fn planned(files: &[&str], journals: &[u32]) -> Vec<String> {
        let (_folder, layout) = layout(files, journals);
        let today = NaiveDate::from_ymd_opt(2026, 11, 21).unwrap();
        let plan = plan(&layout, &catalog::tables().iter().collect::<Vec<_>>(), today).unwrap();
        let jobs = plan.jobs.iter().map(|job| {
            let sources: Vec<_> = job.sources.iter().map(|p| p.file_stem().unwrap().to_str().unwrap()).collect();
            assert_eq!(job.bytes, 5 * sources.len() as u64);
            format!("{}/{} of {}", job.table.name, job.name, sources.join(" "))
        });
        let waiting = plan.waiting.iter().map(|(day, number)| format!("{day} waits for {number}"));
        jobs.chain(waiting).collect()
    }

    #[test]
    fn finished_days_with_several_files() {
        let files = [
            "memory/20261120T0700Z-0002",
            "memory/20261120T0800Z-0003",
            "cpu/20261119T2300Z-0001",
            "cpu/20261120T0700Z-0002",
            "cpu/20261120T0800Z-0003",
            "cpu/20261120T0800Z-0004",
            "cpu/20261121T0000Z-0005",
            "cpu/20261121T0100Z-0006",
            "cpu/20261122T0100Z-0007",
            "cpu/20261122T0200Z-0008",
            "cpu/backup-1",
            "unknown/20261120T0700Z-0001",
            "unknown/20261120T0700Z-0002",
        ];
        assert_eq!(
            planned(&files, &[9]),
            [
                "cpu/20261120-0002-0004 of 20261120T0700Z-0002 20261120T0800Z-0003 20261120T0800Z-0004",
                "memory/20261120-0002-0003 of 20261120T0700Z-0002 20261120T0800Z-0003",
            ]
        );
    }

    #[test]
    fn a_merged_day_grows_or_stays() {
        assert!(planned(&["cpu/20261120-0001-0024"], &[]).is_empty());
        assert_eq!(
            planned(&["cpu/20261120-0001-0024", "cpu/20261120T2300Z-0026"], &[]),
            ["cpu/20261120-0001-0026 of 20261120-0001-0024 20261120T2300Z-0026"]
        );
        // Hours that the merged file replaces are left-overs, not new rows.
        assert!(planned(&["cpu/20261120-0001-0024", "cpu/20261120T2300Z-0024"], &[]).is_empty());
    }

    #[test]
    fn rows_keep_their_order_when_the_clock_was_set_back() {
        assert_eq!(
            planned(&["cpu/20261120T0900Z-0001", "cpu/20261120T0800Z-0002"], &[]),
            ["cpu/20261120-0001-0002 of 20261120T0900Z-0001 20261120T0800Z-0002"]
        );
    }

    #[test]
    fn days_with_unsealed_journals_wait() {
        let files = ["cpu/20261120T0800Z-0002", "cpu/20261120T0900Z-0004"];
        for unsealed in [2, 3, 4] {
            let waits = format!("2026-11-20 waits for {unsealed}");
            assert_eq!(planned(&files, &[unsealed]), [waits]);
        }
        assert_eq!(planned(&files, &[1, 5]).len(), 1);
    }
}
