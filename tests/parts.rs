//! `perfwatch compare` of parts of recordings: times, phases, the steady part; and with few runs.

mod common;
mod program;

use std::path::{Path, PathBuf};

use common::files::copy;
use common::{Machine, Recorded, Recording, START_NS};
use perfwatch::linux::clock::{Event, Now};
use perfwatch::mark::request::Request;
use program::costs::metric;
use program::*;
use serde_json::Value;

const START: &str = "2026-11-20T07:00:00Z";
const START_US: i64 = 1_795_158_000_000_000;

/// A recording of one CPU and one interface with these loads, tick by tick: percent of the CPU, bytes per second.
fn recording(loads: &[(u64, u64)]) -> Recorded {
    let machine = Machine::copy("vm2");
    let (busy, idle, bytes) = (std::cell::Cell::new(0), std::cell::Cell::new(0), std::cell::Cell::new(0));
    let put = |percent: u64, received: u64| {
        busy.set(busy.get() + percent);
        idle.set(idle.get() + 100 - percent);
        bytes.set(bytes.get() + received);
        let cpu = format!("{} 0 0 {} 0 0 0 0 0 0", busy.get(), idle.get());
        machine.put("proc/stat", &format!("cpu  {cpu}\ncpu0 {cpu}\nctxt 1\nbtime 1795150000\nprocesses 1\n"));
        machine.put_eth0(bytes.get(), 0);
    };
    put(0, 0);
    Recording::of(&machine).collectors(&["cpu", "network"]).start(START).record(|tick| {
        match loads.get(tick as usize - 1) {
            Some((percent, received)) => put(*percent, *received),
            None => return Event::Stop,
        }
        Event::OnTime
    })
}

/// Values without autocorrelation: the fractional parts of the multiples of the golden ratio, mixed.
fn noise(n: u64) -> u64 {
    (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) % 100
}

fn compare(args: &[&str], paths: &[&Path]) -> Said {
    program().arg("compare").args(args).args(paths).output().unwrap().into()
}

#[test]
fn two_times_of_one_recording() {
    // 200 s with about 10 MB a second, then 200 s with twice as many.
    let loads: Vec<(u64, u64)> =
        (0..400).map(|n| (20, (100_000 + 100 * noise(n)) * if n < 200 { 100 } else { 200 })).collect();
    let ran = recording(&loads);
    let dir = [ran.dir()];
    let args = ["--base-range", "..+200s", "--new-range", "+200s..", "-m", "network.bytes_recv_per_sec", "--json"];
    let said = compare(&args, &dir);
    // One run a side decides nothing.
    said.is(0, &[]);
    let found = said.json();
    let rate = metric(&found, "network.bytes_recv_per_sec");
    assert_eq!((&rate["verdict"], &rate["advisory"]), (&Value::from("changed"), &Value::from(true)), "{rate}");
    assert_eq!(rate["threshold"]["min_rel"], 0.10);
    let relative = rate["relative"].as_f64().unwrap();
    assert!((relative - 1.0).abs() < 0.02, "{relative}");
    let effective = |side: usize| rate["effective"][side].as_f64().unwrap();
    assert!(effective(0) > 100.0 && effective(1) > 100.0, "{rate}");
    let said = compare(&args[..6], &dir);
    assert!(said.out.contains("(advisory)") && said.out.contains("verdicts are advisory"), "{}", said.out);
    let junit = tempfile::NamedTempFile::new().unwrap();
    let out = format!("junit={}", junit.path().display());
    compare(&[&args[..6], &["--out", &out]].concat(), &dir).is(0, &[]);
    let junit = std::fs::read_to_string(junit.path()).unwrap();
    assert!(junit.contains("<skipped") && !junit.contains("<failure"), "{junit}");
    assert!(said.out.contains("too few runs to decide: network.bytes_recv_per_sec"), "{}", said.out);
    // Clock times, and the same time twice.
    let same = ["--base-range", "07:00..07:01:40", "--new-range", "07:01:40..07:03:20"];
    let said = compare(&[&same[..], &args[4..]].concat(), &dir);
    assert_eq!(metric(&said.json(), "network.bytes_recv_per_sec")["verdict"], "unchanged", "{said:?}");
    compare(&["--base-range", "+1h..", "--new-range", "..+1s"], &dir)
        .is(1, &["no run that counts: ", "no rows in this time"]);
    compare(&["--base-range", "..+1s", "--new-range", "+1s..", "--trim-start", "1h"], &dir)
        .is(1, &["no rows in this time"]);
    compare(&["--base-range", "soon", "--new-range", "..+1s"], &dir).is(2, &["FROM..TO is needed"]);
    compare(&["--base-range", "..+1s"], &dir).is(2, &["has only one side", "--new-range"]);
}

/// A random walk has few independent values, however many samples there are.
#[test]
fn correlated_samples_are_inconclusive() {
    let mut at = 50_000i64;
    let mut walk = |n: u64| {
        at += noise(n) as i64 * 40 - 1980;
        (20, at.max(1) as u64 * 1000)
    };
    let ran = recording(&(0..300).map(&mut walk).collect::<Vec<_>>());
    let args = ["--base-range", "..+150s", "--new-range", "+150s..", "-m", "network.bytes_recv_per_sec", "--json"];
    let found = compare(&args, &[ran.dir()]).json();
    let rate = metric(&found, "network.bytes_recv_per_sec");
    assert_eq!(rate["verdict"], "inconclusive", "{rate}");
    assert!(rate["effective"][0].as_f64().unwrap() < 20.0, "{rate}");
}

#[test]
fn the_warm_up_is_left_out() {
    // 30 s at 90 %, then steady at about 30 %.
    let loads: Vec<(u64, u64)> = (0..150).map(|n| (if n < 30 { 90 } else { 28 + noise(n) % 5 }, 0)).collect();
    let ran = recording(&loads);
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other");
    copy(ran.dir(), &other);
    let usage = |args: &[&str]| {
        let said = compare(&[args, &["-m", "cpu.usage_percent", "--json"]].concat(), &[ran.dir(), &other]);
        let found = said.json();
        (metric(&found, "cpu.usage_percent")["base"].as_f64().unwrap(), found["notes"].to_string())
    };
    let (all, _) = usage(&[]);
    assert!((all - 42.0).abs() < 1.0, "{all}");
    let (steady, notes) = usage(&["--auto-warmup"]);
    assert!((steady - 30.0).abs() < 0.5, "{steady}");
    assert!(notes.contains("base: left out as warm-up: 30.0 s of 1 run"), "{notes}");
    let (trimmed, _) = usage(&["--trim-start", "30s"]);
    assert!((trimmed - 30.0).abs() < 1.0, "{trimmed}");
    // It never becomes steady.
    let rising = recording(&(0..100).map(|n| (n, 0)).collect::<Vec<_>>());
    let said = compare(&["--auto-warmup", "--json"], &[ran.dir(), rising.dir()]);
    assert!(said.json()["notes"].to_string().contains("no steady state, so nothing was left out"), "{said:?}");
}

/// A recording with the phase `load` of this length, 2 s of `check`, and copies of it.
fn phases(folder: &Path, side: &str, load_ms: u64) -> Vec<PathBuf> {
    let machine = Machine::with_eth0();
    let recording = Recording::of(&machine).collectors(&["network"]).start(START);
    let marks = recording.marks();
    let send = |line: &str, at_ms: u64| {
        let now = Now { mono_ns: START_NS + at_ms * 1_000_000, wall_us: START_US + at_ms as i64 * 1000 };
        drop(marks.send_at(Request::parse(line.as_bytes()).unwrap(), || now));
    };
    let ran = recording.record(|tick| {
        machine.put_eth0(tick * 1000, 0);
        // The time since the last tick.
        let now_ms = (tick - 1) * 1000;
        match now_ms {
            0 => send("start load", now_ms),
            8000 => send("start check", now_ms),
            10_000 => send("end check", now_ms),
            _ if now_ms == load_ms => send("end load", now_ms),
            11_000 => return Event::Stop,
            _ => {}
        }
        Event::OnTime
    });
    let copied = |n: u32| {
        let path = folder.join(format!("{side}-{n}"));
        copy(ran.dir(), &path);
        path
    };
    (0..3).map(copied).collect()
}

#[test]
fn each_phase_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let (base, new) = (phases(folder.path(), "base", 4000), phases(folder.path(), "new", 6000));
    let compare = |args: &[&str]| -> Said {
        program().arg("compare").args(args).arg("--base").args(&base).arg("--new").args(&new).output().unwrap().into()
    };
    let said = compare(&["--by", "phase", "--json"]);
    said.is(3, &[]);
    let found = said.json();
    let load = metric(&found, "load: phase.wall_s");
    assert_eq!((&load["base"], &load["new"], &load["verdict"]), (&4.0.into(), &6.0.into(), &"regressed".into()));
    let check = metric(&found, "check: phase.wall_s");
    assert_eq!((&check["base"], &check["verdict"], &check["gated"]), (&2.0.into(), &"unchanged".into(), &true.into()));
    let names = found["metrics"].as_array().unwrap().iter().map(|metric| metric["metric"].as_str().unwrap());
    assert!(names.clone().any(|name| name == "check: network.bytes_recv_per_sec"), "{:?}", names.collect::<Vec<_>>());
    let said = compare(&["--phase", "load"]);
    said.is(3, &[]);
    assert!(said.out.ends_with("regressed: phase.wall_s +50 % (+50…+50)\n"), "{}", said.out);
    compare(&["--phase", "check"]).is(0, &[]);
    compare(&["--phase", "check", "--by", "phase"]).is(2, &["cannot be used with"]);
    compare(&["--phase", "lod"]).is(1, &["no run that counts", "no phase `lod` (did you mean `load`?)"]);
    // A rule is about one part.
    let file = folder.path().join("gate.toml");
    std::fs::write(&file, "[gate]\n\"load: phase.wall_s\" = {}\n\"command.wall_s\" = {}\n").unwrap();
    let gated = |args: &[&str]| compare(&[&["--config", file.to_str().unwrap()], args].concat());
    gated(&["--by", "phase"]).is(3, &[]);
    gated(&["--phase", "load"]).is(3, &[]);
    let said = gated(&["--phase", "check"]);
    said.is(0, &[]);
    let words = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("load: phase.wall_s is about another part of the recordings"), "{}", said.out);
    gated(&[]).is(1, &["command.wall_s decides, and neither side has it"]);
}

/// Neither direction is better, so it decides nothing, but it is not called unchanged.
#[test]
fn a_change_without_a_direction() {
    let folder = tempfile::tempdir().unwrap();
    let side = |name: &str, bytes: u64| -> Vec<PathBuf> {
        let ran = recording(&[(20, bytes); 10]);
        let copied = |n: u32| {
            let path = folder.path().join(format!("{name}-{n}"));
            copy(ran.dir(), &path);
            path
        };
        (0..3).map(copied).collect()
    };
    let (base, new) = (side("base", 10_000_000), side("new", 20_000_000));
    let mut command = program();
    command.args(["compare", "-m", "network.bytes_recv_per_sec", "--base"]).args(&base).arg("--new").args(&new);
    let said: Said = command.output().unwrap().into();
    said.is(0, &[]);
    assert!(said.out.ends_with("changed: network.bytes_recv_per_sec +100 % (+100…+100)\n"), "{}", said.out);
}

/// Ten seconds that differ, then ten at 20 %.
#[test]
fn a_trend_of_the_end_of_each_recording() {
    let starts = [90, 90, 90, 90, 90, 10, 10, 10, 10, 10];
    let recorded = starts.map(|start| recording(&[[(start, 0); 10], [(20, 0); 10]].concat()));
    let trend = |args: &[&str]| {
        let paths = recorded.iter().map(Recorded::dir);
        let all = ["-m", "cpu.usage_percent", "--order-by", "given", "--json"];
        let said: Said = program().arg("trend").args(all).args(args).args(paths).output().unwrap().into();
        said.is(0, &[]);
        let values = metric(&said.json(), "cpu.usage_percent")["values"].clone();
        values.as_array().unwrap().iter().map(|value| value.as_f64().unwrap().round() as u64).collect::<Vec<_>>()
    };
    assert_eq!(trend(&[]), starts.map(|start| (start + 20) / 2));
    assert_eq!(trend(&["--trim-start", "10s"]), [20; 10]);
    assert_eq!(trend(&["--trim-end", "10s"]), starts);
}
