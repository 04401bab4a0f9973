//! `perfwatch record` from its arguments to its files.
#![allow(unsafe_code, reason = "signals and a pseudo-terminal")]

mod program;

use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Stdio;

use perfwatch::store::layout::Layout;
use program::*;

#[test]
fn invalid_options_are_status_2_and_create_nothing() {
    let (_folder, dir) = new();
    for (args, words) in [
        (&["-i", "0"][..], "--interval 0s: it can be 10ms to 1h"),
        (&["-i", "5ms"], "10ms to 1h"),
        (&["-i", "2h"], "10ms to 1h"),
        (&["-i", "soon"], "a time is written like"),
        (&["-i=-1s"], "--interval"),
        (&["-i", "nan"], "--interval"),
        (&["-d", "0"], "--duration 0s"),
        (&["-d", "later"], "a time is written like"),
        (&["--sync", "1ms"], "--sync 1ms"),
        (&["--rotate", "7m"], "--rotate 7m"),
        (&["--rotate", "90s"], "--rotate 1m 30s"),
        (&["--rotate", "2h"], "--rotate 2h"),
        (&["--rotate", "0"], "--rotate 0s"),
        (&["--perf-interval", "1ms"], "--perf-interval"),
        (&["--collectors", "cpux"], "unknown collector `cpux` (did you mean `cpu`?)"),
        (&["--collectors", "-memroy"], "did you mean `memory`?"),
        (&["--collectors", ""], "--collectors selects no collector"),
        (&["--collectors", "cpu,-cpu"], "no collector is left"),
        (&["--tag", "no-value"], "KEY=VALUE"),
        (&["--tag", "=x"], "KEY=VALUE"),
        (&["--cpus", "0-"], "--cpus 0-: a list of CPUs is written like 0-3,8"),
        (&["--cpus", "3-1"], "--cpus 3-1"),
        (&["--cpus", "all"], "--cpus all"),
        (&["--proc-root", "/no/such"], "/no/such is not a directory"),
        (&["-q", "-v"], "cannot be used with"),
        (&["--no-such-option"], "unexpected argument"),
    ] {
        let all = [&["record", "-o", dir.to_str().unwrap()], args].concat();
        let said = run(&all);
        said.is(2, &[words]);
        assert_eq!(said.out, "", "{args:?}");
        assert!(!dir.exists(), "{args:?}");
    }
}

#[test]
fn data_and_messages() {
    let (_folder, dir) = new();
    let said = record(&dir, &["--tag", "run=1", "--tag", "note=a=b", "--collectors", "cpu,memory"]);
    said.is(0, &[]);
    assert_eq!(said.out, "");
    // No terminal, and both collectors are available: only the result.
    assert_eq!(said.err.lines().count(), 2, "{}", said.err);
    assert!(said.err.contains("below 100 ms") && said.err.contains(" ticks in "), "{}", said.err);
    let manifest = manifest(&dir);
    assert_eq!(manifest["tags"], serde_json::json!({"run": "1", "note": "a=b"}));
    let session = &manifest["sessions"][0];
    assert_eq!((session["end_reason"].as_str(), session["interval_s"].as_f64()), (Some("duration"), Some(0.02)));
    assert_eq!(session["missed"], 0);
    assert!(!Layout::new(&dir).journal_folder().exists(), "sealed and swept");
    assert!(dir.join("cpu").is_dir() && !dir.join("disk").exists());

    let (_folder, dir) = new();
    let said = record(&dir, &["-qq"]);
    assert_eq!((said.status, said.out.as_str(), said.err.as_str()), (0, "", ""));
    let (_folder, dir) = new();
    record(&dir, &["-v", "--collectors", "-disk"]).is(0, &["disk: disabled", "memory: recorded", "no sensor: "]);
    assert!(!dir.join("disk").exists() && dir.join("memory").is_dir());
}

#[test]
fn names_and_changes_of_the_collectors() {
    for (list, recorded, left_out) in
        [("cpu, disk", "disk", "memory"), ("-disk,-perf", "memory", "disk"), ("+disk", "memory", "no_such")]
    {
        let (_folder, dir) = new();
        record(&dir, &["-q", "--collectors", list]).is(0, &[]);
        assert!(dir.join(recorded).is_dir() && !dir.join(left_out).exists(), "{list}");
    }
}

#[test]
fn signals_end_it_cleanly() {
    for (signal, name) in [(libc::SIGINT, "SIGINT"), (libc::SIGTERM, "SIGTERM"), (libc::SIGHUP, "SIGHUP")] {
        let (_folder, dir) = new();
        let live = Live::start(&dir, &[]);
        live.signal(signal);
        // Again, and another signal, while it seals: they change nothing.
        live.signal(libc::SIGINT);
        live.signal(libc::SIGTERM);
        live.wait().is(0, &[" ticks"]);
        let reason = manifest(&dir)["sessions"][0]["end_reason"].as_str().unwrap().to_string();
        // If several signals arrive at once, any may be seen first.
        assert!(reason == name || ["SIGINT", "SIGTERM"].contains(&reason.as_str()), "{reason}");
        assert!(!Layout::new(&dir).journal_folder().exists());
        assert_eq!(rows(&dir, "tick", "late_us").len(), 1);
    }
}

#[test]
fn a_hangup_ends_it_unless_it_is_ignored() {
    use std::os::unix::process::CommandExt;
    let (_folder, dir) = new();
    Live::start(&dir, &[]).end(libc::SIGHUP).is(0, &[]);
    assert_eq!(session(&dir)["end_reason"], "SIGHUP");
    let (_folder, dir) = new();
    let mut command = record_command(&dir, &[]);
    // As `nohup` does.
    // SAFETY: signal() may be called between fork and exec.
    unsafe {
        command.pre_exec(|| {
            libc::signal(libc::SIGHUP, libc::SIG_IGN);
            Ok(())
        })
    };
    let live = Live::of(command, &dir);
    live.signal(libc::SIGHUP);
    let before = ticks(&dir).len();
    until("ticks after the hangup", || ticks(&dir).len() > before + 3);
    live.end(libc::SIGTERM).is(0, &[]);
    assert_eq!(session(&dir)["end_reason"], "SIGTERM");
}

#[test]
fn stderr_without_a_reader() {
    for how in ["closed", "a pipe without a reader"] {
        let (_folder, dir) = new();
        let program = format!("exec \"$0\" \"$@\" {}", if how == "closed" { "2>&-" } else { "" });
        let inner = record_command(&dir, &["-v", "-d", "150ms"]);
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &program]).arg(inner.get_program()).args(inner.get_args()).stderr(Stdio::piped());
        let mut child = shell.spawn().unwrap();
        drop(child.stderr.take());
        assert!(child.wait().unwrap().success(), "{how}");
        assert_eq!(session(&dir)["end_reason"], "duration", "{how}");
        assert!(dir.join("memory").is_dir(), "{how}");
    }
}

#[test]
fn on_a_terminal_one_line_shows_the_progress() {
    let (_folder, dir) = new();
    let (mut ours, theirs) = terminal();
    let mut command = record_command(&dir, &["-d", "900ms"]);
    command.env("TERM", "xterm").stderr(theirs);
    let mut child = command.spawn().unwrap();
    // The end held by the command would keep the terminal open.
    drop(command);
    let mut shown = Vec::new();
    // Ends with EIO once the other side is closed.
    let _ = ours.read_to_end(&mut shown);
    assert!(child.wait().unwrap().success());
    let shown = String::from_utf8_lossy(&shown);
    let line = shown.split(['\r', '\n']).rev().find(|l| l.contains(" missed, ")).unwrap_or_else(|| panic!("{shown}"));
    for part in ["00:00:0", " of 900ms", "KiB in the journal", "unavailable: sensor, "] {
        assert!(line.contains(part), "no `{part}` in {line:?}");
    }
    assert!(shown.trim_end().lines().last().unwrap().contains(" ticks"), "{shown}");
}

#[test]
fn the_terminal_goes_away() {
    let (_folder, dir) = new();
    let (ours, theirs) = terminal();
    let mut command = record_command(&dir, &[]);
    command.env("TERM", "xterm").stderr(theirs);
    let mut child = command.spawn().unwrap();
    drop(command);
    until("the first ticks", || ticks(&dir).len() > 3);
    // Writing to it fails from now on. Its session leader would get SIGHUP, which this test sends.
    drop(ours);
    std::thread::sleep(std::time::Duration::from_millis(400));
    let before = ticks(&dir).len();
    until("ticks without a terminal", || ticks(&dir).len() > before);
    // SAFETY: no memory is involved; the child is ours.
    unsafe { libc::kill(child.id() as i32, libc::SIGHUP) };
    assert!(child.wait().unwrap().success());
    assert_eq!(manifest(&dir)["sessions"][0]["end_reason"], "SIGHUP");
}

#[test]
fn directories_that_are_refused() {
    let (folder, dir) = new();
    record(&dir, &["-q"]).is(0, &[]);
    let before = tree(&dir);
    record(&dir, &[]).is(1, &["already contains a recording", "--append"]);
    assert_eq!(tree(&dir), before);

    let other = folder.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("thesis.tex"), "precious").unwrap();
    record(&other, &[]).is(1, &["is not empty and is not a recording"]);
    record(&other, &["--append"]).is(1, &["is not empty and is not a recording"]);
    assert_eq!(tree(&other).len(), 1);

    record(&other.join("thesis.tex"), &[]).is(1, &["thesis.tex", "Not a directory"]);
    record(&other.join("thesis.tex/below"), &[]).is(1, &["Not a directory"]);

    // An empty directory is accepted, and --append works where there is nothing.
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    record(&empty, &[]).is(0, &[]);
    record(&folder.path().join("a/b/c"), &["--append"]).is(0, &[]);
}

#[test]
fn a_directory_that_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut command) = as_nobody(folder.path()) else { return eprintln!("skipped: the program cannot be copied") };
    let locked = folder.path().join("locked");
    fs::create_dir(&locked).unwrap();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o555)).unwrap();
    let said: Said =
        command.args(["record", "-d", "100ms", "--collectors", "cpu", "-o"]).arg(&locked).output().unwrap().into();
    said.is(1, &["cannot write to ", "Permission denied"]);
    assert!(fs::read_dir(&locked).unwrap().next().is_none());
    let said: Said = as_nobody(folder.path())
        .unwrap()
        .args(["record", "-d", "100ms", "--collectors", "cpu", "-o"])
        .arg(locked.join("new"))
        .output()
        .unwrap()
        .into();
    said.is(1, &["cannot create ", "Permission denied"]);
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_table_that_may_not_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let open = folder.path().join("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    let dir = open.join("run");
    let Some(mut command) = as_nobody(folder.path()) else { return eprintln!("skipped: the program cannot be copied") };
    let args = ["record", "-d", "100ms", "-i", "20ms", "--collectors", "cpu,memory", "--append", "-o"];
    let said: Said = command.args(args).arg(&dir).output().unwrap().into();
    said.is(0, &[]);
    let memory = dir.join("memory");
    fs::set_permissions(&memory, fs::Permissions::from_mode(0o555)).unwrap();
    let said: Said = as_nobody(folder.path()).unwrap().args(args).arg(&dir).output().unwrap().into();
    said.is(1, &["not sealed", "/memory/", "Permission denied"]);
    assert!(Layout::new(&dir).journal(2).exists());
    fs::set_permissions(&memory, fs::Permissions::from_mode(0o755)).unwrap();
    run([Path::new("recover"), &dir]).is(0, &[]);
    assert_eq!(Layout::new(&dir).sealed_files("memory").unwrap().len(), 2);
}

#[test]
fn a_recording_in_use_is_left_alone() {
    let (_folder, dir) = new();
    let live = Live::start(&dir, &[]);
    let by = format!("a recorder is already writing to {} (process {})", dir.display(), live.child.id());
    record(&dir, &["--append"]).is(1, &[&by]);
    record(&dir, &[]).is(1, &[&by]);
    run([Path::new("recover"), &dir]).is(1, &[&by]);
    // Reading does not disturb it.
    for _ in 0..5 {
        assert_eq!(rows(&dir, "tick", "late_us").len(), 1);
    }
    live.end(libc::SIGINT).is(0, &[]);
    assert_eq!(manifest(&dir)["sessions"].as_array().unwrap().len(), 1);
}

#[test]
fn of_concurrent_starts_one_records() {
    let (_folder, dir) = new();
    let start =
        |_| record_command(&dir, &["-d", "500ms", "--collectors", "cpu"]).stderr(Stdio::piped()).spawn().unwrap();
    let children: Vec<_> = (0..6).map(start).collect();
    let ends: Vec<Said> = children.into_iter().map(|c| c.wait_with_output().unwrap().into()).collect();
    assert_eq!(ends.iter().filter(|e| e.status == 0).count(), 1, "{ends:?}");
    for end in ends.iter().filter(|e| e.status != 0) {
        assert!(end.status == 1 && (end.err.contains("already")), "{end:?}");
    }
    let manifest = manifest(&dir);
    let sessions = manifest["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 1);
    let counted = sessions[0]["ticks"].to_string();
    assert!(rows(&dir, "tick", "late_us")[0].contains(&format!(",{counted},")), "{counted}");
}

#[test]
fn appended_after_a_kill() {
    let (_folder, dir) = new();
    killed(&dir, &["--tag", "a=1", "--tag", "b=1"]);
    let before = ticks(&dir);
    // A partial file of a sealing that was killed.
    fs::write(Layout::new(&dir).temporary("cpu-0001"), "PAR1 half").unwrap();
    record(&dir, &["--append", "--tag", "b=2"]).is(0, &[]);
    let manifest = manifest(&dir);
    assert_eq!(manifest["tags"], serde_json::json!({"a": "1", "b": "2"}));
    let sessions = manifest["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 2);
    assert!(sessions[0]["ended"].is_null() && sessions[1]["ended"].is_string());
    assert_eq!((sessions[0]["number"].as_u64(), sessions[1]["number"].as_u64()), (Some(1), Some(2)));
    assert!(!Layout::new(&dir).journal_folder().exists(), "the old journal is sealed, the temporary file is removed");

    let csv = dir.with_extension("rows");
    report(&dir, &["--csv", csv.to_str().unwrap()]).is(0, &[]);
    let text = fs::read_to_string(csv.join("tick.csv")).unwrap();
    let stamps: Vec<&str> = text.lines().skip(1).map(|l| l.split_once(',').unwrap().0).collect();
    assert!(stamps.is_sorted_by(|a, b| a < b), "in order, none twice: {stamps:?}");
    let added = sessions[1]["ticks"].as_u64().unwrap();
    assert_eq!(stamps.len() as u64, before.len() as u64 + added);
}

#[test]
fn manifests_that_cannot_be_continued() {
    let (_folder, dir) = new();
    record(&dir, &["-q"]).is(0, &[]);
    let path = Layout::new(&dir).manifest();
    let whole = fs::read_to_string(&path).unwrap();
    for (text, words) in [
        (whole.replacen("\"format\": 1", "\"format\": 2", 1), "recording of format 2"),
        (whole.replacen("\"format\": 1", "\"format\": 77, \"surprise\": 1", 1), "use a newer perfwatch"),
        (whole[..whole.len() / 2].to_string(), "not a manifest of a recording"),
        (String::new(), "not a manifest of a recording"),
        ("[]".to_string(), "not a manifest of a recording"),
    ] {
        fs::write(&path, &text).unwrap();
        let before = tree(&dir);
        record(&dir, &["--append"]).is(1, &["_recording.json", words]);
        assert_eq!(tree(&dir), before);
    }
}

#[test]
fn odd_names() {
    let folder = tempfile::tempdir().unwrap();
    let odd = folder.path().join(std::ffi::OsStr::from_bytes(b"with blanks, \xff and 'quotes'"));
    record(&odd, &[]).is(0, &["with blanks"]);
    record(&odd, &["--append"]).is(0, &[]);
    report(&odd, &[]).is(0, &[]);
    report(&odd, &["-f", "json"]).is(0, &[]);
    run([Path::new("recover"), &odd]).is(0, &[]);
    assert_eq!(manifest(&odd)["sessions"].as_array().unwrap().len(), 2);

    let link = folder.path().join("link");
    symlink(&odd, &link).unwrap();
    record(&link, &["--append"]).is(0, &[]);
    assert_eq!(manifest(&odd)["sessions"].as_array().unwrap().len(), 3);
    report(&link, &[]).is(0, &[]);
    symlink(folder.path().join("nowhere"), folder.path().join("dangling")).unwrap();
    record(&folder.path().join("dangling"), &[]).is(1, &["cannot create "]);
}

#[test]
fn a_file_where_a_table_belongs() {
    let (_folder, dir) = new();
    record(&dir, &["-q"]).is(0, &[]);
    fs::remove_dir_all(dir.join("memory")).unwrap();
    fs::write(dir.join("memory"), "in the way").unwrap();
    let said = record(&dir, &["--append"]);
    said.is(1, &["not sealed", "memory"]);
    // Nothing is lost: all rows are still in the journal.
    assert!(Layout::new(&dir).journal(2).exists());
    assert_eq!(fs::read_to_string(dir.join("memory")).unwrap(), "in the way");
    let said = report(&dir, &[]);
    said.is(1, &["memory: cannot be read"]);
    assert!(said.out.contains("used_bytes") && said.out.contains("load1"), "{}", said.out);
    fs::remove_file(dir.join("memory")).unwrap();
    run([Path::new("recover"), &dir]).is(0, &[]);
    report(&dir, &[]).is(0, &[]);
    assert!(!Layout::new(&dir).journal_folder().exists());
}

// Sources that a machine lacks.

/// A copy of a captured machine.
fn machine(name: &str) -> tempfile::TempDir {
    let machine = tempfile::tempdir().unwrap();
    copy(&fixture(name), machine.path());
    machine
}

fn record_machine(machine: &Path, dir: &Path) -> Said {
    record_of(machine, dir, &["-d", "100ms"]).output().unwrap().into()
}

#[test]
fn a_machine_without_anything() {
    let (folder, dir) = new();
    for root in ["proc", "sys"] {
        fs::create_dir(folder.path().join(root)).unwrap();
    }
    let said = record_machine(folder.path(), &dir);
    said.is(1, &["no memory: cannot read ", "none of the collectors can record on this machine", "perfwatch doctor"]);
    assert!(!dir.exists());
}

#[test]
fn an_old_machine() {
    let (_folder, dir) = new();
    let said = record_machine(&fixture("old310"), &dir);
    said.is(0, &["not available here: ", " columns of memory, ", ", pressure, "]);
    assert_eq!(said.err.matches("pressure").count(), 1, "said once: {}", said.err);
    let (state, why) = collector(&dir, "pressure");
    assert!(state == "unavailable" && why.contains("pressure"), "{state} {why}");
    // A field that this kernel lacks is null; the others have values.
    let lacking = report(&dir, &["-f", "csv", "-a", "-t", "paging"]);
    let line = |metric: &str| {
        lacking
            .out
            .lines()
            .find(|l| l.contains(&format!(",{metric},")))
            .unwrap_or_else(|| panic!("{metric}: {}", lacking.out))
            .to_string()
    };
    assert!(line("oom_kill").contains(",counter,0,"), "{}", line("oom_kill"));
    assert!(!line("pgfault").contains(",counter,0,"), "{}", line("pgfault"));
}

#[test]
fn files_that_are_missing_or_unreadable() {
    // A directory instead of a file: unreadable even for root.
    for (path, collector_name) in [("proc/meminfo", "memory"), ("proc/vmstat", "paging"), ("proc/diskstats", "disk")] {
        for how in ["missing", "unreadable"] {
            let machine = machine("vm2");
            fs::remove_file(machine.path().join(path)).unwrap();
            if how == "unreadable" {
                fs::create_dir(machine.path().join(path)).unwrap();
            }
            let (_folder, dir) = new();
            let said = record_machine(machine.path(), &dir);
            said.is(0, &[collector_name]);
            assert_eq!(said.err.matches(path).count(), 1, "{how} {path}, said once: {}", said.err);
            assert!(!dir.join(collector_name).exists() && dir.join("cpu").is_dir(), "{how} {path}");
            let manifest = manifest(&dir)["sessions"][0].to_string();
            assert!(manifest.contains(path), "{how} {path}: {manifest}");
        }
    }
}

#[test]
fn no_swap_is_zero_not_null() {
    let (_folder, dir) = new();
    record(&dir, &["--collectors", "memory"]).is(0, &[]);
    let swap = &rows(&dir, "memory", "swap_total_bytes");
    // The captured machine has no swap.
    assert!(!swap.is_empty() && swap.iter().all(|l| l.contains(",0,0,0")), "{swap:?}");
}
