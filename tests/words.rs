//! Words and options of other tools, and the messages for them.

mod program;

use std::fs;
use std::path::Path;

use program::*;
use serde_json::Value;

#[test]
fn commands_of_other_tools_get_a_hint() {
    for (args, words) in [
        (&["cmp", "a", "b"][..], "perfwatch compare BASE NEW"),
        (&["diff", "a", "b"], "perfwatch info A B --diff"),
        (&["bisect", "a"], "perfwatch trend DIR"),
        (&["otava"], "perfwatch trend DIR"),
        (&["plot", "a"], "Parquet"),
        (&["csv", "a"], "perfwatch export DIR"),
        (&["zip", "a"], "perfwatch export --pack FILE DIR"),
        (&["unpack", "a"], "unzip FILE -d DIR"),
        (&["export", "x", "--resample", "10s"], "--every TIME"),
        (&["export", "x", "-m", "load1"], "--columns NAME"),
        (&["export", "x", "--pivot"], "--wide"),
        (&["stat", "--", "true"], "perfwatch record -- COMMAND"),
        (&["run", "true"], "perfwatch record -- COMMAND"),
        (&["list"], "perfwatch info DIR"),
        (&["show", "a"], "perfwatch report DIR"),
        (&["start"], "perfwatch record -o DIR"),
        (&["stop"], "Ctrl-C"),
        (&["top"], "--processes top=20"),
        (&["query", "select 1"], "duckdb"),
        (&["sleep", "1"], "perfwatch record -- sleep 1"),
        (&["record", "sleep", "1"], "perfwatch record -- sleep 1"),
        (&["record", "sh", "-c", "sleep 1; echo"], "perfwatch record -- sh -c 'sleep 1; echo'"),
        (&["mark", "begin", "load"], "perfwatch mark start NAME"),
        (&["mark", "stop", "load"], "perfwatch mark end NAME"),
        (&["mark", "big load"], "perfwatch mark start 'big load'"),
        (&["mark", "phase", "x"], "perfwatch mark end NAME"),
        (&["-v"], "perfwatch record -v"),
        (&["sleep 1; true"], "perfwatch record -- sh -c 'sleep 1; true'"),
        (&["-u", "1", "5"], "unexpected argument '-u'"),
        (&["help", "nosuch"], "unrecognized subcommand 'nosuch'"),
        (&["help", "diff"], "perfwatch info A B --diff"),
        (&["serve"], "no server"),
        (&["delete", "a"], "rm -r DIR"),
        (&["record", "--dir", "x"], "--output DIR"),
        (&["record", "--command", "make"], "after `--`"),
        (&["report", "x", "--percentile", "99"], "--percentiles 50,90,99.9"),
        (&["report", "x", "--stats", "p99"], "--width 120"),
        (&["report", "x", "--live"], "--follow"),
        (&["report", "x", "--group-by", "phase"], "--by phase"),
        (&["report", "x", "--diff"], "--side-by-side"),
        (&["report", "--top", "x"], "--top is after the recordings"),
        (&["report", "--follow", "x"], "--follow is after the recording"),
        (&["record", "-e", "cycles"], "--perf-events"),
        (&["record", "-I", "1000"], "--interval"),
        (&["report", "x", "-o", "y"], "--csv DIR"),
        (&["-d", "10"], "perfwatch record -d 10"),
        (&["--interval", "1", "record", "-q"], "perfwatch record --interval 1 -q"),
        (&["record", "1", "5"], "perfwatch record -i 1s -d 5s"),
        (&["record", "0.5", "10"], "perfwatch record -i 0.5s -d 5s"),
        (&["record", "-i", "2", "10"], "the duration is an option too"),
        (&["man", "recrod"], "did you mean `record`?"),
        (&["report", "x", "-m", "usage"], "did you mean `usage_percent`?"),
        (&["report", "x", "-m", "cycels"], "did you mean `cycles`?"),
        (&["report", "x", "-m", "cpu"], "--table cpu"),
        (&["record", "--collectors", "command"], "collector `process`"),
        (&["record", "--collectors", "perf_status"], "collector `perf`"),
        (&["record", "--collectors", "tick"], "always recorded"),
        (&["record", "--burst", "cpu.usage_percnt>20: 100ms for 30s"], "did you mean `usage_percent`?"),
        (&["record", "--burst", "cpu.usage_percent>20: 300ms for 30s"], "must divide the interval of 1s"),
        (&["record", "--burst", "cpu.usage_percent>20: 1ms for 30s"], "10ms or longer"),
        (&["record", "--burst", "cpu.usage_percent>20: 100ms for 500ms"], "shorter than the interval"),
        (&["record", "--burst", "tcp.retransmit_percent>2: 100ms for 30s"], "add it with --collectors +tcp"),
    ] {
        run(args).is(2, &[words]);
    }
    // Detected before anything is recorded, with the status for a missing command.
    let said = run(["record", "--", "sleep 1; echo it's"]);
    said.is(127, &[r"perfwatch record -- sh -c 'sleep 1; echo it'\''s'"]);
    run(["record", "--", "A=1", "make"]).is(127, &["perfwatch record -- env A=1 make"]);
    run(["record", "--", "/no/such/thing"]).is(127, &["no such file"]);
}

#[test]
fn no_message_comes_from_the_standard_library() {
    let options = [
        "interval",
        "duration",
        "sync",
        "rotate",
        "retain",
        "timeout",
        "grace",
        "perf-interval",
        "max-bytes",
        "min-free",
        "runs",
        "warmup-runs",
        "pid",
        "cpus",
        "processes",
        "tag",
    ];
    for option in options {
        for value in ["xyz", "", "-1", "1e999", "99999999999999999999", "0x10", "nan", "1..2"] {
            let flag = format!("--{option}={value}");
            let said = run(["record", &flag, "--runs=1", "-o", "/dev/null/x", "--", "true"]);
            if said.err.contains("/dev/null/x") {
                continue;
            }
            assert_eq!(said.status, 125, "{flag}: {said:?}");
            assert!(said.err.contains(option), "{flag}: {said:?}");
            for theirs in ["digit", "float", "number too", "convert", "parse", "expected number", "unit", "not in "] {
                let theirs_alone = said.err.replace("without a unit", "").replace("a unit is required", "");
                assert!(!theirs_alone.contains(theirs), "{flag}: {said:?}");
            }
        }
    }
}

#[test]
fn bare_numbers() {
    for (flag, words) in [
        ("--interval=1000", "1000s or 1000ms?"),
        ("-i500", "500s or 500ms?"),
        ("--sync=500", "500s or 500ms?"),
        ("--perf-interval=100", "100s or 100ms?"),
        ("--retain=7", "7s, 7m or 7h?"),
        ("--rotate=5", "5s, 5m or 5h?"),
        ("--max-bytes=5", "5 bytes?"),
        ("--max-bytes=0", "leave it out for no limit"),
        ("--min-free=5", "5 bytes?"),
    ] {
        run(["record", flag]).is(2, &[words]);
    }
    let config = |name: &str, value: &str| Said::from(program().arg("config").env(name, value).output().unwrap());
    config("PERFWATCH_INTERVAL", "1000").is(2, &["PERFWATCH_INTERVAL", "1000s or 1000ms?"]);
    config("PERFWATCH_DURATION", "600").is(0, &[]);
}

#[test]
fn settings_are_checked_as_record_would() {
    for (name, value, words) in [
        ("PERFWATCH_INTERVAL", "1ms", "it can be 10ms to 1h"),
        ("PERFWATCH_CPUS", "x", "a list of CPUs is written like 0-3,8"),
        ("PERFWATCH_COLLECTORS", "cpuu", "(did you mean `cpu`?)"),
        ("PERFWATCH_RETAIN", "5m", "it can be 1h or more"),
        ("PERFWATCH_ROTATE", "7m", "whole minutes that divides it"),
        ("PERFWATCH_TAG", "x", "a tag is written KEY=VALUE"),
        ("PERFWATCH_PROC_ROOT", "/no/such", "not a directory"),
        ("PERFWATCH_QUIET", "9", "true or false"),
    ] {
        let said = Said::from(program().arg("config").env(name, value).output().unwrap());
        said.is(2, &[words, name]);
    }
    for (value, shown) in [("true", "true"), ("2", "2"), ("false", "false")] {
        let said = Said::from(program().arg("config").env("PERFWATCH_QUIET", value).output().unwrap());
        said.is(0, &[]);
        let line = said.out.lines().find(|line| line.starts_with("quiet ")).unwrap();
        assert_eq!(line.split_whitespace().nth(1), Some(shown), "{line}");
    }
}

fn recorded() -> (tempfile::TempDir, std::path::PathBuf) {
    let (folder, dir) = new();
    record(&dir, &["-qq"]).is(0, &[]);
    (folder, dir)
}

#[test]
fn json_is_requested_in_the_same_way() {
    let (_folder, dir) = recorded();
    let dir = dir.to_str().unwrap();
    for command in [
        &["report", dir][..],
        &["info", dir],
        &["doctor"],
        &["events", "cpu-clock"],
        &["schema", "cpu,disk"],
        &["config"],
        &["compact", dir],
        &["recover", dir],
        &["verify", dir],
    ] {
        for form in [&["--json"][..], &["--format", "json"], &["-f", "json"]] {
            let said = run(command.iter().chain(form));
            said.is(0, &[]);
            let read: Result<Value, _> = serde_json::from_str(&said.out);
            assert!(read.is_ok(), "{command:?} {form:?}: {said:?}");
        }
    }
}

#[test]
fn csv_goes_where_it_is_sent() {
    let (folder, dir) = recorded();
    let report = |args: &[&str]| run(["report", dir.to_str().unwrap()].iter().chain(args));
    let said = report(&["--csv", "-", "--table", "memory"]);
    said.is(0, &[]);
    assert!(said.out.starts_with("ts,elapsed_s,phase,") && said.out.lines().count() > 2, "{said:?}");
    let file = folder.path().join("memory.csv");
    let name = file.to_str().unwrap();
    report(&["--csv", name, "-t", "memory"]).is(0, &["rows of ", "written to "]);
    assert_eq!(fs::read_to_string(&file).unwrap(), said.out);
    report(&["--csv", name, "-t", "memory"]).is(1, &["exists; --force replaces it"]);
    report(&["--csv", name, "-t", "memory", "--force"]).is(0, &[]);
    assert_eq!(fs::read_to_string(&file).unwrap(), said.out);
    // Of the table of a metric, too.
    report(&["--csv", "-", "-m", "memory.used_bytes"]).is(0, &[]);
    for target in ["-", "all.csv"] {
        report(&["--csv", target]).is(2, &["one table", "--table", "memory, "]);
    }
    report(&["--csv", "all.csv.gz"]).is(2, &["a directory, a file that ends in .csv, or -"]);
    let out = folder.path().join("out");
    report(&["--csv", out.to_str().unwrap()]).is(0, &[]);
    assert_eq!(fs::read_to_string(out.join("memory.csv")).unwrap(), said.out);
    assert!(!Path::new("all.csv").exists() && !Path::new("all.csv.gz").exists());
}

#[test]
fn times_as_a_report_prints_them() {
    let (_folder, dir) = recorded();
    let dir = dir.to_str().unwrap();
    let whole = run(["report", dir, "--json"]).json();
    let first = whole["recordings"][0]["from"].as_str().or(whole["recordings"][0]["start"].as_str());
    let heading = run(["report", dir]).out.lines().nth(1).unwrap().to_string();
    // "host x, 2026-11-20 11:17:07 to 11:17:08 UTC (…"
    let printed = heading.split(", ").nth(1).unwrap().split(" to ").next().unwrap();
    assert!(first.is_none_or(|first| first.starts_with(&printed.replace(' ', "T"))), "{heading}");
    let clock = printed.split(' ').nth(1).unwrap();
    for since in [printed.to_string(), format!("{printed} UTC"), clock.to_string(), "+0".into(), "-10".into()] {
        let said = run(["report", dir, "--since", &since, "-t", "memory"]);
        said.is(0, &[]);
        assert!(said.out.contains("memory"), "{since}: {said:?}");
    }
    run(["report", dir, "--since", "+10"]).is(1, &["no rows in this time"]);
    run(["report", dir, "--since", "yesterday"]).is(2, &["--since", "write 2026-11-20 07:30:00 or 07:30"]);
}

#[test]
fn paths_that_are_not_recordings_cause_a_suggestion() {
    let (folder, dir) = recorded();
    let (outer, name) = (folder.path().to_str().unwrap(), dir.to_str().unwrap());
    for command in ["report", "info", "recover", "compact"] {
        run([command, outer]).is(1, &["is not a recording", "it contains recordings", name]);
        run([command, &format!("{name}/cpu")]).is(1, &[&format!("name {name}"), "--table cpu"]);
        run([command, &format!("{outer}/rum")]).is(1, &["did you mean `run`?"]);
    }
    let file = fs::read_dir(dir.join("cpu")).unwrap().next().unwrap().unwrap().path();
    run(["report".as_ref(), file.as_os_str()]).is(1, &["--table cpu"]);
}

#[test]
fn quiet_once_and_twice() {
    let folder = tempfile::tempdir().unwrap();
    let said = |name: &str, options: &[&str]| {
        record(&folder.path().join(name), &[options, &["-i", "100ms", "-d", "200ms"]].concat())
    };
    let lines = |said: &Said| said.err.lines().count();
    let talk = said("a", &[]);
    talk.is(0, &["not available here: ", "sensor", "`perfwatch doctor` shows why", " ticks in "]);
    assert_eq!(lines(&talk), 2, "{talk:?}");
    let once = said("b", &["-q"]);
    once.is(0, &[" ticks in "]);
    assert_eq!(lines(&once), 1, "{once:?}");
    let twice = said("c", &["-qq"]);
    assert_eq!((twice.status, twice.err.as_str()), (0, ""));
    // A collector that was requested by name is reported in full.
    let named = said("d", &["--collectors", "memory,sensor"]);
    named.is(0, &["no sensor: "]);
    said("a", &["-qq"]).is(1, &["already contains a recording"]);
}

#[test]
fn short_help_fits_a_screen() {
    for command in [
        "record", "report", "export", "ab", "mark", "info", "annotate", "doctor", "events", "schema", "compact",
        "config",
    ] {
        let output = program().args([command, "-h"]).env("COLUMNS", "100").output().unwrap();
        let said = Said::from(output);
        said.is(0, &[]);
        assert!(said.out.lines().count() <= 45, "{command}: {}", said.out);
        assert!(said.out.lines().all(|line| line.chars().count() <= 100), "{command}: {}", said.out);
    }
    let (short, long) = (run(["record", "-h"]).out, run(["record", "--help"]).out);
    assert!(short.lines().rev().take(3).any(|line| line.contains("perfwatch record")), "{short}");
    for option in ["--rotate", "--perf-per-cpu", "--proc-root", "--grace", "--all-disks", "--interval"] {
        assert!(long.contains(option), "{option}");
    }
}
