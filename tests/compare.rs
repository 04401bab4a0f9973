//! `perfwatch compare`: verdicts, exit statuses and outputs, with runs whose costs are given.

mod common;
mod program;

use std::fs;
use std::path::{Path, PathBuf};

use perfwatch::store::layout::Layout;
use program::costs::*;
use program::*;
use serde_json::{Value, json};

const BASE: [f64; 5] = [1.00, 1.01, 0.99, 1.02, 0.98];
const SLOWER: [f64; 5] = [1.20, 1.22, 1.19, 1.21, 1.18];

#[test]
fn slower_faster_and_the_same() {
    let runs = Runs::new();
    let (base, slower) = (runs.side("base", &BASE), runs.side("slower", &SLOWER));
    let same = runs.side("same", &[1.01, 0.985, 1.005, 1.015, 0.99]);
    let said = compare(&base, &slower, &[]);
    said.is(3, &[]);
    assert!(said.out.ends_with("regressed: command.wall_s +20 % (+17…+23)\n"), "{}", said.out);
    // A path may be longer.
    let mut lines = said.out.lines().filter(|line| !line.contains('/'));
    assert!(lines.all(|line| line.chars().count() <= 80), "{}", said.out);
    let said = compare(&slower, &base, &[]);
    said.is(0, &[]);
    assert!(said.out.ends_with("improved: command.wall_s -17 % (-18…-15)\n"), "{}", said.out);
    let said = compare(&base, &same, &[]);
    said.is(0, &[]);
    assert!(said.out.contains("unchanged: no gated metric differs"), "{}", said.out);
}

/// The figures are those of `scipy.stats.ttest_ind(log(new), log(base), equal_var=False)`.
#[test]
fn figures_are_those_of_scipy() {
    let runs = Runs::new();
    let found = compare_json(&runs.side("base", &BASE), &runs.side("slower", &SLOWER));
    let wall = metric(&found, "command.wall_s");
    let near = |value: &Value, expected: f64| {
        let value = value.as_f64().unwrap();
        assert!((value - expected).abs() <= 1e-9 * expected.abs(), "{value}, not {expected}");
    };
    near(&wall["p"], 6.464150342654216e-08);
    near(&wall["relative"], 0.20003667779267714);
    near(&wall["relative_95"][0], 0.17468889433352539);
    near(&wall["relative_95"][1], 0.22593142320012977);
    near(&wall["p_exact"], 2.0 / 252.0);
    near(&wall["base"], 1.0);
    near(&wall["new"], 1.2);
    near(&wall["absolute"], 0.2);
    assert_eq!((&wall["verdict"], &wall["gated"], &wall["unit"]), (&json!("regressed"), &json!(true), &json!("s")));
    // Without a spread, and without a change.
    let cpu = metric(&found, "command.cpu_s");
    assert_eq!((&cpu["verdict"], &cpu["p"], &cpu["relative"]), (&json!("unchanged"), &json!(1.0), &json!(0.0)));
    assert_eq!(found["base"]["recordings"].as_array().unwrap().len(), 5);
}

#[test]
fn noise_is_inconclusive() {
    let runs = Runs::new();
    let base = runs.side("base", &[1.0, 1.4, 0.8, 1.2, 0.9]);
    let new = runs.side("new", &[1.1, 1.5, 0.9, 1.3, 1.0]);
    let said = compare(&base, &new, &[]);
    said.is(0, &[]);
    assert!(said.out.contains("note: more runs per side that would probably decide: "), "{}", said.out);
    assert!(said.out.ends_with("inconclusive: command.wall_s\n"), "{}", said.out);
    compare(&base, &new, &["--fail-on", "inconclusive"]).is(4, &[]);
    // In pairs, every run is slower by the same 0.1 s.
    compare(&base, &new, &["--paired"]).is(3, &[]);
    compare(&base, &new[..4], &["--paired"]).is(2, &["--paired: base has 5 runs, new 4"]);
}

#[test]
fn one_run_is_not_enough() {
    let runs = Runs::new();
    let (base, new) = (runs.side("base", &BASE[..1]), runs.side("new", &SLOWER[..1]));
    let said = compare(&base, &new, &[]);
    said.is(0, &[]);
    assert!(said.out.contains("fewer than 3 runs"), "{}", said.out);
    assert!(said.out.contains("inconclusive: "), "{}", said.out);
    compare(&base, &new, &["--require-runs", "3"]).is(1, &["1 run that count, and --require-runs asks for 3"]);
}

#[test]
fn failed_runs_are_no_samples() {
    let runs = Runs::new();
    let (base, mut new) = (runs.side("base", &BASE), runs.side("new", &BASE));
    new.push(runs.run("failed", |manifest| {
        costs(manifest, 0.001);
        manifest["sessions"][0]["command"]["exit_code"] = json!(3);
    }));
    new.push(runs.run("interrupted", |manifest| {
        costs(manifest, 0.001);
        manifest["sessions"][0]["command"]["interrupted_by"] = json!(2);
    }));
    let said = compare(&base, &new, &[]);
    said.is(0, &["left out: ", "failed failed (exit status 3)", "interrupted was interrupted"]);
    assert!(said.out.contains("(5 runs, 2 left out)"), "{}", said.out);
    // Which run belongs to which is not known then.
    compare(&base, &new, &["--paired"]).is(2, &["--paired: ", "failed (exit status 3), so it is not known"]);
    compare(&base, &new[5..], &[]).is(1, &["no run that counts"]);
}

#[test]
fn other_machines_are_told() {
    let runs = Runs::new();
    let base = runs.side("base", &BASE);
    let new: Vec<PathBuf> = (0..5)
        .map(|n| {
            runs.run(&format!("new-{n}"), |manifest| {
                costs(manifest, BASE[n]);
                manifest["host"]["kernel_release"] = json!("7.0.1");
            })
        })
        .collect();
    let said = compare(&base, &new, &[]);
    said.is(0, &[]);
    assert!(said.out.contains("kernel differs: "), "{}", said.out);
    compare(&base, &new, &["--on-mismatch", "fail"]).is(5, &[]);
    let said = compare(&base, &new, &["--on-mismatch", "ignore"]);
    said.is(0, &[]);
    assert!(!said.out.contains("kernel differs"), "{}", said.out);
}

/// A crash or a damaged file is never taken for a regression.
#[test]
fn damage_is_not_a_regression() {
    let runs = Runs::new();
    let (base, slower) = (runs.side("base", &BASE), runs.side("slower", &SLOWER));
    fs::write(sealed(&slower[0], "cpu"), "not Parquet").unwrap();
    compare(&base, &slower, &[]).is(1, &["cpu/"]);
    compare(&base, &[runs.folder.path().join("none")], &[]).is(1, &["none"]);
    compare(&base, &base, &[]).is(2, &["base-0 is on both sides"]);
}

#[test]
fn chosen_metrics_decide() {
    let runs = Runs::new();
    let (base, slower) = (runs.side("base", &BASE), runs.side("slower", &SLOWER));
    let said = compare(&base, &slower, &["-m", "cpu_s,peak_memory_bytes"]);
    said.is(0, &[]);
    assert!(!said.out.contains("wall_s"), "{}", said.out);
    compare(&base, &slower, &["-m", "command.wall_s", "--min-rel", "30%"]).is(0, &[]);
    compare(&base, &slower, &["-m", "command.wal_s"]).is(2, &["no recording has it", "did you mean", "command.wall_s"]);
    // Each of several must exist: a metric that is not looked at does not pass.
    compare(&base, &slower, &["-m", "command.cpu_s,command.wal_s"])
        .is(2, &["--metric command.wal_s: no recording has it"]);
}

/// Every form, and twice the same bytes.
#[test]
fn outputs() {
    let runs = Runs::new();
    let (base, slower) = (runs.side("base", &BASE), runs.side("slower", &SLOWER));
    let at = |name: &str| runs.folder.path().join(name);
    let write = |name: &str| {
        let outs = ["markdown", "json", "csv", "junit", "openmetrics", "text"];
        let args: Vec<String> =
            outs.iter().map(|form| format!("{form}={}", at(&format!("{name}.{form}")).display())).collect();
        let args: Vec<&str> = args.iter().flat_map(|arg| ["--out", arg]).collect();
        compare(&base, &slower, &args).is(3, &[]);
        outs.map(|form| fs::read_to_string(at(&format!("{name}.{form}"))).unwrap())
    };
    let (first, second) = (write("first"), write("second"));
    assert_eq!(first, second);
    let [markdown, json, csv, junit, openmetrics, text] = first;
    assert!(
        markdown.starts_with("### regressed: command.wall\\_s +20 % (+17…+23)\n") && markdown.chars().count() < 65_536
    );
    assert!(markdown.contains("| `command.wall_s` | 1.00 s | 1.20 s | +20 % |"), "{markdown}");
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap()["version"], 1);
    let lines: Vec<&str> = csv.lines().collect();
    assert!(lines[0].starts_with("metric,unit,better,gated,verdict,base,new,relative,"));
    assert!(lines[1].starts_with("command.wall_s,s,lower,true,regressed,1,1.2,"), "{}", lines[1]);
    let columns = |line: &str| line.split(',').count();
    assert!(lines.iter().all(|line| columns(line) == columns(lines[0])), "{csv}");
    assert!(junit.contains("tests=\"5\" failures=\"1\" errors=\"0\" skipped=\"0\""), "{junit}");
    assert!(junit.contains("name=\"command.wall_s\"><failure type=\"regressed\""), "{junit}");
    assert!(
        openmetrics.ends_with("# EOF\n")
            && openmetrics.contains("perfwatch_compare_change_ratio{metric=\"command.wall_s\"")
    );
    assert!(text.contains("regressed"));
    compare(&base, &slower, &["--out", "pdf=x"]).is(2, &["unknown format `pdf`"]);
}

#[test]
fn for_github() {
    let runs = Runs::new();
    let (base, slower) = (runs.side("base", &BASE), runs.side("slower", &SLOWER));
    let summary = runs.folder.path().join("summary.md");
    let mut command = program();
    command.arg("compare").arg("--base").args(&base).arg("--new").args(&slower).arg("--github");
    let said: Said = command.env("GITHUB_STEP_SUMMARY", &summary).output().unwrap().into();
    said.is(3, &[]);
    assert!(
        said.out.starts_with("::error title=perfwatch compare::command.wall_s +20 %25 (regressed)\n"),
        "{}",
        said.out
    );
    assert!(fs::read_to_string(summary).unwrap().starts_with("### regressed"));
}

/// A folder of `perfwatch ab`, and its sides by themselves.
#[test]
fn what_ab_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("duel");
    let mut ab = program();
    ab.args(["ab", "-qq", "--runs", "3", "--collectors", "cpu", "--base", "true", "--new", "true", "-o"]).arg(&dir);
    assert!(ab.status().unwrap().success());
    let said = run([Path::new("compare"), &dir]);
    assert!(said.out.starts_with("base:") && said.out.contains("/duel/new"), "{said:?}");
    let said = run([Path::new("compare"), &dir.join("base"), &dir.join("new"), Path::new("--json")]);
    let found: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(found["base"]["recordings"].as_array().unwrap().len(), 3);
    run([Path::new("compare"), &dir.join("base")]).is(2, &["has only one side"]);
    // Both sides together are no side.
    run([Path::new("compare"), &dir.join("base"), &dir]).is(2, &["/duel has 2 sides; name one of them, such as "]);
    run([Path::new("compare"), Path::new("--self-check"), &dir]).is(2, &["/duel has 2 sides"]);
}

/// The same program under two names is still the same.
#[test]
fn the_same_program_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("old"), "echo one\n").unwrap();
    fs::write(at("copy"), "echo one\n").unwrap();
    fs::write(at("new"), "echo two\n").unwrap();
    let record = |side: &str, words: &[&str]| {
        let dir = at(side);
        let mut command = record_command(&dir, &["-q", "--collectors", "cpu", "--", "sh"]);
        command.args(words).current_dir(folder.path()).output().unwrap();
        dir
    };
    let notes = |base: &Path, new: &Path| {
        let found = run([Path::new("compare"), base, new, Path::new("--json")]).json();
        found["notes"].to_string()
    };
    let old = record("dir-old", &["old"]);
    let files = manifest(&old)["sessions"][0]["command"]["files"].clone();
    assert!(files.as_array().unwrap().iter().any(|file| file["path"] == "old" && file["bytes"] == 9), "{files}");
    let same = "both sides ran the same files, by their digests (";
    assert!(notes(&old, &record("dir-copy", &["copy"])).contains(same));
    let differ = notes(&old, &record("dir-new", &["new"]));
    assert!(differ.contains("the commands differ: `sh old` and `sh new`"), "{differ}");
    let option = notes(&old, &record("dir-option", &["-e", "old"]));
    assert!(option.contains("the commands differ"), "{option}");
}

/// A gated metric that one side lost must not pass, in pairs either.
#[test]
fn a_lost_metric_does_not_pass() {
    let runs = Runs::new();
    let side = |side: &str, peak: Value| -> Vec<PathBuf> {
        let run = |n: usize| {
            runs.run(&format!("{side}-{n}"), |manifest| {
                costs(manifest, BASE[n]);
                cost(manifest)["cgroup_memory_peak_bytes"] = peak.clone();
            })
        };
        (0..5).map(run).collect()
    };
    let (base, new) = (side("base", json!(64 << 20)), side("new", Value::Null));
    for pairs in [&[][..], &["--paired"]] {
        let args = [pairs, &["-m", "command.cgroup_memory_peak_bytes"]].concat();
        let said = compare(&base, &new, &args);
        said.is(1, &["command.cgroup_memory_peak_bytes decides, and only one side has it"]);
        assert!(said.out.contains("removed"), "{}", said.out);
    }
}

#[test]
fn each_recording_counts_once() {
    let runs = Runs::new();
    let (base, new) = (runs.side("base", &BASE), runs.side("new", &SLOWER));
    compare(&[base[0].clone(), base[0].join(".")], &new, &[]).is(2, &["is named twice"]);
    compare(&base, &[base[1].join(".")], &[]).is(2, &["base-1 is on both sides"]);
    // A warm-up is no sample, although it is named.
    let warmup = runs.run("warm", |manifest| {
        costs(manifest, 9.0);
        manifest["run"] = json!({"series": "s", "side": null, "number": 1, "warmup": true});
    });
    let said = compare(&[&base[..], &[warmup]].concat(), &new, &[]);
    said.is(3, &["warm is a warm-up"]);
    assert!(said.out.contains("(5 runs, 1 left out)"), "{}", said.out);
}

/// The cost that the kernel counted, not the samples of it; and not of a part of the run.
#[test]
fn the_cost_is_exact_and_of_the_whole_run() {
    let folder = tempfile::tempdir().unwrap();
    let record = |name: &str| {
        let dir = folder.path().join(name);
        let mut command = program();
        command.args(["record", "-q", "--collectors", "cpu,process", "-i", "20ms", "-o"]).arg(&dir);
        assert!(command.args(["--", "sleep", "0.1"]).status().unwrap().success());
        let mut manifest = manifest(&dir);
        costs(&mut manifest, 1.0);
        cost(&mut manifest)["minor_faults"] = json!(123_456_789);
        fs::write(Layout::new(&dir).manifest(), manifest.to_string()).unwrap();
        dir
    };
    let (base, new) = (record("base"), record("new"));
    let found = compare_json(std::slice::from_ref(&base), std::slice::from_ref(&new));
    assert_eq!(metric(&found, "command.minor_faults")["base"], 123_456_789.0);
    let sampled = found["metrics"].as_array().unwrap().iter().any(|m| m["metric"] == "command.minor_faults_per_sec");
    assert!(sampled, "the table has samples of it: {found}");
    // Too short to be steady, so all of it is compared, but still without its cost.
    let said = compare(&[base], &[new], &["--auto-warmup", "--json"]);
    said.is(0, &[]);
    let found = said.json();
    assert!(found["metrics"].as_array().unwrap().iter().all(|m| m["metric"] != "command.wall_s"), "{found}");
    assert!(found["notes"].to_string().contains("too short to see when it was steady"), "{found}");
}
