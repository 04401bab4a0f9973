//! `perfwatch compact`: fewer files with the same rows, at any time, for any of our readers, and after a kill at any
//! point.

mod common;
mod program;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::{Machine, Recording};
use perfwatch::linux::clock::Event;
use perfwatch::store::layout::{Layout, Lock};
use program::*;

/// From 22:00 of 30 June 2026, three samples per hour for 200 ticks: two hours, two days, and a part of 3 July. On 1
/// July at 14:40 the clock is set back by two hours.
fn days() -> tempfile::TempDir {
    days_with(Event::StepUs(-7_200_000_000))
}

fn days_with(at_noon: Event) -> tempfile::TempDir {
    let machine = Machine::copy("vm2");
    let recording = Recording::of(&machine).collectors(&["memory", "cpu_core", "disk"]).start("2026-06-30T22:00:00Z");
    let script = |tick| if tick == 50 { at_noon } else { Event::Stall(Duration::from_secs(1199)) };
    recording.stop_at(200).record(script).folder
}

/// Every row of every table, sorted, because hours overlap where the clock was set back, and readers return them in
/// file order.
fn everything(dir: &Path) -> Vec<(&'static str, Vec<Vec<String>>)> {
    let mut all = common::everything(dir);
    all.iter_mut().for_each(|(_, rows)| rows.sort());
    all
}

fn copy_of(recording: &Path) -> (tempfile::TempDir, PathBuf) {
    let (folder, dir) = new();
    copy(recording, &dir);
    (folder, dir)
}

fn compact(dir: &Path) -> Said {
    run([Path::new("compact"), dir])
}

fn json_report(dir: &Path) -> serde_json::Value {
    let said = report(dir, &["-f", "json", "--all"]);
    said.is(0, &[]);
    let mut report = said.json();
    report["recordings"][0]["path"] = "".into();
    report
}

#[test]
fn hours_become_days_and_nothing_else_changes() {
    let recorded = days();
    let dir = recorded.path();
    let rows = everything(dir);
    let hours = sealed_names(dir, "memory");
    let before = tree(dir);

    let said = run([Path::new("compact"), dir, "--dry-run".as_ref()]);
    said.is(0, &[": would merge ", " files of 4 days into "]);
    assert_eq!(tree(dir), before, "a dry run changes nothing");

    let said = compact(dir);
    said.is(0, &[": merged ", " files of 4 days into ", " into "]);
    assert_eq!(said.out, "");
    let days = sealed_names(dir, "memory");
    // Two hours of June are journals 1 and 2. 1 July has 24 hours, the two hours that were repeated, and the hour in
    // which the clock was set back is split in two: three more journals. The 200 ticks of 20 minutes cover 66 hours and
    // 40 minutes, minus the two hours: the last is at 14:20 of 3 July, in its 15th hour.
    assert_eq!(
        days,
        ["20260630-0001-0002", "20260701-0003-0029", "20260702-0030-0053", "20260703-0054-0068"],
        "{hours:?}"
    );
    for table in ["tick", "collector", "cpu_core", "disk"] {
        assert_eq!(sealed_names(dir, table), days, "{table}");
    }
    assert!(everything(dir) == rows, "other rows");
    assert!(!dir.join(".journal").exists());

    let merged = tree(dir);
    compact(dir).is(0, &[": nothing to merge"]);
    assert_eq!(tree(dir), merged, "doing it again changes nothing");
}

/// The clock is not set back here: where hours overlap, their order determines the growth of counters.
#[test]
fn a_report_stays_the_same() {
    let recorded = days_with(Event::Stall(Duration::from_secs(1199)));
    let dir = recorded.path();
    let reported = json_report(dir);
    compact(dir).is(0, &[]);
    assert!(json_report(dir) == reported, "another report");
}

#[test]
fn the_recorder_continues_during_a_merge() {
    let recorded = days();
    let dir = recorded.path();
    let memory = everything(dir).into_iter().find(|(table, _)| *table == "memory").unwrap().1;
    let live = Live::start(dir, &["--append", "--collectors", "memory"]);
    compact(dir).is(0, &[": merged "]);
    assert!(Lock::is_held(&Layout::new(dir)));
    let (_other, copied) = copy_of(dir);
    // Today is not over, and its journal is unchanged.
    assert!(common::column(&copied, "memory", "ts").len() > memory.len() + 3);
    live.end(libc::SIGINT).is(0, &[]);
    let names = sealed_names(dir, "memory");
    assert_eq!(names.len(), 5, "{names:?}");
    let number: u32 = names[4].rsplit('-').next().unwrap().parse().unwrap();
    assert!(number > names[3].rsplit('-').next().unwrap().parse().unwrap(), "numbers go on: {names:?}");
    assert_eq!(common::rows(dir, "memory", &["ts"])[..memory.len()].len(), memory.len());
}

#[test]
fn killed_again_and_again() {
    let recorded = days();
    let rows = everything(recorded.path());
    let (_folder, dir) = copy_of(recorded.path());
    let began = Instant::now();
    compact(&dir).is(0, &[]);
    let takes = began.elapsed();
    let mut interrupted = 0;
    for round in 0..8 {
        let (_folder, dir) = copy_of(recorded.path());
        let mut child = program().arg("compact").arg(&dir).stderr(Stdio::null()).spawn().unwrap();
        // Killed after this time from the start of the merge.
        until("the merging", || dir.join(".journal/compact").exists() || child.try_wait().unwrap().is_some());
        std::thread::sleep(takes * round / 8);
        child.kill().unwrap();
        child.wait().unwrap();
        interrupted += usize::from(dir.join(".journal/compact").exists());
        assert!(everything(&dir) == rows, "round {round}: other rows after the kill");
        if round % 2 == 0 {
            // The next recorder, or `recover`, also completes it, for tools that read the files directly.
            run([Path::new("recover"), &dir]).is(0, &[]);
            assert!(!dir.join(".journal").exists(), "round {round}");
            assert!(everything(&dir) == rows, "round {round}: other rows after recover");
        }
        compact(&dir).is(0, &[]);
        assert!(everything(&dir) == rows, "round {round}: other rows in the end");
        assert_eq!(sealed_names(&dir, "tick").len(), 4, "round {round}");
        assert!(!dir.join(".journal").exists(), "round {round}");
    }
    assert!(interrupted > 0, "no kill came during a merge");
}

#[test]
fn leftovers_of_a_merge_killed_at_its_end_are_removed() {
    let recorded = days();
    let (_folder, dir) = copy_of(recorded.path());
    compact(&dir).is(0, &[]);
    fs::create_dir(dir.join(".journal")).unwrap();
    fs::write(dir.join(".journal/compact.lock"), "").unwrap();
    compact(&dir).is(0, &["nothing to merge"]);
    assert!(!dir.join(".journal").exists());
    // A journal stays for `recover`.
    fs::create_dir(dir.join(".journal")).unwrap();
    fs::write(dir.join(".journal/0009"), "").unwrap();
    compact(&dir);
    assert!(dir.join(".journal/0009").exists());
}

#[test]
fn readers_see_each_row_once_while_it_is_merged() {
    let recorded = days();
    let rows = everything(recorded.path());
    let mut looks = 0;
    for _ in 0..2 {
        let (_folder, dir) = copy_of(recorded.path());
        let mut child = program().arg("compact").arg(&dir).stderr(Stdio::null()).spawn().unwrap();
        while child.try_wait().unwrap().is_none() {
            assert!(everything(&dir) == rows);
            looks += 1;
        }
        assert_eq!(sealed_names(&dir, "tick").len(), 4);
    }
    assert!(looks > 3);
}

#[test]
fn files_that_cannot_be_merged_are_kept_and_named() {
    let recorded = days();
    let dir = recorded.path();
    let rows = everything(dir);
    let first = sealed(dir, "disk");
    let good = fs::read(&first).unwrap();
    fs::write(&first, &good[..good.len() / 2]).unwrap();
    let said = compact(dir);
    said.is(1, &["disk, 2026-06-30: ", "20260630T2200Z-0001.parquet: is damaged"]);
    assert_eq!(sealed_names(dir, "disk").len(), 5);
    assert_eq!(sealed_names(dir, "memory").len(), 4);
    fs::write(&first, &good).unwrap();
    compact(dir).is(0, &["merged 2 files of 1 day into 1"]);
    assert!(everything(dir) == rows);

    let nothing = tempfile::tempdir().unwrap();
    compact(nothing.path()).is(1, &["is not a recording"]);
    run(["compact"]).is(2, &[]);
}

#[test]
fn a_day_with_a_journal_that_is_not_sealed_waits() {
    let recorded = days();
    let dir = recorded.path();
    let rows = everything(dir);
    let layout = Layout::new(dir);
    // As if the sealing of the second hour had failed: an empty journal with its number.
    fs::create_dir_all(layout.journal_folder()).unwrap();
    fs::write(layout.journal(2), "").unwrap();
    compact(dir).is(1, &["2026-06-30 is not merged because journal 0002 is not sealed yet"]);
    assert_eq!(sealed_names(dir, "memory").len(), 5);
    fs::remove_file(layout.journal(2)).unwrap();
    compact(dir).is(0, &[]);
    assert_eq!(sealed_names(dir, "memory").len(), 4);
    assert!(everything(dir) == rows);
}

#[test]
fn one_at_a_time() {
    let recorded = days();
    let dir = recorded.path();
    let layout = Layout::new(dir);
    let lock = Lock::take_at(&layout, &layout.compact_lock()).unwrap();
    compact(dir).is(1, &["is already being merged by another perfwatch"]);
    drop(lock);
    compact(dir).is(0, &[]);
}
