//! A recording whose owner tries to attack another user who works on it, or a user who can only read it and tries to
//! block it.

mod program;

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use perfwatch::store::layout::Layout;
use program::*;

/// A file outside of any recording, which must not change.
struct Victim {
    folder: tempfile::TempDir,
}

impl Victim {
    fn new() -> Victim {
        let victim = Victim { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(victim.folder.path().join("inside")).unwrap();
        for name in ["file", "inside/left.tmp", "inside/20200101T0000Z-0001.parquet", "inside/0001"] {
            fs::write(victim.folder.path().join(name), "precious").unwrap();
            fs::set_permissions(victim.folder.path().join(name), PermissionsExt::from_mode(0o600)).unwrap();
        }
        victim
    }
    fn file(&self) -> PathBuf {
        self.folder.path().join("file")
    }
    fn inside(&self) -> PathBuf {
        self.folder.path().join("inside")
    }
    #[track_caller]
    fn is_untouched(&self) {
        let tree = tree(self.folder.path());
        assert_eq!(tree.len(), 4, "{:?}", tree.keys());
        for (path, bytes) in tree {
            assert_eq!(bytes, b"precious", "{}", path.display());
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600, "{}", path.display());
        }
    }
}

fn on(dir: &Path, args: &[&str]) -> Said {
    program().args(args).arg(dir).output().unwrap().into()
}

#[test]
fn links_instead_of_temporary_files() {
    let victim = Victim::new();
    let (_folder, dir) = new();
    record(&dir, &["-q"]).is(0, &[]);
    let layout = Layout::new(&dir);
    symlink(victim.file(), layout.temporary_manifest()).unwrap();
    on(&dir, &["annotate", "--note", "x"]).is(0, &[]);
    victim.is_untouched();

    killed(&dir, &["--append", "--collectors", "cpu,memory"]);
    for name in ["cpu-0002", "memory-0002", "tick-0002", "collector-0002", "reserve", "control"] {
        let _ = fs::remove_file(layout.temporary(name));
        symlink(victim.file(), layout.temporary(name)).unwrap();
    }
    let _ = fs::remove_file(layout.control());
    symlink(victim.file(), layout.control()).unwrap();
    symlink(victim.file(), layout.temporary_manifest()).unwrap();
    on(&dir, &["recover"]).is(0, &[]);
    victim.is_untouched();

    fs::create_dir_all(layout.journal_folder()).unwrap();
    for path in [layout.reserve(), layout.temporary("control"), layout.manifest_lock(), layout.compact_lock()] {
        symlink(victim.file(), path).unwrap();
    }
    record(&dir, &["-q", "--append"]);
    on(&dir, &["annotate", "--note", "y"]);
    on(&dir, &["compact"]);
    victim.is_untouched();
    fs::remove_dir_all(layout.journal_folder()).unwrap();

    // The lock of the recorder itself.
    fs::create_dir_all(layout.journal_folder()).unwrap();
    symlink(victim.file(), layout.recorder_lock()).unwrap();
    record(&dir, &["-q", "--append"]).is(1, &["lock", "symbolic link"]);
    on(&dir, &["report"]).is(0, &[]);
    victim.is_untouched();
}

#[test]
fn links_instead_of_folders() {
    let victim = Victim::new();
    let (_folder, dir) = new();
    record(&dir, &["-q", "--collectors", "memory"]).is(0, &[]);
    let layout = Layout::new(&dir);
    symlink(victim.inside(), layout.table_folder("cpu")).unwrap();
    record(&dir, &["-q", "--collectors", "memory", "--append", "--retain", "1h"]);
    on(&dir, &["compact"]);
    victim.is_untouched();
    on(&dir, &["report"]).is(1, &["cpu", "symbolic link"]);

    fs::remove_file(layout.table_folder("cpu")).unwrap();
    symlink(victim.inside(), layout.journal_folder()).unwrap();
    on(&dir, &["recover"]).is(1, &["symbolic link"]);
    on(&dir, &["annotate", "--note", "x"]).is(1, &["symbolic link"]);
    record(&dir, &["-q", "--append"]).is(1, &["symbolic link"]);
    victim.is_untouched();
}

/// A folder of runs leads only to its own runs: root's `annotate` must not change a recording elsewhere.
#[test]
fn runs_outside_of_the_directory() {
    let (folder, dir) = new();
    record(&dir, &["-q", "--collectors", "cpu"]).is(0, &[]);
    let before = tree(&dir);
    let runs = folder.path().join("runs");
    let runs = || {
        let _ = fs::remove_dir_all(&runs);
        let mut repeated = program();
        repeated.args(["record", "-qq", "--collectors", "cpu", "--runs", "2", "-o"]).arg(&runs).args(["--", "true"]);
        Said::from(repeated.output().unwrap()).is(0, &[]);
        runs.clone()
    };
    let commands = [&["annotate", "--note", "x"][..], &["recover"], &["compact"], &["verify"], &["report"], &["info"]];
    let elsewhere = ["../".to_string() + dir.file_name().unwrap().to_str().unwrap(), dir.to_str().unwrap().to_string()];
    for directory in &elsewhere {
        let runs = runs();
        let index = fs::read_to_string(runs.join("_runs.json")).unwrap();
        fs::write(runs.join("_runs.json"), index.replacen("run=002", directory, 1)).unwrap();
        for args in commands {
            on(&runs, args).is(1, &["is not inside"]);
        }
    }
    for index in [true, false] {
        let runs = runs();
        fs::remove_dir_all(runs.join("run=002")).unwrap();
        symlink(&dir, runs.join("run=002")).unwrap();
        if !index {
            fs::remove_file(runs.join("_runs.json")).unwrap();
        }
        for args in commands {
            // Without an index the link is not one of the runs.
            let said = on(&runs, args);
            assert!(if index { said.status == 1 } else { said.status == 0 }, "{args:?}: {said:?}");
            assert!(!index || said.err.contains("symbolic link"), "{args:?}: {said:?}");
        }
    }
    assert_eq!(tree(&dir), before);
}

/// Names similar to ours, and the largest numbers.
#[test]
fn numbers_not_given_by_a_recorder() {
    let (_folder, dir) = new();
    record(&dir, &["-q", "--collectors", "cpu"]).is(0, &[]);
    let journals = dir.join(".journal");
    fs::create_dir(&journals).unwrap();
    let names = ["4294967295", "4294967295.damaged", "1", "+2", "00003", "1000000000"];
    names.iter().for_each(|name| fs::write(journals.join(name), "somebody's").unwrap());
    fs::write(dir.join("cpu/20261120T0700Z-4294967295.parquet.bak"), "somebody's").unwrap();
    record(&dir, &["-q", "--collectors", "cpu", "--append"]).is(0, &[]);
    for args in [&["recover"][..], &["report"], &["verify"], &["compact"], &["annotate", "--note", "x"]] {
        on(&dir, args).is(0, &[]);
    }
    assert!(names.iter().all(|name| fs::read(journals.join(name)).unwrap() == b"somebody's"));
    assert_eq!(fs::read_dir(dir.join("cpu")).unwrap().count(), 3);
}

#[test]
fn permissions_are_not_passed_on_to_others() {
    let (_folder, dir) = new();
    record(&dir, &["-q"]).is(0, &[]);
    let manifest = Layout::new(&dir).manifest();
    fs::set_permissions(&manifest, PermissionsExt::from_mode(0o4755)).unwrap();
    on(&dir, &["annotate", "--note", "x"]).is(0, &[]);
    assert_eq!(fs::metadata(&manifest).unwrap().mode() & 0o7777, 0o755);
}

/// A user can lock any file that they can read.
#[test]
fn a_reader_cannot_block_a_recorder() {
    let (_folder, dir) = new();
    record(&dir, &["-q"]).is(0, &[]);
    let locks: Vec<File> = [dir.clone(), Layout::new(&dir).manifest()].iter().map(|p| File::open(p).unwrap()).collect();
    locks.iter().for_each(|file| file.lock().unwrap());
    record(&dir, &["-q", "--append"]).is(0, &[]);
    on(&dir, &["annotate", "--note", "x"]).is(0, &[]);
    on(&dir, &["compact"]).is(0, &[]);
    let live = Live::start(&dir, &["-q", "--append"]);
    assert_eq!(fs::metadata(Layout::new(&dir).recorder_lock()).unwrap().mode() & 0o777, 0o600);
    on(&dir, &["annotate", "--note", "y"]).is(0, &[]);
    live.end(libc::SIGINT).is(0, &[]);
    on(&dir, &["recover"]).is(0, &[]);
}

/// Other users can see whether a recorder runs, although they cannot open the lock.
#[test]
fn a_reader_sees_whether_a_recorder_runs() {
    let (folder, dir) = new();
    let live = Live::start(&dir, &["-q"]);
    if fs::metadata(Layout::new(&dir).manifest()).unwrap().mode() & 0o004 == 0 {
        eprintln!("skipped: the umask lets others read nothing");
        return;
    }
    let Some(mut nobody) = as_nobody(folder.path()) else { return };
    let said: Said = nobody.args(["report", "-t", "tick"]).arg(&dir).output().unwrap().into();
    said.is(0, &[]);
    assert!(said.out.contains("still recording"), "{said:?}");
    live.signal(libc::SIGKILL);
    live.wait();
    let mut nobody = as_nobody(folder.path()).unwrap();
    let said: Said = nobody.args(["report", "-t", "tick"]).arg(&dir).output().unwrap().into();
    assert!(said.out.contains("not ended cleanly"), "{said:?}");
}

#[test]
fn readers_do_not_mistake_each_other_for_the_recorder() {
    let (_folder, dir) = new();
    killed(&dir, &["--collectors", "memory"]);
    let called_live = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| {
                for _ in 0..10 {
                    let said = on(&dir, &["report", "-t", "tick"]);
                    called_live.fetch_or(!said.out.contains("not ended cleanly"), Relaxed);
                }
            });
        }
    });
    assert!(!called_live.load(Relaxed));
}

#[test]
fn a_kill_in_the_first_milliseconds_leaves_an_empty_directory() {
    for left in [
        &[".journal/reserve.tmp"][..],
        &[".journal/lock"],
        &["_recording.json.tmp"],
        &[".journal/reserve.tmp", ".journal/lock", ".journal/control", "_recording.json.tmp", ".journal/manifest.lock"],
        &[".journal/control.tmp", ".journal/lock"],
        &[".journal/manifest.lock", ".journal/compact.lock"],
    ] {
        for args in [&["-q"][..], &["-q", "--append"]] {
            let (_folder, dir) = new();
            fs::create_dir_all(dir.join(".journal")).unwrap();
            left.iter().for_each(|name| fs::write(dir.join(name), "").unwrap());
            record(&dir, args).is(0, &[]);
            on(&dir, &["report"]).is(0, &[]);
            assert!(!dir.join(".journal").exists() && !dir.join("_recording.json.tmp").exists(), "{left:?}");
        }
    }
    // Any other file belongs to someone else.
    for other in ["notes.txt", ".journal/0001", ".journal/notes.txt", "cpu/20261120T0700Z-0001.parquet"] {
        let (_folder, dir) = new();
        fs::create_dir_all(dir.join(other).parent().unwrap()).unwrap();
        fs::write(dir.join(other), "").unwrap();
        for args in [&["-q"][..], &["-q", "--append"]] {
            record(&dir, args).is(1, &["is not empty"]);
            assert!(dir.join(other).exists());
        }
    }
}

fn fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Opening a FIFO must not wait for its other end.
#[test]
fn special_files_are_errors() {
    let (folder, dir) = new();
    record(&dir, &["-q", "--collectors", "memory,cpu"]).is(0, &[]);
    let layout = Layout::new(&dir);
    let memory = sealed(&dir, "memory");
    fs::remove_file(&memory).unwrap();
    fifo(&memory);
    on(&dir, &["report"]).is(1, &["not a plain file"]);
    fs::create_dir(layout.journal_folder()).unwrap();
    fifo(&layout.journal(7));
    on(&dir, &["report"]).is(1, &["not a plain file"]);
    on(&dir, &["recover"]).is(1, &["not a plain file"]);
    fs::remove_file(layout.manifest()).unwrap();
    fifo(&layout.manifest());
    for command in ["report", "info", "annotate"] {
        let args = if command == "annotate" { &["annotate", "--note", "x"][..] } else { &[command] };
        let said = on(&dir, args);
        assert!(said.status == 1 && said.err.contains("not a plain file"), "{said:?}");
    }
    let runs = folder.path().join("runs");
    fs::create_dir(&runs).unwrap();
    fifo(&runs.join("_runs.json"));
    on(&runs, &["report"]).is(1, &["not a plain file"]);
    for config in [runs.join("_runs.json"), "/dev/zero".into()] {
        let said = program().env("PERFWATCH_CONFIG", &config).args(["report"]).arg(&dir).output().unwrap();
        Said::from(said).is(2, &["not a plain file"]);
    }
}

/// A sparse file takes no space and can claim any size.
#[test]
fn claimed_sizes_take_no_memory() {
    use std::os::unix::fs::FileExt;
    let (_folder, dir) = new();
    record(&dir, &["-q", "--collectors", "memory"]).is(0, &[]);
    let file = File::create(sealed(&dir, "memory")).unwrap();
    let length = 5 << 30;
    if file.set_len(length).is_err() {
        eprintln!("skipped: this file system has no files of 5 GiB");
        return;
    }
    let end = [&(u32::MAX - 20).to_le_bytes()[..], b"PAR1"].concat();
    file.write_all_at(&end, length - 8).unwrap();
    for args in [&["report"][..], &["verify"], &["compact"], &["info"]] {
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -v 2000000; exec \"$@\"", "sh", PROGRAM]).args(args).arg(&dir);
        let said: Said = command.env("PERFWATCH_CONFIG", "/dev/null").output().unwrap().into();
        assert!(said.status == i32::from(args[0] != "compact"), "{args:?}: {said:?}");
        assert!(args[0] == "compact" || said.err.contains("a footer of 4294967283 bytes"), "{args:?}: {said:?}");
    }
}

#[test]
fn a_directory_that_all_users_may_change_causes_a_warning() {
    let (_folder, dir) = new();
    fs::create_dir(&dir).unwrap();
    fs::set_permissions(&dir, PermissionsExt::from_mode(0o777)).unwrap();
    record(&dir, &[]).is(0, &["every user can change", "chmod o-w"]);
    fs::set_permissions(&dir, PermissionsExt::from_mode(0o755)).unwrap();
    let said = record(&dir, &["--append"]);
    assert!(!said.err.contains("every user"), "{said:?}");
}
