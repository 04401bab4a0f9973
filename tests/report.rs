//! `perfwatch report` and `schema` on the real program: names, damaged files, readers that go away.

mod program;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use arrow::array::Int64Array;
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use perfwatch::recording::Layout;
use program::*;
use serde_json::Value;

fn recording() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("run");
    record(&dir, &["-q"]).is(0, &[]);
    (folder, dir)
}

fn report(dir: &Path, args: &[&str]) -> Said {
    program().arg("report").arg(dir).args(args).output().unwrap().into()
}

#[test]
fn data_alone_on_stdout() {
    let (_folder, dir) = recording();
    for format in ["table", "csv", "json", "markdown"] {
        let said = report(&dir, &["-f", format]);
        said.is(0, &[]);
        assert!(said.out.contains("memory") && said.err.is_empty(), "{said:?}");
    }
    serde_json::from_str::<serde_json::Value>(&report(&dir, &["-f", "json"]).out).unwrap();
}

#[test]
fn what_makes_no_sense() {
    let (_folder, dir) = recording();
    for (args, words) in [
        (&["-t", "memroy"][..], "unknown table `memroy` (did you mean `memory`?)"),
        (&["-m", "used_byte"], "did you mean `used_bytes`?"),
        (&["-m", "memory.iowait_percent"], "unknown metric `iowait_percent` in table memory"),
        (&["--since", "yesterday"], "--since"),
        (&["--since", "+5s", "--until", "+1s"], "--since is not before --until"),
        (&["-f", "yaml"], "yaml"),
    ] {
        let said = report(&dir, args);
        said.is(2, &[words]);
        assert_eq!(said.out, "");
    }
    run(["report"]).is(2, &["<DIR>"]);
    run(["schema", "memroy"]).is(2, &["did you mean `memory`?"]);
}

#[test]
fn what_is_no_recording() {
    let (folder, dir) = recording();
    report(folder.path(), &[]).is(1, &["is not a recording: it has no _recording.json"]);
    report(Path::new("/no/such"), &[]).is(1, &["cannot read /no/such"]);
    report(&dir.join("_recording.json"), &[]).is(1, &["_recording.json"]);
    // The others are reported.
    let said = run([Path::new("report"), folder.path(), &dir]);
    said.is(1, &["is not a recording"]);
    assert!(said.out.contains("used_bytes"));
}

#[test]
fn damaged_foreign_and_future_files_are_named_and_left_out() {
    let (_folder, dir) = recording();
    record(&dir, &["-q", "--append"]).is(0, &[]);
    let files = Layout::new(&dir).sealed_files("memory").unwrap();
    assert_eq!(files.len(), 2);
    let whole = fs::read(&files[1]).unwrap();

    let mut zeroed = whole.clone();
    zeroed[4..whole.len() / 2].fill(0);
    let column = Arc::new(Int64Array::from(vec![1, 2]));
    let batch = RecordBatch::try_from_iter([("a", column as _)]).unwrap();
    let parquet = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter().map(|(k, v)| KeyValue::new(k.to_string(), v.to_string())).collect();
        let properties = WriterProperties::builder().set_key_value_metadata(Some(pairs)).build();
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        bytes
    };
    let another_table = fs::read(sealed(&dir, "paging")).unwrap();
    for (bytes, words) in [
        (whole[..whole.len() / 2].to_vec(), "damaged, cut short, or no Parquet file"),
        (Vec::new(), "damaged, cut short, or no Parquet file"),
        (b"PAR1PAR1".to_vec(), "damaged, cut short, or no Parquet file"),
        (parquet(&[]), "was not written by perfwatch"),
        (parquet(&[("perfwatch.format", "2")]), "has format version 2"),
        (parquet(&[("perfwatch.format", "1")]), "is no file of this table"),
        (another_table, "is no file of this table"),
        (zeroed, "damaged"),
    ] {
        fs::write(&files[1], &bytes).unwrap();
        let said = report(&dir, &["-f", "csv"]);
        let name = files[1].file_name().unwrap().to_str().unwrap();
        said.is(1, &["skipped ", name, words]);
        assert_eq!(said.err.matches(name).count(), 1, "once: {}", said.err);
        for rest in [",used_bytes,", ",pgfault,", ",load1,"] {
            assert!(said.out.contains(rest), "{words}: no {rest}");
        }
        assert_eq!(fs::read(&files[1]).unwrap(), bytes, "not touched");
    }
    fs::write(&files[1], &whole).unwrap();
    report(&dir, &[]).is(0, &[]);
    // A folder with a file's name.
    fs::create_dir(dir.join("memory/x.parquet")).unwrap();
    report(&dir, &[]).is(1, &["x.parquet"]);
}

#[test]
fn a_future_recording_is_refused_whole() {
    let (_folder, dir) = recording();
    let path = Layout::new(&dir).manifest();
    let text = fs::read_to_string(&path).unwrap().replacen("\"format\": 1", "\"format\": 2", 1);
    fs::write(&path, text).unwrap();
    let said = report(&dir, &[]);
    said.is(1, &["_recording.json", "recording of format 2", "use a newer perfwatch"]);
    assert_eq!(said.out.lines().filter(|l| l.contains("used_bytes")).count(), 0);
    run([Path::new("recover"), &dir]).is(1, &["recording of format 2"]);
}

#[test]
fn without_its_manifest() {
    let (_folder, dir) = recording();
    fs::remove_file(Layout::new(&dir).manifest()).unwrap();
    let said = report(&dir, &[]);
    said.is(1, &["_recording.json: the recording has no manifest"]);
    assert!(said.out.contains("used_bytes"), "{said:?}");
    fs::write(Layout::new(&dir).manifest(), "{").unwrap();
    let said = report(&dir, &[]);
    said.is(1, &["_recording.json: not a manifest of a recording"]);
    assert!(said.out.contains("used_bytes"), "{said:?}");
}

#[test]
fn a_recording_without_rows() {
    let (_folder, dir) = recording();
    for (path, _) in tree(&dir) {
        if path.extension().is_some_and(|e| e == "parquet") {
            fs::remove_file(path).unwrap();
        }
    }
    let said = report(&dir, &[]);
    said.is(0, &[]);
    assert!(!said.out.contains("used_bytes"));
}

/// Whoever reads its output leaves at once.
fn left_alone(mut command: std::process::Command, stderr_too: bool) -> Said {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    if stderr_too {
        drop(child.stderr.take());
    }
    child.wait_with_output().unwrap().into()
}

#[test]
fn readers_that_go_away_are_no_error() {
    let (_folder, dir) = recording();
    for args in [
        &["report", "DIR"][..],
        &["report", "DIR", "-f", "json", "-a"],
        &["schema"],
        &["schema", "--format", "json"],
        &["doctor"],
        &["doctor", "--json"],
    ] {
        let mut command = program();
        command.args(args.iter().map(|a| if *a == "DIR" { dir.as_os_str() } else { a.as_ref() }));
        let said = left_alone(command, false);
        assert_eq!((said.status, said.err.as_str()), (0, ""), "{args:?}");
    }
    // Nor is it a crash where there are errors to tell and nobody to tell them to.
    let mut command = program();
    command.args(["report", "/no/such"]);
    assert_eq!(left_alone(command, true).status, 1);
}

#[test]
fn a_full_disk_below_its_output() {
    let Ok(full) = fs::File::options().write(true).open("/dev/full") else { return eprintln!("skipped: no /dev/full") };
    let (_folder, dir) = recording();
    for args in [&["report"][..], &["doctor"], &["schema"]] {
        let mut command = program();
        command.args(args).stdout(full.try_clone().unwrap());
        if args == ["report"] {
            command.arg(&dir);
        }
        let said: Said = command.output().unwrap().into();
        said.is(1, &["cannot write to standard output", "No space left"]);
    }
}

#[test]
fn live_killed_and_finished_alike() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("run");
    let live = Live::start(&dir, &[]);
    let state = || {
        let said = report(&dir, &["--format", "json"]);
        said.is(0, &[]);
        serde_json::from_str::<Value>(&said.out).unwrap()["recordings"][0]["state"].clone()
    };
    let said = report(&dir, &[]);
    said.is(0, &[]);
    assert!(said.out.contains("still recording") && said.out.contains("used_bytes"), "{said:?}");
    assert_eq!(state(), "live");
    live.end(libc::SIGKILL).is(128 + 9, &[]);
    let said = report(&dir, &[]);
    said.is(0, &[]);
    assert!(said.out.contains("killed?") && said.out.contains("used_bytes"), "{said:?}");
    assert_eq!(state(), "killed");
    record(&dir, &["-q", "--append"]).is(0, &[]);
    let said = report(&dir, &[]);
    said.is(0, &[]);
    assert!(!said.out.contains("killed?") && !said.out.contains("still recording"));
    assert_eq!(state(), "finished");
}

#[test]
fn a_start_that_was_deleted_is_missed() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("run");
    record(&dir, &["-q"]).is(0, &[]);
    let mut manifest = manifest(&dir);
    manifest["sessions"][0]["deleted_before"] = "2026-11-20T07:00:00Z".into();
    std::fs::write(dir.join("_recording.json"), manifest.to_string()).unwrap();
    assert!(report(&dir, &[]).out.contains("what was before 2026-11-20T07:00:00Z is deleted"));
}
