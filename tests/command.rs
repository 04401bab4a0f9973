//! `perfwatch record -- COMMAND`: the results for the command, its caller and the recording.
#![allow(unsafe_code, reason = "sessions, signals and pseudo-terminals of the recorder")]

mod program;

use std::fs;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use program::*;
use serde_json::Value;

/// `record -- COMMAND` without a terminal, as in CI.
fn recorder(dir: &Path, options: &[&str], command: &[&str]) -> Command {
    let mut recorder = program();
    recorder
        .arg("record")
        .arg("-o")
        .arg(dir)
        .args(["--collectors", "cpu,process"])
        .args(options)
        .arg("--")
        .args(command);
    // SAFETY: a system call without memory access.
    unsafe {
        recorder.pre_exec(|| {
            libc::setsid();
            Ok(())
        });
    }
    recorder
}

fn recorded(dir: &Path, options: &[&str], command: &[&str]) -> Said {
    recorder(dir, options, command).output().unwrap().into()
}

fn sh(dir: &Path, options: &[&str], script: &str) -> Said {
    recorded(dir, options, &["sh", "-c", script])
}

fn facts(dir: &Path) -> Value {
    manifest(dir)["sessions"][0]["command"].clone()
}

#[test]
fn the_exit_status_is_that_of_the_command() {
    for (script, status, code, signal) in [
        ("exit 0", 0, Some(0), None),
        ("exit 3", 3, Some(3), None),
        ("exit 255", 255, Some(255), None),
        ("kill -9 $$", 137, None, Some(9)),
        ("kill -TERM $$", 143, None, Some(15)),
    ] {
        let (_folder, dir) = new();
        sh(&dir, &[], script).is(status, &["sh: ", " 2 ticks in "]);
        let facts = facts(&dir);
        assert_eq!((facts["exit_code"].as_i64(), facts["signal"].as_i64()), (code, signal), "{facts}");
        assert_eq!(facts["argv"], serde_json::json!(["sh", "-c", script]));
        assert_eq!(manifest(&dir)["sessions"][0]["end_reason"], "command");
        let said = report(&dir, &["-t", "command", "--width", "500"]);
        let how = code.map_or_else(
            || format!("ended by {}", if status == 137 { "SIGKILL" } else { "SIGTERM" }),
            |code| format!("exit status {code}"),
        );
        let line = format!("command: sh -c {script} ({how} after 0.");
        assert!(said.out.contains(&line), "{line}: {}", said.out);
    }
}

/// What a process used before its first row is growth, if the process started during the recording. The command itself
/// was waiting at the first sample, where its counting starts.
#[test]
fn the_first_row_of_a_new_process_is_marked() {
    let (_folder, dir) = new();
    sh(&dir, &["-i", "50ms"], "sleep 0.4 & sleep 0.3; wait").is(0, &[" ticks in "]);
    let command = facts(&dir)["pid"].to_string();
    let mut seen = std::collections::BTreeSet::new();
    for (pid, is_new) in column(&dir, "process", "pid").into_iter().zip(column(&dir, "process", "is_new")) {
        let is_first = seen.insert(pid.clone());
        assert_eq!(is_new, (is_first && pid != command).to_string(), "{pid} of {command}");
    }
    assert!(seen.contains(&command) && seen.len() >= 3, "{seen:?}");
}

/// The command's process was forked from the recorder and waited: what that cost is not the command's.
#[test]
fn a_command_is_charged_from_its_exec_on() {
    let (_folder, dir) = new();
    sh(&dir, &["--prepare", "sleep 0.2", "-i", "50ms"], "read line < /proc/self/stat; echo $line > /dev/null")
        .is(0, &[" ticks in "]);
    let faults = column(&dir, "command", "minor_faults");
    let (first, last) = (faults.first().unwrap(), faults.last().unwrap());
    assert_eq!(first, "0");
    let cost = &facts(&dir)["cost"];
    // Two accounts of the kernel: the last values in `/proc`, and the values returned by wait.
    assert_eq!(cost["minor_faults"].to_string(), *last);
    assert!(cost["minor_faults"].as_u64().unwrap() > 0);
    // It only waited to be started.
    assert!(cost["voluntary_switches"].as_u64().unwrap() <= 2, "{cost}");
    if let Some(of_group) = cost["cgroup_cpu_s"].as_f64() {
        let of_process = cost["user_s"].as_f64().unwrap() + cost["system_s"].as_f64().unwrap();
        assert!((of_group - of_process).abs() < 0.001, "{cost}");
    } else {
        eprintln!("no control group for the command: its account was not compared");
    }
}

#[test]
fn a_command_that_cannot_be_started_leaves_nothing() {
    let (folder, dir) = new();
    let text = folder.path().join("text");
    fs::write(&text, "no program").unwrap();
    recorded(&dir, &[], &["no-such-command"]).is(127, &["no-such-command: no such command"]);
    recorded(&dir, &[], &["/no/such/file"]).is(127, &["/no/such/file: no such file"]);
    recorded(&dir, &[], &[text.to_str().unwrap()]).is(126, &["text: not executable"]);
    assert!(!dir.exists());
}

#[test]
fn our_failures_are_125_and_the_command_does_not_start() {
    let (folder, dir) = new();
    let witness = folder.path().join("witness");
    let script = format!("touch {}", witness.display());
    for (options, words) in [
        (&["--no-such-option"][..], "unexpected argument"),
        (&["-i", "soon"], "a time is written like"),
        (&["-i", "5ms"], "10ms to 1h"),
        (&["-d", "5s", "--timeout", "6s"], "--duration is the same as --timeout"),
        (&["-d", "0"], "could not start"),
        (&["-i", "1000"], "1000s or 1000ms?"),
        (&["--processes", "some"], "possible values are all, top=20, and match=REGEX"),
        (&["--processes", "match=("], "is not a regular expression"),
        (&["--timeout", "never"], "a time is written like"),
        (&["--timeout", "0"], "could not start; leave it out"),
        (&["--warmup-runs", "2"], "needs --runs"),
        (&["--perf-scope", "command", "--perf-backend", "perf"], "start to count after the command"),
    ] {
        sh(&dir, options, &script).is(125, &[words]);
        assert!(!dir.exists(), "{options:?}");
    }
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("mine"), "").unwrap();
    sh(&dir, &[], &script).is(125, &["not empty"]);
    let under_a_file = witness.with_file_name("file");
    fs::write(&under_a_file, "").unwrap();
    sh(&under_a_file.join("run"), &[], &script).is(125, &["file"]);
    assert!(!witness.exists(), "it must not run");
}

#[test]
fn a_duration_is_its_timeout() {
    let (_folder, dir) = new();
    sh(&dir, &["-d", "300ms"], "exec sleep 30").is(124, &["timed out after 0."]);
    assert_eq!(facts(&dir)["timed_out"], true);
    // A duration that is set for recordings of the machine does not apply.
    let (_folder, dir) = new();
    let mut command = recorder(&dir, &[], &["sleep", "0.5"]);
    Said::from(command.env("PERFWATCH_DURATION", "100ms").output().unwrap()).is(0, &["exit status 0"]);
}

#[test]
fn the_summary_as_json() {
    let (folder, dir) = new();
    let file = folder.path().join("summary.json");
    let options = ["-qq", "--summary", file.to_str().unwrap()];
    let said = sh(&dir, &options, "exit 3");
    assert_eq!((said.status, said.err.as_str()), (3, ""), "{said:?}");
    let summary: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(summary["exit_status"], 3);
    assert_eq!(summary["recording"], dir.to_str().unwrap());
    let cost = facts(&dir)["cost"].clone();
    for key in ["wall_s", "user_s", "system_s", "max_rss_bytes"] {
        assert_eq!(summary[key], cost[key], "{key}");
    }
    assert_eq!(summary["ticks"], manifest(&dir)["sessions"][0]["ticks"]);
    let files = fs::read_dir(&dir).unwrap().count() as u64;
    assert!(summary["files"].as_u64().unwrap() >= files && summary["bytes"].as_u64().unwrap() > 0, "{summary}");
    // Detected before anything is recorded.
    let (folder, dir) = new();
    let nowhere = folder.path().join("no/such/file");
    let inside = folder.path().join("other/summary.json");
    sh(&folder.path().join("other"), &["--summary", inside.to_str().unwrap()], "exit 3")
        .is(125, &["choose another file"]);
    sh(&dir, &["--summary", nowhere.to_str().unwrap()], "exit 3").is(125, &["--summary: cannot write", "no/such/file"]);
    assert!(!dir.exists());
}

#[test]
fn a_missing_command_after_the_dashes_is_an_error() {
    let (_folder, dir) = new();
    recorded(&dir, &[], &[]).is(125, &["there is no command after `--`"]);
    assert!(!dir.exists());
}

/// At any moment, the recorder ends and reports the signal.
#[test]
fn a_signal_at_the_very_start_ends_it_too() {
    for delay_ms in 0..40 {
        let (_folder, dir) = new();
        let mut recorder = recorder(&dir, &["-q"], &["sleep", "60"]).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(delay_ms));
        // SAFETY: no memory is involved; the child is ours and not yet waited for.
        unsafe { libc::kill(recorder.id() as i32, libc::SIGTERM) };
        let mut status = None;
        until("its end", || {
            status = recorder.try_wait().unwrap();
            status.is_some()
        });
        let status = status.unwrap();
        // Before the recorder handles signals, the signal ends it as any program. Afterwards it refuses to start, or
        // passes the signal on.
        let ended = (status.code(), status.signal());
        assert!([(Some(125), None), (Some(143), None), (None, Some(15))].contains(&ended), "{delay_ms} ms: {ended:?}");
    }
}

#[test]
fn the_result_of_a_command_is_stored_before_its_files() {
    let (_folder, dir) = new();
    // The folder of a table cannot be created, so sealing fails.
    sh(&dir, &[], &format!("touch {}; exit 3", dir.join("cpu").display())).is(3, &["is not sealed yet"]);
    assert_eq!(facts(&dir)["exit_code"], 3);
}

#[test]
fn its_streams_are_its_own() {
    let (_folder, dir) = new();
    let bytes: Vec<u8> = (0..200_000u32).map(|i| (i % 251) as u8).collect();
    let mut recorder = recorder(&dir, &["-qq"], &["sh", "-c", "echo to stderr >&2; cat"]);
    let mut child = recorder.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let sent = bytes.clone();
    let writer = std::thread::spawn(move || stdin.write_all(&sent));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.stdout == bytes, "{} of {} bytes", output.stdout.len(), bytes.len());
    assert_eq!(String::from_utf8_lossy(&output.stderr), "to stderr\n", "nothing from us with -qq");
    let (_folder, dir) = new();
    let said = sh(&dir, &[], "echo to stderr >&2; echo to stdout");
    assert_eq!(said.out, "to stdout\n");
    let ours: Vec<&str> = said.err.lines().filter(|l| *l != "to stderr").collect();
    assert!(ours.len() == 1 && ours[0].starts_with("perfwatch: sh: exit status 0 after "), "{said:?}");
}

#[test]
fn a_short_command_is_between_two_samples() {
    let (_folder, dir) = new();
    recorded(&dir, &[], &["true"]).is(0, &[]);
    for table in ["tick", "cpu", "command", "process"] {
        assert_eq!(column(&dir, table, "ts").len(), 2, "{table}");
    }
    assert_eq!(column(&dir, "process", "pid"), [facts(&dir)["pid"].to_string(), facts(&dir)["pid"].to_string()]);
    assert_eq!(column(&dir, "process", "comm"), ["true", "true"]);
    let lines = column(&dir, "process", "command_line");
    assert!(lines.iter().all(|line| !line.contains("record")), "before its exec it has ours: {lines:?}");
    assert_eq!(column(&dir, "process", "state")[1], "Z", "it has ended, and has not been reaped");
    let faults: Vec<u64> = column(&dir, "command", "minor_faults").iter().map(|f| f.parse().unwrap()).collect();
    assert!(faults[1] > faults[0] + 20, "{faults:?}");
}

#[test]
fn it_inherits_the_same_as_without_us() {
    let script = "grep -E '^Sig(Blk|Ign)' /proc/self/status; ulimit -n; nice; ls /proc/self/fd | wc -l; env | grep -v PERFWATCH | sort";
    let prepare = |command: &mut Command| {
        with_usual_signals(command);
        // SAFETY: only system calls. Only the soft limit is lowered.
        unsafe {
            command.env("SOME_VARIABLE", "some value").env_remove("_").pre_exec(|| {
                libc::setsid();
                libc::signal(libc::SIGINT, libc::SIG_IGN);
                libc::signal(libc::SIGHUP, libc::SIG_IGN);
                let mut limit: libc::rlimit = std::mem::zeroed();
                libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
                limit.rlim_cur = 77.min(limit.rlim_max);
                libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
                let mut mask: libc::sigset_t = std::mem::zeroed();
                libc::sigaddset(&raw mut mask, libc::SIGUSR2);
                libc::sigprocmask(libc::SIG_SETMASK, &raw const mask, std::ptr::null_mut());
                Ok(())
            });
        }
        Said::from(command.stdin(Stdio::null()).output().unwrap())
    };
    let without = prepare(Command::new("sh").args(["-c", script]));
    let (_folder, dir) = new();
    let with = prepare(program().arg("record").arg("-qq").arg("-o").arg(&dir).args(["--", "sh", "-c", script]));
    assert_eq!((with.status, &*with.err), (0, ""));
    assert_eq!(with.out, without.out);
    // The signals do not end us either: SIGINT is 2, bit 1.
    let ignored = without.out.lines().find(|l| l.starts_with("SigIgn")).unwrap();
    assert!(ignored.ends_with('3'), "{ignored}");
    // A shell clears the mask.
    let mask = ["grep", "SigBlk", "/proc/self/status"];
    let without = prepare(Command::new(mask[0]).args(&mask[1..]));
    let (_folder, dir) = new();
    let with = prepare(program().arg("record").arg("-qq").arg("-o").arg(&dir).arg("--").args(mask));
    assert_eq!(with.out, without.out);
    assert_eq!(without.out, "SigBlk:\t0000000000000800\n");
}

#[test]
fn signals_reach_its_process_group() {
    for (signal, name) in [
        (libc::SIGINT, "INT"),
        (libc::SIGTERM, "TERM"),
        (libc::SIGHUP, "HUP"),
        (libc::SIGQUIT, "QUIT"),
        (libc::SIGUSR1, "USR1"),
        (libc::SIGUSR2, "USR2"),
    ] {
        let (folder, dir) = new();
        let file = |name: &str| folder.path().join(name);
        // Two processes in its group, each of which prints the signals it receives. A shell waits for its child before
        // it runs the trap.
        let child = format!(
            "trap 'echo {name} > {0}; exit 8' {name}; echo > {1}; while :; do sleep 0.02; done",
            file("child").display(),
            file("ready").display()
        );
        fs::write(file("child.sh"), child).unwrap();
        let parent = format!("trap 'got=9' {name}; sh {0}; exit $got", file("child.sh").display());
        let recorder = recorder(&dir, &["-q"], &["sh", "-c", &parent]).spawn().unwrap();
        until("both", || file("ready").exists());
        // SAFETY: no memory is involved; the child is ours and not yet waited for.
        unsafe { libc::kill(recorder.id() as i32, signal) };
        Said::from(recorder.wait_with_output().unwrap()).is(9, &[]);
        assert_eq!(fs::read_to_string(file("child")).unwrap(), format!("{name}\n"));
    }
}

#[test]
fn a_session_leader_passes_the_hangup_on() {
    let (folder, dir) = new();
    let file = |name: &str| folder.path().join(name);
    let script = format!(
        "trap 'echo > {}; exit 4' HUP; echo > {}; while :; do sleep 0.02; done",
        file("told").display(),
        file("ready").display()
    );
    let (ours, theirs) = terminal();
    let mut recorder = recorder(&dir, &["-q"], &["sh", "-c", &script]);
    let master = ours.as_raw_fd();
    // SAFETY: only system calls, after the one that makes it a session leader.
    unsafe {
        recorder.pre_exec(move || {
            libc::close(master);
            libc::ioctl(0, libc::TIOCSCTTY, 0);
            Ok(())
        });
    }
    let terminal = || Stdio::from(theirs.try_clone().unwrap());
    let mut recorder = recorder.stdin(terminal()).stdout(terminal()).stderr(terminal()).spawn().unwrap();
    drop(theirs);
    until("the command", || file("ready").exists());
    drop(ours);
    until("its trap", || file("told").exists());
    assert_eq!(recorder.wait().unwrap().code(), Some(4));
}

#[test]
fn a_timeout_sends_sigterm_before_sigkill() {
    let (folder, dir) = new();
    let asked = folder.path().join("asked");
    let script = format!("trap 'echo > {}; exit 0' TERM; while :; do sleep 0.02; done", asked.display());
    sh(&dir, &["--timeout", "300ms"], &script).is(124, &["timed out after "]);
    assert!(asked.exists());
    assert_eq!((&facts(&dir)["timed_out"], &facts(&dir)["exit_code"]), (&Value::Bool(true), &Value::from(0)));
    let (_folder, dir) = new();
    let ignores = "trap '' TERM; while :; do sleep 0.02; done";
    sh(&dir, &["--timeout", "200ms", "--grace", "200ms"], ignores).is(124, &[]);
    assert_eq!(facts(&dir)["signal"], 9);
    let (_folder, dir) = new();
    sh(&dir, &["--timeout", "60s"], "exit 4").is(4, &[]);
    assert_eq!(facts(&dir)["timed_out"], false);
}

#[test]
fn orphans_and_processes_in_other_sessions_are_counted_and_waited_for() {
    let (folder, dir) = new();
    let done = folder.path().join("done");
    // The burner's parent ends at once. The burner has a separate session, uses at least 300 ms of CPU time, and ends
    // before the command.
    let burn = "n=0; while test $n -lt 200000; do n=$((n+1)); done";
    let own = folder.path().join("own");
    let script = format!(
        "(setsid sh -c '{burn}; times > {1}; echo > {0}' &) ; while ! test -e {0}; do sleep 0.05; done; sleep 0.2",
        done.display(),
        own.display()
    );
    sh(&dir, &["-i", "50ms"], &script).is(0, &[]);
    let cost = facts(&dir)["cost"].clone();
    let cpu = cost["user_s"].as_f64().unwrap() + cost["system_s"].as_f64().unwrap();
    // Measured by the burner itself.
    let times = fs::read_to_string(own).unwrap();
    let own: f64 = times.lines().next().unwrap().split_whitespace().map(seconds_of).sum();
    assert!(own > 0.05 && cpu > 0.9 * own, "{cpu} s of {own} s: {cost}");
    assert_eq!(cost["left_running"], 0);
    let sums: Vec<u64> = column(&dir, "command", "user_ms").iter().map(|v| v.parse().unwrap()).collect();
    assert!(sums.is_sorted(), "{sums:?}");
    let last = sums.last().copied().unwrap() as f64 / 1000.0;
    assert!((last - cost["user_s"].as_f64().unwrap()).abs() < 0.1, "{last}: {cost}");
}

/// `0m1.250s`
fn seconds_of(time: &str) -> f64 {
    let (minutes, seconds) = time.trim_end_matches('s').split_once('m').unwrap();
    minutes.parse::<f64>().unwrap() * 60.0 + seconds.parse::<f64>().unwrap()
}

#[test]
fn processes_left_running_continue_and_are_reported() {
    let (folder, dir) = new();
    let pid = folder.path().join("pid");
    let script = format!("sleep 60 > /dev/null 2>&1 & echo $! > {}", pid.display());
    sh(&dir, &[], &script).is(0, &["left 1 process running"]);
    assert_eq!(facts(&dir)["cost"]["left_running"], 1);
    let pid: i32 = fs::read_to_string(pid).unwrap().trim().parse().unwrap();
    // SAFETY: no memory is involved.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGKILL) }, 0, "it lives");
}

#[test]
fn the_command_outlives_a_killed_recorder_and_a_lost_recording() {
    let (folder, dir) = new();
    let (ready, go, done) = (folder.path().join("ready"), folder.path().join("go"), folder.path().join("done"));
    let script = format!(
        "echo > {}; while ! test -e {}; do sleep 0.02; done; echo > {}",
        ready.display(),
        go.display(),
        done.display()
    );
    let mut recorder = recorder(&dir, &["-q"], &["sh", "-c", &script]).spawn().unwrap();
    until("the command", || ready.exists());
    recorder.kill().unwrap();
    recorder.wait().unwrap();
    fs::write(&go, "").unwrap();
    until("its end", || done.exists());
    report(&dir, &[]).is(0, &[]);

    let (_folder, dir) = new();
    sh(&dir, &[], &format!("rm -rf {}; exit 5", dir.display())).is(5, &[]);
}

#[test]
fn a_process_that_waits_to_begin_ends_with_us() {
    let (folder, dir) = new();
    let witness = folder.path().join("witness");
    // The missing event is only detected after the process of the command has been created.
    let options = ["record", "-o", dir.to_str().unwrap(), "--collectors", "cpu,perf", "--perf-events", "cycels"];
    let said: Said = program().args(options).args(["--", "touch"]).arg(&witness).output().unwrap().into();
    said.is(125, &["did you mean `cycles`?"]);
    assert!(!dir.exists());
    assert!(!witness.exists());
}

#[test]
fn processes_of_pid_are_not_part_of_the_cost() {
    let (_folder, dir) = new();
    let mut sleeper = Command::new("sleep").arg("61.25").spawn().unwrap();
    let pid = sleeper.id().to_string();
    recorded(&dir, &["--pid", &pid], &["true"]).is(0, &[]);
    assert!(column(&dir, "process", "pid").contains(&pid));
    assert_eq!(column(&dir, "command", "processes"), ["1", "1"]);
    assert_eq!(facts(&dir)["cost"]["left_running"], 0);
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
}

#[test]
fn processes_of_the_machine() {
    let (_folder, dir) = new();
    let mut sleeper = Command::new("sleep").arg("61.5").spawn().unwrap();
    let pid = sleeper.id().to_string();
    let of = |args: &[&str]| {
        let _ = fs::remove_dir_all(&dir);
        let all = [&["record", "-q", "-o", dir.to_str().unwrap(), "--collectors", "process", "-d", "100ms"][..], args]
            .concat();
        run(all).is(0, &[]);
        column(&dir, "process", "pid")
    };
    let all = of(&["--processes", "all"]);
    assert!(all.contains(&pid) && all.contains(&"1".to_string()));
    let matching = of(&["--processes", "match=^sleep 61[.]5$"]);
    assert!(!matching.is_empty() && matching.iter().all(|p| *p == pid), "{matching:?}");
    let one = of(&["--pid", &pid]);
    assert!(!one.is_empty() && one.iter().all(|p| *p == pid), "{one:?}");
    let top = of(&["--processes", "top=2"]);
    assert!((2..=8).contains(&top.len()), "two samples of two to four processes: {top:?}");
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
}
