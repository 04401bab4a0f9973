//! `perfwatch info`: finished, running, killed, damaged and missing recordings, and the facts that differ.

mod program;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use perfwatch::store::layout::Layout;
use program::*;
use serde_json::Value;

fn info(args: &[&dyn AsRef<std::ffi::OsStr>]) -> Said {
    let mut command = program();
    command.arg("info").env("COLUMNS", "100");
    for arg in args {
        command.arg(arg);
    }
    command.output().unwrap().into()
}

fn json(dir: &Path) -> Value {
    let said = info(&[&dir, &"--json"]);
    said.is(0, &[]);
    let mut all = said.json();
    assert_eq!(all["version"], 1);
    all["recordings"][0].take()
}

fn table<'j>(recording: &'j Value, name: &str) -> &'j Value {
    recording["tables"].as_array().unwrap().iter().find(|t| t["table"] == name).unwrap()
}

#[test]
fn a_finished_recording() {
    let (_folder, dir) = new();
    record(&dir, &["-q", "--tag", "build=7"]).is(0, &[]);
    let found = json(&dir);
    assert_eq!(
        (&found["state"], &found["journals"], &found["problems"]),
        (&"finished".into(), &0.into(), &Value::from(Vec::<Value>::new()))
    );
    // Counted independently: the rows of the report, and the size of the files.
    let ticks = rows(&dir, "tick", "late_us");
    let count: u64 = ticks[0].split_once(",late_us,").unwrap().1.split(',').nth(2).unwrap().parse().unwrap();
    assert_eq!((&found["ticks"], &table(&found, "tick")["rows"]), (&count.into(), &count.into()));
    let bytes = fs::metadata(sealed(&dir, "memory")).unwrap().len();
    assert_eq!((&table(&found, "memory")["files"], &table(&found, "memory")["bytes"]), (&1.into(), &bytes.into()));
    let files = tree(&dir);
    assert_eq!(found["files"], files.len());
    assert_eq!(found["bytes"], files.values().map(Vec::len).sum::<usize>());
    assert_eq!(found["manifest"], manifest(&dir));

    let said = info(&[&dir]);
    said.is(0, &[]);
    assert!(said.err.is_empty(), "{said:?}");
    for line in ["  build  7", "finished", "\nmachine\n", "\nsession 1\n", "\ncollectors\n", "--tag build=7"] {
        assert!(said.out.contains(line), "no `{line}` in {}", said.out);
    }
    let cwd = std::env::current_dir().unwrap();
    assert!(said.out.lines().any(|l| l.trim_start().starts_with("cwd ") && l.ends_with(cwd.to_str().unwrap())));
    assert!(said.out.lines().all(|l| l.chars().count() <= 100 || !l.trim().contains("  ")), "{}", said.out);
}

#[test]
fn a_running_and_a_killed_one() {
    let (_folder, dir) = new();
    let live = Live::start(&dir, &[]);
    let found = json(&dir);
    assert_eq!((&found["state"], &found["journals"]), (&"live".into(), &1.into()));
    assert!(found["ticks"].as_u64().unwrap() > 3 && table(&found, "memory")["files"] == 0, "{found}");
    assert!(info(&[&dir]).out.contains("the open hour is in the journal"));
    live.end(libc::SIGKILL).is(128 + 9, &[]);
    let found = json(&dir);
    assert_eq!((&found["state"], &found["journals"]), (&"killed".into(), &1.into()));
    assert!(info(&[&dir]).out.contains("`perfwatch recover`"));
    run([Path::new("recover"), &dir]).is(0, &[]);
    let found = json(&dir);
    assert_eq!((&found["state"], &found["journals"]), (&"killed".into(), &0.into()));
    assert_eq!(table(&found, "memory")["files"], 1);
}

#[test]
fn damaged_and_missing_recordings() {
    let (folder, dir) = new();
    record(&dir, &["-q"]).is(0, &[]);
    info(&[&folder.path()]).is(1, &["is not a recording: it has no _recording.json"]);
    info(&[&"/no/such"]).is(1, &["cannot read /no/such"]);
    info(&[]).is(2, &["<DIR>"]);
    // The other recording is shown.
    let said = info(&[&"/no/such", &dir]);
    said.is(1, &["/no/such"]);
    assert!(said.out.contains("\nmachine\n"));

    fs::write(sealed(&dir, "memory"), "no Parquet").unwrap();
    let said = info(&[&dir, &"--json"]);
    said.is(1, &["memory", "is damaged"]);
    let found = said.json();
    assert_eq!(found["recordings"][0]["problems"].as_array().unwrap().len(), 1);

    fs::write(Layout::new(&dir).manifest(), "{\"format\": 1").unwrap();
    let said = info(&[&dir]);
    said.is(1, &["not a manifest of a recording"]);
    assert!(said.out.contains("  cpu_core ") && !said.out.contains("machine"), "{}", said.out);

    fs::write(Layout::new(&dir).manifest(), "{\"format\": 99}").unwrap();
    let said = info(&[&dir]);
    said.is(1, &["recording of format 99", "use a newer perfwatch"]);
    assert_eq!(said.out, "");
}

/// As the first release wrote it: without most of the present facts.
#[test]
fn an_old_manifest() {
    let old = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-data/varying-load");
    let found = json(&old);
    assert_eq!((&found["state"], &found["ticks"]), (&"finished".into(), &151.into()));
    assert_eq!(found["manifest"]["sessions"][0]["git"], Value::Null);
    let said = info(&[&old]);
    assert!(said.out.contains("Intel(R) Xeon(R) Processor") && said.out.contains("load.py"), "{}", said.out);
}

#[test]
fn several_sessions() {
    let (_folder, dir) = new();
    record(&dir, &["-q"]).is(0, &[]);
    record(&dir, &["-q", "--append", "-i", "25ms"]).is(0, &[]);
    let said = info(&[&dir]);
    assert!(said.out.contains("\nsession 1: 20") && said.out.contains("(duration), "), "{}", said.out);
    assert!(said.out.contains("\nsession 2\n"));
    assert_eq!(said.out.matches("  pid ").count(), 1);
    assert_eq!(info(&[&dir, &"--all"]).out.matches("  pid ").count(), 2);
}

#[test]
fn facts_that_differ() {
    let (folder, base) = new();
    record(&base, &["-q", "--tag", "build=1"]).is(0, &[]);
    let other = folder.path().join("new");
    record(&other, &["-q", "--tag", "build=2", "--all-disks"]).is(0, &[]);
    let said = info(&[&base, &other, &"--diff", &"--json"]);
    said.is(0, &[]);
    let diff = said.json();
    let values = |fact: &str| {
        diff["facts"].as_array().unwrap().iter().find(|f| f["fact"] == fact).map(|f| f["values"].to_string())
    };
    assert_eq!(values("tags.build").as_deref(), Some(r#"["1","2"]"#));
    assert_eq!(values("session.options.disk.all_disks").as_deref(), Some("[false,true]"));
    assert_eq!(values("host.cpu_model"), None);
    assert_eq!(values("session.pid"), None);
    let said = info(&[&base, &other, &"--diff"]);
    assert!(said.out.lines().any(|l| l.split_whitespace().eq(["tags.build", "1", "2"])), "{}", said.out);
    info(&[&base, &"--diff"]).is(2, &["--diff: name two recordings"]);
    info(&[&base, &"/no/such", &"--diff"]).is(1, &["/no/such"]);
}

#[test]
fn no_terminal_control_characters() {
    let (_folder, dir) = new();
    record(&dir, &["-q", "--tag", "a=\u{1b}]0;title\u{7}"]).is(0, &[]);
    let report = report(&dir, &["-t", "tick"]);
    for said in [info(&[&dir]), report] {
        said.is(0, &[]);
        assert!(said.out.contains("\\u{1b}") && !said.out.contains('\u{1b}'), "{}", said.out);
    }
}

#[test]
fn a_directory_without_permission() {
    let (folder, dir) = new();
    record(&dir, &["-qq"]).is(0, &[]);
    let Some(mut command) = as_nobody(folder.path()) else { return };
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o000)).unwrap();
    let said = Said::from(command.arg("info").arg(&dir).output().unwrap());
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
    said.is(1, &["Permission denied"]);
    assert!(!said.err.contains("_runs.json"), "it is unknown whether there is one: {said:?}");
}
