//! What remains when a recording is ended from outside: a cancelled CI step, a killed parent, a copy without hidden
//! files.
#![allow(unsafe_code, reason = "signals")]

mod program;

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use perfwatch::store::layout::Layout;
use program::*;

/// A step of a job: a shell in a separate process group that runs `line`. Returns when the command runs.
fn step(dir: &Path, line: &str) -> Child {
    let ready = dir.with_extension("ready");
    let record = format!("{PROGRAM} record -q --collectors cpu -i 20ms -o {} --", dir.display());
    let script = line.replace("RECORD", &record).replace("READY", &format!("touch {}", ready.display()));
    let mut shell = Command::new("bash");
    shell.args(["-e", "-c", &script]).env("PERFWATCH_CONFIG", "/dev/null").process_group(0);
    shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let child = shell.spawn().unwrap();
    until("the command", || ready.exists() && ticks(dir).len() > 3);
    child
}

fn signal(pid: i32, signal: i32) {
    // SAFETY: no memory is involved; the process is ours and not yet waited for.
    unsafe { libc::kill(pid, signal) };
}

fn has_bash() -> bool {
    let there = Command::new("bash").arg("--version").output().is_ok();
    if !there {
        eprintln!("skipped: there is no bash");
    }
    there
}

fn is_ended(dir: &Path) -> bool {
    manifest(dir)["sessions"][0]["ended"].is_string()
}

/// The children of a process, and their children.
fn tree_of(pid: i32) -> Vec<i32> {
    let mut all = vec![pid];
    let mut at = 0;
    while at < all.len() {
        let pid = all[at];
        for task in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            all.extend(children.split_whitespace().filter_map(|child| child.parse::<i32>().ok()));
        }
        at += 1;
    }
    all
}

/// GitHub's runner sends SIGINT to the shell of the step, SIGTERM 7.5 s later, and kills what is left another 2.5 s
/// later.
#[test]
fn a_step_that_is_cancelled_ends_a_recorder_that_took_the_shells_place() {
    if !has_bash() {
        return;
    }
    let (_folder, dir) = new();
    let mut shell = step(&dir, "exec RECORD sh -c 'READY; sleep 60'");
    signal(shell.id() as i32, libc::SIGINT);
    shell.wait().unwrap();
    assert!(is_ended(&dir) && !Layout::new(&dir).journal_folder().exists());
    report(&dir, &["-t", "cpu"]).is(0, &[]);
    // `if: always()`
    run([Path::new("recover"), &dir]).is(0, &[]);
}

#[test]
fn a_step_whose_processes_are_all_killed_is_recovered() {
    if !has_bash() {
        return;
    }
    let (folder, dir) = new();
    // The shell waits for its children and passes no signals on.
    let mut shell = step(&dir, "RECORD sh -c 'READY; sleep 60'; echo done");
    let all = tree_of(shell.id() as i32);
    assert!(all.len() >= 4, "shell, recorder, command: {all:?}");
    signal(shell.id() as i32, libc::SIGINT);
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert!(!is_ended(&dir));
    all.iter().for_each(|pid| signal(*pid, libc::SIGKILL));
    shell.wait().unwrap();
    // An upload without hidden files: no rows are left, which is reported.
    let copy = folder.path().join("artifact");
    copy_visible(&dir, &copy);
    let missing = [".journal: is missing", "include-hidden-files: true", "perfwatch recover"];
    report(&copy, &["-t", "cpu"]).is(1, &missing);
    // Nothing can be recovered, and every command keeps reporting it.
    for command in ["info", "verify", "recover"] {
        run([Path::new(command), &copy]).is(1, &missing);
    }
    run([Path::new("annotate"), &copy, "--note=cancelled".as_ref()]).is(0, &[]);
    report(&copy, &["-t", "cpu"]).is(1, &missing);
    run([Path::new("recover"), &dir]).is(0, &[]);
    let copy = folder.path().join("recovered");
    copy_visible(&dir, &copy);
    let said = report(&copy, &["-t", "cpu"]);
    said.is(0, &[]);
    assert!(!said.out.contains("hidden") && said.out.contains("usage_percent"), "{}", said.out);
    assert!(manifest(&copy)["sessions"][0]["recovered"].is_string());
}

/// Everything except hidden files, as `actions/upload-artifact` copies it.
fn copy_visible(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        if entry.path().is_dir() {
            copy_visible(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_recorder_whose_parent_is_killed_goes_on_to_the_end() {
    if !has_bash() {
        return;
    }
    let (_folder, dir) = new();
    let mut shell = step(&dir, "RECORD sh -c 'READY; sleep 0.7; exit 3'; echo done");
    signal(shell.id() as i32, libc::SIGKILL);
    shell.wait().unwrap();
    until("the end of the recording", || is_ended(&dir));
    until("the sealing", || !Layout::new(&dir).journal_folder().exists());
    assert_eq!(manifest(&dir)["sessions"][0]["command"]["exit_code"], 3);
    report(&dir, &["-t", "cpu"]).is(0, &[]);
}

/// Some hours were sealed: their rows are shown, and the missing ones are reported.
#[test]
fn an_hour_is_missing_and_others_are_there() {
    let (folder, dir) = new();
    record(&dir, &["-q", "--collectors", "cpu"]).is(0, &[]);
    let whole = manifest(&dir);
    killed(&dir, &["--append", "--collectors", "cpu"]);
    let copy = folder.path().join("copy");
    copy_visible(&dir, &copy);
    let said = report(&copy, &["-t", "cpu"]);
    said.is(0, &[]);
    let flat = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains("without its .journal") && flat.contains("include-hidden-files: true"), "{flat}");
    // There is no such message for the original with its journal, nor for a finished recording.
    for of in [&dir, &{
        let ended = folder.path().join("ended");
        copy_visible(&copy, &ended);
        fs::write(Layout::new(&ended).manifest(), whole.to_string()).unwrap();
        ended
    }] {
        let said = report(of, &["-t", "cpu"]);
        said.is(0, &[]);
        assert!(!said.out.contains("hidden"), "{}", said.out);
    }
}
