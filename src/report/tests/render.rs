//! What the renderers print, small enough to review.

use super::perf::{events, perf, perf_table};
use crate::report::clean::clean;
use crate::report::model::{JSON_VERSION, Recording, Report, RunsFolder};
use crate::report::phases::Phase;
use crate::report::testing::*;
use crate::report::view::Options;
use crate::report::{csv, json, markdown, text};
use crate::store::runs::{Index, Run, Runs};
use crate::table::{Kind, Type, Unit};

fn report(recording: Recording) -> Report {
    Report { version: JSON_VERSION, runs: Vec::new(), recordings: vec![recording], side_by_side: None }
}

const PLAIN: Options<'static> =
    Options { all: false, chosen: false, only_events: false, percentiles: &[], most_changes: 10, wide: false };

/// Two disks at three ticks, one of which does nothing, and a tick of which one was missed.
fn machine() -> Recording {
    let tick = table("tick", vec![column("missed", Type::Int64, Kind::Gauge, Unit::Count)]);
    let disk = table(
        "disk",
        vec![
            entity("device"),
            counter("read_bytes", 0, Unit::Bytes),
            rate("read_bytes_per_sec", 0, Unit::BytesPerSec),
            column("read_latency_ms", Type::Float64, Kind::Interval, Unit::Milliseconds),
            column("size_bytes", Type::Int64, Kind::Gauge, Unit::Bytes),
        ],
    );
    let ticks = rows(tick, &[0, 1, 3], &[None, Some(1.0), Some(2.0)], vec![ints([0, 0, 1])]);
    let mib = 1024.0 * 1024.0;
    let disks = rows(
        disk,
        &[0, 0, 1, 1, 3, 3],
        &[None, None, Some(1.0), Some(1.0), Some(2.0), Some(2.0)],
        vec![
            text([Some("vda"), Some("vdb"), Some("vda"), Some("vdb"), Some("vda"), Some("vdb")]),
            ints([0, 5, 3 << 20, 5, 15 << 20, 5]),
            floats([None, None, Some(3.0 * mib), Some(0.0), Some(6.0 * mib), Some(0.0)]),
            floats([None, None, Some(0.25), None, Some(2.5), None]),
            ints([1 << 34; 6]),
        ],
    );
    Memory::default().with(tick, vec![ticks]).with(disk, vec![disks]).whole()
}

/// An interface without traffic, and a table that has only text.
#[test]
fn what_did_nothing_takes_one_line() {
    let names = ["bytes_sent_per_sec", "bytes_recv_per_sec", "errors_in_per_sec", "errors_out_per_sec"];
    let rates = names.iter().map(|n| column(n, Type::Float64, Kind::Interval, Unit::CountPerSec));
    let network = table("network", std::iter::once(entity("interface")).chain(rates).collect());
    let idle = || floats([None, Some(0.0)]);
    let lines = rows(
        network,
        &[0, 1],
        &[None, Some(1.0)],
        vec![text([Some("ifb0"), Some("ifb0")]), idle(), idle(), idle(), idle()],
    );
    let status = table("perf_status", vec![column("error", Type::Text, Kind::Label, Unit::None)]);
    let words = rows(status, &[0, 1], &[None, Some(1.0)], vec![text([None, Some("gone")])]);
    let recording = Memory::default().with(network, vec![lines]).with(status, vec![words]).whole();
    let got = text::render(&report(recording), 80, PLAIN);
    // With one interval it says "0", not "always 0".
    let want = "\nperf_status\n  error: gone (1 row)\n\nnetwork\n  ifb0\n    all 0\n";
    assert!(got.ends_with(want), "{got}");
    assert!(got.contains("\nproblems while recording: gone\n"), "{got}");
}

#[test]
fn eighty_columns() {
    let want = "\
my-run
host box, 2026-11-20 07:00:00 to 07:00:03 UTC (3.00 s), every 1 s, 3 ticks, 1
  missed
problems while recording: 1 of 4 ticks were missed
nothing was recorded for 1.00 s, from 07:00:01 to 07:00:03

tick       mean  p50  p95  max   /proc/test
  missed  0.333    0    1    1

disk                          mean         p50         p95         max     total
  vda
    read_bytes_per_sec  5.00 MiB/s  6.00 MiB/s  6.00 MiB/s  6.00 MiB/s  15.0 MiB
    read_latency_ms        1.75 ms     2.50 ms     2.50 ms     2.50 ms
    unchanged: size_bytes 16.0 GiB
  vdb
    unchanged: size_bytes 16.0 GiB
    always 0: read_bytes_per_sec
  no value: read_latency_ms
";
    let got = text::render(&report(machine()), 80, PLAIN);
    assert!(got == want, "{got}");
    assert!(got.lines().all(|l| l.chars().count() <= 80));
}

#[test]
fn wide() {
    let want = "\
disk                    count  nulls         min        mean         p50         p95         p99         max     total   /proc/test
  vda
    read_bytes_per_sec      2      1  3.00 MiB/s  5.00 MiB/s  6.00 MiB/s  6.00 MiB/s  6.00 MiB/s  6.00 MiB/s  15.0 MiB
    read_latency_ms         2      1      250 us     1.75 ms     2.50 ms     2.50 ms     2.50 ms     2.50 ms
";
    let got = text::render(&report(machine()), 160, PLAIN);
    assert!(got.contains(want), "{got}");
}

#[test]
fn everything() {
    let got = text::render(&report(machine()), 80, Options { all: true, ..PLAIN });
    // The raw counter (15 MiB in 3 s), the constant and the column without a value have lines of their own.
    for line in [
        "    read_bytes          5.00 MiB/s                                      15.0 MiB",
        "    size_bytes            16.0 GiB    16.0 GiB    16.0 GiB    16.0 GiB",
        "    read_latency_ms",
    ] {
        assert!(got.lines().any(|l| l == line), "{line}\n{got}");
    }
}

#[test]
fn many_entities_are_shown_by_their_spread() {
    let core = table(
        "cpu_core",
        vec![
            column("cpu", Type::Int32, Kind::Entity, Unit::None),
            column("usage_percent", Type::Float64, Kind::Interval, Unit::Percent),
            column("steal_percent", Type::Float64, Kind::Interval, Unit::Percent),
        ],
    );
    // Core n is n × 10 percent busy, twice: 0 to 90, on average 45.
    let twenty = || (0..20).map(|r| r % 10);
    let batch = rows(
        core,
        &[0; 20],
        &[Some(1.0); 20],
        vec![int32s(twenty().map(Some)), floats(twenty().map(|c| f64::from(c) * 10.0)), floats([0.0; 20])],
    );
    let recording = Memory::default().with(core, vec![batch]).whole();
    let want = "
cpu_core         lowest    mean  highest  of     max   10 entities, /proc/test
  usage_percent     0 %  45.0 %   90.0 %   9  90.0 %
  always 0: steal_percent
  means of 10 (cpu); --table cpu_core --all shows each
";
    let report = report(recording);
    let got = text::render(&report, 80, PLAIN);
    assert!(got.ends_with(want), "{got}");
    let all = text::render(&report, 80, Options { all: true, ..PLAIN });
    assert_eq!(all.lines().filter(|l| l.trim_start().starts_with("usage_percent")).count(), 10);
}

#[test]
fn perf_events() {
    // Instructions: 100 + 9999 + 3000 = 13,099 in 4 s.
    let got = text::render(&report(perf().whole()), 80, PLAIN);
    let lines: Vec<Vec<&str>> = got.lines().map(|l| l.split_whitespace().collect()).collect();
    for want in [
        // On the counter for 1 s, and then for half of 3 s.
        // Rates: 2 s of CPU time in 1 s, 2 s in 1 s, 4 s in 2 s.
        "cpu-clock (62.5 %) 8.00 s 2.00 s/s 2.00 s/s 2.00 s/s 2.00 s/s",
        // 100 and 9999 in one second each, 3000 in two.
        "instructions (62.5 %) 13.1 k 3.27 k/s 1.50 k/s 10.0 k/s 10.0 k/s",
        "cycles (62.5 %) 1.00 k 333/s 300/s 400/s 400/s",
        "instructions_per_cycle 3.10 (75.0 %), cycles_ghz 1.7e-7 GHz (75.0 %)",
        "(%): share of the time on a counter; the rest is extrapolated",
        "did not count: LLC-loads",
    ] {
        assert!(lines.contains(&want.split(' ').collect()), "{want}\n{got}");
    }
}

#[test]
fn guesses_are_named() {
    let rows = [("branches", 0, 100.0, 100.0), ("branch-misses", 0, 10.0, 2.5)];
    let got = text::render(&report(events(&rows).whole()), 80, PLAIN);
    for want in ["branch-misses (2.50 %)", "left out of ratios while"] {
        assert!(got.contains(want), "{want}\n{got}");
    }
    assert!(!got.contains("branch_miss_percent"), "{got}");
}

#[test]
fn csv_is_long_and_unscaled() {
    let got = csv::render(&report(machine()), &[]);
    let lines: Vec<&str> = got.lines().collect();
    assert_eq!(lines[0], "recording,table,entity,metric,unit,kind,count,nulls,min,mean,p50,p95,p99,max,total,per_sec");
    assert!(lines.contains(&"my-run,disk,device=vda,read_bytes,bytes,counter,3,0,,,,,,,15728640,5242880"), "{got}");
    assert!(lines.contains(&"my-run,disk,device=vda,read_latency_ms,ms,interval,2,1,0.25,1.75,2.5,2.5,2.5,2.5,,"));
    assert!(lines.contains(&"my-run,disk,device=vdb,read_latency_ms,ms,interval,0,3,,,,,,,,"));
    let fields = |l: &&str| l.split(',').count() == 16;
    assert!(lines.iter().all(fields));
    let perf = csv::render(&report(perf().whole()), &[]);
    assert!(perf.contains("my-run,perf,,instructions_per_cycle,,ratio,2,0,,3.1,,,,,,\n"), "{perf}");
    assert!(perf.lines().all(|l| l.split(',').count() == 16));
    assert!(
        perf.contains(",event=cycles,value_per_sec,count/s,interval,2,1,300,333.3333333333333,300,400,400,400,,\n"),
        "{perf}"
    );
    assert!(
        perf.contains(",event=cpu-clock,value_per_sec,msec/s,interval,3,0,2000,2000,2000,2000,2000,2000,,\n"),
        "{perf}"
    );
}

#[test]
fn csv_fields_are_quoted_where_they_must_be() {
    assert_eq!(csv::field("/mnt/a b"), "/mnt/a b");
    assert_eq!(csv::field("a,b"), "\"a,b\"");
    assert_eq!(csv::field("say \"x\""), "\"say \"\"x\"\"\"");
}

#[test]
fn json_holds_the_model() {
    let text = json::render(&report(machine())).unwrap();
    let v: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(v["version"], 1);
    let r = &v["recordings"][0];
    assert_eq!((&r["start"], &r["ticks"]), (&"2026-11-20T07:00:00.000000Z".into(), &3.into()));
    assert_eq!(r["tables"][0]["table"], "tick", "one of four was missed");
    let vda = &r["tables"][1]["entities"][0];
    assert_eq!(vda["labels"][0], serde_json::json!({"name": "device", "value": "vda"}));
    let m = &vda["metrics"][0];
    assert_eq!((&m["metric"], &m["kind"], &m["unit"]), (&"read_bytes".into(), &"counter".into(), &"bytes".into()));
    assert_eq!((&m["total"], &m["rate"]), (&15_728_640.into(), &"read_bytes_per_sec".into()));
    assert!(m["p50"].is_null());
}

#[test]
fn markdown_escapes_names() {
    let got = markdown::render(&report(machine()), PLAIN);
    assert!(got.starts_with("# my-run\n\nhost box, 2026-11-20 07:00:00"), "{got}");
    assert!(got.contains("\n### vda\n\n| metric | count | nulls | min |"), "{got}");
    assert!(got.contains("\n| read\\_latency\\_ms | 2 | 1 | 250 us | 1.75 ms |"), "{got}");
    assert_eq!(markdown::escape("a|b*\nc"), "a\\|b\\* c");
}

#[test]
fn problems_of_the_recorder_are_at_the_top() {
    let collector = table(
        "collector",
        vec![
            entity("collector"),
            column("errors", Type::Int64, Kind::Gauge, Unit::Count),
            column("error", Type::Text, Kind::Label, Unit::None),
        ],
    );
    let of = |errors: [i64; 3]| {
        let said = errors.map(|n| (n > 0).then_some("cannot read it"));
        let batch = rows(
            collector,
            &[0, 0, 60],
            &[Some(60.0); 3],
            vec![text(["cpu", "disk", "disk"].map(Some)), ints(errors), text(said)],
        );
        text::render(&report(Memory::default().with(collector, vec![batch]).whole()), 80, PLAIN)
    };
    let got = of([0, 2, 3]);
    assert_eq!(got.lines().nth(2), Some("problems while recording: disk failed 5 times; cannot read it"), "{got}");
    assert!(!of([0, 0, 0]).contains("problems"));
}

#[test]
fn one_interval_is_not_unchanged() {
    let t = table(
        "t",
        vec![
            column("level", Type::Int64, Kind::Gauge, Unit::Count),
            column("none", Type::Int64, Kind::Gauge, Unit::Count),
            rate("n_per_sec", 0, Unit::CountPerSec),
        ],
    );
    let of = |n: usize| {
        let seconds: Vec<i64> = (0..n as i64).collect();
        let elapsed: Vec<Option<f64>> = (0..n).map(|i| (i > 0).then_some(1.0)).collect();
        let rates: Vec<Option<f64>> = (0..n).map(|i| (i > 0).then_some(7.0)).collect();
        let batch = rows(t, &seconds, &elapsed, vec![ints(vec![4; n]), ints(vec![0; n]), floats(rates)]);
        text::render(&report(Memory::default().with(t, vec![batch]).whole()), 80, PLAIN)
    };
    let two = of(2);
    assert!(two.contains("\n  n_per_sec   7/s"), "one interval of a rate: {two}");
    assert!(two.contains("\n  unchanged: level 4\n") && two.contains("\n  always 0: none\n"), "two levels: {two}");
    let one = of(1);
    assert!(one.contains("\n  level     4") && one.contains("\n  0: none\n"), "{one}");
    assert!(of(3).contains("unchanged: level 4, n_per_sec 7/s"));
}

/// Clears the screen, starts a line, changes the direction of writing.
const EVIL: &str = "ev\u{1b}[2Jil\nFORGED\u{9b}\u{202e}";

/// A report in which every text is hostile.
fn hostile() -> Report {
    let t = perf_table();
    let columns = vec![
        text([Some(EVIL); 2]),
        int32s([None, None]),
        text([Some(EVIL); 2]),
        floats([1.0, 2.0]),
        text([Some(EVIL); 2]),
        floats([50.0, 50.0]),
        text([Some(EVIL); 2]),
    ];
    let events = rows(t, &[0, 1], &[Some(1.0); 2], columns);
    let status = table("perf_status", vec![column("error", Type::Text, Kind::Label, Unit::None)]);
    let words = rows(status, &[0, 1], &[None, Some(1.0)], vec![text([None, Some(EVIL)])]);
    let disk = table("disk", vec![entity("device"), column("in_flight", Type::Int64, Kind::Gauge, Unit::Count)]);
    let names: Vec<String> = (0..20).map(|n| format!("{EVIL}{n}")).collect();
    let many = rows(disk, &[0; 20], &[None; 20], vec![text(names.iter().map(|n| Some(n.as_str()))), ints(0..20i64)]);
    let memory = Memory::default().with(t, vec![events]).with(status, vec![words]).with(disk, vec![many]);
    let mut r = memory.whole();
    r.path = EVIL.into();
    r.host = Some(EVIL.into());
    r.notes = vec![EVIL.into()];
    r.tags.insert(EVIL.into(), EVIL.into());
    r.command = Some(EVIL.into());
    r.phases.push(Phase { phase: EVIL.into(), times: 2, seconds: 1.0 });
    let run = Run { directory: EVIL.into(), side: Some(EVIL.into()), ..Run::default() };
    let index = Index { runs: vec![run], ..Index::new(None) };
    Report {
        runs: vec![RunsFolder {
            runs: Runs { path: EVIL.into(), index, problem: None },
            conclusion: Some(EVIL.into()),
        }],
        ..report(r)
    }
}

#[test]
fn a_clean_report_has_no_line_and_no_character_of_its_names() {
    let cleaned = || clean(hostile());
    for all in [false, true] {
        let options = Options { all, ..PLAIN };
        for got in [
            text::render(&cleaned(), 80, options),
            text::render(&cleaned(), 200, options),
            markdown::render(&cleaned(), options),
            csv::render(&cleaned(), &[]),
        ] {
            assert!(!got.chars().any(|c| crate::text::printable::is_hidden(c) && c != '\n'), "{got:?}");
            assert!(!got.lines().any(|line| line.starts_with("FORGED")), "{got}");
            assert!(got.contains("[2Jil") || got.contains("\\[2Jil"), "{got}");
        }
    }
    // Programs get it unchanged.
    assert!(csv::render(&hostile(), &[]).contains(&format!("\"{EVIL}\",perf,")));
}
