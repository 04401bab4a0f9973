//! `ab` with a control, and until it is decided. The commands sleep for a given time, or not, so verdicts are known.

mod program;

use std::fs;
use std::path::Path;

use program::*;
use serde_json::{Value, json};

fn ab(dir: &Path, base: &str, new: &str, args: &[&str]) -> Said {
    let mut command = program();
    command.args(["ab", "--collectors", "cpu", "-o"]).arg(dir).args(["--base", base, "--new", new]).args(args);
    command.output().unwrap().into()
}

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Replaces what each run cost, and how often the runs could be looked at: in the manifests, of which the index is then
/// made.
fn rewrite(dir: &Path, looks: Option<u32>, wall: impl Fn(&str, usize) -> f64) {
    for run in index(dir) {
        let directory = run["directory"].as_str().unwrap();
        let (side, number) = (run["side"].as_str().unwrap(), run["number"].as_u64().unwrap() as usize);
        let path = dir.join(directory).join("_recording.json");
        let mut manifest = json_of(&path);
        let cost = &mut manifest["sessions"][0]["command"]["cost"];
        cost["wall_s"] = json!(wall(side, number));
        (cost["user_s"], cost["system_s"]) = (json!(0.5), json!(0.25));
        (cost["max_rss_bytes"], cost["rss_sum_peak_bytes"]) = (json!(64 << 20), json!(0));
        (cost["write_bytes"], cost["major_faults"]) = (json!(0), json!(0));
        manifest["run"]["looks"] = json!(looks);
        fs::write(&path, manifest.to_string()).unwrap();
    }
    fs::write(dir.join("_runs.json"), "").unwrap();
    run([Path::new("recover"), dir]).is(0, &[]);
}

/// As text, each paragraph on one line, and as JSON.
fn compared(dir: &Path) -> (Said, Value) {
    let said = run([Path::new("compare"), dir, "--width".as_ref(), "400".as_ref()]);
    let json = run([Path::new("compare"), dir, "--json".as_ref()]).json();
    (said, json)
}

fn verdict(comparison: &Value) -> String {
    let all = comparison["metrics"].as_array().unwrap();
    let wall = all.iter().find(|metric| metric["metric"] == "command.wall_s").unwrap();
    wall["verdict"].as_str().unwrap().to_string()
}

#[test]
fn a_change_must_be_larger_than_the_control_shows() {
    let (_folder, dir) = new();
    let said = ab(&dir, "true", "true", &["--runs", "4", "--control"]);
    said.is(0, &["base: 4 runs", "control: 4 runs", "new: 4 runs", "control: the baseline command against itself"]);
    let sides: Vec<Value> = index(&dir).iter().map(|run| run["side"].clone()).collect();
    for block in sides.chunks(3) {
        assert!(["base", "control", "new"].iter().all(|side| block.contains(&json!(side))), "{sides:?}");
    }
    let spread = [0.0, 0.01, 0.02, 0.03];
    let walls = |control: f64, new: f64| {
        move |side: &str, number: usize| {
            spread[number - 1]
                + if side == "new" {
                    new
                } else if side == "control" {
                    control
                } else {
                    1.0
                }
        }
    };
    rewrite(&dir, None, walls(1.0, 1.2));
    let (said, found) = compared(&dir);
    said.is(3, &[]);
    assert!(said.out.contains("control: the baseline command against itself differs by command.wall_s +0.0 %"));
    assert_eq!(
        (verdict(&found), &found["control"]["metrics"][0]["verdict"]),
        ("regressed".into(), &json!("unchanged"))
    );
    assert!(found["base"]["name"].as_str().unwrap().ends_with("/base"));
    // The same command differs from itself by half of the change, and surely; then by more than the change.
    for control in [1.1, 1.3] {
        rewrite(&dir, None, walls(control, 1.2));
        let (said, found) = compared(&dir);
        said.is(0, &[]);
        assert_eq!(verdict(&found), "inconclusive");
        assert!(said.out.contains("command.wall_s: the change is no larger than that"), "{}", said.out);
        assert!(said.out.ends_with("inconclusive: command.wall_s\n"), "{}", said.out);
    }
    // The conclusion of `info` is the same.
    let info = run([Path::new("info"), &dir]);
    assert!(info.out.contains("inconclusive: command.wall_s"), "{}", info.out);
}

#[test]
fn until_decided() {
    // A process that sleeps for 30 times as long is decided at the first look.
    let (_folder, dir) = new();
    let said = ab(&dir, "exec sleep 0.01", "exec sleep 0.3", &["--runs", "3", "--until-decided", "--max-runs", "4"]);
    said.is(0, &["after 3 runs per side (look 1 of 2 at most): ", "regressed: command.wall_s"]);
    let looks = json_of(&dir.join("_runs.json"))["looks"].clone();
    assert_eq!(looks["planned"], json!([3, 4]));
    let made = looks["made"].as_u64().unwrap() as usize;
    assert_eq!(index(&dir).len(), 2 * [3, 4][made - 1]);
    assert_eq!(manifest(&dir.join("new/run=003"))["run"]["looks"], 2);
    let few = ["ab", "--until-decided", "--max-runs", "2", "--base", "true", "--new", "true"];
    run(few).is(125, &["--max-runs 2: a verdict needs at least 3 runs"]);
    run(["ab", "--max-runs", "9", "--base", "true", "--new", "true"]).is(125, &["--until-decided"]);
    assert!(said.err.contains(if looks["is_decided"] == true { "all metrics are decided" } else { "not decided: " }));
}

/// The expected values are those of `scipy.stats.ttest_ind` of the logarithms: p one-sided is 0.00893844, five metrics
/// decide, and the interval of two looks has a confidence of 97.5 %.
#[test]
fn each_look_has_its_part_of_the_level() {
    let (_folder, dir) = new();
    ab(&dir, "true", "true", &["-qq", "--runs", "4"]).is(0, &[]);
    let walls = [[1.00, 1.02, 0.98, 1.01], [1.07, 1.17, 1.06, 1.12]];
    let given = |side: &str, number: usize| walls[usize::from(side == "new")][number - 1];
    let near = |value: &Value, expected: f64| {
        let value = value.as_f64().unwrap();
        assert!((value - expected).abs() <= 1e-6 * expected, "{value}, not {expected}");
    };
    rewrite(&dir, None, given);
    let (said, found) = compared(&dir);
    said.is(3, &[]);
    assert_eq!((&found["looks"], found["metrics"][0]["verdict"].as_str()), (&json!(1), Some("regressed")));
    near(&found["metrics"][0]["p_adjusted"], 5.0 * 0.008938438811102123);
    near(&found["metrics"][0]["relative_95"][1], 0.17980511);
    rewrite(&dir, Some(2), given);
    let (said, found) = compared(&dir);
    said.is(0, &[]);
    assert_eq!((&found["looks"], verdict(&found).as_str()), (&json!(2), "inconclusive"));
    near(&found["metrics"][0]["p_adjusted"], 10.0 * 0.008938438811102123);
    near(&found["metrics"][0]["relative_95"][0], 0.00981367);
    near(&found["metrics"][0]["relative_95"][1], 0.20152195);
    assert!(said.out.contains("looked at up to 2 times (--until-decided)"), "{}", said.out);
    // What ab itself says, and the sides by themselves.
    let info = run([Path::new("info"), &dir]);
    assert!(info.out.contains("inconclusive: command.wall_s"), "{}", info.out);
    let said = run([Path::new("compare"), &dir.join("base"), &dir.join("new")]);
    assert!(said.out.ends_with("inconclusive: command.wall_s\n"), "{}", said.out);
}

#[test]
fn the_gate_says_what_must_be_decided() {
    let gated = |gate: &str, most: &str| {
        let (folder, dir) = new();
        let file = folder.path().join("gate.toml");
        fs::write(&file, format!("[gate]\n{gate}\n")).unwrap();
        let settings = ["--config", file.to_str().unwrap()];
        let mut all = vec!["--runs", "3", "--until-decided", "--max-runs", most];
        all.extend(settings);
        let said = ab(&dir, "exec sleep 0.01", "exec sleep 0.3", &all);
        let recorded = if dir.exists() { index(&dir).len() } else { 0 };
        let again = |command: &str| {
            let of = [command, settings[0], settings[1], dir.to_str().unwrap()];
            program().args(of).output().unwrap().into()
        };
        let (info, report): (Said, Said) = (again("info"), again("report"));
        (said, recorded, info, report)
    };
    // The time differs, but does not decide. One metric is in the manifests, the other in a table.
    let never = "\"command.major_faults\" = { min_abs = 1000000 }";
    let table = "\"cpu.load1\" = { direction = \"lower\", min_abs = 1000000, min_rel = \"0%\" }";
    for gate in [never.to_string(), format!("{never}\n{table}")] {
        let (said, recorded, info, report) = gated(&gate, "4");
        said.is(0, &["after 3 runs per side (look 1 of 2 at most): all metrics are decided"]);
        assert_eq!(recorded, 6);
        for said in [&said.err, &info.out, &report.out] {
            assert!(said.contains("unchanged: no gated metric differs"), "{said}");
        }
    }
    let (said, recorded, ..) = gated("\"disk[nvme9n9].read_iops\" = {}", "3");
    said.is(0, &["not decided: disk[nvme9n9].read_iops"]);
    assert_eq!(recorded, 6);
    let (said, recorded, ..) = gated("\"command.wal_s\" = {}", "3");
    said.is(125, &["gate.toml:2: there is no metric `command.wal_s`", "`command.wall_s`"]);
    assert_eq!(recorded, 0);
}
