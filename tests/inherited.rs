//! What a recorder inherits (streams, signals, children), and what it passes on.
#![allow(unsafe_code, reason = "signals")]

mod program;

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use program::*;
use serde_json::Value;

/// Runs a shell script with `$P` for the program and `$D` for a new directory.
fn script(text: &str) -> (tempfile::TempDir, Said, std::path::PathBuf) {
    let (folder, dir) = new();
    let mut shell = Command::new("sh");
    shell.args(["-c", text]).env("P", PROGRAM).env("D", &dir).env("PERFWATCH_CONFIG", "/dev/null");
    shell.current_dir(folder.path()).stdin(std::process::Stdio::null());
    let said = shell.output().unwrap().into();
    (folder, said, dir)
}

fn command_of(dir: &Path) -> Value {
    manifest(dir)["sessions"][0]["command"].clone()
}

#[test]
fn ignored_signals_and_closed_streams_are_the_commands_as_well() {
    for (before, command) in [
        // The C library needs another signal itself.
        ("trap '' PIPE INT; ", "sed -n 's/^SigIgn:.*\\(.......\\)$/\\1/p' /proc/self/status"),
        ("", "sh -c 'echo hi; echo status $? >&2' >&-"),
        ("", "sh -c 'cat; echo status $? >&2' <&-"),
    ] {
        let (_, plain, _) = script(&format!("{before}{command}"));
        let (_, ours, _) = script(&format!("{before}exec $P record -qq --collectors cpu -o $D -- {command}"));
        assert_eq!((plain.status, &plain.out, &plain.err), (ours.status, &ours.out, &ours.err), "{command}");
    }
}

#[test]
fn a_parent_that_ignores_sigchld_may_start_us() {
    let (_folder, dir) = new();
    let mut command = program();
    command.args(["record", "-qq", "--collectors", "cpu", "--runs", "2", "-o"]).arg(&dir).args(["--", "true"]);
    // SAFETY: only a system call.
    unsafe {
        command.pre_exec(|| {
            libc::signal(libc::SIGCHLD, libc::SIG_IGN);
            Ok(())
        })
    };
    let mut child = command.spawn().unwrap();
    until("the end", || child.try_wait().unwrap().is_some());
    assert!(child.wait().unwrap().success());
}

#[test]
fn children_of_our_former_process_are_not_the_commands() {
    let record = "exec $P record -qq --collectors process -i 50ms -o $D -- sleep 0.2";
    let (_folder, said, dir) = script(&format!("sleep 2 >/dev/null 2>&1 & {record}"));
    said.is(0, &[]);
    let cost = command_of(&dir)["cost"].clone();
    assert_eq!((&cost["left_running"], &cost["processes_peak"]), (&Value::from(0), &Value::from(1)), "{cost}");
}

#[test]
fn starts_in_one_second_have_separate_directories() {
    let (folder, said, _) = script("for i in 1 2 3; do $P record -qq --collectors cpu -- sh -c 'exit 7' & done; wait");
    said.is(0, &[]);
    let recordings = fs::read_dir(folder.path()).unwrap().flatten().filter(|e| e.path().join("cpu").is_dir());
    assert_eq!(recordings.count(), 3);
}

/// The recorder blocks signals for itself; perf must receive the request to end.
#[test]
fn perf_inherits_no_blocked_signals() {
    let (folder, dir) = new();
    let (perf, seen) = (folder.path().join("perf"), folder.path().join("seen"));
    // The fake writes next to the name by which it is called.
    let fake = folder.path().join("hangs");
    std::os::unix::fs::symlink(fixture("perf/fake-perf"), &fake).unwrap();
    let text =
        format!("#!/bin/sh\ngrep SigBlk /proc/self/status >> {}\nexec sh {} \"$@\"\n", seen.display(), fake.display());
    fs::write(&perf, text).unwrap();
    fs::set_permissions(&perf, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let perf = perf.to_str().unwrap();
    let options = ["--perf-backend", "perf", "--perf-path", perf, "--perf-events", "cpu-clock", "-d", "300ms"];
    record(&dir, &options);
    let seen = fs::read_to_string(seen).unwrap();
    assert!(seen.lines().count() > 0 && seen.lines().all(|line| line == "SigBlk:\t0000000000000000"), "{seen}");
}

#[test]
fn a_signal_before_the_command_begins_is_not_lost() {
    for signal in [libc::SIGTERM, libc::SIGQUIT, libc::SIGUSR1] {
        for after_ms in [1, 3, 5, 7, 9] {
            let (_folder, dir) = new();
            let mut command = program();
            command.args(["record", "-qq", "--collectors", "cpu", "-o"]).arg(&dir).args(["--", "sleep", "20"]);
            let child = command.spawn().unwrap();
            std::thread::sleep(std::time::Duration::from_millis(after_ms));
            // SAFETY: no memory is involved; the child is ours and not yet waited for.
            unsafe { libc::kill(child.id() as i32, signal) };
            let said: Said = child.wait_with_output().unwrap().into();
            assert_eq!(said.status, 128 + signal, "after {after_ms} ms: {said:?}");
        }
    }
}
