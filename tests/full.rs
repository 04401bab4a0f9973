//! A full disk, or a file size limit: what was written is kept, and what was not is reported.
#![allow(unsafe_code, reason = "mounts and limits of the recorder")]

mod program;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use perfwatch::store::layout::Layout;
use program::*;

/// A small separate file system, if one may be mounted.
struct Small {
    at: tempfile::TempDir,
}

impl Small {
    fn mount(kib: u32) -> Option<Small> {
        let at = tempfile::tempdir().unwrap();
        if !has_mounts_of_its_own() {
            eprintln!("skipped: a small tmpfs can only be mounted by root");
            return None;
        }
        let options = format!("size={kib}k");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(at.path()).output();
        if mount.is_ok_and(|o| o.status.success()) {
            return Some(Small { at });
        }
        eprintln!("skipped: a small tmpfs can only be mounted by root");
        None
    }
    fn dir(&self) -> PathBuf {
        self.at.path().join("run")
    }
    /// Fills the disk except for this many KiB.
    fn fill(&self, left_kib: usize) {
        let hog = self.at.path().join("hog");
        let mut size = 0;
        while free_kib(self.at.path()) > left_kib {
            size += (free_kib(self.at.path()) - left_kib) * 1024;
            fs::write(&hog, vec![1; size]).unwrap();
        }
    }
    fn make_room(&self) {
        fs::remove_file(self.at.path().join("hog")).unwrap();
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.at.path()).status();
    }
}

/// Gives this thread and its children separate mounts, which end with them; the machine's mounts do not change.
fn has_mounts_of_its_own() -> bool {
    let (none, how) = (std::ptr::null(), libc::MS_REC | libc::MS_SLAVE);
    // SAFETY: two system calls with constant arguments.
    unsafe {
        libc::unshare(libc::CLONE_NEWNS) == 0
            && libc::mount(none, c"/".as_ptr(), none.cast(), how, std::ptr::null()) == 0
    }
}

fn free_kib(path: &Path) -> usize {
    use std::os::unix::ffi::OsStrExt;
    let path = std::ffi::CString::new(path.as_os_str().as_bytes()).unwrap();
    // SAFETY: statvfs fills in the structure, which may be zero.
    let found = unsafe {
        let mut found: libc::statvfs = std::mem::zeroed();
        assert_eq!(libc::statvfs(path.as_ptr(), &raw mut found), 0);
        found
    };
    (found.f_bavail * found.f_bsize / 1024) as usize
}

#[test]
fn full_and_free_again_while_recording() {
    let Some(small) = Small::mount(4096) else { return };
    // Many values at short intervals, so that the space allocated in advance (1 MiB) runs out.
    let dir = small.dir();
    let command = record_of(&fixture("big64"), &dir, &["-i", "10ms"]);
    let live = Live::of(command, &dir);
    small.fill(0);
    let journal = Layout::new(&dir).journal(1);
    let size = || fs::metadata(&journal).map_or(0, |m| m.len());
    let mut last = 0;
    until("the journal to stop growing", || {
        std::thread::sleep(std::time::Duration::from_millis(400));
        let now = ticks(&dir).len();
        std::mem::replace(&mut last, now) == now
    });
    assert!(last > 10, "{last} ticks in {} bytes", size());
    report_ticks(&dir).is(0, &[]);
    small.make_room();
    until("ticks again", || ticks(&dir).len() > last + 5);
    let said = live.end(libc::SIGINT);
    // Status 1, because ticks were lost.
    said.is(
        1,
        &[
            "cannot write ",
            " bytes to ",
            "/.journal/0001: No space left",
            "sampling continues",
            "writing again",
            " lost)",
        ],
    );
    assert_eq!(said.err.matches("cannot write").count(), 1, "said once: {}", said.err);
    let session = manifest(&dir)["sessions"][0].clone();
    assert!(session["lost_ticks"].as_u64().unwrap() > 0);
    let ticks = session["ticks"].as_u64().unwrap() as usize;
    let said = report_ticks(&dir);
    said.is(0, &[]);
    assert_eq!(counted(&said), ticks);
}

#[test]
fn full_while_sealing() {
    let Some(small) = Small::mount(4096) else { return };
    let dir = small.dir();
    let live = Live::start(&dir, &[]);
    until("some ticks", || ticks(&dir).len() > 20);
    // A recorder that ends by itself frees the space allocated in advance.
    live.end(libc::SIGKILL);
    small.fill(0);
    run([Path::new("recover"), &dir]).is(1, &["cannot write ", "No space left"]);
    let before = report_ticks(&dir);
    before.is(0, &[]);
    assert!(counted(&before) > 20);
    let temporary = || {
        fs::read_dir(Layout::new(&dir).journal_folder())
            .unwrap()
            .flatten()
            .any(|e| e.path().extension().is_some_and(|e| e == "tmp"))
    };
    assert!(!temporary(), "a partial file is removed to free its space");
    run([Path::new("recover"), &dir]).is(1, &["cannot write ", "No space left"]);
    small.make_room();
    run([Path::new("recover"), &dir]).is(0, &[]);
    assert_eq!(counted(&report_ticks(&dir)), counted(&before));
    assert!(!Layout::new(&dir).journal_folder().exists());
}

/// The space reserved for the recorder's final manifest is only for the recorder.
#[test]
fn annotating_leaves_the_reserve_alone() {
    let Some(small) = Small::mount(4096) else { return };
    let dir = small.dir();
    let live = Live::start(&dir, &["-q", "-i", "50ms"]);
    small.fill(0);
    let annotate = || -> Said { program().args(["annotate", "--note", "x"]).arg(&dir).output().unwrap().into() };
    for _ in 0..3 {
        annotate().is(1, &["cannot write ", "_recording.json", "No space left"]);
    }
    assert!(Layout::new(&dir).reserve().exists());
    small.make_room();
    annotate().is(0, &[]);
    live.end(libc::SIGINT);
    assert_eq!(manifest(&dir)["notes"].as_array().unwrap().len(), 1);
}

#[test]
fn it_stops_before_the_disk_is_full() {
    let Some(small) = Small::mount(8192) else { return };
    let dir = small.dir();
    let live = Live::start(&dir, &["--min-free", "2M", "-q"]);
    small.fill(1500);
    // It ends by itself, with enough space left to convert the rows to Parquet.
    let said = live.wait();
    said.is(1, &["perfwatch: the disk of ", " free, less than --min-free 2.00 MiB: recording stops"]);
    let session = manifest(&dir)["sessions"][0].clone();
    assert_eq!((&session["end_reason"], &session["lost_ticks"]), (&"min-free".into(), &0.into()));
    assert!(session["problems"][0].as_str().unwrap().contains("--min-free"), "{session}");
    assert!(!Layout::new(&dir).journal_folder().exists(), "sealed");
    let said = report_ticks(&dir);
    said.is(0, &[]);
    assert_eq!(counted(&said) as u64, session["ticks"].as_u64().unwrap());
    // A percentage of the disk, which is as full as before.
    record(&dir, &["--append", "--min-free", "50%"]).is(1, &["less than --min-free 50%"]);
    small.make_room();
    record(&dir, &["--append", "--min-free", "25%"]).is(0, &[]);
}

#[test]
fn the_result_of_a_command_that_filled_the_disk() {
    let Some(small) = Small::mount(1024) else { return };
    let fill = "dd if=/dev/zero of=$1 bs=1k 2> /dev/null; sleep 0.2; exit 4";
    let mut command = program();
    // The files of all collectors are larger than what is reserved for the manifest.
    command.args(["record", "-i", "20ms", "-o"]).arg(small.dir());
    command.args(["--", "sh", "-c", fill, "sh"]).arg(small.at.path().join("hog"));
    Said::from(command.output().unwrap()).is(4, &["No space left"]);
    let session = manifest(&small.dir())["sessions"][0].clone();
    assert_eq!(session["command"]["exit_code"], 4, "{session}");
    assert!(session["command"]["cost"]["wall_s"].as_f64().unwrap() > 0.2 && session["ended"].is_string(), "{session}");
    small.make_room();
    run([Path::new("recover"), &small.dir()]).is(0, &[]);
    report_ticks(&small.dir()).is(0, &[]);
    assert!(!Layout::new(small.dir()).journal_folder().exists());
}

#[test]
fn full_from_the_start() {
    let Some(small) = Small::mount(128) else { return };
    small.fill(0);
    let said = record(&small.dir(), &[]);
    assert!(said.status == 1 && said.err.contains("No space left"), "{said:?}");
    small.make_room();
    record(&small.dir(), &["--collectors", "cpu"]).is(0, &[]);
}

#[test]
fn a_file_may_not_grow_beyond_a_limit() {
    limited(&["-i", "10ms", "-d", "1500ms"], &["writing again"]);
    // The reason for the exit status is printed even with -qq.
    limited(&["-i", "10ms", "-d", "700ms", "-qq"], &[]);
}

fn limited(options: &[&str], words: &[&str]) {
    let (_folder, dir) = new();
    let mut command = record_of(&fixture("big64"), &dir, options);
    const LIMIT: u64 = 100 * 1024;
    use std::os::unix::process::CommandExt;
    // SAFETY: setrlimit may be called between fork and exec.
    unsafe {
        command.pre_exec(|| {
            let limit = libc::rlimit { rlim_cur: LIMIT, rlim_max: LIMIT };
            if libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit) == 0 {
                Ok(())
            } else {
                Err(std::io::Error::last_os_error())
            }
        })
    };
    let said: Said = command.output().unwrap().into();
    // It continues in the next journal: a few ticks are lost, not the rest of the hour.
    said.is(1, &["cannot write ", " bytes to ", "/.journal/0001: File too large"]);
    said.is(1, words);
    let session = manifest(&dir)["sessions"][0].clone();
    let (ticks, lost) = (session["ticks"].as_u64().unwrap(), session["lost_ticks"].as_u64().unwrap());
    assert!(lost > 0 && ticks > 10 * lost, "{ticks} ticks, {lost} lost");
    let said = report_ticks(&dir);
    assert_eq!(counted(&said) as u64, ticks);
}
