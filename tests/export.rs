//! `export` as users run it: formats, targets, and what it says. The values are compared with pandas in
//! `.ci/check_export.py`.

mod program;

use std::fs;
use std::path::{Path, PathBuf};

use program::*;
use serde_json::Value;

fn export(dir: &Path, args: &[&str]) -> Said {
    program().arg("export").arg(dir).args(args).output().unwrap().into()
}

fn recorded() -> (tempfile::TempDir, PathBuf) {
    let (folder, dir) = new();
    record(&dir, &["--tag", "a=b"]).is(0, &[]);
    (folder, dir)
}

#[test]
fn report_and_export_write_the_same_csv() {
    let (_folder, dir) = recorded();
    let report = run(["report", dir.to_str().unwrap(), "--table", "disk", "--csv", "-"]);
    report.is(0, &[]);
    let said = export(&dir, &["--table", "disk"]);
    said.is(0, &[]);
    assert_eq!(said.out, report.out);
    assert!(said.out.lines().count() > 2);
}

#[test]
fn the_format_follows_from_the_file() {
    let (folder, dir) = recorded();
    for (name, begin) in [
        ("a.csv", &b"ts,elapsed_s,phase,usage_percent"[..]),
        ("a.jsonl", b"{\"ts\":\"20"),
        ("a.parquet", b"PAR1"),
        ("a.arrow", b"ARROW1"),
        ("a.arrows", b"\xff\xff\xff\xff"),
    ] {
        let file = folder.path().join(name);
        export(&dir, &["-t", "cpu", "-o", file.to_str().unwrap()]).is(0, &["written to"]);
        assert!(fs::read(&file).unwrap().starts_with(begin), "{name}");
        export(&dir, &["-t", "cpu", "-o", file.to_str().unwrap()]).is(1, &["exists; --force replaces it"]);
        export(&dir, &["-t", "cpu", "--force", "-o", file.to_str().unwrap()]).is(0, &[]);
    }
    for (name, begin) in [("a.om", &b"# TYPE perfwatch_"[..]), ("a.pftrace", b"\n")] {
        let file = folder.path().join(name);
        export(&dir, &["-o", file.to_str().unwrap()]).is(0, &["values written to"]);
        assert!(fs::read(&file).unwrap().starts_with(begin), "{name}");
    }
    // No incomplete file is left.
    let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(names.into_iter().all(|name| name == "run" || name.starts_with("a.")));
}

#[test]
fn a_directory_has_a_file_per_table() {
    let (folder, dir) = recorded();
    let out = folder.path().join("rows");
    export(&dir, &["-f", "jsonl", "-o", out.to_str().unwrap()]).is(0, &["rows of"]);
    let text = fs::read_to_string(out.join("network.jsonl")).unwrap();
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(rows.iter().any(|row| row["interface"] == "eth0") && rows[0]["bytes_recv"].is_i64());
    assert!(rows[0]["bytes_recv_per_sec"].is_null(), "the first row has no rate");
    assert!(out.join("cpu.jsonl").exists() && !out.join("cpu.csv").exists());
    // Several recordings: a folder for each.
    let second = folder.path().join("second");
    record(&second, &[]).is(0, &[]);
    let both = folder.path().join("both");
    let args = [dir.to_str().unwrap(), second.to_str().unwrap(), "-t", "cpu", "-o", both.to_str().unwrap()];
    run(["export"].iter().chain(&args)).is(0, &[]);
    assert!(both.join("run/cpu.csv").exists() && both.join("second/cpu.csv").exists());
    let said = run(["export"].iter().chain(&args[..2]).chain(&["-f", "openmetrics"]));
    said.is(0, &[]);
    assert!(said.out.contains("recording=\"run\"") && said.out.contains("recording=\"second\""));
    assert_eq!(said.out.matches("# TYPE perfwatch_cpu_load1 gauge").count(), 1);
}

#[test]
fn columns_are_chosen() {
    let (_folder, dir) = recorded();
    let head = |args: &[&str]| export(&dir, args).out.lines().next().unwrap_or_default().to_string();
    assert_eq!(head(&["-t", "cpu_core", "-c", "usage_percent"]), "ts,cpu,usage_percent");
    assert_eq!(head(&["-c", "cpu.load1,cpu.phase"]), "ts,phase,load1");
    assert_eq!(
        head(&["-c", "disk.util_percent", "--every", "1s", "--min-max"]),
        "ts,device,util_percent,util_percent_min,util_percent_max"
    );
    assert!(
        head(&["-t", "cpu_core", "-c", "usage_percent", "--wide"]).starts_with("ts,usage_percent[0],usage_percent[1]")
    );
    // One row per interval, at its start.
    let said = export(&dir, &["-t", "cpu", "-c", "load1", "--every", "1h"]);
    assert!(said.out.lines().count() <= 3 && said.out.contains(":00:00.000000Z,"), "{said:?}");
}

#[test]
fn mistakes_are_explained() {
    let (folder, dir) = recorded();
    for (args, words) in [
        (&["-t", "cpus"][..], &["unknown table `cpus`", "did you mean `cpu`?"][..]),
        (&["-c", "usage_percen"], &["unknown column `usage_percen`", "usage_percent"]),
        (&["-c", "cpus.load1"], &["unknown table `cpus` in `cpus.load1`"]),
        (&[], &["it takes the rows of one table", "--table"]),
        (&["-f", "perfetto", "--wide"], &["--wide"]),
        (&["-t", "cpu", "--every", "0"], &["more than zero"]),
        (&["-t", "cpu", "--every", "10"], &["a unit is required"]),
        (&["-t", "cpu", "--min-max"], &["--every"]),
        (&["-t", "cpu", "-o", "a.xlsx"], &["a file that ends in .csv"]),
        (&["-t", "cpu", "-f", "csv", "-o", "a.parquet"], &["a file that ends in .csv"]),
        (&["-t", "cpu", "--since", "+5m", "--until", "+1m"], &["--since is not before --until"]),
    ] {
        export(&dir, args).is(2, words);
    }
    let out = folder.path().to_str().unwrap();
    export(&dir, &["-f", "perfetto", "-o", out]).is(2, &["it is a directory"]);
    export(&folder.path().join("none"), &["-t", "cpu"]).is(1, &["cannot read"]);
    export(&dir, &["-t", "cpu", "--phase", "lode"]).is(1, &["no rows in phases"]);
    export(&dir, &["-t", "gpu"]).is(1, &["no rows in table gpu"]);
    assert!(!Path::new("a.xlsx").exists());
}

/// A damaged file is reported, and the others are exported.
#[test]
fn damage_is_reported() {
    let (_folder, dir) = recorded();
    let file = sealed(&dir, "cpu");
    let mut bytes = fs::read(&file).unwrap();
    let half = bytes.len() / 2;
    bytes.truncate(half);
    fs::write(&file, bytes).unwrap();
    let said = export(&dir, &["-t", "cpu"]);
    said.is(1, &["skipped", "is damaged, cut short"]);
    assert_eq!(said.out.lines().count(), 1, "the heading");
    export(&dir, &["-f", "openmetrics"]).is(1, &["skipped"]);
}

/// `| head` ends the export without an error.
#[test]
fn a_reader_may_end_early() {
    let (_folder, dir) = recorded();
    for format in ["csv", "jsonl", "parquet", "arrow", "openmetrics", "perfetto"] {
        let mut command = program();
        command.arg("export").arg(&dir).args(["-t", "cpu", "-f", format]);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop(child.stdout.take());
        Said::from(child.wait_with_output().unwrap()).is(0, &[]);
    }
}
