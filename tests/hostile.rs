//! Names with terminal control characters: our output shows them escaped, and they have no effect.

mod program;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use perfwatch::text::printable::is_hidden;
use program::*;
use serde_json::Value;

/// Clears the screen, rings the bell, starts a line, has a one-character control sequence, changes the text direction,
/// is invisible.
const NAME: &str = "ev\u{1b}[2Jil\u{7}\nFORGED: a line\r\u{9b}31m\u{202e}x\u{2066}\u{200b}\u{feff}\u{7f}";

/// The same where a name ends at a space or line break.
const WORD: &str = "ev\u{1b}[2Jil\u{7}\u{9b}31m\u{202e}x\u{2066}\u{200b}\u{7f}";

/// None of it reached standard output or standard error.
#[track_caller]
fn is_harmless(what: &str, said: &Said) {
    for (stream, text) in [("standard output", &said.out), ("standard error", &said.err)] {
        if let Some(c) = text.chars().find(|c| is_hidden(*c) && *c != '\n') {
            panic!("{what}: {c:?} on {stream}: {text:?}");
        }
        assert!(!text.lines().any(|line| line.starts_with("FORGED")), "{what}: a line of its own on {stream}: {text}");
    }
    assert!(!said.err.contains("panicked"), "{what}: {said:?}");
}

/// A machine with hostile names: host, CPU model, an interface, a disk.
fn machine(folder: &Path) -> PathBuf {
    let root = folder.join("machine");
    copy(&fixture("vm2"), &root);
    let put = |path: &str, text: &str| {
        fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
        fs::write(root.join(path), text).unwrap();
    };
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap();
    put("proc/sys/kernel/hostname", &format!("{WORD}\n"));
    put("proc/sys/kernel/osrelease", &format!("{WORD}\n"));
    put("proc/cpuinfo", &read("proc/cpuinfo").replace("model name\t: ", &format!("model name\t: {WORD}")));
    put("proc/net/dev", &read("proc/net/dev").replace("ifb0", WORD));
    put("proc/diskstats", &read("proc/diskstats").replace(" vda ", &format!(" {WORD} ")));
    root
}

/// Makes every free text of a manifest hostile, and every tag name.
fn spoil(value: &mut Value, key: &str) {
    match value {
        Value::String(text) if !["state", "started", "ended", "created"].contains(&key) => text.push_str(NAME),
        Value::Array(items) => items.iter_mut().for_each(|item| spoil(item, key)),
        Value::Object(members) => {
            members.iter_mut().for_each(|(key, member)| spoil(member, key));
            if key == "tags" {
                *members = members.iter().map(|(key, value)| (format!("{key}{NAME}"), value.clone())).collect();
            }
        }
        _ => {}
    }
}

/// A recording in a hostile directory, of a hostile machine, with a hostile manifest.
fn recording(folder: &Path) -> PathBuf {
    let dir = folder.join(NAME);
    let tag = format!("{NAME}={NAME}");
    let args =
        ["-d", "60ms", "-v", "--tag", &tag, "--all-interfaces", "--all-disks", "--collectors", "network,disk,cpu"];
    let said = record_of(&machine(folder), &dir, &args).output().unwrap().into();
    is_harmless("record", &said);
    // The files contain the original names.
    assert_eq!(manifest(&dir)["tags"][NAME], NAME, "{said:?}");
    said.is(0, &[]);
    let note = [Path::new("annotate"), &dir, "--note".as_ref(), NAME.as_ref()];
    run(note).is(0, &[]);
    let mut manifest = manifest(&dir);
    spoil(&mut manifest, "");
    fs::write(dir.join("_recording.json"), manifest.to_string()).unwrap();
    dir
}

#[test]
fn reports_and_pages() {
    let folder = tempfile::tempdir().unwrap();
    let dir = recording(folder.path());
    let other = folder.path().join("other");
    record(&other, &["-q"]).is(0, &[]);
    let (dir, other) = (dir.to_str().unwrap(), other.to_str().unwrap());
    for args in [
        &["report", dir][..],
        &["report", dir, "--all", "--width", "160"],
        &["report", dir, "-f", "markdown"],
        &["report", dir, "-f", "json"],
        &["report", dir, "--marks"],
        &["report", dir, "--marks", "-f", "markdown"],
        &["report", dir, "--marks", "-f", "json"],
        &["report", dir, "--phase", NAME],
        &["report", dir, "--since", "+1h"],
        &["info", dir],
        &["info", dir, "--all"],
        &["info", dir, "--json"],
        &["info", dir, other, "--diff"],
        &["info", dir, other, "--diff", "--json"],
    ] {
        let said = run(args);
        is_harmless(&format!("{args:?}"), &said);
        assert!(!said.out.is_empty() || !said.err.is_empty(), "{args:?}");
    }
    // JSON contains the names, escaped.
    let json = run(["report", dir, "-f", "json"]).json();
    assert_eq!(json["recordings"][0]["path"], dir);
    let json = json.to_string();
    assert!(json.contains(&serde_json::json!(WORD).to_string()), "{json}");
}

#[test]
fn csv_keeps_them_in_a_file_and_shows_them_on_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let dir = recording(folder.path());
    let args = [Path::new("report"), &dir, Path::new("-f"), Path::new("csv")];
    let out = run(args).out;
    // Quoted, because it contains a line break.
    assert!(out.contains(&format!("\"{}\"", dir.display())), "{out:?}");
    assert!(out.contains(&format!(",network,interface={WORD},bytes_sent,")), "{out:?}");
    let rows = folder.path().join("rows");
    report(&dir, &["--csv", rows.to_str().unwrap()]).is(0, &[]);
    assert!(fs::read_to_string(rows.join("network.csv")).unwrap().contains(WORD));
    let rows = [Path::new("report"), &dir, "--csv=-".as_ref(), "--table=network".as_ref()];
    assert!(run(rows).out.contains(WORD), "data stays as it is");
    for args in [args, rows] {
        let shown = on_a_terminal(program().args(args));
        assert!(shown.contains("bytes_sent"), "{shown:?}");
        is_harmless("csv on a terminal", &Said { status: 0, out: shown.replace("\r\n", "\n"), err: String::new() });
    }
}

/// The output of a command when its standard output is a terminal.
fn on_a_terminal(command: &mut Command) -> String {
    let (mut ours, theirs) = terminal();
    let mut child = command.stdout(theirs).stderr(Stdio::null()).spawn().unwrap();
    command.stdout(Stdio::null());
    let mut shown = Vec::new();
    // Ends with an error when the other end is closed.
    let _ = ours.read_to_end(&mut shown);
    child.wait().unwrap();
    String::from_utf8_lossy(&shown).into_owned()
}

#[test]
fn messages_about_directories_and_arguments() {
    let folder = tempfile::tempdir().unwrap();
    let gone = folder.path().join(format!("gone{NAME}"));
    let root = machine(folder.path());
    let (root_proc, root_sys) = (root.join("proc"), root.join("sys"));
    let (root_proc, root_sys) = (root_proc.to_str().unwrap(), root_sys.to_str().unwrap());
    let gone = gone.to_str().unwrap();
    let odd = format!("--{WORD}");
    let killed_dir = folder.path().join(format!("killed{NAME}"));
    killed(&killed_dir, &["--collectors", "cpu"]);
    let killed_dir = killed_dir.to_str().unwrap();
    for args in [
        &["report", gone][..],
        &["report", killed_dir, "-t", NAME],
        &["report", killed_dir, "-m", NAME],
        &["report", killed_dir, "--since", NAME],
        &["report", killed_dir, "-f", NAME],
        &["report", &odd],
        &["info", gone],
        &["annotate", gone, "--tag", "a=b"],
        &["annotate", killed_dir, "--remove-tag", NAME],
        &["mark", "-r", gone, "start", "a"],
        &["mark", "event", NAME],
        &["record", "-o", "/dev/null/x", "--collectors", NAME],
        &["record", "-o", &format!("/dev/null/{NAME}"), "-d", "10ms"],
        &["record", "-o", killed_dir, "-d", "10ms"],
        &["schema", NAME],
        &["config", NAME],
        &["compact", gone],
        &["compact", killed_dir],
        &["recover", gone],
        &["recover", killed_dir],
        &["compact", killed_dir],
        &["doctor", "--proc-root", root_proc, "--sys-root", root_sys],
        &["doctor", "--json", "--proc-root", root_proc, "--sys-root", root_sys],
        &[NAME],
    ] {
        let said = run(args);
        is_harmless(&format!("{args:?}"), &said);
        assert!(!said.out.is_empty() || !said.err.is_empty(), "{args:?}");
    }
    for text in [format!("[record]\n\"{}\" = 1", "a\\u001b[2J\\nFORGED"), format!("{WORD} = \n")] {
        let file = folder.path().join(format!("settings{NAME}"));
        fs::write(&file, text).unwrap();
        let said = program().env("PERFWATCH_CONFIG", &file).args(["config", "record"]).output().unwrap().into();
        is_harmless("settings", &said);
        said.is(2, &[]);
    }
    let said = program().env("PERFWATCH_INTERVAL", NAME).args(["config", "record"]).output().unwrap().into();
    is_harmless("environment", &said);
}

#[test]
fn runs_of_a_command() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join(format!("runs{NAME}"));
    let args = ["--runs", "2", "--summary", "-", "--collectors", "cpu", "--", "sh", "-c", "exit 0", NAME];
    let said: Said = record_of(&fixture("vm2"), &dir, &args).output().unwrap().into();
    is_harmless("record --runs", &said);
    let summary = said.json();
    assert_eq!(summary["path"], dir.to_str().unwrap(), "the name stays what it is");
    let dir = dir.to_str().unwrap();
    for args in [&["report", dir][..], &["report", dir, "-f", "markdown"], &["info", dir], &["info", dir, "--diff"]] {
        let said = run(args);
        is_harmless(&format!("{args:?}"), &said);
        assert!(!said.out.is_empty(), "{args:?}: {said:?}");
    }
}
