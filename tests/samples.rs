//! The recordings in `sample-data`: whole, small, and as its README describes them.

mod program;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use perfwatch::store::layout::Layout;
use program::costs::metric;
use program::*;
use serde_json::Value;

const MOST_BYTES: u64 = 3_000_000;

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-data")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn runs(side: &str) -> Vec<PathBuf> {
    (1..=5).map(|number| samples().join(format!("job/{side}/run=00{number}"))).collect()
}

fn phases(dir: &Path) -> Vec<(String, f64)> {
    let report = report(dir, &["-m", "cpu.usage_percent", "--json"]).json();
    let phases = report["recordings"][0]["phases"].as_array().unwrap();
    phases.iter().map(|p| (p["phase"].as_str().unwrap().to_string(), p["seconds"].as_f64().unwrap())).collect()
}

#[test]
fn all_are_whole_and_small_together() {
    let all = files(&samples());
    let bytes: u64 = all.iter().map(|path| path.metadata().unwrap().len()).sum();
    assert!(bytes < MOST_BYTES, "{bytes} bytes");
    let manifest = Layout::new(Path::new("")).manifest();
    let recordings: Vec<&Path> =
        all.iter().filter(|path| path.ends_with(&manifest)).map(|path| path.parent().unwrap()).collect();
    assert_eq!(recordings.len(), 15, "{recordings:?}");
    let said = run([Path::new("verify")].into_iter().chain(recordings));
    said.is(0, &[]);
}

/// The new side syncs more often, so its phase `store` and with it the run takes longer.
#[test]
fn the_job_is_slower_in_one_phase() {
    let said = run([Path::new("compare"), &samples().join("job"), Path::new("--json")]);
    said.is(3, &[]);
    let found = said.json();
    let wall = metric(&found, "command.wall_s");
    assert_eq!(wall["verdict"], "regressed", "{wall}");
    for side in ["base", "new"] {
        let walls =
            runs(side).iter().map(|run| session(run)["command"]["cost"]["wall_s"].as_f64().unwrap()).sum::<f64>();
        assert!((wall[side].as_f64().unwrap() - walls / 5.0).abs() < 1e-9, "{wall}");
    }
    let mut shortest_store = f64::INFINITY;
    for run in runs("new") {
        shortest_store = shortest_store.min(phases(&run)[2].1);
    }
    for run in runs("base") {
        let phases = phases(&run);
        let names: Vec<&str> = phases.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["compute", "sort", "store", "wait"]);
        assert!(phases[2].1 * 2.0 < shortest_store, "{phases:?}");
    }
}

#[test]
fn the_job_has_tables_of_its_processes() {
    for run in runs("base").into_iter().chain(runs("new")) {
        let found: Value = report(&run, &["--all", "--json"]).json();
        let tables = found["recordings"][0]["tables"].as_array().unwrap();
        let with_rows: BTreeSet<&str> =
            tables.iter().filter(|table| table["rows"] != 0).map(|table| table["table"].as_str().unwrap()).collect();
        for table in ["command", "process", "cgroup", "perf"] {
            assert!(with_rows.contains(table), "{}: no {table} in {with_rows:?}", run.display());
        }
    }
}

#[test]
fn one_machine_is_idle_and_one_is_busy() {
    let mean = |host: &str| {
        let dir = samples().join(format!("fleet/host={host}"));
        let found = report(&dir, &["-m", "cpu.usage_percent", "--json"]).json();
        found["recordings"][0]["tables"][0]["entities"][0]["metrics"][0]["mean"].as_f64().unwrap()
    };
    assert!(mean("idle") < 5.0, "{}", mean("idle"));
    assert!(mean("build") > 40.0, "{}", mean("build"));
}
