//! Long recordings: the oldest hours are deleted, the newest are kept. A disk that fills up ends the recording and has
//! no other effect.

mod common;
mod program;

use std::time::Duration;

use common::{Machine, Recorded, Recording};
use perfwatch::linux::clock::Event;
use perfwatch::store::layout::Layout;
use perfwatch::store::read::piece::{Source, Window};
use perfwatch::store::write::retain::Retention;
use program::*;

/// One sample per hour, from midnight of 20 November.
fn hours(count: u64, retention: Retention) -> Recorded {
    let machine = Machine::copy("vm2");
    let recording = Recording::of(&machine).collectors(&["memory", "cpu"]).start("2026-11-20T00:00:00Z");
    recording.retention(retention).stop_at(count).record(|_| Event::Stall(Duration::from_secs(3599)))
}

#[test]
fn days_with_retention() {
    let day = Retention { age: Some(Duration::from_secs(24 * 3600)), max_bytes: None };
    let ran = hours(72, day);
    let dir = ran.dir();
    // The last tick is at 23:00 of the 22nd. Hours that ended by 23:00 of the 21st are a day old then, and deleted.
    let kept = sealed_names(dir, "memory");
    assert_eq!(kept.first().unwrap(), "20261121T2300Z-0048");
    assert_eq!(kept.last().unwrap(), "20261122T2300Z-0072");
    assert_eq!(kept.len(), 25);
    for table in ["cpu", "tick", "collector"] {
        assert_eq!(sealed_names(dir, table), kept, "{table}");
    }
    let stamps = ran.column("memory", "ts");
    assert_eq!((stamps.len(), stamps[0].as_str()), (26, "2026-11-21T23:00:00"));
    let deleted = ran.notices.iter().filter(|n| n.starts_with("deleted 4 files from before ")).count();
    assert!(deleted >= 40, "{:?}", ran.notices);
    assert!(!dir.join(".journal/compact").exists());
}

#[test]
fn days_with_a_limit_of_size() {
    let all = hours(24, Retention::default());
    let (_, bytes) = perfwatch::store::layout::size(all.folder.path());
    let ran = hours(24, Retention { age: None, max_bytes: Some(bytes / 2) });
    let dir = ran.dir();
    let kept = sealed_names(dir, "memory");
    // Half of it, up to whole hours; all hours have about the same size.
    assert!((8..=12).contains(&kept.len()), "{kept:?}");
    assert_eq!(kept.last().unwrap(), "20261120T2300Z-0024");
    let (_, left) = perfwatch::store::layout::size(dir);
    assert!(left <= bytes / 2 && left > bytes / 2 - bytes / 12, "{left} of {bytes}");
    for table in ["cpu", "tick", "collector"] {
        assert_eq!(sealed_names(dir, table), kept, "{table}");
    }
}

#[test]
fn files_deleted_while_reading() {
    let ran = hours(24, Retention::default());
    let dir = ran.dir();
    let table = perfwatch::collect::catalog::table("memory").unwrap();
    let files = Layout::new(dir).sealed_files("memory").unwrap();
    let opened = perfwatch::store::read::open(dir, perfwatch::collect::catalog::tables()).unwrap();
    // Deleted before it opens the files: it lists the remaining files.
    files[..3].iter().for_each(|path| std::fs::remove_file(path).unwrap());
    let mut problems = Vec::new();
    let pieces = opened.pieces(table, Window::ALL, &mut problems);
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(pieces.iter().map(|p| p.rows()).sum::<usize>(), 22, "21 hours and the last tick");
    // Deleted afterwards: it has them open.
    files[3..].iter().for_each(|path| std::fs::remove_file(path).unwrap());
    for piece in pieces {
        assert_eq!(piece.column("used_bytes").unwrap().iter().map(|c| c.len()).sum::<usize>(), piece.rows());
    }
}

#[test]
fn deletions_are_reported_and_stored_in_the_manifest() {
    let (_folder, dir) = new();
    record(&dir, &["--collectors", "memory"]).is(0, &[]);
    // Hours of years ago, as left by an earlier session.
    for table in ["memory", "tick", "collector"] {
        let sealed = sealed(&dir, table);
        for name in ["20200101T0000Z-0000", "20200101T0100Z-0000"] {
            std::fs::copy(&sealed, sealed.with_file_name(format!("{name}.parquet"))).unwrap();
        }
    }
    let said = record(&dir, &["--collectors", "memory", "--append", "--retain", "30d"]);
    said.is(0, &["perfwatch: deleted 6 files from before 20"]);
    assert_eq!(said.err.matches("deleted").count(), 1, "{}", said.err);
    let session = &manifest(&dir)["sessions"][1];
    assert_eq!(session["deleted_files"], 6);
    assert!(session["deleted_bytes"].as_u64().unwrap() > 6000, "{session}");
    assert_eq!(session["deleted_before"], named_start(&sealed_names(&dir, "memory")[0]));
    assert_eq!(sealed_names(&dir, "memory").len(), 2);

    let said = record(&dir, &["--collectors", "memory", "--append", "--max-bytes", "1K", "-qq"]);
    assert_eq!((said.status, said.err.as_str()), (0, ""), "quiet");
    // All sessions are in the newest hour, unless a new hour has just started.
    let left = sealed_names(&dir, "memory");
    assert!(left.iter().all(|name| named_start(name) == named_start(left.last().unwrap())), "{left:?}");
    let noted = manifest(&dir)["sessions"][2]["problems"].to_string();
    assert!(noted.contains("larger than --max-bytes allows"), "{noted}");
}

/// `2026-11-20T07:00:00Z` of `20261120T0700Z-0001`.
fn named_start(name: &str) -> String {
    let part = |from, to| &name[from..to];
    format!("{}-{}-{}T{}:{}:00Z", part(0, 4), part(4, 6), part(6, 8), part(9, 11), part(11, 13))
}

#[test]
fn invalid_sizes_and_times() {
    for (option, value, words) in [
        ("--retain", "30m", "--retain 30m: it can be 1h or more"),
        ("--max-bytes", "5 apples", "a size is written like"),
        ("--min-free", "200%", "a share of the disk is written like 5%"),
        ("--min-free", "lots", "or 5%"),
    ] {
        let (_folder, dir) = new();
        record(&dir, &[option, value]).is(2, &[words]);
        assert!(!dir.exists());
    }
}

#[test]
fn too_little_free_space_at_the_start() {
    let (_folder, dir) = new();
    let said = record(&dir, &["--min-free", "1000000T"]);
    said.is(1, &[" free, less than --min-free 976.56 PiB: free some space, or choose another directory"]);
    assert!(!dir.exists());
}
