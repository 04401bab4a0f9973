//! Samples are taken more often while something happens, and statistics stay those of the time.

mod common;

use std::time::Duration;

use common::{Machine, Recorded, Recording};
use perfwatch::collect::catalog;
use perfwatch::linux::clock::Event;
use perfwatch::mark::request::Request;
use perfwatch::query::sums::Sums;
use perfwatch::query::{Choice, Query};
use perfwatch::store::read::open;
use perfwatch::store::read::piece::Source;

fn put_pressure(machine: &Machine, avg10: u32) {
    machine.put(
        "proc/pressure/cpu",
        &format!(
            "some avg10={avg10}.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
        ),
    );
}

/// A thousand bytes per second, but eight thousand in the third second. In the four ticks after it, few bytes arrive and the
/// pressure is high.
fn recorded(rule: &str) -> Recorded {
    let machine = Machine::with_eth0();
    put_pressure(&machine, 10);
    let recording = Recording::of(&machine).collectors(&["network", "pressure"]).burst(rule).stop_at(9);
    recording.record(|tick| {
        let bytes = match tick {
            0..3 => 1000 * tick,
            3..8 => 10_000 + 100 * (tick - 3),
            _ => 11_000,
        };
        machine.put_eth0(bytes, 0);
        put_pressure(&machine, if (4..8).contains(&tick) { 50 } else { 10 });
        Event::OnTime
    })
}

#[test]
fn the_named_collectors_are_sampled_more_often_for_a_time() {
    let ran = recorded("network[eth0].bytes_recv_per_sec>5000: 250ms for 1s of network");
    let found = ran.rows("network", &["ts", "elapsed_s", "bytes_recv_per_sec"]);
    let expected = [
        ["2026-11-20T07:10:00", "null", "null"],
        ["2026-11-20T07:10:01", "1.0", "1000.0"],
        ["2026-11-20T07:10:02", "1.0", "1000.0"],
        ["2026-11-20T07:10:03", "1.0", "8000.0"],
        ["2026-11-20T07:10:03.250", "0.25", "400.0"],
        ["2026-11-20T07:10:03.500", "0.25", "400.0"],
        ["2026-11-20T07:10:03.750", "0.25", "400.0"],
        ["2026-11-20T07:10:04", "0.25", "400.0"],
        ["2026-11-20T07:10:05", "1.0", "600.0"],
        ["2026-11-20T07:10:05", "null", "null"],
    ];
    assert_eq!(found, expected);
    // The others keep their interval.
    let seconds = ran.rows("pressure", &["ts", "elapsed_s"]);
    assert_eq!(seconds.len(), 7);
    assert_eq!(seconds[4], ["2026-11-20T07:10:04", "1.0"]);
    assert_eq!(ran.column("tick", "missed"), ["0"; 10]);
    let marks = ran.rows("mark", &["ts", "kind", "text"]);
    let said = "burst: network[eth0].bytes_recv_per_sec>5000: 250ms for 1s of network is 8000";
    assert_eq!(marks, [["2026-11-20T07:10:03", "event", said]]);
}

/// 50 ms before the third tick a phase begins. Until then 526 bytes per second have arrived, in the whole interval 500.
#[test]
fn a_tick_at_a_mark_begins_no_burst() {
    let machine = Machine::with_eth0();
    let recording = Recording::of(&machine).collectors(&["network"]).stop_at(5);
    let recording = recording.burst("network[eth0].bytes_recv_per_sec>510: 250ms for 1s");
    let marks = recording.marks();
    let ran = recording.record(|tick| {
        machine.put_eth0(if tick < 2 { 0 } else { 500 }, 0);
        if tick == 2 {
            drop(marks.send(Request::parse(b"start load").unwrap()));
            return Event::Interrupt(Duration::from_millis(950));
        }
        Event::OnTime
    });
    let found = ran.rows("network", &["ts", "elapsed_s", "bytes_recv"]);
    assert_eq!(found[2], ["2026-11-20T07:10:01.950", "0.95001220703125", "500"]);
    assert_eq!(found[3][0], "2026-11-20T07:10:02");
    assert_eq!(found[4][0], "2026-11-20T07:10:03");
    assert_eq!(ran.column("mark", "kind"), ["start"]);
}

#[test]
fn levels_count_for_the_time_that_they_were_held() {
    let mean = |rule: &str| {
        let ran = recorded(rule);
        let recording = open(ran.dir(), catalog::tables()).unwrap();
        let choice = Choice { metrics: vec!["pressure.some_avg10".into()], ..Choice::default() };
        let query = Query::of([&recording as &dyn Source]).choice(&choice);
        let mut problems = Vec::new();
        let folded = query.fold(&Sums { percentiles: false }, &mut problems).remove(0).remove(0);
        assert!(problems.is_empty());
        let sum = &folded.column("some_avg10").unwrap()[0];
        (sum.product, sum.weight)
    };
    // 10 for four seconds, 50 for one, and 10 for one. The last sample follows without delay and counts like a first one.
    assert_eq!(mean("network[eth0].bytes_recv_per_sec>5000: 250ms for 1s"), (110.0, 7.0));
    // Without a burst, each row counts once.
    let (product, weight) = mean("network[eth0].bytes_recv_per_sec>50000: 250ms for 1s");
    assert_eq!(weight, 10.0);
    assert_eq!(product, 6.0 * 10.0 + 4.0 * 50.0);
}
