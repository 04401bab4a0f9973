//! Phases and marks.

use super::{disks, stats};
use crate::query::Choice;
use crate::query::number::Number::Int;
use crate::report::testing::*;
use crate::report::{marks, phases, view};
use crate::store::read::piece::Window;
use crate::table::{Kind, Type, Unit};

#[test]
fn a_phase_counts_what_grew_in_it() {
    let t = table("t", vec![counter("n", 0, Unit::Count), rate("n_per_sec", 0, Unit::CountPerSec)]);
    let batch = rows_in_phase(
        t,
        &[0, 1, 2, 3, 4],
        &[None, Some(1.0), Some(1.0), Some(1.0), Some(1.0)],
        &[None, Some("build"), None, Some("build"), Some("test")],
        vec![ints([0, 10, 100, 103, 500]), floats([None, Some(10.0), Some(90.0), Some(3.0), Some(397.0)])],
    );
    let memory = Memory::default().with(t, vec![batch]);
    let (r, _) = memory.summary(Window::ALL, Some("build"), &Choice::default());
    // 10 in the first and 3 in the second interval, as the rates say; not the 90 between them.
    let n = stats(&r, "", "n");
    assert_eq!((n.count, n.total, n.per_sec), (2, Some(Int(13)), Some(6.5)));
    assert_eq!(stats(&r, "", "n_per_sec").mean, Some(6.5));
    let (r, _) = memory.summary(Window::ALL, Some("no such"), &Choice::default());
    assert!(r.tables.is_empty());
}

#[test]
fn a_phase_repeated_and_nested_with_intervals_of_all_lengths() {
    let t = table("t", vec![counter("n", 0, Unit::Count), rate("n_per_sec", 0, Unit::CountPerSec)]);
    let (load, warm) = (Some("load"), Some("load/warmup"));
    let batch = rows_in_phase(
        t,
        &[0, 1, 2, 4, 5, 6, 8],
        &[None, Some(1.0), Some(0.5), Some(1.5), Some(1.0), Some(1.0), Some(2.0)],
        &[None, None, warm, load, None, load, Some("download")],
        vec![
            ints([7, 107, 117, 147, 1147, 1149, 5149]),
            floats([None, Some(100.0), Some(20.0), Some(20.0), Some(1000.0), Some(2.0), Some(2000.0)]),
        ],
    );
    let memory = Memory::default().with(t, vec![batch]);
    let of = |phase| {
        let (r, _) = memory.summary(Window::ALL, Some(phase), &Choice::default());
        let (n, rate) = (stats(&r, "", "n"), stats(&r, "", "n_per_sec"));
        (n.count, n.total, n.per_sec, rate.mean)
    };
    // 10 in 0.5 s, 30 in 1.5 s, and the second time 2 in 1 s: 42 in 3 s. The 1,000 between them do not count.
    assert_eq!(of("load"), (3, Some(Int(42)), Some(14.0), Some(14.0)));
    assert_eq!(of("load/warmup"), (1, Some(Int(10)), Some(20.0), Some(20.0)));
    assert_eq!(of("warmup"), of("load/warmup"));
    assert_eq!(of("download"), (1, Some(Int(4000)), Some(2000.0), Some(2000.0)));
}

#[test]
fn what_a_counter_grew_before_a_phase_is_not_guessed() {
    let t = table("t", vec![counter("n", 0, Unit::Count)]);
    let build = Some("build");
    let batch = rows_in_phase(
        t,
        &[0, 1, 2, 3, 4],
        &[None, Some(1.0), Some(1.0), Some(1.0), Some(1.0)],
        &[None, None, build, build, build],
        vec![ints([Some(0), None, Some(50), None, Some(53)])],
    );
    let (r, _) = Memory::default().with(t, vec![batch]).summary(Window::ALL, build, &Choice::default());
    // 50 grew in two seconds, of which one was before the phase; then 3 in two.
    let n = stats(&r, "", "n");
    assert_eq!((n.count, n.nulls, n.total, n.per_sec), (2, 1, Some(Int(3)), Some(1.5)));
}

/// Two loads, the first with a warm-up inside, and an event.
fn phased() -> Memory {
    let tick = table("tick", vec![column("missed", Type::Int64, Kind::Gauge, Unit::Count)]);
    let (load, warm) = (Some("load"), Some("load/warmup"));
    let ticks = rows_in_phase(
        tick,
        &[0, 1, 2, 4, 5, 6],
        &[None, Some(1.0), Some(0.5), Some(1.5), Some(1.0), Some(1.0)],
        &[None, None, warm, load, None, load],
        vec![ints([0; 6])],
    );
    let words = |name| column(name, Type::Text, Kind::Label, Unit::None);
    let mono = column("mono_ns", Type::Int64, Kind::Label, Unit::Nanoseconds);
    let mark = table("mark", vec![words("kind"), words("name"), words("text"), words("tags"), mono]);
    let marks = rows_in_phase(
        mark,
        &[1, 1, 2, 3, 4, 5, 6],
        &[None; 7],
        &[None, load, warm, load, load, None, load],
        vec![
            text(["start", "start", "end", "event", "end", "start", "end"].map(Some)),
            text([load, Some("warmup"), Some("warmup"), None, load, load, load]),
            text([None, None, None, Some("the cache is warm"), None, None, None]),
            text([None, None, None, Some(r#"{"k":"v"}"#), None, None, None]),
            // A warm-up of 3 ms, too short to be seen in the ticks.
            ints([1_000, 1_001, 1_004, 2_000, 3_500, 4_500, 5_250].map(|ms| ms * 1_000_000)),
        ],
    );
    Memory::default().with(tick, vec![ticks]).with(mark, vec![marks])
}

#[test]
fn the_phases_are_listed() {
    let list = |window, phase| {
        let (r, _) = phased().summary(window, phase, &Choice::default());
        let found = r.phases.iter().map(|p| (p.phase.clone(), p.times, p.seconds)).collect::<Vec<_>>();
        (found, view::lines(&r, view::Options::default()).pop(), view::heading(&r))
    };
    let (found, line, _) = list(Window::ALL, None);
    // 2.5 s and 0.75 s according to the marks.
    assert_eq!(found, [("load".to_string(), 2, 3.25), ("load/warmup".to_string(), 1, 0.003)]);
    assert_eq!(line.as_deref(), Some("phases: load (2 times, 3.25 s), load/warmup (3.00 ms)"));
    let (found, _, heading) = list(Window::ALL, Some("warmup"));
    assert_eq!(found, [("load/warmup".to_string(), 1, 0.003)]);
    // From the beginning of its first interval.
    assert_eq!(heading, "host box, 2026-11-20 07:00:01 to 07:00:02 UTC (500 ms), every 1 s, 1 tick");
    let late = Window { from_us: START_US + 5_000_000, to_us: i64::MAX };
    assert_eq!(list(late, None).0, [("load".to_string(), 1, 0.75)]);
    // The window ends inside the phase, so the duration comes from the ticks.
    let early = Window { from_us: i64::MIN, to_us: START_US + 4_000_000 };
    assert_eq!(list(early, None).0, [("load".to_string(), 1, 0.5), ("load/warmup".to_string(), 1, 0.003)]);
    assert_eq!(phases::words(&phased().whole().phases, 1), "load (2 times, 3.25 s), and 1 more");
    assert_eq!(disks().whole().phases, []);
}

#[test]
fn marks_in_the_order_of_time() {
    let mut problems = Vec::new();
    let list = marks::read(&phased(), Window::ALL, None, Some(START_US), &mut problems);
    let found: Vec<_> = list.marks.iter().map(|m| (m.kind.as_str(), m.name.as_deref(), m.phase.as_deref())).collect();
    assert_eq!(found.len(), 7);
    assert_eq!(found[1], ("start", Some("warmup"), Some("load")));
    assert_eq!(found[3], ("event", None, Some("load")));
    let of = |phase| marks::read(&phased(), Window::ALL, Some(phase), None, &mut Vec::new()).marks.len();
    assert_eq!((of("load"), of("warmup"), of("no such")), (7, 2, 0));
    let late = Window { from_us: START_US + 5_000_000, to_us: i64::MAX };
    assert_eq!(marks::read(&phased(), late, None, None, &mut problems).marks.len(), 2);
    assert!(problems.is_empty());
}
