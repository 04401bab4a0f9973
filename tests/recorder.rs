//! The recorder on machines made of files, with a scripted clock.

mod common;

use std::collections::HashSet;
use std::time::Duration;

use common::{Machine, Recording, everything};
use perfwatch::linux::clock::Event;
use perfwatch::mark::request::Request;

#[test]
fn rates_continue_across_the_end_of_an_hour() {
    let machine = Machine::with_eth0();
    let ran =
        Recording::of(&machine).collectors(&["network"]).start("2026-11-20T07:59:58Z").stop_at(5).record(|tick| {
            machine.put_eth0(tick * 1000, tick * 10);
            Event::OnTime
        });
    let layout = ran.layout();
    let names: Vec<_> = layout.sealed_files("network").unwrap();
    assert_eq!(names, [layout.sealed("network", "20261120T0700Z", 1), layout.sealed("network", "20261120T0800Z", 2)]);
    let found = ran
        .rows("network", &["ts", "elapsed_s", "interface", "bytes_recv", "bytes_recv_per_sec", "packets_sent_per_sec"]);
    let expected = [
        ["2026-11-20T07:59:58", "null", "eth0", "0", "null", "null"],
        ["2026-11-20T07:59:59", "1.0", "eth0", "1000", "1000.0", "10.0"],
        // The first row of the new file has its rate: the journal starts with the previous rows.
        ["2026-11-20T08:00:00", "1.0", "eth0", "2000", "1000.0", "10.0"],
        ["2026-11-20T08:00:01", "1.0", "eth0", "3000", "1000.0", "10.0"],
        ["2026-11-20T08:00:02", "1.0", "eth0", "4000", "1000.0", "10.0"],
        // At the stop: the last sample follows the previous one without delay, so there is no time to divide by.
        ["2026-11-20T08:00:02", "null", "eth0", "5000", "null", "null"],
    ];
    assert_eq!(found, expected);
    assert_eq!(ran.column("tick", "tick"), ["0", "1", "2", "3", "4", "5"]);
}

#[test]
fn the_wall_clock_steps_back_and_elapsed_time_is_correct() {
    let machine = Machine::with_eth0();
    let ran =
        Recording::of(&machine).collectors(&["network"]).start("2026-11-20T07:10:00Z").stop_at(5).record(|tick| {
            machine.put_eth0(tick * 1000, 0);
            if tick == 3 { Event::StepUs(-1_800_000_000) } else { Event::OnTime }
        });
    let mut found = ran.rows("network", &["bytes_recv", "ts", "elapsed_s", "bytes_recv_per_sec"]);
    found.sort();
    // One second passed at the step too, independent of the wall clock. The hour is another, so the file is another.
    let expected = [
        ["0", "2026-11-20T07:10:00", "null", "null"],
        ["1000", "2026-11-20T07:10:01", "1.0", "1000.0"],
        ["2000", "2026-11-20T07:10:02", "1.0", "1000.0"],
        ["3000", "2026-11-20T06:40:03", "1.0", "1000.0"],
        ["4000", "2026-11-20T06:40:04", "1.0", "1000.0"],
        ["5000", "2026-11-20T06:40:04", "null", "null"],
    ];
    assert_eq!(found, expected);
    assert_eq!(ran.column("tick", "missed"), ["0"; 6]);
    assert_eq!(ran.layout().sealed_files("network").unwrap().len(), 2);
}

/// The clock of a machine without a battery starts in 1970; a wrong clock may be in any year.
#[test]
fn the_wall_clock_steps_by_decades() {
    const SECOND: i64 = 1_000_000;
    // 57 years have 14 leap days, and 100 years have 24, because 2100 has none.
    let years = |years: i64, leap_days: i64| (years * 365 + leap_days) * 86_400 * SECOND;
    for (step, file, at) in [
        (-years(57, 14), "19691120T0700Z", "1969-11-20T07:10:0"),
        (-years(56, 14), "19701120T0700Z", "1970-11-20T07:10:0"),
        (years(100, 24), "21261120T0700Z", "2126-11-20T07:10:0"),
    ] {
        let machine = Machine::with_eth0();
        let ran =
            Recording::of(&machine).collectors(&["network"]).start("2026-11-20T07:10:00Z").stop_at(6).record(|tick| {
                machine.put_eth0(tick * 1000, 0);
                match tick {
                    2 => Event::StepUs(step),
                    4 => Event::StepUs(-step),
                    _ => Event::OnTime,
                }
            });
        let mut found = ran.rows("network", &["bytes_recv", "ts", "elapsed_s", "bytes_recv_per_sec"]);
        found.sort();
        let here = "2026-11-20T07:10:0";
        let ts = [(here, 0), (here, 1), (at, 2), (at, 3), (here, 4), (here, 5), (here, 5)];
        let expected: Vec<[String; 4]> = (0..7)
            .map(|tick| {
                let (second, rate) = if (1..6).contains(&tick) { ("1.0", "1000.0") } else { ("null", "null") };
                let (day, seconds) = ts[tick];
                [(tick * 1000).to_string(), format!("{day}{seconds}"), second.into(), rate.into()]
            })
            .collect();
        assert_eq!(found, expected, "a step of {step} us");
        assert_eq!(ran.column("tick", "missed"), ["0"; 7]);
        let names = ran.layout().sealed_files("network").unwrap();
        assert_eq!(names.iter().filter(|path| path.to_str().unwrap().contains(file)).count(), 1, "{names:?}");
        assert_eq!(names.len(), 3);
    }
}

#[test]
fn a_stall_is_counted_and_no_values_are_invented() {
    let machine = Machine::with_eth0();
    let ran =
        Recording::of(&machine).collectors(&["network"]).start("2026-11-20T07:10:00Z").stop_at(4).record(|tick| {
            machine.put_eth0(if tick >= 2 { 8000 } else { 1000 * tick }, 0);
            if tick == 2 { Event::Stall(Duration::from_millis(3500)) } else { Event::OnTime }
        });
    let found = ran.rows("tick", &["ts", "tick", "missed", "late_us", "elapsed_s"]);
    let expected = [
        ["2026-11-20T07:10:00", "0", "0", "0", "null"],
        ["2026-11-20T07:10:01", "1", "0", "0", "1.0"],
        ["2026-11-20T07:10:05.500", "2", "3", "3500000", "4.5"],
        // Back on the grid of whole seconds.
        ["2026-11-20T07:10:06", "3", "0", "0", "0.5"],
        ["2026-11-20T07:10:06", "4", "0", "0", "null"],
    ];
    assert_eq!(found, expected);
    // 7,000 bytes in 4.5 s, to 20 significant bits.
    let rate: f64 = ran.column("network", "bytes_recv_per_sec")[2].parse().unwrap();
    assert!((rate / (7000.0 / 4.5) - 1.0).abs() < 1e-6, "{rate}");
}

#[test]
fn a_failing_collector_does_not_affect_the_others() {
    let machine = Machine::with_eth0();
    machine.put("proc/meminfo", "MemTotal: 1000 kB\nMemFree: 400 kB\nMemAvailable: 250 kB\n");
    let ran =
        Recording::of(&machine).collectors(&["memory", "network"]).start("2026-11-20T07:10:00Z").stop_at(6).record(
            |tick| {
                machine.put_eth0(tick * 1000, 0);
                let text = if tick == 2 || tick == 3 {
                    "what is this\n"
                } else {
                    "MemTotal: 1000 kB\nMemFree: 400 kB\nMemAvailable: 250 kB\n"
                };
                machine.put("proc/meminfo", text);
                Event::OnTime
            },
        );
    assert_eq!(ran.column("network", "bytes_recv").len(), 7);
    assert_eq!(ran.column("memory", "usage_percent"), ["75.0"; 5]);
    let health = ran.rows("collector", &["ts", "collector", "samples", "errors"]);
    let memory: Vec<_> = health.iter().filter(|r| r[1] == "memory").collect();
    // At the failure, at the recovery, and at the end; repeated failures in between are not reported.
    assert_eq!(memory[0][..], ["2026-11-20T07:10:02", "memory", "3", "1"]);
    assert_eq!(memory[1][..], ["2026-11-20T07:10:04", "memory", "2", "1"]);
    assert_eq!(memory[2][..], ["2026-11-20T07:10:05", "memory", "2", "0"]);
    let error = &ran.column("collector", "error")[0];
    assert!(error.contains("proc/meminfo") && error.contains("line"), "{error}");
    assert_eq!(ran.notices.len(), 2, "said once each: {:?}", ran.notices);
    assert!(ran.notices[0].starts_with("Failing { collector: \"memory\""));
    assert!(ran.notices[1].starts_with("Recovered"));
}

#[test]
fn a_cpu_goes_off_line_and_comes_back() {
    let machine = Machine::new();
    let stat = |busy: u64, both: bool| {
        let second = if both { format!("cpu1 {busy} 0 0 {busy} 0 0 0 0 0 0\n") } else { String::new() };
        machine.put(
            "proc/stat",
            &format!("cpu  {busy} 0 0 0 0 0 0 0 0 0\ncpu0 {busy} 0 0 {} 0 0 0 0 0 0\n{second}intr 1 2\nctxt 5\nbtime 1\nprocesses 1\nprocs_running 1\nprocs_blocked 0\n", busy * 3),
        );
    };
    stat(0, true);
    let ran =
        Recording::of(&machine).collectors(&["cpu_core"]).start("2026-11-20T07:10:00Z").stop_at(4).record(|tick| {
            stat(tick * 10, tick != 2);
            Event::OnTime
        });
    let found = ran.rows("cpu_core", &["ts", "cpu", "elapsed_s", "usage_percent"]);
    let expected = [
        ["2026-11-20T07:10:00", "0", "null", "null"],
        ["2026-11-20T07:10:00", "1", "null", "null"],
        ["2026-11-20T07:10:01", "0", "1.0", "25.0"],
        ["2026-11-20T07:10:01", "1", "1.0", "50.0"],
        ["2026-11-20T07:10:02", "0", "1.0", "25.0"],
        ["2026-11-20T07:10:03", "0", "1.0", "25.0"],
        // It was missing for one tick: the time since its own last row.
        ["2026-11-20T07:10:03", "1", "2.0", "50.0"],
    ];
    assert_eq!(found[..7], expected);
}

#[test]
fn a_disk_is_plugged_in_and_another_is_reset() {
    let machine = Machine::new();
    machine.put("sys/block/sda/size", "1");
    machine.put("sys/block/nvme0n1/size", "1");
    let line =
        |name: &str, reads: u64| format!("   8       0 {name} {reads} 0 {} {} 0 0 0 0 0 0 0\n", reads * 8, reads * 2);
    machine.put("proc/diskstats", &line("sda", 100));
    let ran = Recording::of(&machine).collectors(&["disk"]).stop_at(5).record(|tick| {
        let sda = if tick < 3 { 100 + 10 * tick } else { tick };
        let nvme = if tick >= 2 { line("nvme0n1", 1000 + 5 * tick) } else { String::new() };
        machine.put("proc/diskstats", &format!("{}{nvme}", line("sda", sda)));
        Event::OnTime
    });
    let found = ran.rows("disk", &["device", "read_count", "read_iops", "read_bytes_per_sec", "read_latency_ms"]);
    let expected = [
        ["sda", "100", "null", "null", "null"],
        ["sda", "110", "10.0", "40960.0", "2.0"],
        ["sda", "120", "10.0", "40960.0", "2.0"],
        ["nvme0n1", "1010", "null", "null", "null"],
        // Reset: null, neither negative nor zero.
        ["sda", "3", "null", "null", "null"],
        ["nvme0n1", "1015", "5.0", "20480.0", "2.0"],
        ["sda", "4", "1.0", "4096.0", "2.0"],
        ["nvme0n1", "1020", "5.0", "20480.0", "2.0"],
    ];
    assert_eq!(found[..8], expected);
}

#[test]
fn machines_old_and_large_are_recorded_whole() {
    for (name, cpus) in [("vm2", 2), ("old310", 4), ("big64", 64)] {
        let machine = Machine::copy(name);
        let all =
            ["cpu", "cpu_core", "sensor", "memory", "paging", "network", "socket", "disk", "filesystem", "pressure"];
        let ran = Recording::of(&machine).collectors(&all).stop_at(2).record(|_| Event::OnTime);
        assert!(ran.notices.is_empty(), "{name}: {:?}", ran.notices);
        assert_eq!(ran.column("cpu_core", "cpu").len(), cpus * 3, "{name}");
        assert_eq!(ran.column("tick", "tick").len(), 3, "{name}");
        assert!(!ran.column("network", "interface").is_empty(), "{name}");
        assert!(!ran.column("disk", "device").is_empty(), "{name}");
        // Values that this machine's kernel does not report are null in every row.
        let available = ran.column("memory", "available_bytes");
        assert_eq!(available.iter().all(|v| v == "null"), name == "old310", "{name}: {available:?}");
    }
}

#[test]
fn parquet_contains_what_the_journal_contained() {
    let machine = Machine::copy("big64");
    let all = ["cpu", "cpu_core", "sensor", "memory", "paging", "network", "socket", "disk", "pressure"];
    let mut before = Vec::new();
    let recording = Recording::of(&machine).collectors(&all).before_sealing(|folder| before = everything(folder));
    let marks = recording.marks();
    let ran = recording.stop_at(3).record(|tick| {
        if tick == 2 {
            marks.send(Request::parse(b"start load").unwrap());
        }
        // Change something, so that there are rates.
        let text = machine.read("proc/net/dev").replace('7', "8");
        machine.put("proc/net/dev", &text);
        Event::OnTime
    });
    let after = everything(ran.dir());
    for ((table, before), (_, after)) in before.iter().zip(&after) {
        assert_eq!(before, after, "{table}");
        // The phase starts with the tick at which the mark arrived.
        let phases: HashSet<&String> = after.iter().map(|row| &row[2]).collect();
        let both = !["sensor", "mark", "collector"].contains(table) && !after.is_empty();
        assert!(!both || phases.len() == 2, "{table}: {phases:?}");
        let is_recorded = all.contains(table) || ["tick", "collector", "mark"].contains(table);
        assert!(is_recorded != after.is_empty(), "{table} has {} rows", after.len());
    }
    assert!(!ran.layout().journal(1).exists());
}
