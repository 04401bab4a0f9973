//! The summary, compared with values that were computed by hand.

mod changes;
mod matrix;
mod perf;
mod phases;
mod processes;
mod recording;
mod render;
mod weights;

use super::model::{Entity, Recording};
use super::testing::*;
use crate::query::Choice;
use crate::query::number::Number::{Float, Int};
use crate::query::statistics::Stats;
use crate::store::read::piece::Window;
use crate::table::{Kind, TableDef, Type, Unit};

fn disk() -> &'static TableDef {
    table(
        "disk",
        vec![
            entity("device"),
            counter("read_bytes", 0, Unit::Bytes),
            rate("read_bytes_per_sec", 0, Unit::BytesPerSec),
            column("in_flight", Type::Int64, Kind::Gauge, Unit::Count),
        ],
    )
}

/// Two disks at five ticks; `b` is absent at the third and starts again at the fourth; `a` is reset at the fifth.
fn disks() -> Memory {
    let t = disk();
    let first = rows(
        t,
        &[0, 0, 1, 1, 3],
        &[None, None, Some(1.0), Some(1.0), Some(2.0)],
        vec![
            text([Some("a"), Some("b"), Some("a"), Some("b"), Some("a")]),
            ints([100, 7, 150, 7, 450]),
            floats([None, None, Some(50.0), Some(0.0), Some(150.0)]),
            ints([Some(4), Some(0), None, Some(0), Some(2)]),
        ],
    );
    let second = rows(
        t,
        &[4, 4, 5, 5],
        &[Some(1.0), None, Some(1.0), Some(1.0)],
        vec![
            text([Some("a"), Some("b"), Some("a"), Some("b")]),
            ints([550, 90_000, 20, 90_010]),
            floats([Some(100.0), None, None, Some(10.0)]),
            ints([6, 0, 8, 1]),
        ],
    );
    Memory::default().with(t, vec![first, second])
}

fn entity_named<'r>(recording: &'r Recording, name: &str) -> &'r Entity {
    recording.tables.iter().flat_map(|t| &t.entities).find(|e| e.name() == name).unwrap()
}

fn stats(recording: &Recording, entity: &str, metric: &str) -> Stats {
    entity_named(recording, entity).metric(metric).unwrap().stats
}

#[test]
fn rates_are_weighted_by_their_interval() {
    let r = disks().whole();
    // (50 × 1 s + 150 × 2 s + 100 × 1 s) ÷ 4 s; a plain mean would be 100.
    let s = stats(&r, "a", "read_bytes_per_sec");
    assert_eq!((s.count, s.nulls, s.mean), (3, 2, Some(112.5)));
    assert_eq!(
        (s.min, s.p50, s.p95, s.max),
        (Some(Float(50.0)), Some(Float(100.0)), Some(Float(150.0)), Some(Float(150.0)))
    );
}

#[test]
fn levels_are_not_weighted() {
    let s = stats(&disks().whole(), "a", "in_flight");
    // 4, null, 2, 6, 8: ranks ceil(0.5 × 4) = 2 and ceil(0.95 × 4) = 4 of 2, 4, 6, 8.
    assert_eq!((s.count, s.nulls, s.mean), (4, 1, Some(5.0)));
    assert_eq!((s.min, s.p50, s.p99, s.max), (Some(Int(2)), Some(Int(4)), Some(Int(8)), Some(Int(8))));
    assert_eq!((s.total, s.per_sec), (None, None));
}

#[test]
fn a_reset_and_a_gap_add_nothing_to_a_counter() {
    let r = disks().whole();
    // 50 + 300 + 100, then the reset; 5 s from first to last.
    let a = stats(&r, "a", "read_bytes");
    assert_eq!((a.total, a.per_sec, a.count), (Some(Int(450)), Some(90.0), 5));
    assert_eq!((a.mean, a.p50, a.max), (None, None, None));
    // 0 in one second, then a gap with a jump to 90,000, then 10 in one second.
    let b = stats(&r, "b", "read_bytes");
    assert_eq!((b.total, b.per_sec), (Some(Int(10)), Some(5.0)));
}

#[test]
fn one_sample_shows_no_growth() {
    let t = disk();
    let only = rows(t, &[0], &[None], vec![text([Some("a")]), ints([5]), floats([None::<f64>]), ints([3])]);
    let r = Memory::default().with(t, vec![only]).whole();
    let s = stats(&r, "a", "read_bytes");
    assert_eq!((s.count, s.total, s.per_sec), (1, None, None));
    let s = stats(&r, "a", "read_bytes_per_sec");
    assert_eq!((s.count, s.nulls, s.mean, s.max), (0, 1, None, None));
    assert_eq!(stats(&r, "a", "in_flight").p50, Some(Int(3)));
}

#[test]
fn a_null_in_between_loses_no_growth() {
    let t = table("t", vec![counter("n", 0, Unit::Count)]);
    let some = [None, Some(1.0), Some(1.0), Some(1.0)];
    let batch = rows(t, &[0, 1, 2, 3], &some, vec![ints([Some(10), None, Some(16), None])]);
    let s = stats(&Memory::default().with(t, vec![batch]).whole(), "", "n");
    // 6 in the two seconds up to the last value; the null at the end adds no time.
    assert_eq!((s.count, s.nulls, s.total, s.per_sec), (2, 2, Some(Int(6)), Some(3.0)));
}

#[test]
fn large_counters_stay_exact() {
    let t = table("t", vec![counter("n", 0, Unit::Count)]);
    let end = (1i64 << 60) + 1;
    let batch = rows(t, &[0, 1], &[None, Some(1.0)], vec![ints([0, end])]);
    assert_eq!(stats(&Memory::default().with(t, vec![batch]).whole(), "", "n").total, Some(Int(end)));
}

#[test]
fn a_window_and_its_end() {
    let at = |s: i64| START_US + s * 1_000_000;
    let window = Window { from_us: at(1), to_us: at(4) };
    let (r, problems) = disks().summary(window, None, &Choice::default());
    assert!(problems.is_empty());
    // 150 at 1 s, 450 at 3 s: the growth before 1 s is not known, the tick at 4 s is not in the window.
    let s = stats(&r, "a", "read_bytes");
    assert_eq!((s.count, s.total, s.per_sec), (2, Some(Int(300)), Some(150.0)));
    assert_eq!(entity_named(&r, "b").rows, 1);
    assert_eq!(r.start.unwrap().rfc3339(), "2026-11-20T07:00:01.000000Z");
}
