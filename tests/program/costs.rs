//! Runs of a command whose costs are given, for comparisons.

use std::fs;
use std::path::PathBuf;

use perfwatch::store::layout::Layout;
use serde_json::{Value, json};

use super::files::copy;
use super::{Said, manifest, program, record_command};

/// A recording of a command, of which runs are made.
pub struct Runs {
    pub folder: tempfile::TempDir,
}

impl Runs {
    pub fn new() -> Runs {
        let runs = Runs { folder: tempfile::tempdir().unwrap() };
        record_command(&runs.template(), &["-q", "--collectors", "cpu,memory", "--", "true"]).output().unwrap();
        assert!(manifest(&runs.template())["sessions"][0]["command"]["cost"].is_object());
        runs
    }

    pub fn template(&self) -> PathBuf {
        self.folder.path().join("template")
    }

    /// A run whose manifest is changed.
    pub fn run(&self, name: &str, change: impl FnOnce(&mut Value)) -> PathBuf {
        let dir = self.folder.path().join(name);
        copy(&self.template(), &dir);
        let mut manifest = manifest(&dir);
        change(&mut manifest);
        fs::write(Layout::new(&dir).manifest(), manifest.to_string()).unwrap();
        dir
    }

    /// Runs of a side that took these times; everything else costs the same.
    pub fn side(&self, side: &str, walls: &[f64]) -> Vec<PathBuf> {
        let run = |(n, wall): (usize, &f64)| self.run(&format!("{side}-{n}"), |manifest| costs(manifest, *wall));
        walls.iter().enumerate().map(run).collect()
    }
}

pub fn cost(manifest: &mut Value) -> &mut Value {
    &mut manifest["sessions"][0]["command"]["cost"]
}

pub fn costs(manifest: &mut Value, wall: f64) {
    let cost = cost(manifest);
    cost["wall_s"] = json!(wall);
    (cost["user_s"], cost["system_s"]) = (json!(0.5), json!(0.25));
    (cost["max_rss_bytes"], cost["rss_sum_peak_bytes"]) = (json!(64 << 20), json!(0));
    (cost["write_bytes"], cost["major_faults"]) = (json!(0), json!(0));
    manifest["host"]["kernel_release"] = json!("6.1.0");
}

pub fn compare(base: &[PathBuf], new: &[PathBuf], args: &[&str]) -> Said {
    let mut command = program();
    command.arg("compare").arg("--base").args(base).arg("--new").args(new).args(args);
    command.output().unwrap().into()
}

pub fn compare_json(base: &[PathBuf], new: &[PathBuf]) -> Value {
    serde_json::from_str(&compare(base, new, &["--json"]).out).unwrap()
}

pub fn metric<'v>(comparison: &'v Value, name: &str) -> &'v Value {
    let all = comparison["metrics"].as_array().unwrap();
    all.iter().find(|metric| metric["metric"] == name).unwrap_or_else(|| panic!("no {name}"))
}
