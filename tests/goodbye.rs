//! Events that must not end a recording: a terminal that hangs up after `nohup`, and a reader of stderr that has ended.
#![allow(unsafe_code, reason = "signals")]

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use perfwatch::store::manifest::Manifest;

fn record(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_perfwatch"));
    command.args(["record", "--collectors", "cpu", "--interval", "20ms", "-o"]).arg(folder.join("run"));
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Soon after the manifest exists, signals are handled.
fn wait_for_start(folder: &Path) {
    let began = Instant::now();
    while !folder.join("run/.journal/0001").exists() {
        assert!(began.elapsed() < Duration::from_secs(20), "no journal");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn end_reason(folder: &Path) -> Option<String> {
    Manifest::read(&folder.join("run")).unwrap().sessions[0].end_reason.clone()
}

#[test]
fn a_hangup_ends_a_recording_unless_it_was_to_be_ignored() {
    for (ignored, expected) in [(false, "SIGHUP"), (true, "SIGTERM")] {
        let folder = tempfile::tempdir().unwrap();
        let mut command = record(folder.path());
        let disposition = if ignored { libc::SIG_IGN } else { libc::SIG_DFL };
        // SAFETY: `signal` may be called between fork and exec.
        unsafe {
            command.pre_exec(move || {
                libc::signal(libc::SIGHUP, disposition);
                Ok(())
            });
        }
        let mut child = command.spawn().unwrap();
        wait_for_start(folder.path());
        let pid = child.id() as libc::pid_t;
        // SAFETY: our own child, not yet waited for.
        unsafe { libc::kill(pid, libc::SIGHUP) };
        std::thread::sleep(Duration::from_millis(300));
        // SAFETY: no memory is involved.
        unsafe { libc::kill(pid, libc::SIGTERM) };
        assert!(child.wait().unwrap().success());
        assert_eq!(end_reason(folder.path()).as_deref(), Some(expected));
    }
}

#[test]
fn the_reader_of_stderr_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = record(folder.path());
    // Prints something immediately (the interval is short), and again at the end.
    let mut child = command.args(["--verbose", "--duration", "200ms"]).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stderr.take());
    assert!(child.wait().unwrap().success());
    assert_eq!(end_reason(folder.path()).as_deref(), Some("duration"));
}
