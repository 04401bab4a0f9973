//! Packs: one file in place of a directory. What every command says about it is what it says about the directory.

mod program;

use std::fs;
use std::path::{Path, PathBuf};

use program::*;

fn pack(dir: &Path, file: &Path) -> Said {
    program().args(["export", "--force", "--pack"]).args([file, dir]).output().unwrap().into()
}

fn packed(dir: &Path) -> PathBuf {
    let file = dir.with_extension("perfwatch");
    pack(dir, &file).is(0, &["packed into"]);
    file
}

fn on(path: &Path, args: &[&str]) -> Said {
    let (command, options) = args.split_first().unwrap();
    program().arg(command).arg(path).args(options).output().unwrap().into()
}

/// Runs a command on the directory and on the pack; both must say the same, other than the path and its size.
#[track_caller]
fn same(dir: &Path, file: &Path, args: &[&str]) {
    let plain = |said: Said, path: &Path| {
        let (name, stem) = (path.file_name().unwrap().to_str().unwrap(), path.file_stem().unwrap().to_str().unwrap());
        let plain = |text: &str| text.replace(path.to_str().unwrap(), "RUN").replace(name, stem);
        (said.status, plain(&said.out), plain(&said.err))
    };
    assert_eq!(plain(on(file, args), file), plain(on(dir, args), dir), "{args:?}");
}

const READERS: [&[&str]; 8] = [
    &["report", "--json"],
    &["report", "--marks"],
    &["report", "--table", "cpu", "--csv", "-"],
    &["export", "--table", "cpu_core", "--wide"],
    &["export", "-f", "openmetrics"],
    &["trend"],
    &["compact", "--dry-run"],
    &["report", "--phase", "none"],
];

#[test]
fn every_command_reads_it() {
    let (_folder, dir) = new();
    record(&dir, &["--tag", "a=b"]).is(0, &[]);
    let file = packed(&dir);
    for args in READERS {
        same(&dir, &file, args);
    }
    let info = |path: &Path| on(path, &["info", "--json"]).json()["recordings"][0].clone();
    for key in ["tables", "manifest", "state", "ticks", "problems"] {
        assert_eq!(info(&file)[key], info(&dir)[key], "{key}");
    }
    let verified = |path: &Path| on(path, &["verify", "--json"]).json()["recordings"][0].clone();
    for key in ["rows", "files", "problems", "state"] {
        assert_eq!(verified(&file)[key], verified(&dir)[key], "{key}");
    }
    // The same bytes each time.
    let bytes = fs::read(&file).unwrap();
    pack(&dir, &file).is(0, &[]);
    assert_eq!(fs::read(&file).unwrap(), bytes);
    // From a pipe, and under any name.
    let other = dir.with_extension("zip");
    let out = program().args(["export", "--pack", "-"]).arg(&dir).output().unwrap().stdout;
    assert_eq!(out, bytes);
    fs::write(&other, out).unwrap();
    same(&dir, &other, &["report", "--json"]);
}

#[test]
fn runs_and_paths_into_the_pack() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("duel");
    let mut ab = program();
    ab.args(["ab", "--runs", "2", "--collectors", "cpu", "-o"]).arg(&dir).args([
        "--base",
        "true",
        "--new",
        "sleep 0.05",
    ]);
    Said::from(ab.output().unwrap()).is(0, &[]);
    let file = packed(&dir);
    for args in [&["compare", "--json"][..], &["report", "--json"], &["trend"], &["export", "-f", "openmetrics"]] {
        same(&dir, &file, args);
    }
    for part in ["base", "new/run=002"] {
        same(&dir.join(part), &file.join(part), &["report", "--json"]);
    }
    on(&file.join("base/run=009"), &["report"]).is(1, &["base/run=001"]);
    on(&file.join("new/run=001/_recording.json"), &["report"]).is(1, &["a file in a packed recording"]);
}

#[test]
fn what_a_killed_recorder_left_is_in_it() {
    let (folder, dir) = new();
    killed(&dir, &[]);
    let file = packed(&dir);
    same(&dir, &file, &["report", "--json"]);
    assert_eq!(on(&file, &["info", "--json"]).json()["recordings"][0]["journals"], 1);
    on(&file, &["recover"]).is(1, &["only read", "unzip"]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing else was written");
}

#[test]
fn a_live_recording_is_packed_as_it_is_now() {
    let (_folder, dir) = new();
    let live = Live::start(&dir, &[]);
    let file = dir.with_extension("perfwatch");
    pack(&dir, &file).is(0, &["still recording; what was recorded until now is packed"]);
    let ticks = |path: &Path| on(path, &["report", "--json"]).json()["recordings"][0]["ticks"].as_u64().unwrap();
    let packed = ticks(&file);
    assert!(packed > 3 && packed <= ticks(&dir));
    let said = on(&file, &["report"]);
    said.is(0, &[]);
    assert!(said.out.contains("was still being recorded when it was packed"), "{said:?}");
    on(&file, &["verify"]).is(0, &[]);
    live.end(libc::SIGINT).is(0, &[]);
    assert_eq!(ticks(&file), packed);
}

#[test]
fn nothing_changes_a_pack() {
    let (_folder, dir) = new();
    record(&dir, &[]).is(0, &[]);
    let file = packed(&dir);
    let bytes = fs::read(&file).unwrap();
    on(&file, &["annotate", "--tag", "a=b"]).is(1, &["only read", "unzip"]);
    on(&file, &["recover"]).is(1, &["only read"]);
    on(&file, &["compact"]).is(0, &[]);
    let mark = program().args(["mark", "--strict", "-r"]).arg(&file).args(["event", "x"]).output().unwrap();
    Said::from(mark).is(2, &["it is a packed recording"]);
    record_command(&file, &["--append", "-d", "1s"]).output().map(Said::from).unwrap().is(1, &[]);
    pack(&file, &file.with_extension("again")).is(1, &["is a packed recording already"]);
    let twice = program().args(["export", "--pack"]).args([&file, &dir]).output().unwrap();
    Said::from(twice).is(1, &["exists; --force replaces it"]);
    assert_eq!(fs::read(&file).unwrap(), bytes);
}

#[test]
fn what_cannot_be_packed() {
    let (folder, dir) = new();
    record(&dir, &[]).is(0, &[]);
    let file = folder.path().join("x.perfwatch");
    pack(folder.path().join("none").as_path(), &file).is(1, &["cannot read"]);
    pack(&dir, folder.path()).is(2, &["it is a directory"]);
    let two = program().args(["export", "--pack"]).arg(&file).args([&dir, &dir]).output().unwrap();
    Said::from(two).is(2, &["one recording"]);
    let with_table = program().args(["export", "--table", "cpu", "--pack"]).args([&file, &dir]).output().unwrap();
    Said::from(with_table).is(2, &[]);
    assert!(!file.exists());
}

/// A cut or changed archive gives an error, never other figures.
#[test]
fn damage_is_found() {
    let (_folder, dir) = new();
    record(&dir, &["--collectors", "cpu,memory"]).is(0, &[]);
    let file = packed(&dir);
    let bytes = fs::read(&file).unwrap();
    let report = on(&file, &["report", "--json"]).out;
    for length in [0, 1, 30, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&file, &bytes[..length]).unwrap();
        on(&file, &["report"]).is(1, &["is not a packed recording, or is cut short"]);
    }
    for n in 0..40 {
        let mut bad = bytes.clone();
        let at = n * bytes.len() / 40;
        bad[at] ^= 1 << (n % 8);
        fs::write(&file, &bad).unwrap();
        let (said, verified) = (on(&file, &["report", "--json"]), on(&file, &["verify"]));
        assert!(!said.err.contains("panicked") && !verified.err.contains("panicked"), "byte {at}: {said:?}");
        // What has no checksum (a date, an attribute) changes nothing.
        assert!(said.status != 0 || verified.status != 0 || said.out == report, "byte {at}: {said:?}");
    }
    fs::write(&file, b"PK\x03\x04 and more").unwrap();
    for command in ["report", "info", "verify", "compare", "trend", "export", "annotate", "recover"] {
        let args: &[&str] = if command == "annotate" { &[command, "--note", "x"] } else { &[command] };
        on(&file, args).is(1, &["is not a packed recording, or is cut short"]);
    }
    // Neither an archive nor a recording.
    fs::write(&file, b"text").unwrap();
    on(&file, &["report"]).is(1, &["is not a packed recording"]);
    let other = file.with_extension("txt");
    fs::write(&other, b"text").unwrap();
    on(&other, &["report"]).is(1, &["is not a recording"]);
}
