//! `perfwatch annotate`: adds and removes tags and notes, also while a recorder runs; nothing else changes.

mod program;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::SystemTime;

use perfwatch::store::layout::Layout;
use program::*;

fn annotate(dir: &Path, args: &[&str]) -> Said {
    program().arg("annotate").arg(dir).args(args).output().unwrap().into()
}

fn tags(dir: &Path) -> Vec<String> {
    let manifest = manifest(dir);
    manifest["tags"].as_object().unwrap().iter().map(|(k, v)| format!("{k}={}", v.as_str().unwrap())).collect()
}

/// Everything except the manifest, with contents and times.
fn data(dir: &Path) -> BTreeMap<PathBuf, (Vec<u8>, SystemTime)> {
    let manifest = Layout::new(dir).manifest();
    let of = |(path, bytes): (PathBuf, Vec<u8>)| {
        let changed = fs::metadata(&path).unwrap().modified().unwrap();
        (path, (bytes, changed))
    };
    tree(dir).into_iter().filter(|(path, _)| *path != manifest).map(of).collect()
}

#[test]
fn tags_and_notes_are_added_and_removed() {
    let (_folder, dir) = new();
    record(&dir, &["-q", "--tag", "build=1", "--tag", "host=a"]).is(0, &[]);
    let (before, mut old) = (data(&dir), manifest(&dir));
    let said = annotate(
        &dir,
        &[
            "--tag",
            "build=2",
            "--tag",
            "eq=a=b",
            "--remove-tag",
            "host",
            "--remove-tag",
            "host",
            "--note",
            "slow fan\nhot",
        ],
    );
    said.is(0, &[]);
    assert_eq!((said.out.as_str(), said.err.as_str()), ("", ""));
    assert_eq!(tags(&dir), ["build=2", "eq=a=b"]);
    annotate(&dir, &["--note", "later"]).is(0, &[]);
    let mut new = manifest(&dir);
    let notes: Vec<_> = new["notes"].as_array().unwrap().iter().map(|n| n["text"].clone()).collect();
    assert_eq!(notes, ["slow fan\nhot", "later"]);
    assert!(new["notes"][0]["at"].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().is_ok());
    for key in ["tags", "notes"] {
        old.as_object_mut().unwrap().remove(key);
        new.as_object_mut().unwrap().remove(key);
    }
    assert_eq!(new, old, "the rest of the manifest");
    assert!(data(&dir) == before, "the data changed");
    let text = report(&dir, &["--width=200", "-ttick"]);
    assert!(text.out.lines().nth(1).unwrap().ends_with(", build=2, eq=a=b"), "{}", text.out);
    let json = report(&dir, &["-fjson"]).json();
    assert_eq!(json["recordings"][0]["tags"]["build"], "2");
}

#[test]
fn invalid_arguments_change_nothing() {
    let (folder, dir) = new();
    record(&dir, &["-q", "--tag", "build=1"]).is(0, &[]);
    let before = tree(&dir);
    for (args, status, words) in [
        (&[][..], 2, "nothing to annotate"),
        (&["--tag", "build"], 2, "KEY=VALUE"),
        (&["--tag", "=1"], 2, "KEY=VALUE"),
        (&["--note", " "], 2, "--note"),
        (&["--tag", "a=1", "--remove-tag", "a"], 2, "exclude each other"),
        (
            &["--tag", "a=1", "--remove-tag", "bild"],
            1,
            "has no tag `bild` (did you mean `build`?); nothing was changed",
        ),
    ] {
        annotate(&dir, args).is(status, &[words]);
        assert!(tree(&dir) == before, "{args:?}");
    }
    annotate(folder.path(), &["--tag", "a=1"]).is(1, &["is not a recording"]);
    annotate(Path::new("/no/such"), &["--tag", "a=1"]).is(1, &["cannot read /no/such"]);
    // The others are annotated.
    let said = program().args(["annotate", "--tag", "a=1", "/no/such"]).arg(&dir).output().unwrap();
    Said::from(said).is(1, &["/no/such"]);
    assert_eq!(tags(&dir), ["a=1", "build=1"]);
    fs::write(Layout::new(&dir).manifest(), "{").unwrap();
    annotate(&dir, &["--tag", "a=1"]).is(1, &["not a manifest of a recording"]);
    assert_eq!(fs::read(Layout::new(&dir).manifest()).unwrap(), b"{");
}

#[test]
fn while_a_recorder_runs() {
    let (_folder, dir) = new();
    let live = Live::start(&dir, &["--tag", "old=1", "--tag", "kept=1"]);
    annotate(&dir, &["--tag", "new=1", "--remove-tag", "old", "--note", "while it runs"]).is(0, &[]);
    assert_eq!(tags(&dir), ["kept=1", "new=1"]);
    live.end(libc::SIGTERM).is(0, &[]);
    let manifest = manifest(&dir);
    assert_eq!(tags(&dir), ["kept=1", "new=1"]);
    assert_eq!(manifest["notes"][0]["text"], "while it runs");
    assert_eq!(manifest["sessions"][0]["end_reason"], "SIGTERM");
}

#[test]
fn nothing_is_lost_with_concurrent_changes() {
    let (_folder, dir) = new();
    record(&dir, &["-q", "-d", "20ms"]).is(0, &[]);
    let mut expected = Vec::new();
    for session in 2..=4 {
        let mut recorder =
            record_command(&dir, &["-q", "--append", "-d", "60ms"]).stderr(Stdio::piped()).spawn().unwrap();
        let mut n = 0;
        // Before its start, while it runs, and at its end.
        while recorder.try_wait().unwrap().is_none() {
            let keys = [format!("{session}.{n}.a"), format!("{session}.{n}.b")];
            let both = keys
                .clone()
                .map(|key| program().arg("annotate").arg(&dir).arg("--tag").arg(key + "=x").spawn().unwrap());
            for mut child in both {
                assert!(child.wait().unwrap().success());
            }
            expected.extend(keys);
            n += 1;
        }
        Said::from(recorder.wait_with_output().unwrap()).is(0, &[]);
        assert!(n > 0);
    }
    let manifest = manifest(&dir);
    let missing: Vec<&String> = expected.iter().filter(|key| manifest["tags"][*key] != "x").collect();
    assert!(missing.is_empty(), "{missing:?} of {}", expected.len());
    let ended: Vec<bool> = manifest["sessions"].as_array().unwrap().iter().map(|s| s["ended"].is_string()).collect();
    assert_eq!(ended, [true; 4]);
}
