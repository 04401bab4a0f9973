//! The gate file of `perfwatch compare`, and what is known of past runs: proposed thresholds, false alarms, noise.

mod common;
mod program;

use std::fs;
use std::path::{Path, PathBuf};

use program::costs::*;
use program::*;
use serde_json::{Value, json};

const BASE: [f64; 5] = [1.00, 1.01, 0.99, 1.02, 0.98];
const SLOWER: [f64; 5] = [1.20, 1.22, 1.19, 1.21, 1.18];

/// Compares with a settings file.
fn gated(runs: &Runs, gate: &str, base: &[PathBuf], new: &[PathBuf], args: &[&str]) -> Said {
    let file = runs.folder.path().join("gate.toml");
    fs::write(&file, gate).unwrap();
    let mut all = vec!["--config", file.to_str().unwrap()];
    all.extend(args);
    compare(base, new, &all)
}

#[test]
fn only_the_metrics_of_the_gate_decide() {
    let runs = Runs::new();
    let (base, slower) = (runs.side("base", &BASE), runs.side("slower", &SLOWER));
    let gate = |text: &str| gated(&runs, &format!("[gate]\n{text}\n"), &base, &slower, &[]);
    gate("\"command.wall_s\" = {}").is(3, &[]);
    // 20 % slower, which is 0.2 s.
    gate("\"command.wall_s\" = { min_rel = \"30%\" }").is(0, &[]);
    gate("\"command.wall_s\" = { min_abs = \"150 ms\" }").is(3, &[]);
    gate("\"command.wall_s\" = { min_abs = \"250 ms\" }").is(0, &[]);
    gate("\"command.wall_s\" = { direction = \"higher\" }").is(0, &[]);
    gate("\"command.wall_s\" = { direction = \"any\" }").is(3, &[]);
    let said = gate("\"command.cpu_s\" = {}");
    said.is(0, &[]);
    assert!(said.out.ends_with("unchanged: no gated metric differs by more than what matters\n"), "{}", said.out);
    // Asked for by name, another one decides, with its thresholds in the gate.
    let both = "[gate]\n\"command.cpu_s\" = {}\n\"command.wall_s\" = { min_rel = \"30%\" }\n";
    gated(&runs, both, &base, &slower, &["-m", "command.wall_s"]).is(0, &[]);
    gated(&runs, "[gate]\n\"command.cpu_s\" = {}\n", &base, &slower, &["-m", "command.wall_s"]).is(3, &[]);
    // Faster in any direction.
    gated(&runs, "[gate]\n\"command.wall_s\" = { direction = \"any\" }\n", &slower, &base, &[]).is(3, &[]);
    gated(&runs, "[gate]\n\"command.wall_s\" = {}\n", &slower, &base, &[]).is(0, &[]);
}

#[test]
fn mistakes_in_the_gate() {
    let runs = Runs::new();
    let base = runs.side("base", &BASE);
    let gate = |text: &str| gated(&runs, &format!("[gate]\n{text}\n"), &base[..3], &base[3..], &[]);
    gate("\"command.wal_s\" = {}").is(2, &["gate.toml:2: there is no metric `command.wal_s`", "`command.wall_s`"]);
    gate("\"command.wall_s\" = { min_abs = \"5 MiB\" }")
        .is(2, &["gate.toml:2: command.wall_s: min_abs: the metric is in s"]);
    gate("\"cpu.load1\" = {}").is(2, &["cpu.load1: which values are better? Add direction"]);
    gate("\"command.wall_s\" = 5").is(2, &["gate.toml:2: "]);
    // Such metrics exist, but neither side has them: a gate that is not looked at does not pass.
    for metric in ["perf[instructions].value", "disk[nvme9n9].read_iops"] {
        gate(&format!("\"{metric}\" = {{ direction = \"lower\" }}"))
            .is(1, &[&format!("{metric} decides, and neither side has it")]);
    }
    gate("\"load: phase.wall_s\" = {}").is(2, &["its metrics are of phases; --by phase compares them"]);
    // Other commands do not need the gate, and accept the file.
    let file = runs.folder.path().join("gate.toml");
    run([Path::new("doctor"), Path::new("--config"), &file]).is(0, &[]);
    let wrong = runs.folder.path().join("wrong.toml");
    fs::write(&wrong, "[gate]\n\"command.wall_s\" = 5\n").unwrap();
    run([Path::new("config"), Path::new("compare"), Path::new("--config"), &wrong]).is(2, &["wrong.toml:2: write"]);
}

#[test]
fn a_metric_decides_only_on_some_machines() {
    let runs = Runs::new();
    let on = |side: &str, walls: &[f64], cpu: &str| -> Vec<PathBuf> {
        let run = |(n, wall): (usize, &f64)| {
            runs.run(&format!("{side}-{n}"), |manifest| {
                costs(manifest, *wall);
                manifest["host"]["cpu_model"] = json!(cpu);
                manifest["tags"] = json!({ "pool": "fast" });
            })
        };
        walls.iter().enumerate().map(run).collect()
    };
    let cpu = "AMD EPYC 9354 32-Core Processor";
    let (base, slower) = (on("base", &BASE, cpu), on("slower", &SLOWER, cpu));
    let rule = |only_on: &str| format!("[gate]\n\"command.wall_s\" = {{ only_on = {only_on} }}\n");
    for only_on in ["{ cpu = \"amd epyc*\" }", "{ cpu = [\"Intel*\", \"AMD*\"], \"tag.pool\" = \"fast\" }"] {
        gated(&runs, &rule(only_on), &base, &slower, &[]).is(3, &[]);
    }
    for only_on in
        ["{ cpu = \"Intel*\" }", "{ cpu = \"AMD*\", \"tag.pool\" = \"slow\" }", "{ governor = \"performance\" }"]
    {
        let said = gated(&runs, &rule(only_on), &base, &slower, &[]);
        said.is(0, &[]);
        let words = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains("command.wall_s decides only where "), "{}", said.out);
        assert!(said.out.contains("regressed") && said.out.contains("no metric decides"), "{}", said.out);
    }
}

/// The spread of these runs is 1.58 %, so 5 + 5 show `exp((1.8595 + 1.3968) * 0.0158 * sqrt(2 / 5)) - 1` = 3.3 %.
#[test]
fn a_proposed_gate_is_accepted() {
    let runs = Runs::new();
    let (base, slower) = (runs.side("base", &BASE), runs.side("slower", &SLOWER));
    let mut command = program();
    let said: Said = command.args(["compare", "--write-gate"]).args(&base).output().unwrap().into();
    said.is(0, &[]);
    let lines: Vec<&str> = said.out.lines().collect();
    let at = lines.iter().position(|line| line.starts_with("\"command.wall_s\"")).unwrap();
    assert_eq!(lines[at - 1], "# spread 1.6 %, sessions differ by up to 6.4 %, 5 + 5 runs show a change of 3.3 %");
    assert_eq!(lines[at], "\"command.wall_s\" = { min_rel = \"8%\" }");
    assert!(lines.contains(&"\"command.write_bytes\" = {}"), "{}", said.out);
    gated(&runs, &said.out, &base, &slower, &[]).is(3, &[]);
    let mut command = program();
    let said: Said = command.args(["compare", "--write-gate", "-m", "cpu.wrong"]).args(&base).output().unwrap().into();
    said.is(2, &["cpu.wrong: no recording has it"]);
}

#[test]
fn how_often_the_gate_would_be_wrong() {
    let runs = Runs::new();
    let walls = [1.00, 1.01, 0.99, 1.02, 0.98, 1.005, 1.015, 0.985];
    let side = runs.side("run", &walls);
    let check = |args: &[&str]| -> Said {
        program().args(["compare", "--self-check"]).args(args).args(&side).output().unwrap().into()
    };
    let found = check(&["--json"]).json();
    assert_eq!((&found["runs"], &found["splits"], &found["is_complete"]), (&json!(8), &json!(70), &json!(true)));
    let wall = found["metrics"].as_array().unwrap().iter().find(|m| m["metric"] == "command.wall_s").unwrap();
    let found_at = |n: usize| wall["found"][n][1].as_u64().unwrap();
    assert_eq!((&wall["false_alarms"], found_at(2), found_at(3)), (&json!(0), 70, 70), "{wall}");
    assert!(found_at(0) < 10, "a change of 2 % is below the threshold: {wall}");
    // In the direction that the gate gives.
    let file = runs.folder.path().join("higher.toml");
    fs::write(&file, "[gate]\n\"command.wall_s\" = { direction = \"higher\" }\n").unwrap();
    let found = check(&["--json", "--config", file.to_str().unwrap()]).json();
    assert_eq!(found["metrics"][0]["found"][3], json!([0.2, 70]), "{found}");
    let said = check(&[]);
    said.is(0, &[]);
    assert!(said.out.starts_with("8 runs, split into 4 + 4 in 70 ways (all)\n"), "{}", said.out);
    assert!(said.out.ends_with("without a cause (0 of 70)\n"), "{}", said.out);
    let few: Said = program().args(["compare", "--self-check"]).args(&side[..5]).output().unwrap().into();
    few.is(2, &["5 runs that count; a check needs at least 6"]);
}

/// A change as large as past sessions differ from each other shows nothing.
#[test]
fn the_noise_of_past_baselines() {
    let runs = Runs::new();
    let base = runs.side("base", &[1.000, 1.001, 0.999, 1.002, 0.998]);
    let new = runs.side("new", &[1.08, 1.081, 1.079, 1.082, 1.078]);
    let much = runs.side("much", &[1.50, 1.501, 1.499, 1.502, 1.498]);
    let history = runs.side("old", &[1.0, 1.06, 0.94, 1.03]);
    let with_history = |new: &[PathBuf], history: &[PathBuf]| {
        let mut args = vec!["--history"];
        args.extend(history.iter().map(|path| path.to_str().unwrap()));
        args.push("--json");
        compare(&base, new, &args)
    };
    compare(&base, &new, &[]).is(3, &[]);
    let said = with_history(&new, &history);
    said.is(0, &[]);
    let found = said.json();
    let wall = metric(&found, "command.wall_s");
    // scipy: expm1(t.ppf(.975, 3) * std(log(old), ddof=1) * sqrt(2))
    let noise = wall["threshold"]["noise"].as_f64().unwrap();
    assert!((noise - 0.260_340_493_144_425_3).abs() < 1e-9, "{noise}");
    assert_eq!(wall["verdict"], "inconclusive");
    let notes: Vec<&str> = found["notes"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(notes.iter().any(|note| note.contains("differ from each other: command.wall_s")), "{notes:?}");
    with_history(&much, &history).is(3, &[]);
    with_history(&new, &history[..2]).is(3, &["2 sessions of past baselines; at least 3 are needed"]);
}
