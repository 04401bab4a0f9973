//! `perfwatch report` and `schema` with the real program: names, damaged files, readers that end early.

mod program;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use arrow_array::{Int64Array, RecordBatch};
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use perfwatch::store::layout::Layout;
use program::*;
use serde_json::Value;

fn recording() -> (tempfile::TempDir, PathBuf) {
    let (folder, dir) = new();
    record(&dir, &["-q"]).is(0, &[]);
    (folder, dir)
}

/// One whole report, which shows at once what a change does to it. `PERFWATCH_UPDATE=1 cargo test --test report` writes
/// it again. The values are checked elsewhere, against other programs.
#[test]
fn a_whole_report() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let recording = "tests/fixtures/recordings/0.1.0/finished";
    let args = ["report", recording, "--width", "100"];
    let said: Said = program().current_dir(root).args(args).output().unwrap().into();
    said.is(0, &[]);
    let file = root.join("tests/fixtures/report.txt");
    if std::env::var_os("PERFWATCH_UPDATE").is_some() {
        fs::write(&file, &said.out).unwrap();
    }
    let expected = fs::read_to_string(&file).unwrap();
    for (number, (line, expected)) in said.out.lines().zip(expected.lines()).enumerate() {
        assert_eq!(line, expected, "line {}", number + 1);
    }
    assert_eq!(said.out.lines().count(), expected.lines().count());
}

#[test]
fn data_alone_on_stdout() {
    let (_folder, dir) = recording();
    for format in ["table", "csv", "json", "markdown"] {
        let said = report(&dir, &["-f", format]);
        said.is(0, &[]);
        assert!(said.out.contains("memory") && said.err.is_empty(), "{said:?}");
    }
    serde_json::from_str::<serde_json::Value>(&report(&dir, &["-f", "json"]).out).unwrap();
}

#[test]
fn invalid_arguments() {
    let (_folder, dir) = recording();
    for (args, words) in [
        (&["-t", "memroy"][..], "unknown table `memroy` (did you mean `memory`?)"),
        (&["-m", "used_byte"], "did you mean `used_bytes`?"),
        (&["-m", "memory.iowait_percent"], "unknown metric `iowait_percent` in table memory"),
        (&["--since", "yesterday"], "--since"),
        (&["--since", "+5s", "--until", "+1s"], "--since is not before --until"),
        (&["-f", "yaml"], "yaml"),
    ] {
        let said = report(&dir, args);
        said.is(2, &[words]);
        assert_eq!(said.out, "");
    }
    run(["report"]).is(2, &["<DIR>"]);
    run(["schema", "memroy"]).is(2, &["did you mean `memory`?"]);
}

#[test]
fn paths_that_are_not_recordings() {
    let (folder, dir) = recording();
    report(folder.path(), &[]).is(1, &["is not a recording: it has no _recording.json"]);
    report(Path::new("/no/such"), &[]).is(1, &["cannot read /no/such"]);
    report(&dir.join("_recording.json"), &[]).is(1, &["_recording.json"]);
    // The others are reported.
    let said = run([Path::new("report"), folder.path(), &dir]);
    said.is(1, &["is not a recording"]);
    assert!(said.out.contains("used_bytes"));
}

#[test]
fn damaged_foreign_and_future_files_are_named_and_left_out() {
    let (_folder, dir) = recording();
    record(&dir, &["-q", "--append"]).is(0, &[]);
    let files = Layout::new(&dir).sealed_files("memory").unwrap();
    assert_eq!(files.len(), 2);
    let whole = fs::read(&files[1]).unwrap();

    let mut zeroed = whole.clone();
    zeroed[4..whole.len() / 2].fill(0);
    let column = Arc::new(Int64Array::from(vec![1, 2]));
    let batch = RecordBatch::try_from_iter([("a", column as _)]).unwrap();
    let parquet = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter().map(|(k, v)| KeyValue::new(k.to_string(), v.to_string())).collect();
        let properties = WriterProperties::builder().set_key_value_metadata(Some(pairs)).build();
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        bytes
    };
    let another_table = fs::read(sealed(&dir, "paging")).unwrap();
    for (bytes, words) in [
        (whole[..whole.len() / 2].to_vec(), "damaged, cut short, or not a Parquet file"),
        (Vec::new(), "damaged, cut short, or not a Parquet file"),
        (b"PAR1PAR1".to_vec(), "damaged, cut short, or not a Parquet file"),
        (parquet(&[]), "was not written by perfwatch"),
        (parquet(&[("perfwatch.format", "2")]), "has format version 2"),
        (parquet(&[("perfwatch.format", "1")]), "does not belong to this table"),
        (another_table, "does not belong to this table"),
        (zeroed, "damaged"),
    ] {
        fs::write(&files[1], &bytes).unwrap();
        let said = report(&dir, &["-f", "csv"]);
        let name = files[1].file_name().unwrap().to_str().unwrap();
        said.is(1, &["skipped ", name, words]);
        assert_eq!(said.err.matches(name).count(), 1, "once: {}", said.err);
        for rest in [",used_bytes,", ",pgfault,", ",load1,"] {
            assert!(said.out.contains(rest), "{words}: no {rest}");
        }
        assert_eq!(fs::read(&files[1]).unwrap(), bytes, "not touched");
    }
    fs::write(&files[1], &whole).unwrap();
    report(&dir, &[]).is(0, &[]);
    // A folder with the name of a file.
    fs::create_dir(dir.join("memory/x.parquet")).unwrap();
    report(&dir, &[]).is(1, &["x.parquet"]);
}

#[test]
fn a_future_recording_is_refused_whole() {
    let (_folder, dir) = recording();
    let path = Layout::new(&dir).manifest();
    let text = fs::read_to_string(&path).unwrap().replacen("\"format\": 1", "\"format\": 2", 1);
    fs::write(&path, text).unwrap();
    let said = report(&dir, &[]);
    said.is(1, &["_recording.json", "recording of format 2", "use a newer perfwatch"]);
    assert_eq!(said.out.lines().filter(|l| l.contains("used_bytes")).count(), 0);
    run([Path::new("recover"), &dir]).is(1, &["recording of format 2"]);
}

#[test]
fn without_its_manifest() {
    let (_folder, dir) = recording();
    fs::remove_file(Layout::new(&dir).manifest()).unwrap();
    let said = report(&dir, &[]);
    said.is(1, &["_recording.json: the recording has no manifest"]);
    assert!(said.out.contains("used_bytes"), "{said:?}");
    fs::write(Layout::new(&dir).manifest(), "{").unwrap();
    let said = report(&dir, &[]);
    said.is(1, &["_recording.json: not a manifest of a recording"]);
    assert!(said.out.contains("used_bytes"), "{said:?}");
}

#[test]
fn a_recording_without_rows() {
    let (_folder, dir) = recording();
    for (path, _) in tree(&dir) {
        if path.extension().is_some_and(|e| e == "parquet") {
            fs::remove_file(path).unwrap();
        }
    }
    let said = report(&dir, &[]);
    said.is(0, &[]);
    assert!(!said.out.contains("used_bytes"));
}

/// The reader of its output ends immediately.
fn left_alone(mut command: std::process::Command, stderr_too: bool) -> Said {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    if stderr_too {
        drop(child.stderr.take());
    }
    child.wait_with_output().unwrap().into()
}

#[test]
fn readers_that_end_early_are_not_an_error() {
    let (_folder, dir) = recording();
    for args in [
        &["report", "DIR"][..],
        &["report", "DIR", "-f", "json", "-a"],
        &["schema"],
        &["schema", "--format", "json"],
        &["doctor"],
        &["doctor", "--json"],
    ] {
        let mut command = program();
        command.args(args.iter().map(|a| if *a == "DIR" { dir.as_os_str() } else { a.as_ref() }));
        let said = left_alone(command, false);
        assert_eq!((said.status, said.err.as_str()), (0, ""), "{args:?}");
    }
    // It also must not crash when there are errors and stderr is closed.
    let mut command = program();
    command.args(["report", "/no/such"]);
    assert_eq!(left_alone(command, true).status, 1);
}

#[test]
fn a_full_disk_below_its_output() {
    let Ok(full) = fs::File::options().write(true).open("/dev/full") else { return eprintln!("skipped: no /dev/full") };
    let (_folder, dir) = recording();
    for args in [&["report"][..], &["doctor"], &["schema"]] {
        let mut command = program();
        command.args(args).stdout(full.try_clone().unwrap());
        if args == ["report"] {
            command.arg(&dir);
        }
        let said: Said = command.output().unwrap().into();
        said.is(1, &["cannot write to standard output", "No space left"]);
    }
}

#[test]
fn live_killed_and_finished_alike() {
    let (_folder, dir) = new();
    let live = Live::start(&dir, &[]);
    let state = || {
        let said = report(&dir, &["--format", "json"]);
        said.is(0, &[]);
        said.json()["recordings"][0]["state"].clone()
    };
    let said = report(&dir, &[]);
    said.is(0, &[]);
    assert!(said.out.contains("still recording") && said.out.contains("used_bytes"), "{said:?}");
    assert_eq!(state(), "live");
    live.end(libc::SIGKILL).is(128 + 9, &[]);
    let said = report(&dir, &[]);
    said.is(0, &[]);
    assert!(said.out.contains("killed?") && said.out.contains("used_bytes"), "{said:?}");
    assert_eq!(state(), "killed");
    record(&dir, &["-q", "--append"]).is(0, &[]);
    let said = report(&dir, &[]);
    said.is(0, &[]);
    assert!(!said.out.contains("killed?") && !said.out.contains("still recording"));
    assert_eq!(state(), "finished");
}

#[test]
fn a_deleted_start_is_reported() {
    let (_folder, dir) = new();
    record(&dir, &["-q"]).is(0, &[]);
    let mut manifest = manifest(&dir);
    manifest["sessions"][0]["deleted_before"] = "2026-11-20T07:00:00Z".into();
    std::fs::write(dir.join("_recording.json"), manifest.to_string()).unwrap();
    assert!(report(&dir, &[]).out.contains("rows before 2026-11-20T07:00:00Z were deleted"));
}

/// A recording in the repository, of a machine with disk reads and writes.
fn sample(args: &[&str]) -> Value {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-data/varying-load");
    let said = report(&dir, &[&["-f", "json"], args].concat());
    said.is(0, &[]);
    said.json()["recordings"][0].clone()
}

#[test]
fn the_mean_latency_of_the_sample_data() {
    let recording = sample(&["-t", "disk"]);
    let metrics = recording["tables"][0]["entities"][0]["metrics"].as_array().unwrap();
    let mean = |name: &str| metrics.iter().find(|m| m["metric"] == name).unwrap()["mean"].as_f64().unwrap();
    // DuckDB: sum of the differences of read_time_ms (1,015) divided by that of read_count (426), and of write_time_ms
    // (2,515) by that of write_count (719). The mean of the means per second would be 0.72 for reads.
    assert!((mean("read_latency_ms") - 1015.0 / 426.0).abs() < 1e-9, "{}", mean("read_latency_ms"));
    assert!((mean("write_latency_ms") - 2515.0 / 719.0).abs() < 1e-9, "{}", mean("write_latency_ms"));
}

#[test]
fn percentiles_are_of_time_where_intervals_differ() {
    let recording = sample(&["-t", "cpu_core"]);
    let columns = recording["tables"][0]["entities"][1]["metrics"].as_array().unwrap();
    let idle = columns.iter().find(|m| m["metric"] == "idle_percent").unwrap();
    // numpy: np.quantile(values, 0.5, weights=elapsed_s, method="inverted_cdf"); with equal weights it is
    // 97.959228515625.
    assert!((idle["p50"].as_f64().unwrap() - 97.9798584).abs() < 1e-6, "{}", idle["p50"]);
    // DuckDB: sum(usage_percent * elapsed_s) / sum(elapsed_s).
    let usage = columns.iter().find(|m| m["metric"] == "usage_percent").unwrap();
    assert!((usage["mean"].as_f64().unwrap() - 27.357_340_507_439_72).abs() < 1e-9, "{}", usage["mean"]);
}

#[test]
fn events_and_ratios_are_metrics() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-data/varying-load");
    let said = report(&dir, &["-m", "perf.cs,cpu.usage_percent,ipc", "--width", "80"]);
    said.is(0, &["no `instructions_per_cycle`: the events that it needs were not all counted"]);
    // The same line as in the README.
    assert!(
        said.out
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
            .contains("context-switches 20.7 k 138/s 80.9/s 474/s 511/s"),
        "{said:?}"
    );
    assert!(said.out.contains("usage_percent") && !said.out.contains("page-faults"), "{said:?}");
    let said = report(&dir, &["-m", "page-faults,context-switches", "-f", "csv", "--percentiles", "50,99.9"]);
    said.is(0, &[]);
    let lines: Vec<&str> = said.out.lines().collect();
    // A line of each for its values, its values per second, and its share of the time.
    assert_eq!(lines.len(), 7, "{said:?}");
    assert!(lines[0].contains(",mean,p50,p99.9,max,"), "{said:?}");
    report(&dir, &["-m", "cycels"]).is(2, &["unknown metric `cycels` (did you mean `cycles`?)"]);
    report(&dir, &["-m", "cycles"]).is(0, &["event `cycles` was not recorded; --table perf shows what was"]);
    report(&dir, &["-m", "cycles", "-t", "cpu"]).is(2, &["unknown metric `cycles` in cpu"]);
    report(&dir, &["-m", "cs", "--csv", "-"]).is(2, &["--csv takes columns"]);
    report(&dir, &["--percentiles", "50,101"]).is(2, &["`101` is not a percentile"]);
}

#[test]
fn recordings_next_to_each_other_and_by_phase() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let dir = root.join("sample-data/varying-load");
    report(&dir, &["--side-by-side"]).is(2, &["--side-by-side needs two recordings or more"]);
    let said = report(&dir, &[dir.to_str().unwrap(), "--side-by-side", "-m", "cpu.usage_percent"]);
    said.is(0, &[]);
    assert!(said.out.contains("20.6 %        20.6 %       ="), "{said:?}");
    report(&dir, &["--by", "phase"]).is(1, &["no phases; `perfwatch mark` sets them"]);
    report(&dir, &["--by", "phase", "--side-by-side"]).is(2, &["--side-by-side"]);
    // In it `load` was 428 ms, and `load/inner` 160 ms of these.
    let marked = root.join("tests/fixtures/recordings/0.1.0/finished");
    let said = report(&marked, &["--by", "phase", "-m", "cpu.usage_percent,perf.cs", "-f", "csv"]);
    said.is(0, &[]);
    let of = |phase: &str, metric: &str| {
        let line = said.out.lines().find(|l| l.contains(&format!(",{phase},")) && l.contains(&format!(",{metric},")));
        line.unwrap_or_else(|| panic!("{said:?}")).rsplit(',').nth(2).unwrap().parse::<f64>().unwrap()
    };
    for phase in ["load", "load/inner"] {
        let alone = report(&marked, &["--phase", phase, "-m", "cpu.usage_percent", "--json"]).json();
        let metric = &alone["recordings"][0]["tables"][0]["entities"][0]["metrics"][0];
        assert!((of(phase, "usage_percent") - metric["mean"].as_f64().unwrap()).abs() < 1e-9, "{said:?}");
    }
    assert!(said.out.contains(",load,perf,event=context-switches,value,"), "{said:?}");
    assert!(!said.out.contains("page-faults"), "{said:?}");
}

#[test]
fn sparklines_if_asked_for() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-data/varying-load");
    let bars = |text: &str| text.chars().filter(|c| ('▁'..='█').contains(c)).count();
    for (args, has_bars) in [
        (&[][..], false),
        (&["--sparklines"], true),
        (&["--sparklines=never"], false),
        (&["--sparklines", "-f", "markdown"], true),
        (&["-f", "markdown"], false),
        (&["--sparklines", "-f", "csv"], false),
        (&["--sparklines", "--top"], false),
    ] {
        let said = report(&dir, &[&["-t", "cpu,disk,cpu_core", "--width", "100"], args].concat());
        said.is(0, &[]);
        assert_eq!(bars(&said.out) > 0, has_bars, "{args:?}: {said:?}");
        let is_table = !args.contains(&"-f");
        assert!(!is_table || said.out.lines().all(|line| line.chars().count() <= 100), "{args:?}: {said:?}");
    }
    // On a terminal with a UTF-8 locale, and only there.
    for (locale, has_bars) in [("C.UTF-8", true), ("C", false)] {
        let (mut ours, theirs) = terminal();
        let mut command = program();
        command.env("LC_ALL", locale).env_remove("COLUMNS").arg("report").arg(&dir).args(["-t", "cpu"]).stdout(theirs);
        assert!(command.status().unwrap().success());
        drop(command);
        let mut shown = Vec::new();
        // Its end is an error of a terminal.
        let _ = std::io::Read::read_to_end(&mut ours, &mut shown);
        assert_eq!(bars(&String::from_utf8_lossy(&shown)) > 0, has_bars, "{locale}");
    }
    report(&dir, &["--sparklines=often"]).is(2, &["possible values: auto, always, never"]);
}

#[test]
fn a_running_recording_is_followed_to_its_end() {
    let (_folder, dir) = new();
    let live = Live::start(&dir, &["--collectors", "cpu", "-i", "100ms"]);
    let follow = |args: &[&str]| {
        let mut command = program();
        command.arg("report").arg(&dir).args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let mut text = follow(&["--follow", "-m", "cpu.usage_percent", "--width", "200"]);
    let json = follow(&["--follow=100ms", "--json", "-t", "tick"]);
    let stopped = follow(&["--follow", "-t", "cpu", "--width", "200"]);
    // Two of its reports were read.
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(text.stdout.take().unwrap()));
    let mut heads = lines.by_ref().map_while(Result::ok).filter(|line| line.contains("still recording"));
    let (first, second) = (heads.next().unwrap(), heads.next().unwrap());
    assert_ne!(first, second, "there are more ticks");
    // A signal ends the one that follows, not the recording.
    perfwatch::linux::signal::send(stopped.id(), libc::SIGINT).unwrap();
    let said: Said = stopped.wait_with_output().unwrap().into();
    said.is(0, &[]);
    assert!(said.out.contains("still recording") && said.out.contains("load1"), "{said:?}");
    live.end(libc::SIGINT).is(0, &[]);
    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    assert_eq!(text.wait().unwrap().code(), Some(0));
    let last = rest.iter().rfind(|line| line.contains(" ticks")).unwrap_or_else(|| panic!("{rest:?}"));
    assert!(!last.contains("still recording"), "{last}");
    let said: Said = json.wait_with_output().unwrap().into();
    said.is(0, &[]);
    let states: Vec<Value> = said
        .out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["recordings"][0]["state"].clone())
        .collect();
    assert_eq!(states.last(), Some(&"finished".into()), "{said:?}");
    assert!(states.len() > 1 && states[0] == "live", "{said:?}");
    // Of a finished one there is one report.
    let said = report(&dir, &["--follow", "-t", "cpu"]);
    said.is(0, &[]);
    assert_eq!(said.out.matches("procs_running").count(), 1, "{said:?}");
    report(&dir, &["--follow", "-f", "csv"]).is(2, &["--follow prints tables, Markdown or JSON"]);
    report(&dir, &["--follow", "-t", "cpu", dir.to_str().unwrap()]).is(2, &["--follow shows one recording"]);
    report(&dir, &["--follow", "0s"]).is(2, &["above 0"]);
}

#[test]
fn important_tables_come_first_and_those_of_the_recorder_last() {
    let recording = sample(&[]);
    let tables: Vec<&str> =
        recording["tables"].as_array().unwrap().iter().map(|t| t["table"].as_str().unwrap()).collect();
    assert_eq!(tables[..5], ["cpu", "memory", "disk", "network", "pressure"]);
    assert_eq!(tables[tables.len() - 3..], ["perf_status", "collector", "tick"]);
}

#[test]
fn the_marks_in_every_format() {
    let (_folder, dir) = new();
    let live = Live::start(&dir, &["--collectors", "cpu"]);
    for args in [&["start", "load", "-t", "k=v"][..], &["event", "it is, warm"], &["end", "load"]] {
        let said: Said = program().arg("mark").arg("-r").arg(&dir).args(args).output().unwrap().into();
        said.is(0, &[]);
    }
    live.end(libc::SIGINT).is(0, &[]);
    let said = report(&dir, &["--marks"]);
    said.is(0, &[]);
    let lines: Vec<Vec<&str>> = said.out.lines().map(|l| l.split_whitespace().collect()).collect();
    assert_eq!(
        lines[1],
        ["time", "(UTC)", "after", "mark", "name", "or", "text", "phase", "before", "tags"],
        "{said:?}"
    );
    for (line, words) in lines[2..].iter().zip([
        &["start", "load", "k=v"][..],
        &["event", "it", "is,", "warm", "load"],
        &["end", "load", "load"],
    ]) {
        assert!(line.ends_with(words), "{words:?}: {said:?}");
    }
    let csv = report(&dir, &["--marks", "-f", "csv"]).out;
    assert!(csv.starts_with("recording,ts,kind,name,text,phase,tags\n"), "{csv}");
    assert!(
        csv.contains(",event,,\"it is, warm\",load,\n") && csv.contains(",start,load,,,\"{\"\"k\"\":\"\"v\"\"}\"\n"),
        "{csv}"
    );
    let json = report(&dir, &["--marks", "-f", "json"]).json();
    let marks = json["recordings"][0]["marks"].as_array().unwrap();
    assert_eq!((marks.len(), &marks[0]["tags"]["k"], &marks[1]["text"]), (3, &"v".into(), &"it is, warm".into()));
    let stamps: Vec<&str> = marks.iter().map(|m| m["ts"].as_str().unwrap()).collect();
    assert!(stamps.is_sorted(), "{stamps:?}");
    assert!(report(&dir, &["--marks", "-f", "markdown"]).out.contains("| event | it is, warm | load |"));
    // For a phase that does not exist, and with options that it excludes.
    assert!(report(&dir, &["--marks", "--phase", "other"]).out.contains("no marks"));
    report(&dir, &["--marks", "-t", "cpu"]).is(2, &["--marks"]);
}
