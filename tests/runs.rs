//! Steps around a command, repeated runs, and two alternating commands.
#![allow(unsafe_code, reason = "signals")]

mod program;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use program::*;
use serde_json::Value;

fn recorder(dir: &Path, options: &[&str]) -> Command {
    let mut recorder = program();
    recorder.arg("record").arg("-o").arg(dir).args(["--collectors", "cpu,process"]).args(options);
    recorder
}

fn recorded(dir: &Path, options: &[&str], script: &str) -> Said {
    recorder(dir, options).args(["--", "sh", "-c", script]).output().unwrap().into()
}

fn strings(runs: &[Value], key: &str) -> Vec<String> {
    runs.iter().map(|run| run[key].to_string().trim_matches('"').to_string()).collect()
}

/// Phase and number of processes of the command at each tick.
fn ticks_of(dir: &Path) -> Vec<(String, String)> {
    column(dir, "command", "phase").into_iter().zip(column(dir, "command", "processes")).collect()
}

#[test]
fn steps_are_phases_and_not_part_of_the_cost() {
    let (folder, dir) = new();
    let log = folder.path().join("log");
    let log = log.display();
    let (prepare, conclude) =
        (format!("echo prepare >> {log}; sleep 0.3"), format!("echo conclude >> {log}; sleep 0.3"));
    let script = format!("echo run >> {log}; sleep 0.1; exit 6");
    recorded(&dir, &["--prepare", &prepare, "--conclude", &conclude], &script).is(6, &[]);
    assert_eq!(fs::read_to_string(log.to_string()).unwrap(), "prepare\nrun\nconclude\n");
    let wall = manifest(&dir)["sessions"][0]["command"]["cost"]["wall_s"].as_f64().unwrap();
    assert!((0.1..0.3).contains(&wall), "{wall}");
    let ticks = ticks_of(&dir);
    // Between two of them there may be a time that belongs to neither.
    let mut phases: Vec<&str> = ticks.iter().map(|t| t.0.as_str()).filter(|phase| !phase.is_empty()).collect();
    phases.dedup();
    assert_eq!(phases, ["prepare", "run", "conclude"], "{ticks:?}");
    assert!(ticks.iter().all(|t| t.1 == "1"), "the steps are none of its processes: {ticks:?}");
}

#[test]
fn processes_left_by_a_step_are_not_the_commands() {
    let (folder, dir) = new();
    let pid = folder.path().join("pid");
    let prepare = format!("sleep 60 > /dev/null 2>&1 & echo $! > {}", pid.display());
    recorded(&dir, &["-i", "50ms", "--prepare", &prepare], "sleep 0.2").is(0, &[]);
    let cost = manifest(&dir)["sessions"][0]["command"]["cost"].clone();
    assert_eq!((&cost["left_running"], &cost["processes_peak"]), (&Value::from(0), &Value::from(2)), "{cost}");
    let pid: i32 = fs::read_to_string(pid).unwrap().trim().parse().unwrap();
    // SAFETY: no memory is involved.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGKILL) }, 0);
}

#[test]
fn a_step_that_fails() {
    let (folder, dir) = new();
    let witness = folder.path().join("witness");
    let script = format!("touch {}", witness.display());
    recorded(&dir, &["--prepare", "exit 3"], &script)
        .is(125, &["--prepare: exit status 3; the command was not started"]);
    assert!(!witness.exists());
    let (_folder, dir) = new();
    recorded(&dir, &["--conclude", "exit 3"], "exit 2").is(2, &["warning: --conclude: exit status 3"]);
}

#[test]
fn each_run_is_a_recording() {
    let (_folder, dir) = new();
    recorded(&dir, &["--runs", "3", "--warmup-runs", "2"], "sleep 0.05").is(0, &["3 runs ", " ± ", "largest process"]);
    let runs = index(&dir);
    let names = ["warmup-001", "warmup-002", "run=001", "run=002", "run=003"];
    assert_eq!(strings(&runs, "directory"), names);
    assert_eq!(strings(&runs, "warmup"), ["true", "true", "false", "false", "false"]);
    for (run, name) in runs.iter().zip(names) {
        let session = manifest(&dir.join(name))["sessions"][0].clone();
        assert_eq!(run["wall_s"], session["command"]["cost"]["wall_s"]);
        assert_eq!(run["exit_status"], 0);
        assert!(run["wall_s"].as_f64().unwrap() >= 0.05);
    }
    // The directory represents the runs that count.
    let said = report(&dir, &["-f", "json"]);
    let report = said.json();
    assert_eq!(report["recordings"].as_array().unwrap().len(), 3);
    assert_eq!(report["runs"][0]["runs"].as_array().unwrap().len(), 5);
    // The results of all runs are in a table; changes to the directory apply to all runs.
    let said = run([Path::new("info"), &dir]);
    said.is(0, &[]);
    assert!(said.out.contains("largest process") && said.out.contains("3 runs  "), "{}", said.out);
    assert_eq!(said.out.lines().count(), 1 + 5 + 5, "{}", said.out);
    run([Path::new("annotate"), &dir, "--tag".as_ref(), "fan=broken".as_ref()]).is(0, &[]);
    for name in names {
        assert_eq!(manifest(&dir.join(name))["tags"]["fan"], "broken");
    }
    recorded(&dir, &["--runs", "1"], "true").is(125, &["not empty"]);
}

#[test]
fn a_failed_run_is_the_last_unless_failures_are_ignored() {
    let (_folder, dir) = new();
    recorded(&dir, &["--runs", "3"], "exit 7").is(7, &["run=001: exit status 7; no more runs (see --ignore-failure)"]);
    assert_eq!(strings(&index(&dir), "exit_status"), ["7"]);
    let (_folder, dir) = new();
    recorded(&dir, &["--runs", "3", "--ignore-failure"], "exit 7").is(0, &["no run to measure: 3 failed"]);
    assert_eq!(strings(&index(&dir), "exit_status"), ["7", "7", "7"]);
    let (_folder, dir) = new();
    let mut missing = recorder(&dir, &["--runs", "3"]);
    Said::from(missing.args(["--", "no-such-command"]).output().unwrap()).is(127, &["no such command"]);
    assert!(!dir.exists());
}

#[test]
fn a_signal_ends_the_run_and_the_series() {
    let (folder, dir) = new();
    let ready = folder.path().join("ready");
    let script = format!("echo > {}; sleep 60", ready.display());
    let mut recorder = recorder(&dir, &["--runs", "3"]);
    let child = recorder.args(["--", "sh", "-c", &script]).stderr(Stdio::piped()).spawn().unwrap();
    until("the first run", || ready.exists());
    // SAFETY: no memory is involved; the child is ours and not waited for.
    unsafe { libc::kill(child.id() as i32, libc::SIGTERM) };
    Said::from(child.wait_with_output().unwrap()).is(143, &["run=001: received SIGTERM; no more runs"]);
    let runs = index(&dir);
    assert_eq!(
        (strings(&runs, "exit_status"), strings(&runs, "interrupted")),
        (vec!["143".into()], vec!["true".into()])
    );
    assert!(runs[0]["wall_s"].as_f64().unwrap() > 0.0, "its cost is known");
    let said = report(&dir, &["-f", "json"]);
    assert_eq!(said.json()["recordings"], Value::Array(vec![]), "it does not count");
}

#[test]
fn two_commands_alternate() {
    let (folder, dir) = new();
    let log = folder.path().join("log");
    let script = |word: &str| format!("echo {word} >> {}", log.display());
    let mut ab = program();
    ab.arg("ab").arg("-o").arg(&dir).args([
        "--collectors",
        "cpu,process",
        "--runs",
        "3",
        "--warmup-runs",
        "1",
        "--order",
        "alternate",
    ]);
    ab.args(["--base", &script("base"), "--new", &script("new")]);
    let said = Said::from(ab.output().unwrap());
    said.is(0, &["base: 3 runs", "new: 3 runs", " ± "]);
    // Whatever it is: a machine may be busy during all runs of one side.
    let verdict = said.err.lines().last().unwrap();
    assert!(
        ["unchanged: ", "inconclusive: ", "regressed: ", "improved: "].iter().any(|word| verdict.contains(word)),
        "{verdict}"
    );
    assert_eq!(fs::read_to_string(&log).unwrap(), "base\nnew\n".repeat(4));
    let runs = index(&dir);
    assert_eq!(strings(&runs, "side"), ["base", "new"].repeat(4));
    assert_eq!(strings(&runs[2..4], "directory"), ["base/run=001", "new/run=001"]);
    assert!(dir.join("new/run=003/command").is_dir());
    let said = run([Path::new("info"), &dir, "--diff".as_ref()]);
    assert!(said.out.contains("base") && said.out.contains("session.command.argv"), "{}", said.out);
    // Each side is a column, for any number of runs.
    assert_eq!(said.out.lines().next().unwrap().split_whitespace().collect::<Vec<_>>(), ["base", "new"]);
    run(["ab", "--base", "true"]).is(125, &["--new"]);
    run(["ab", "--base", "true", "--new", "true", "--", "true"]).is(125, &["--base and --new"]);
}

#[test]
fn a_step_does_not_use_the_commands_streams() {
    let (_folder, dir) = new();
    let mut command = recorder(&dir, &["-q", "--prepare", "cat; echo prepared", "--conclude", "cat; echo done"]);
    command.args(["--", "cat"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"one\ntwo\n").unwrap();
    let said: Said = child.wait_with_output().unwrap().into();
    said.is(0, &["prepared\n", "done\n"]);
    assert_eq!(said.out, "one\ntwo\n");
}

#[test]
fn a_step_may_make_the_command_and_take_it_away() {
    let (folder, dir) = new();
    let (tool, witness) = (folder.path().join("tool"), folder.path().join("witness"));
    let prepare = format!("cp /bin/true {}", tool.display());
    let mut command = recorder(&dir, &["-q", "--prepare", &prepare]);
    Said::from(command.arg("--").arg(&tool).output().unwrap()).is(0, &[]);
    // The command cannot be executed: the conclude step still runs.
    let (_folder, dir) = new();
    let prepare = format!("printf '#!/no/such/interpreter\\n' > {0}; chmod +x {0}", tool.display());
    let conclude = format!("touch {}", witness.display());
    let mut command = recorder(&dir, &["--prepare", &prepare, "--conclude", &conclude]);
    Said::from(command.arg("--").arg(&tool).output().unwrap())
        .is(127, &["the interpreter in its first line", "did not run"]);
    assert!(witness.exists());
    let session = manifest(&dir)["sessions"][0].clone();
    assert_eq!((&session["command"]["started"], &session["command"]["cost"]), (&Value::Null, &Value::Null));
}

#[test]
fn a_signal_to_a_step() {
    // The signal only asks for information: the command's status is returned.
    let (_folder, dir) = new();
    let prepare = "trap 'echo heard >&2' USR1; kill -USR1 $PPID; sleep 0.5 & wait; wait";
    recorded(&dir, &["--prepare", prepare], "exit 3").is(3, &["heard"]);
    // The signal asks to end: the command does not start, regardless of the step's reaction.
    let (folder, dir) = new();
    let witness = folder.path().join("witness");
    let prepare = "trap 'exit 0' TERM; kill -TERM $PPID; sleep 5 & wait";
    recorded(&dir, &["--prepare", prepare], &format!("touch {}", witness.display()))
        .is(143, &["SIGTERM came during --prepare; the command was not started"]);
    assert!(!witness.exists());
    assert_eq!(manifest(&dir)["sessions"][0]["end_reason"], "SIGTERM came during --prepare");
}

#[test]
fn processes_left_by_the_command_are_counted_until_the_end() {
    let burn = "i=0; while [ $i -lt 150000 ]; do i=$((i+1)); done";
    let script = format!("(sleep 0.3; {burn}) > /dev/null 2>&1 & sleep 0.1");
    let (_folder, dir) = new();
    recorded(&dir, &["-i", "50ms", "--conclude", "sleep 1.5"], &script).is(0, &[]);
    let cost = manifest(&dir)["sessions"][0]["command"]["cost"].clone();
    let cpu = cost["user_s"].as_f64().unwrap() + cost["system_s"].as_f64().unwrap();
    assert!(cpu > 0.03, "{cost}");
    assert_eq!(cost["left_running"], 0, "{cost}");
}

#[test]
fn a_step_that_cannot_be_started() {
    let (folder, dir) = new();
    let file = folder.path().join("perfwatch.toml");
    fs::write(&file, "[record]\nprepare = \"a\\u0000b\"\n").unwrap();
    let mut command = recorder(&dir, &["--config", file.to_str().unwrap()]);
    Said::from(command.args(["--", "true"]).output().unwrap()).is(125, &["--prepare: "]);
    assert!(dir.join("cpu").is_dir(), "what there is is kept");
}
