//! Phases in a recording with a scripted clock: where they start and end, and what a report shows of them.

mod common;
mod program;

use std::cell::RefCell;
use std::path::Path;
use std::time::Duration;

use common::{Machine, Recording, START_NS};
use perfwatch::linux::clock::{Event, Now};
use perfwatch::mark::Marks;
use perfwatch::mark::queue::{Pending, Reply};
use perfwatch::mark::request::Request;

const START: &str = "2026-11-20T07:00:00Z";
const START_US: i64 = 1_795_158_000_000_000;

/// Sends a mark at this time of the script.
fn send(marks: &Marks, line: &str, after_ms: u64) -> Pending {
    let now = Now { mono_ns: START_NS + after_ms * 1_000_000, wall_us: START_US + after_ms as i64 * 1000 };
    marks.send_at(Request::parse(line.as_bytes()).unwrap(), || now)
}

fn after(ms: u64) -> Event {
    Event::Interrupt(Duration::from_millis(ms))
}

/// `report --phase` as JSON.
fn report(recording: &Path, phase: &str) -> serde_json::Value {
    let said = program::report(recording, &["-f", "json", "--phase", phase]);
    said.is(0, &[]);
    said.json()["recordings"][0].clone()
}

/// Total of the bytes received, their rate per second, and the mean of the rate column.
fn received_in(recording: &Path, phase: &str) -> (i64, f64, f64) {
    let report = report(recording, phase);
    let tables = report["tables"].as_array().unwrap();
    let network = tables.iter().find(|t| t["table"] == "network").unwrap();
    let metrics = network["entities"][0]["metrics"].as_array().unwrap();
    let metric = |name: &str| metrics.iter().find(|m| m["metric"] == name).unwrap();
    let (bytes, rate) = (metric("bytes_recv"), metric("bytes_recv_per_sec"));
    (bytes["total"].as_i64().unwrap(), bytes["per_sec"].as_f64().unwrap(), rate["mean"].as_f64().unwrap())
}

#[test]
fn a_phase_begins_and_ends_with_a_sample() {
    let machine = Machine::with_eth0();
    let answers: RefCell<Vec<Pending>> = RefCell::default();
    let recording = Recording::of(&machine).collectors(&["network"]).start(START);
    let marks = recording.marks();
    let ran = recording.record(|wait| {
        let mark = |line, after_ms| answers.borrow_mut().push(send(&marks, line, after_ms));
        match wait {
            // At 0.4 s.
            1 => {
                machine.put_eth0(100, 0);
                mark("start load", 400);
                after(400)
            }
            // The tick at 1 s.
            2 => {
                machine.put_eth0(700, 0);
                Event::OnTime
            }
            // At 1.25 s one phase ends and the next starts: one sample separates them.
            3 => {
                machine.put_eth0(1200, 0);
                mark("end load", 1250);
                mark("start check", 1250);
                after(250)
            }
            // An event at 1.5 s, for which no sample is taken.
            4 => {
                machine.put_eth0(9999, 0);
                mark("event half-way", 1500);
                after(250)
            }
            // The tick at 2 s.
            5 => {
                machine.put_eth0(1275, 0);
                Event::OnTime
            }
            // At 2.995 s, 5 ms before the tick at 3 s, which is therefore taken as its sample.
            6 => {
                machine.put_eth0(2270, 0);
                mark("end check", 2995);
                after(995)
            }
            // The tick at 4 s.
            7 => {
                machine.put_eth0(3275, 0);
                Event::OnTime
            }
            // Another load, from 4.5 s until 5 s, when its end arrives together with the tick.
            8 => {
                machine.put_eth0(4000, 0);
                mark("start load", 4500);
                after(500)
            }
            9 => {
                machine.put_eth0(4250, 0);
                mark("end load", 4999);
                Event::OnTime
            }
            _ => {
                mark("start late", 5000);
                mark("end late", 5000);
                mark("end never", 5000);
                Event::Stop
            }
        }
    });
    let dir = ran.dir();
    let expected = [
        ["2026-11-20T07:00:00", "null", "null", "0", "null"],
        // 100 bytes in 0.4 s before the phase.
        ["2026-11-20T07:00:00.400", "0.4", "null", "100", "250.0"],
        ["2026-11-20T07:00:01", "0.6", "load", "700", "1000.0"],
        ["2026-11-20T07:00:01.250", "0.25", "load", "1200", "2000.0"],
        ["2026-11-20T07:00:02", "0.75", "check", "1275", "100.0"],
        ["2026-11-20T07:00:02.995", "0.995", "check", "2270", "1000.0"],
        ["2026-11-20T07:00:04", "1.005", "null", "3275", "1000.0"],
        ["2026-11-20T07:00:04.500", "0.5", "null", "4000", "1450.0"],
        ["2026-11-20T07:00:05", "0.5", "load", "4250", "500.0"],
        ["2026-11-20T07:00:05", "null", "null", "4250", "null"],
    ];
    let columns = ["ts", "elapsed_s", "phase", "bytes_recv", "bytes_recv_per_sec"];
    let found = ran.rows("network", &columns);
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for (row, want) in found.iter().zip(expected) {
        for ((cell, want), column) in row.iter().zip(want).zip(columns) {
            let numbers = cell.parse::<f64>().ok().zip(want.parse::<f64>().ok());
            // Within 14 significant bits of the elapsed time.
            let same = numbers.map_or(cell == want, |(a, b)| (a - b).abs() <= 2f64.powi(-14) * b);
            assert!(same, "{column} of {row:?} is not {want}");
        }
    }
    // Every tick is a regular one, and none was late or missed.
    let ticks = ran.rows("tick", &["tick", "late_us", "missed", "phase"]);
    let phases: Vec<&String> = found.iter().map(|row| &row[2]).collect();
    for (number, (tick, phase)) in ticks.iter().zip(phases).enumerate() {
        assert_eq!(tick[..], [number.to_string().as_str(), "0", "0", phase]);
    }
    assert_eq!(ticks.len(), expected.len());
    // The marks at their own times, each in the phase before it.
    let marks = ran.rows("mark", &["ts", "kind", "name", "text", "phase"]);
    let expected = [
        ["2026-11-20T07:00:00.400", "start", "load", "null", "null"],
        ["2026-11-20T07:00:01.250", "end", "load", "null", "load"],
        ["2026-11-20T07:00:01.250", "start", "check", "null", "null"],
        ["2026-11-20T07:00:01.500", "event", "null", "half-way", "check"],
        ["2026-11-20T07:00:02.995", "end", "check", "null", "check"],
        ["2026-11-20T07:00:04.500", "start", "load", "null", "null"],
        ["2026-11-20T07:00:04.999", "end", "load", "null", "load"],
        ["2026-11-20T07:00:05", "start", "late", "null", "null"],
        ["2026-11-20T07:00:05", "end", "late", "null", "late"],
    ];
    assert_eq!(marks, expected);
    let answers: Vec<Reply> = answers.into_inner().into_iter().map(Pending::wait).collect();
    let (last, others) = answers.split_last().unwrap();
    assert_eq!(*last, Err("no phase `never` is open".to_string()));
    assert!(others.iter().all(|answer| *answer == Ok(None)), "{others:?}");

    // Growth in the phases, by hand: 600 + 500 + 250 bytes in 0.6 + 0.25 + 0.5 s.
    let close = |(total, per_sec, mean): (i64, f64, f64), want: (i64, f64)| {
        assert_eq!(total, want.0);
        let rate = want.0 as f64 / want.1;
        assert!((per_sec / rate - 1.0).abs() < 1e-4 && (mean / rate - 1.0).abs() < 1e-4, "{per_sec} {mean} {rate}");
    };
    close(received_in(dir, "load"), (1350, 1.35));
    close(received_in(dir, "check"), (75 + 995, 1.745));
    let phases = &report(dir, "load")["phases"];
    assert_eq!((&phases[0]["phase"], &phases[0]["times"]), (&"load".into(), &2.into()));
    // By the marks, the last of which came a millisecond before the tick.
    assert!((phases[0]["seconds"].as_f64().unwrap() - 1.349).abs() < 1e-5, "{phases}");
}

#[test]
fn many_marks_do_not_cause_many_samples() {
    let machine = Machine::with_eth0();
    let recording = Recording::of(&machine).collectors(&["network"]).start(START);
    let marks = recording.marks();
    let ran = recording.record(|wait| {
        // A start and an end per millisecond, from 0.001 to 1.999 s, with the tick at 1 s in between; and events.
        let line = if wait % 2 == 1 { "start p" } else { "end p" };
        send(&marks, line, wait);
        for _ in 0..3 {
            send(&marks, "event e", wait);
        }
        if wait < 2000 { after(1) } else { Event::Stop }
    });
    assert_eq!(ran.column("mark", "kind").len(), 2000 * 4);
    let stamps = ran.column("tick", "ts");
    // Two seconds contain at most 200 ticks 10 ms apart, the first, and the last.
    assert!((190..=202).contains(&stamps.len()), "{}", stamps.len());
    let elapsed: Vec<f64> = ran.column("tick", "elapsed_s").iter().filter_map(|s| s.parse().ok()).collect();
    // The first boundary comes 1 ms after the first tick; the time of the end is arbitrary.
    let [first, between @ .., _] = elapsed.as_slice() else { panic!("{elapsed:?}") };
    assert!((first - 0.001).abs() < 1e-5 && between.iter().all(|s| *s >= 0.0099), "{elapsed:?}");
    assert_eq!(ran.column("tick", "missed").iter().filter(|m| *m != "0").count(), 0);
    assert_eq!(ran.column("network", "ts"), stamps);
}

#[test]
fn many_different_texts_are_not_kept_for_ever() {
    let machine = Machine::with_eth0();
    // Across the end of an hour, so that the first rates of the new hour need the stored texts.
    let recording = Recording::of(&machine).collectors(&["network"]).start("2026-11-20T06:59:57Z");
    let marks = recording.marks();
    let ran = recording.record(|wait| {
        machine.put_eth0(1000 * wait, 0);
        for n in 0..7000 {
            send(&marks, &format!("event number {n} of {wait}"), 1000 * wait);
        }
        if wait < 6 { Event::OnTime } else { Event::Stop }
    });
    let texts = ran.column("mark", "text");
    let expected: Vec<String> =
        (1..=6).flat_map(|wait| (0..7000).map(move |n| format!("number {n} of {wait}"))).collect();
    assert!(texts == expected, "{} texts", texts.len());
    let found = ran.rows("network", &["interface", "bytes_recv_per_sec"]);
    let rates: Vec<String> = found.iter().map(|row| row.join(" ")).collect();
    assert_eq!(rates[0], "eth0 null");
    assert!(rates[1..6].iter().all(|rate| rate == "eth0 1000.0"), "{rates:?}");
}

#[test]
fn marks_at_the_end_of_an_hour() {
    let machine = Machine::with_eth0();
    let recording = Recording::of(&machine).collectors(&["network"]).start("2026-11-20T06:59:59.500Z");
    let marks = recording.marks();
    let ran = recording.record(|wait| match wait {
        1 => {
            send(&marks, "start night", 0);
            after(200)
        }
        // The first frame of the new hour is only a mark.
        2 => {
            machine.put_eth0(1000, 0);
            after(299)
        }
        3 => Event::OnTime,
        4 => {
            machine.put_eth0(3000, 0);
            send(&marks, "event new hour", 501);
            after(3)
        }
        5 => Event::OnTime,
        _ => Event::Stop,
    });
    let found = ran.rows("network", &["ts", "phase", "bytes_recv_per_sec"]);
    let texts: Vec<String> = found.iter().map(|row| row.join(" ")).collect();
    assert_eq!(texts[0], "2026-11-20T06:59:59.500 null null");
    assert_eq!(texts[1], "2026-11-20T06:59:59.700 null 0.0");
    // 1000 bytes in 0.3 s, which is stored with 14 significant bits.
    assert!(texts[2].starts_with("2026-11-20T07:00:00 night 3333."), "{texts:?}");
    assert_eq!(texts[3], "2026-11-20T07:00:01 night 2000.0");
}
