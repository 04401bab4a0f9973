//! `perfwatch recover`: what remains after a kill, a power failure or disk damage becomes Parquet, and no unread data
//! is deleted.

mod program;

use std::fs;
use std::path::Path;
use std::process::Stdio;

use perfwatch::store::journal::frame;
use perfwatch::store::layout::Layout;
use program::*;

fn recover(dir: &Path) -> Said {
    run([Path::new("recover"), dir])
}

/// A killed recording, its journal's bytes, and where its frames end.
struct Killed {
    _folder: tempfile::TempDir,
    dir: std::path::PathBuf,
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Killed {
    fn new() -> Killed {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("run");
        killed(&dir, &["--collectors", "memory"]);
        let bytes = fs::read(Layout::new(&dir).journal(1)).unwrap();
        let mut ends = vec![0];
        while let Some((_, payload)) = frame::open(&bytes[ends[ends.len() - 1]..]) {
            ends.push(ends[ends.len() - 1] + frame::HEAD + payload.len());
        }
        assert!(ends.len() > 5);
        Killed { _folder: folder, dir, bytes, ends }
    }
    fn layout(&self) -> Layout {
        Layout::new(&self.dir)
    }
    fn put(&self, bytes: &[u8]) {
        fs::write(self.layout().journal(1), bytes).unwrap();
    }
    /// Damages a byte of the frame with this number; 0 is the header and 1 the repeated header.
    fn damaged_in(&self, frame: usize, byte: usize) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        bytes[self.ends[frame] + byte] ^= 0x40;
        bytes
    }
    /// Undoes the recovery, so that another journal can be put there.
    fn unseal(&self) {
        for table in ["tick", "collector", "memory"] {
            fs::remove_dir_all(self.dir.join(table)).ok();
        }
        fs::create_dir(self.layout().journal_folder()).unwrap();
    }
    /// Ticks of the whole journal.
    fn ticks(&self) -> usize {
        self.ends.len() - 3
    }
}

#[test]
fn a_killed_recording() {
    let killed = Killed::new();
    let before = report_ticks(&killed.dir);
    before.is(0, &[]);
    assert_eq!(counted(&before), killed.ticks());
    let said = recover(&killed.dir);
    said.is(0, &[]);
    assert!(said.out.contains("/.journal/0001: ") && said.out.contains(" rows of "), "{said:?}");
    assert_eq!(report_ticks(&killed.dir).out, before.out);
    assert!(!killed.layout().journal_folder().exists());
    let again = recover(&killed.dir);
    again.is(0, &[]);
    assert!(again.out.contains("nothing to recover"), "{again:?}");
}

#[test]
fn zeros_and_a_torn_last_tick_are_not_damage() {
    let killed = Killed::new();
    let [.., before_last, last] = killed.ends[..] else { unreachable!() };
    for (bytes, ticks) in [
        (killed.bytes[..last].to_vec(), killed.ticks()),
        (killed.bytes[..before_last + 3].to_vec(), killed.ticks() - 1),
        (killed.bytes[..last - 1].to_vec(), killed.ticks() - 1),
        ([&killed.bytes[..last - 9], &[0; 5000]].concat(), killed.ticks() - 1),
    ] {
        killed.put(&bytes);
        let said = report_ticks(&killed.dir);
        said.is(0, &[]);
        assert_eq!(counted(&said), ticks);
        recover(&killed.dir).is(0, &[]);
        assert!(!killed.layout().journal_folder().exists(), "nothing is kept of it");
        assert_eq!(counted(&report_ticks(&killed.dir)), ticks);
        killed.unseal();
    }
    // No tick was ever acknowledged in these.
    for nothing in [&[][..], &[0; 70_000], &killed.bytes[..killed.ends[1] - 5]] {
        killed.put(nothing);
        recover(&killed.dir).is(0, &[]);
        assert!(!killed.layout().journal_folder().exists() && !killed.dir.join("tick").exists());
        killed.unseal();
    }
}

#[test]
fn damage_in_the_middle_is_kept_and_reported() {
    for byte in [0, 4, 7, 9, 12, 40] {
        let killed = Killed::new();
        let bytes = killed.damaged_in(4, byte);
        killed.put(&bytes);
        let from = format!("from byte {} on are damaged", killed.ends[4]);
        let said = report_ticks(&killed.dir);
        said.is(1, &["/.journal/0001: ", &from, "the rows before them are read"]);
        assert_eq!(counted(&said), 2, "the ticks before the damage");
        let said = recover(&killed.dir);
        said.is(1, &[&from, "the file is kept as ", "/.journal/0001.damaged"]);
        assert_eq!(fs::read(killed.layout().damaged(1)).unwrap(), bytes, "every byte is kept");
        assert!(!killed.layout().journal(1).exists());
        assert_eq!(counted(&report_ticks(&killed.dir)), 2);
        // The work is done: the next time there is nothing to do, and nothing is removed.
        recover(&killed.dir).is(0, &[]);
        assert!(killed.layout().damaged(1).exists());
    }
}

#[test]
fn a_damaged_start_is_kept_and_reported() {
    for (frame, byte) in [(0, 0), (0, 5), (0, 8), (0, 12), (0, 100), (1, 0), (1, 100)] {
        let killed = Killed::new();
        let bytes = killed.damaged_in(frame, byte);
        killed.put(&bytes);
        let from = format!("from byte {} on are damaged", killed.ends[frame]);
        let said = report_ticks(&killed.dir);
        said.is(1, &["/.journal/0001: ", &from, "the rows before and after them are read"]);
        assert_eq!(counted(&said), killed.ticks(), "the header is there twice");
        recover(&killed.dir).is(1, &[&from, "0001.damaged"]);
        assert_eq!(fs::read(killed.layout().damaged(1)).unwrap(), bytes);
        assert_eq!(counted(&report_ticks(&killed.dir)), killed.ticks());
    }
    for byte in [0, 5, 8, 12, 100] {
        let killed = Killed::new();
        let mut bytes = killed.damaged_in(0, byte);
        bytes[killed.ends[1] + byte] ^= 0x40;
        killed.put(&bytes);
        report(&killed.dir, &[]).is(1, &["/.journal/0001: damaged from its first byte", "recover"]);
        recover(&killed.dir).is(1, &["from byte 0 on are damaged", "0001.damaged"]);
        assert_eq!(fs::read(killed.layout().damaged(1)).unwrap(), bytes);
    }
    let killed = Killed::new();
    killed.put(b"no journal at all");
    recover(&killed.dir).is(1, &["17 bytes from byte 0 on are damaged"]);
    // The recording continues after it, with a new number.
    record(&killed.dir, &["--append"]).is(0, &[]);
    assert_eq!(fs::read(killed.layout().damaged(1)).unwrap(), b"no journal at all");
    assert!(sealed(&killed.dir, "memory").to_str().unwrap().ends_with("-0002.parquet"));
}

#[test]
fn append_sets_a_damaged_journal_aside_as_well() {
    let killed = Killed::new();
    let bytes = killed.damaged_in(4, 9);
    killed.put(&bytes);
    let said = record(&killed.dir, &["--append"]);
    said.is(0, &["are damaged; the file is kept as "]);
    assert_eq!(fs::read(killed.layout().damaged(1)).unwrap(), bytes);
    assert!(manifest(&killed.dir)["sessions"][1]["problems"][0].as_str().unwrap().contains("0001.damaged"));
    let said = report(&killed.dir, &[]);
    said.is(0, &[]);
    assert!(said.out.contains("partly damaged") && said.out.contains("0001.damaged"), "{}", said.out);
}

#[test]
fn a_journal_of_a_future_version_is_left_alone() {
    let killed = Killed::new();
    let header = br#"{"version":2,"something":"new"}"#;
    let mut bytes = vec![0; frame::HEAD];
    bytes.extend_from_slice(header);
    frame::close(&mut bytes, frame::FrameKind::Header).unwrap();
    bytes.extend_from_slice(b"frames of whatever kind");
    killed.put(&bytes);
    let words = ["/.journal/0001", "version 2", "this perfwatch reads"];
    report(&killed.dir, &[]).is(1, &words);
    recover(&killed.dir).is(1, &words);
    assert_eq!(fs::read(killed.layout().journal(1)).unwrap(), bytes);
    let said = record(&killed.dir, &["--append"]);
    said.is(1, &words);
    assert_eq!(fs::read(killed.layout().journal(1)).unwrap(), bytes);
    assert!(killed.dir.join("memory").is_dir(), "the new session is recorded");
}

#[test]
fn without_a_manifest_the_rows_are_still_recovered() {
    for text in [None, Some("{\"format\": 1, half of it")] {
        let killed = Killed::new();
        match text {
            None => fs::remove_file(killed.layout().manifest()).unwrap(),
            Some(text) => fs::write(killed.layout().manifest(), text).unwrap(),
        }
        let said = report_ticks(&killed.dir);
        said.is(1, &["_recording.json", "manifest"]);
        assert_eq!(counted(&said), killed.ticks());
        recover(&killed.dir).is(1, &["_recording.json", "sealed anyway"]);
        assert!(!killed.layout().journal_folder().exists());
        assert_eq!(counted(&report_ticks(&killed.dir)), killed.ticks());
        assert_eq!(fs::read_to_string(killed.layout().manifest()).ok().as_deref(), text, "not touched");
    }
}

#[test]
fn paths_that_are_not_recordings() {
    let folder = tempfile::tempdir().unwrap();
    let killed = Killed::new();
    // A path that is not a recording does not stop the others.
    let said = run([Path::new("recover"), folder.path(), Path::new("/no/such"), &killed.dir]);
    said.is(1, &["is not a recording", "cannot read /no/such"]);
    assert!(!killed.layout().journal_folder().exists());
    run(["recover"]).is(2, &[]);
    assert!(fs::read_dir(folder.path()).unwrap().next().is_none());
}

#[test]
fn killed_while_it_recovers() {
    let killed = Killed::new();
    let expected = report_ticks(&killed.dir).out;
    // A longer journal would take longer: this many attempts hit different steps of it.
    for round in 0..12u64 {
        let mut child = program().arg("recover").arg(&killed.dir).stdout(Stdio::null()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_micros(2_000 + round * 1_700));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(report_ticks(&killed.dir).out, expected, "round {round}");
    }
    recover(&killed.dir).is(0, &[]);
    assert_eq!(report_ticks(&killed.dir).out, expected);
    assert!(!killed.layout().journal_folder().exists());
}

#[test]
fn a_table_that_cannot_be_written_keeps_the_journal() {
    let killed = Killed::new();
    fs::write(killed.dir.join("memory"), "in the way").unwrap();
    recover(&killed.dir).is(1, &["cannot write ", "memory"]);
    assert!(killed.layout().journal(1).exists());
    assert!(fs::read_dir(killed.layout().journal_folder()).unwrap().count() == 1, "no temporary files");
    fs::remove_file(killed.dir.join("memory")).unwrap();
    recover(&killed.dir).is(0, &[]);
    assert_eq!(counted(&report_ticks(&killed.dir)), killed.ticks());
}

#[test]
fn stdout_without_a_reader() {
    let killed = Killed::new();
    let mut child = program().arg("recover").arg(&killed.dir).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
    assert!(!killed.layout().journal_folder().exists());
}

/// A user has deleted too many files.
#[test]
fn a_journal_removed_during_recording_is_reported() {
    let (_folder, dir) = new();
    let live = Live::start(&dir, &["-qq", "--collectors", "cpu"]);
    fs::remove_file(Layout::new(&dir).journal(1)).unwrap();
    // It is an error that determines the exit status, even with -qq.
    live.end(libc::SIGINT).is(1, &[".journal/0001 was removed", "are lost"]);
    assert!(manifest(&dir)["sessions"][0]["problems"][0].as_str().unwrap().contains("was removed"));
    run([Path::new("recover"), &dir]).is(0, &[]);
}

/// The session that lost them may have been moved to the file of old sessions.
#[test]
fn ticks_lost_in_old_sessions_are_reported() {
    let (_folder, dir) = new();
    record(&dir, &["-q", "--collectors", "cpu"]).is(0, &[]);
    let mut changed = manifest(&dir);
    changed["past"] = serde_json::json!({"sessions": 2, "last_number": 2, "ticks": 9, "lost_ticks": 3});
    fs::write(Layout::new(&dir).manifest(), changed.to_string()).unwrap();
    let said = report(&dir, &[]);
    // The text may be wrapped.
    let words = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.status == 0 && words.contains("3 ticks could not be written"), "{said:?}");
}
