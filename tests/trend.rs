//! `perfwatch trend`: changes, what differs there, order, points, outputs, with runs whose costs are given.

mod common;
mod program;

use std::fs;
use std::path::PathBuf;

use program::costs::*;
use program::*;
use serde_json::{Value, json};

/// Distances from the level, in percent: normal values with a standard deviation of 2, from a table of random numbers.
const OFF: [f64; 40] = [
    0.93, -2.71, 3.44, -0.62, 1.98, 0.27, -1.35, -3.02, 2.16, -0.48, 1.12, 2.87, -1.77, 0.05, -2.24, 1.53, 3.91, -0.89,
    0.71, -1.16, 2.45, -3.58, 0.38, 1.26, -0.21, -1.93, 0.84, 2.62, -2.05, 1.74, -0.55, 0.16, -1.48, 3.13, -2.39, 0.59,
    -0.74, 1.41, -1.02, 2.03,
];

/// Run `n` of a history, one each day; `change` says what is special about it.
fn day(runs: &Runs, n: usize, level: f64, change: impl FnOnce(&mut Value)) -> PathBuf {
    runs.run(&format!("day-{n:02}"), |manifest| {
        costs(manifest, level * (1.0 + OFF[n % OFF.len()] / 100.0));
        manifest["sessions"][0]["started"] = json!(format!("2026-{:02}-{:02}T03:00:00Z", 1 + n / 28, 1 + n % 28));
        manifest["sessions"][0]["git"] = json!({"commit": "abcdef0123456789", "branch": "main", "dirty": false});
        change(manifest);
    })
}

/// 40 days; from `at` on, the run takes `factor` times as long.
fn history(runs: &Runs, at: usize, factor: f64) -> Vec<PathBuf> {
    (0..40).map(|n| day(runs, n, if n < at { 1.0 } else { factor }, |_| ())).collect()
}

fn trend(recordings: &[PathBuf], args: &[&str]) -> Said {
    program().arg("trend").args(recordings).args(args).output().unwrap().into()
}

fn trend_json(recordings: &[PathBuf], args: &[&str]) -> Value {
    let said = trend(recordings, &[args, &["--json"]].concat());
    said.is(0, &[]);
    said.json()
}

#[test]
fn a_step_is_found_with_what_differs_there() {
    let runs = Runs::new();
    let recordings: Vec<PathBuf> = (0..40)
        .map(|n| {
            day(&runs, n, if n < 25 { 1.0 } else { 1.08 }, |manifest| {
                manifest["host"]["kernel_release"] = json!(if n < 25 { "6.1.0" } else { "6.8.0" });
                let commit = if n < 25 { "aaaaaaaaaaaaaaaa" } else { "bbbbbbbbbbbbbbbb" };
                manifest["sessions"][0]["git"]["commit"] = json!(commit);
                let digest = if n < 25 { "11111111aa" } else { "22222222bb" };
                manifest["sessions"][0]["command"]["files"] =
                    json!([{"path": "/usr/bin/true", "bytes": 1, "xxh3": digest}]);
                manifest["tags"] = json!(if n < 25 { json!({}) } else { json!({"flags": "-O3"}) });
            })
        })
        .collect();
    let said = trend(&recordings, &["--width", "80"]);
    said.is(0, &[]);
    for line in [
        "40 points by time: day-00 (2026-01-01 03:00) to day-39 (2026-02-12 03:00)",
        "between day-24 (2026-01-25 03:00) and day-25 (2026-01-26 03:00)",
        "  environment: kernel 6.1.0 → 6.8.0",
        "  program: revision aaaaaaaaaaaa → bbbbbbbbbbbb; files of the command true",
        "note: at day-25 the environment changes too (kernel), so its changes may not be",
    ] {
        assert!(said.out.lines().any(|l| l == line), "{line} in {}", said.out);
    }
    assert!(said.out.lines().all(|line| line.chars().count() <= 80), "{}", said.out);
    assert!(said.out.lines().last().unwrap().starts_with("regressed: command.wall_s +"), "{}", said.out);
    let found = trend_json(&recordings, &[]);
    let wall = metric(&found, "command.wall_s");
    let [change] = &wall["changes"].as_array().unwrap()[..] else { panic!("{wall}") };
    assert_eq!(
        (&change["at"], &change["verdict"], &wall["outcome"]),
        (&json!(25), &json!("regressed"), &json!("changed"))
    );
    let within = |name: &str, low: f64, high: f64| {
        let value = change[name].as_f64().unwrap();
        assert!(low <= value && value <= high, "{name}: {value}");
    };
    // The geometric means of the values on both sides, by hand.
    let log_mean = |off: &[f64]| off.iter().map(|off| (1.0 + off / 100.0).ln()).sum::<f64>() / off.len() as f64;
    let (before, after) = (log_mean(&OFF[..25]).exp(), 1.08 * log_mean(&OFF[25..]).exp());
    within("before", before - 1e-9, before + 1e-9);
    within("after", after - 1e-9, after + 1e-9);
    within("relative", after / before - 1.0 - 1e-9, after / before - 1.0 + 1e-9);
    within("p", 0.0, 0.01);
    let (low, high) = (change["relative_95"][0].as_f64().unwrap(), change["relative_95"][1].as_f64().unwrap());
    assert!(0.05 < low && low < 0.08 && 0.08 < high && high < 0.11, "{low} {high}");
    let place = &found["places"][0];
    assert_eq!((&place["at"], &place["metrics"]), (&json!(25), &json!(["command.wall_s"])));
    let kinds: Vec<&Value> = place["differences"].as_array().unwrap().iter().map(|d| &d["kind"]).collect();
    assert_eq!(kinds, ["environment", "program", "program", "program"]);
}

#[test]
fn nothing_is_found_where_nothing_changed() {
    let runs = Runs::new();
    let recordings = history(&runs, 40, 1.0);
    let found = trend_json(&recordings, &[]);
    assert_eq!((&found["places"], &metric(&found, "command.wall_s")["outcome"]), (&json!([]), &json!("flat")));
    let said = trend(&recordings, &[]);
    said.is(0, &[]);
    assert!(said.out.ends_with("no gated metric changed by more than what matters\n"), "{}", said.out);
    // The same input, the same bytes.
    assert_eq!(said.out, trend(&recordings, &[]).out);
}

#[test]
fn a_small_step_does_not_matter_unless_asked() {
    let runs = Runs::new();
    let recordings: Vec<PathBuf> = (0..40)
        .map(|n| {
            runs.run(&format!("run-{n:02}"), |manifest| {
                costs(manifest, if n < 20 { 1.0 } else { 1.03 } * (1.0 + OFF[n] / 1000.0));
                manifest["sessions"][0]["started"] = json!(format!("2026-01-01T03:{n:02}:00Z"));
            })
        })
        .collect();
    let outcome = |args: &[&str]| metric(&trend_json(&recordings, args), "command.wall_s")["outcome"].clone();
    assert_eq!((outcome(&[]), outcome(&["--min-rel", "2%"])), (json!("small"), json!("changed")));
}

#[test]
fn a_drift_is_not_a_step() {
    let runs = Runs::new();
    let recordings: Vec<PathBuf> = (0..40).map(|n| day(&runs, n, 1.0 + n as f64 / 100.0, |_| ())).collect();
    let found = trend_json(&recordings, &[]);
    let wall = metric(&found, "command.wall_s");
    assert_eq!((&wall["outcome"], &wall["drift"]["verdict"]), (&json!("drifts"), &json!("regressed")));
    let said = trend(&recordings, &[]);
    assert!(said.out.contains("\ndrift, from the first to the last point\n"), "{}", said.out);
    assert!(said.out.lines().last().unwrap().ends_with(" in a drift"), "{}", said.out);
}

#[test]
fn runs_that_are_no_samples_and_those_of_one_series() {
    let runs = Runs::new();
    let mut recordings = history(&runs, 20, 1.2);
    // Three more runs of the last day, as slow as before: one point, with their mean.
    let of_series = |manifest: &mut Value, number: u32, warmup: bool| {
        manifest["run"] = json!({"series": "s", "side": null, "number": number, "warmup": warmup});
    };
    for n in 1..=3u32 {
        let at = 40 + n as usize;
        recordings.push(day(&runs, at, 1.2, |manifest| of_series(manifest, n, false)));
    }
    recordings.push(day(&runs, 45, 9.0, |manifest| of_series(manifest, 4, true)));
    recordings.push(day(&runs, 46, 9.0, |manifest| manifest["sessions"][0]["command"]["exit_code"] = json!(1)));
    recordings.push(day(&runs, 47, 9.0, |manifest| manifest["sessions"][0]["command"]["interrupted_by"] = json!(2)));
    let said = trend(&recordings, &["--json"]);
    said.is(0, &["day-45 is a warm-up", "day-46 failed (exit status 1)", "day-47 was interrupted"]);
    let found = said.json();
    let points = found["points"].as_array().unwrap();
    assert_eq!((points.len(), points[40]["recordings"].as_array().unwrap().len()), (41, 3));
    assert_eq!(found["left_out"].as_array().unwrap().len(), 3);
    let wall = metric(&found, "command.wall_s");
    let mean = (OFF[1] + OFF[2] + OFF[3]) / 300.0;
    let value = wall["values"][40].as_f64().unwrap();
    assert!((value - 1.2 * (1.0 + mean)).abs() < 1e-9, "{value}");
    assert_eq!(wall["changes"][0]["at"], 20);
}

#[test]
fn the_runs_of_a_single_series_are_points() {
    let dir = new();
    program()
        .args(["record", "-qq", "--collectors", "cpu", "--runs", "8", "-o"])
        .arg(&dir.1)
        .args(["--", "true"])
        .output()
        .unwrap();
    let said = trend(std::slice::from_ref(&dir.1), &["-m", "command.wall_s"]);
    said.is(0, &[]);
    assert!(said.out.starts_with("8 points by time: run=001 ("), "{}", said.out);
    assert!(said.out.contains("note: with 8 points only large changes"), "{}", said.out);
}

#[test]
fn orders() {
    let runs = Runs::new();
    // The later the version, the earlier the recording.
    let version =
        |n: usize| move |manifest: &mut Value| manifest["tags"] = json!({"version": format!("v1.{}", 40 - n)});
    let recordings: Vec<PathBuf> = (0..40).map(|n| day(&runs, n, if n < 10 { 1.2 } else { 1.0 }, version(n))).collect();
    let at = |args: &[&str]| {
        let found = trend_json(&recordings, args);
        let change = metric(&found, "command.wall_s")["changes"][0].clone();
        (change["at"].clone(), change["verdict"].clone(), found["points"][0]["name"].clone())
    };
    assert_eq!(at(&[]), (json!(10), json!("improved"), json!("day-00")));
    assert_eq!(at(&["--order-by", "tag:version"]), (json!(30), json!("regressed"), json!("day-39")));
    assert_eq!(at(&["--order-by", "given"]), (json!(10), json!("improved"), json!("day-00")));
    let untagged = day(&runs, 41, 1.0, |_| ());
    let all = [recordings.clone(), vec![untagged.clone()]].concat();
    trend(&all, &["--order-by", "tag:version"]).is(0, &["day-41: it has no tag `version`"]);
    trend(&[untagged], &["--order-by", "tag:version"]).is(2, &["no recording has a tag `version`"]);
    trend(&recordings, &["--order-by", "size"]).is(2, &["tag:KEY"]);
}

#[test]
fn what_cannot_be_read_is_told_and_the_rest_is_looked_at() {
    let runs = Runs::new();
    let mut recordings = history(&runs, 20, 1.2);
    recordings.push(runs.folder.path().join("none"));
    let said = trend(&recordings, &[]);
    said.is(1, &["none"]);
    assert!(said.out.contains("regressed: command.wall_s"), "{}", said.out);
    fs::write(sealed(&recordings[3], "cpu"), "not Parquet").unwrap();
    trend(&recordings[..40], &[]).is(1, &["cpu/"]);
    trend(&recordings[40..], &[]).is(1, &["none", "no run that counts"]);
    trend(&[recordings[0].clone(), recordings[0].clone()], &[]).is(2, &["day-00 is named twice"]);
    trend(&recordings[..5], &["-m", "wall"]).is(2, &["did you mean `command.wall_s`?"]);
    let said = trend(&recordings[..5], &[]);
    assert!(said.out.ends_with("too few points to find a change\n"), "{}", said.out);
}

#[test]
fn other_forms() {
    let runs = Runs::new();
    let recordings = history(&runs, 30, 1.2);
    let markdown = trend(&recordings, &["--format", "markdown"]);
    markdown.is(0, &[]);
    assert!(markdown.out.starts_with("### regressed: command.wall\\_s +"), "{}", markdown.out);
    assert!(markdown.out.contains("\n#### between day-29 (2026-02-02 03:00) and day-30"), "{}", markdown.out);
    let csv = trend(&recordings, &["--format", "csv"]);
    csv.is(0, &[]);
    let lines: Vec<Vec<&str>> = csv.out.lines().map(|line| line.split(',').collect()).collect();
    assert!(lines.iter().all(|line| line.len() == lines[0].len()), "{}", csv.out);
    let wall = lines.iter().find(|line| line[0] == "command.wall_s").unwrap();
    assert_eq!(
        wall[1..10],
        ["s", "lower", "true", "step", "regressed", "30", "day-29", "day-30", "2026-02-03T03:00:00Z"]
    );
    let all = trend(&recordings, &["--all"]).out;
    assert!(all.contains("\ncpu.load1 ") && !all.contains("--all shows them"), "{all}");
}

#[test]
fn the_gate_file_chooses_metrics_and_thresholds() {
    let runs = Runs::new();
    let recordings = history(&runs, 20, 1.2);
    let file = runs.folder.path().join("gate.toml");
    let gate = |text: &str| {
        fs::write(&file, format!("[gate]\n{text}\n")).unwrap();
        let said = trend(&recordings, &["--json", "--config", file.to_str().unwrap()]);
        said.is(0, &[]);
        said.json()
    };
    let found = gate("\"command.wall_s\" = { min_rel = \"50%\" }");
    let gated = found["metrics"].as_array().unwrap().iter().filter(|metric| metric["gated"] == true).count();
    assert_eq!((gated, &metric(&found, "command.wall_s")["outcome"]), (1, &json!("small")));
    let found = gate("\"command.wall_s\" = { direction = \"higher\" }");
    assert_eq!(metric(&found, "command.wall_s")["changes"][0]["verdict"], "improved");
}

/// On another machine for ten days, where everything takes twice as long.
#[test]
fn a_metric_that_decides_on_one_machine_only() {
    let runs = Runs::new();
    let kernel = |n: usize| if n < 10 { "5.4.0" } else { "6.1.0" };
    let recordings: Vec<PathBuf> = (0..40)
        .map(|n| {
            day(&runs, n, if n < 10 { 2.0 } else { 1.0 }, |manifest| {
                manifest["host"]["kernel_release"] = json!(kernel(n));
            })
        })
        .collect();
    let file = runs.folder.path().join("gate.toml");
    let gate = |text: &str| {
        fs::write(&file, format!("[gate]\n\"command.wall_s\" = {{ {text} }}\n")).unwrap();
        let said = trend(&recordings, &["--json", "--config", file.to_str().unwrap()]);
        said.is(0, &[]);
        said.json()
    };
    let found = gate("");
    assert_eq!(metric(&found, "command.wall_s")["changes"][0]["at"], 10, "{found}");
    let found = gate("only_on = { kernel = \"6.*\" }");
    let wall = metric(&found, "command.wall_s");
    assert_eq!((&wall["gated"], &wall["outcome"]), (&json!(true), &json!("flat")), "{wall}");
    let values = wall["values"].as_array().unwrap();
    assert!(values.iter().enumerate().all(|(n, value)| value.is_null() == (n < 10)), "{wall}");
    let note = "command.wall_s decides only where kernel is `6.*`: 10 of 40 points are left out";
    assert!(found["notes"].as_array().unwrap().contains(&json!(note)), "{found}");
}

/// What differs is looked for between the last value before the step and the first after it.
#[test]
fn a_step_after_points_without_a_value() {
    let runs = Runs::new();
    let recordings: Vec<PathBuf> = (0..40)
        .map(|n| {
            day(&runs, n, if n < 20 { 1.0 } else { 1.3 }, |manifest| {
                manifest["host"]["kernel_release"] = json!(if n < 18 { "6.1.0" } else { "6.8.0" });
                if (16..20).contains(&n) {
                    manifest["sessions"][0]["command"]["cost"] = Value::Null;
                }
            })
        })
        .collect();
    let found = trend_json(&recordings, &[]);
    let place = &found["places"][0];
    assert_eq!((&place["at"], &place["earliest"]), (&json!(20), &json!(16)), "{place}");
    assert_eq!(place["nearby"][0]["fact"], "kernel", "{place}");
    trend(&recordings, &["--phase", "none"]).is(1, &["no run that counts"]);
    trend(&recordings, &["-m", "command.wall_s,command.wal_s"]).is(2, &["command.wal_s: no recording has it"]);
}
