//! Runs of a series: what they read, how they end, and how they are found.
#![allow(unsafe_code, reason = "signals")]

mod program;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

use program::*;
use serde_json::Value;

/// `record` or `ab` with few collectors.
fn series(kind: &str, dir: &Path, options: &[&str]) -> Command {
    let mut command = program();
    command.arg(kind).arg("-o").arg(dir).args(["--collectors", "cpu"]).args(options);
    command
}

fn repeated(dir: &Path, options: &[&str], script: &str) -> Command {
    let mut command = series("record", dir, options);
    command.args(["--", "sh", "-c", script]);
    command
}

fn said(command: &mut Command) -> Said {
    command.output().unwrap().into()
}

/// The runs of a directory in the JSON report.
fn runs_of(dir: &Path) -> Vec<Value> {
    let said = run([Path::new("info"), dir, "--json".as_ref()]);
    said.is(0, &[]);
    said.json()["runs"][0]["runs"].as_array().unwrap().clone()
}

/// Runs it with this text in a pipe, which is then closed.
fn with_pipe(mut command: Command, text: &[u8]) -> Said {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let text = text.to_vec();
    let writer = std::thread::spawn(move || drop(pipe.write_all(&text)));
    let said = child.wait_with_output().unwrap().into();
    writer.join().unwrap();
    said
}

/// More than a pipe holds.
fn numbers() -> String {
    (1..=200_000).map(|n| format!("{n}\n")).collect()
}

#[test]
fn each_run_reads_a_pipe_from_its_beginning() {
    let (_folder, dir) = new();
    let mut ab = series("ab", &dir, &["--runs", "2", "--warmup", "1"]);
    ab.args(["--base", "wc -lc", "--new", "wc -lc"]);
    let said = with_pipe(ab, numbers().as_bytes());
    said.is(0, &["each run gets all 1.23 MiB of standard input"]);
    let counts: Vec<Vec<&str>> = said.out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(counts, vec![["200000", "1288895"]; 6]);
    let names = || fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(names().all(|name| ["base", "new", "_runs.json"].contains(&name.as_str())));
    // A command that reads a part of it, and one that does not read at all.
    let (_folder, dir) = new();
    let said = with_pipe(repeated(&dir, &["-r", "2", "-q"], "head -c 4; exec true"), numbers().as_bytes());
    said.is(0, &[]);
    assert_eq!(said.out, "1\n2\n1\n2\n");
    // An empty pipe is no input.
    let (_folder, dir) = new();
    let said = with_pipe(repeated(&dir, &["-r", "2", "-qq"], "cat; echo end"), b"");
    assert_eq!((said.out.as_str(), said.err.as_str()), ("end\nend\n", ""));
}

#[test]
fn a_single_run_has_the_pipe_itself() {
    let (_folder, dir) = new();
    let mut child = repeated(&dir, &["--runs", "1", "-q"], "read line; echo $line; read line; echo $line");
    let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut to, mut from) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    to.write_all(b"one\n").unwrap();
    // It answers before the pipe ends.
    let mut answer = [0; 4];
    from.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"one\n");
    to.write_all(b"two\n").unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn each_run_reads_a_file_from_where_it_was() {
    let (folder, dir) = new();
    let path = folder.path().join("input");
    fs::write(&path, "skipped\none\ntwo\n").unwrap();
    let mut file = File::open(&path).unwrap();
    file.read_exact(&mut [0; 8]).unwrap();
    let told = said(repeated(&dir, &["--runs", "3", "-q"], "cat").stdin(file));
    assert_eq!(told.out, "one\ntwo\n".repeat(3), "{told:?}");
    // A file that is named; also with closed standard input, and for a single run.
    for (options, times) in [(&["--runs", "2", "-q"][..], 2), (&["-q"], 1)] {
        let (_folder, dir) = new();
        let mut command = program();
        command.args(["record", "--collectors", "cpu", "--stdin"]).arg(&path).arg("-o").arg(&dir);
        command.args(options).args(["--", "cat"]);
        let words: Vec<String> = command.get_args().map(|word| word.to_str().unwrap().to_string()).collect();
        let script = format!("{PROGRAM} {} <&-", words.join(" "));
        let mut shell = Command::new("sh");
        let told = said(shell.args(["-c", &script]).env("PERFWATCH_CONFIG", "/dev/null"));
        assert_eq!(told.out, "skipped\none\ntwo\n".repeat(times), "{told:?}");
    }
    // A closed standard input stays closed for the command.
    let (_folder, dir) = new();
    let record = format!("{PROGRAM} record -q --runs 2 --collectors cpu -o {} --", dir.display());
    let mut shell = Command::new("sh");
    let told = said(shell.args(["-c", &format!("{record} sh -c '[ -e /proc/self/fd/0 ] || echo closed' <&-")]));
    assert_eq!((told.status, told.out.as_str()), (0, "closed\nclosed\n"), "{told:?}");
}

#[test]
fn input_that_cannot_be_given() {
    let (folder, dir) = new();
    let file = |name: &str| folder.path().join(name).display().to_string();
    for (name, words) in [(file("gone"), "No such file"), (folder.path().display().to_string(), "that is a directory")]
    {
        said(&mut repeated(&dir, &["--runs", "2", "--stdin", &name], "cat")).is(125, &["--stdin ", words]);
        said(&mut repeated(&dir, &["--stdin", &name], "cat")).is(125, &["--stdin ", words]);
    }
    assert!(!dir.exists());
    run(["record", "-d", "1s", "--stdin", "/dev/null"]).is(2, &["--stdin: there is no command"]);
}

#[test]
fn an_open_pipe_does_not_delay_the_runs() {
    // A pipe without data that is never read.
    let (_folder, dir) = new();
    let mut child = repeated(&dir, &["--runs", "2"], "true");
    let mut child = child.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let open = child.stdin.take();
    assert!(child.wait().unwrap().success());
    drop(open);
    // Each run reads the first line of a pipe that is still open; the second line arrives while the first run waits for
    // it.
    let (folder, dir) = new();
    let ready = folder.path().join("ready");
    let script = format!("read a; touch {}; read b; echo $a $b", ready.display());
    let mut child = repeated(&dir, &["--runs", "3"], &script);
    let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    pipe.write_all(b"one\n").unwrap();
    until("the first run", || ready.exists());
    pipe.write_all(b"two\nthree\n").unwrap();
    let told: Said = child.wait_with_output().unwrap().into();
    told.is(0, &["run=001: standard input arrived during the run, which may have waited for it"]);
    assert_eq!(told.err.matches("standard input arrived").count(), 1, "{}", told.err);
    assert_eq!(told.out, "one two\n".repeat(3));
}

#[test]
fn a_socket_is_read_like_a_pipe() {
    let (_folder, dir) = new();
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let mut command = repeated(&dir, &["--runs", "2", "-q"], "cat");
    let child = command.stdin(OwnedFd::from(theirs)).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(command);
    ours.write_all(b"said\n").unwrap();
    drop(ours);
    let told: Said = child.wait_with_output().unwrap().into();
    assert_eq!(told.out, "said\nsaid\n", "{told:?}");
}

#[test]
fn an_interrupted_series_is_not_a_success() {
    // The command succeeds despite the signal.
    for (signal, status) in [(libc::SIGTERM, 143), (libc::SIGINT, 130)] {
        let (folder, dir) = new();
        let ready = folder.path().join("ready");
        let script = format!("trap 'exit 0' TERM INT; touch {}; sleep 60 > /dev/null 2>&1 & wait", ready.display());
        let mut command = repeated(&dir, &["--runs", "3"], &script);
        let child = command.stderr(Stdio::piped()).spawn().unwrap();
        until("the first run", || ready.exists());
        // SAFETY: no memory is involved; the child is ours and not yet waited for.
        unsafe { libc::kill(child.id() as i32, signal) };
        let told: Said = child.wait_with_output().unwrap().into();
        told.is(status, &["no run to measure: 1 interrupted", "no more runs"]);
        let runs = index(&dir);
        assert_eq!((runs.len(), &runs[0]["exit_status"], &runs[0]["interrupted"]), (1, &0.into(), &true.into()));
        let info = run([Path::new("info"), &dir]);
        let row = info.out.lines().find(|line| line.contains("run=001")).unwrap();
        assert!(row.contains("interrupted"), "{}", info.out);
        assert_eq!(manifest(&dir.join("run=001"))["sessions"][0]["command"]["interrupted_by"], signal);
    }
    // The signal is only sent to the recorder of the run.
    let (folder, dir) = new();
    let ready = folder.path().join("ready");
    let script =
        format!("trap 'exit 0' TERM; touch {}; kill -TERM $PPID; sleep 60 > /dev/null 2>&1 & wait", ready.display());
    said(&mut repeated(&dir, &["--runs", "3"], &script)).is(143, &["run=001: received SIGTERM; no more runs"]);
    assert_eq!(index(&dir)[0]["interrupted"], true);
    // A signal that cannot be caught.
    let (_folder, dir) = new();
    let told = said(&mut repeated(&dir, &["--runs", "3"], "kill -KILL $PPID; exec sleep 0.2"));
    told.is(137, &["run=001: SIGKILL ended its recorder; no more runs", "no run to measure: 1 interrupted"]);
}

#[test]
fn failed_runs_are_not_measured() {
    let (folder, dir) = new();
    let count = folder.path().join("count");
    // The second fails immediately; the others take some time.
    let script = format!("echo >> {0}; [ $(wc -l < {0}) -eq 2 ] && exit 3; sleep 0.3", count.display());
    let told = said(&mut repeated(&dir, &["--runs", "4", "--ignore-failure"], &script));
    told.is(0, &["3 runs ", "left out: 1 failed"]);
    let statuses: Vec<Value> = index(&dir).iter().map(|run| run["exit_status"].clone()).collect();
    assert_eq!(statuses, [0, 3, 0, 0]);
}

#[test]
fn each_run_has_its_series_and_passes_it_to_the_steps() {
    let (folder, dir) = new();
    let log = folder.path().join("log");
    let step = format!("echo $PERFWATCH_SIDE $PERFWATCH_RUN $PERFWATCH_WARMUP >> {}", log.display());
    let command = "[ -z \"$PERFWATCH_SIDE$PERFWATCH_RUN\" ]";
    let mut ab =
        series("ab", &dir, &["-r", "2", "-w", "1", "--order", "alternate", "--prepare", &step, "--tag", "k=both"]);
    ab.args(["--base", command, "--new", command, "--base-tag", "rev=old", "--new-tag", "rev=new", "--new-tag", "k=n"]);
    said(&mut ab).is(0, &[]);
    let told = fs::read_to_string(&log).unwrap();
    assert_eq!(
        told.lines().map(str::trim_end).collect::<Vec<_>>(),
        ["base 1 1", "new 1 1", "base 1", "new 1", "base 2", "new 2"]
    );
    let (base, new) = (manifest(&dir.join("base/run=002")), manifest(&dir.join("new/warmup-001")));
    assert_eq!(
        (&base["run"]["side"], &base["run"]["number"], &base["run"]["warmup"]),
        (&"base".into(), &2.into(), &false.into())
    );
    assert_eq!(
        (&new["run"]["side"], &new["run"]["number"], &new["run"]["warmup"]),
        (&"new".into(), &1.into(), &true.into())
    );
    assert!(base["run"]["series"].is_string() && base["run"]["series"] == new["run"]["series"]);
    assert_eq!(base["tags"], serde_json::json!({"k": "both", "rev": "old"}));
    assert_eq!(new["tags"], serde_json::json!({"k": "n", "rev": "new"}));
    run(["ab", "--base", "true", "--new", "true", "--new-tag", "x"])
        .is(125, &["--new-tag x: a tag is written KEY=VALUE"]);

    let info = run([Path::new("info"), &dir.join("base/run=002")]);
    assert!(info.out.contains("\nrun\n") && info.out.contains("side    base"), "{}", info.out);

    // A side is a folder of runs.
    let (base, new) = (dir.join("base"), dir.join("new"));
    let info = run([Path::new("info"), &base]);
    info.is(0, &[]);
    assert!(
        info.out.contains("run=002") && info.out.contains("base: 2 runs  ") && !info.out.contains("new"),
        "{info:?}"
    );
    let diff = run([Path::new("info"), &base, &new, "--diff".as_ref()]);
    diff.is(0, &[]);
    assert_eq!(diff.out.lines().next().unwrap().split_whitespace().collect::<Vec<_>>(), ["base", "new"]);
    assert!(diff.out.contains("tags.rev") && !diff.out.contains("run."), "{}", diff.out);
    run([Path::new("annotate"), &new, "--tag".as_ref(), "late=yes".as_ref()]).is(0, &[]);
    assert_eq!(manifest(&dir.join("new/run=001"))["tags"]["late"], "yes");
    assert_eq!(manifest(&dir.join("base/run=001"))["tags"]["late"], Value::Null);
    let said = report(&new, &["-f", "json"]);
    said.is(0, &[]);
    assert_eq!(said.json()["recordings"].as_array().unwrap().len(), 2);

    // The directory and its sides without the index.
    let before = runs_of(&dir);
    fs::remove_file(dir.join("_runs.json")).unwrap();
    assert_eq!(runs_of(&dir), before);
    assert_eq!(runs_of(&base).len(), 3);
    // A damaged index is reported, and written again by `recover`.
    fs::write(dir.join("_runs.json"), "").unwrap();
    report(&dir, &[]).is(1, &["_runs.json: ", "the manifests of the runs are used instead"]);
    run([Path::new("recover"), &dir]).is(0, &[]);
    assert_eq!(index(&dir), before);
}

#[test]
fn the_process_of_the_series_was_killed() {
    let (folder, dir) = new();
    let ready = folder.path().join("ready");
    let script = format!("touch {}; sleep 0.5; exit 5", ready.display());
    let mut child = repeated(&dir, &["--runs", "3"], &script).stderr(Stdio::null()).spawn().unwrap();
    until("the first run", || ready.exists());
    child.kill().unwrap();
    child.wait().unwrap();
    // The run continues to its end, which is in its manifest but not in the index.
    let session = || manifest(&dir.join("run=001"))["sessions"][0].clone();
    until("the end of the run", || session()["ended"].is_string());
    assert_eq!(index(&dir)[0]["exit_status"], Value::Null);
    assert_eq!(
        (&runs_of(&dir)[0]["exit_status"], &runs_of(&dir)[0]["wall_s"]),
        (&5.into(), &session()["command"]["cost"]["wall_s"])
    );
    run([Path::new("recover"), &dir]).is(0, &[]);
    assert_eq!(index(&dir)[0]["exit_status"], 5);
}

#[test]
fn an_unwritable_index_does_not_fail_the_runs() {
    let (_folder, dir) = new();
    // As on a full disk: after the first run, no new index can be created.
    let script = format!("mkdir -p {}/_runs.json.tmp/x", dir.display());
    let told = said(&mut repeated(&dir, &["--runs", "2"], &script));
    told.is(0, &["warning: cannot write ", "_runs.json: ", "the runs continue", "2 runs "]);
    assert_eq!(told.err.matches("cannot write").count(), 1, "{}", told.err);
    let ends = |runs: &[Value]| runs.iter().map(|run| run["exit_status"].clone()).collect::<Vec<_>>();
    assert_eq!(ends(&index(&dir)), [Value::Null]);
    // Facts that are missing in the index are in the manifests; also those of runs that are not in it.
    assert_eq!(ends(&runs_of(&dir)), [0, 0]);
    assert!(runs_of(&dir).iter().all(|run| run["wall_s"].is_number()));
    fs::remove_dir_all(dir.join("_runs.json.tmp")).unwrap();
    run([Path::new("recover"), &dir]).is(0, &[]);
    assert_eq!(ends(&index(&dir)), [0, 0]);
}

#[test]
fn a_summary_that_cannot_be_written_changes_no_status() {
    if !Path::new("/dev/full").exists() {
        return eprintln!("skipped: no /dev/full");
    }
    for status in [0, 3] {
        let (_folder, dir) = new();
        let script = format!("exit {status}");
        let options = ["--runs", "2", "-q", "--summary", "/dev/full"];
        said(&mut repeated(&dir, &options, &script)).is(status, &["--summary: cannot write the file"]);
    }
}
