//! What the values of a column weigh.

use super::stats;
use crate::query::Choice;
use crate::query::number::Number::{self, Float, Int};
use crate::report::testing::*;
use crate::store::read::piece::Window;
use crate::table::{Kind, ResolvedFormula, StoredColumn, StoredOrigin, TableDef, Type, Unit, Weight};

/// A latency, and the reads and milliseconds that it comes from.
fn reads() -> &'static TableDef {
    let formula = ResolvedFormula { of: vec![1], over: Some(vec![0]), factor: 1.0, cap: f64::INFINITY };
    let latency = StoredColumn {
        weight: Weight::Growth(vec!["read_count"]),
        origin: StoredOrigin::Derived(formula),
        ..column("read_latency_ms", Type::Float64, Kind::Interval, Unit::Milliseconds)
    };
    table(
        "disk",
        vec![
            entity("device"),
            counter("read_count", 0, Unit::Count),
            counter("read_time_ms", 1, Unit::Milliseconds),
            latency,
        ],
    )
}

/// Rows of one disk, one per second: reads and milliseconds so far; the phase.
pub(super) fn disk_of(rows: &[(i64, i64, Option<&str>)]) -> Memory {
    let t = reads();
    let n = rows.len();
    let latency = (0..n).map(|i| {
        let (before, now) = (rows.get(i.checked_sub(1)?)?, rows[i]);
        let count = now.0 - before.0;
        (count > 0).then(|| crate::table::significant((now.1 - before.1) as f64 / count as f64))
    });
    let batch = rows_in_phase(
        t,
        &(0..n as i64).collect::<Vec<_>>(),
        &(0..n).map(|i| (i > 0).then_some(1.0)).collect::<Vec<_>>(),
        &rows.iter().map(|r| r.2).collect::<Vec<_>>(),
        vec![
            text(vec![Some("vda"); n]),
            ints(rows.iter().map(|r| r.0)),
            ints(rows.iter().map(|r| r.1)),
            floats(latency),
        ],
    );
    Memory::default().with(t, vec![batch])
}

#[test]
fn the_mean_latency_is_time_by_operations() {
    // 2 reads of 300 ms, 1,000 of 1 ms, none, 1 of 7 ms.
    let rows = [(10, 0, None), (12, 600, None), (1012, 1600, None), (1012, 1600, None), (1013, 1607, None)];
    let s = stats(&disk_of(&rows).whole(), "vda", "read_latency_ms");
    // The mean of the three weighted by time would be 102.7.
    assert_eq!((s.count, s.nulls, s.mean), (3, 2, Some(1607.0 / 1003.0)));
    // 1,000 of 1,003 reads took 1 ms, which is more than 99 %.
    assert_eq!(
        (s.min, s.p50, s.p99, s.max),
        (Some(Float(1.0)), Some(Float(1.0)), Some(Float(1.0)), Some(Float(300.0)))
    );
}

#[test]
fn a_latency_that_is_rounded_in_the_file_has_an_exact_mean() {
    let s = stats(&disk_of(&[(0, 0, None), (3, 1, None), (10, 3, None)]).whole(), "vda", "read_latency_ms");
    assert_eq!(s.mean, Some(0.3));
}

#[test]
fn the_mean_latency_of_a_phase_and_of_a_window() {
    let (a, b) = (Some("a"), Some("b"));
    let rows = [(0, 0, None), (1, 100, a), (3, 108, b), (13, 128, a), (14, 132, b)];
    let memory = disk_of(&rows);
    let of = |window, phase| {
        let (r, _) = memory.summary(window, phase, &Choice::default());
        let total = |name: &str| stats(&r, "vda", name).total.map(Number::as_f64);
        let mean = stats(&r, "vda", "read_latency_ms").mean;
        (mean, total("read_time_ms").zip(total("read_count")).map(|(time, count)| time / count))
    };
    // 100 ms for one read and 20 for ten; 8 for two and 4 for one.
    assert_eq!(of(Window::ALL, a), (Some(120.0 / 11.0), Some(120.0 / 11.0)));
    assert_eq!(of(Window::ALL, b), (Some(4.0), Some(4.0)));
    // The number of reads of the first row of a window is not known.
    let late = Window { from_us: START_US + 1_000_000, to_us: i64::MAX };
    assert_eq!(of(late, None), (Some(32.0 / 13.0), Some(32.0 / 13.0)));
}

#[test]
fn short_intervals_weigh_little_in_percentiles() {
    let t = table(
        "t",
        vec![rate("n_per_sec", 0, Unit::CountPerSec), column("level", Type::Int64, Kind::Gauge, Unit::Count)],
    );
    // Marks made five ticks in the last tenth of a second.
    let elapsed = [None, Some(1.0), Some(0.875), Some(0.025), Some(0.025), Some(0.025), Some(0.025), Some(0.025)];
    let rates = [None, Some(3.0), Some(4.0), Some(9.0), Some(9.0), Some(9.0), Some(9.0), Some(9.0)];
    let batch = rows(t, &[0, 1, 2, 2, 2, 2, 2, 2], &elapsed, vec![floats(rates), ints([1, 1, 1, 2, 2, 2, 2, 2])]);
    let r = Memory::default().with(t, vec![batch]).whole();
    let s = stats(&r, "", "n_per_sec");
    // Half of 2 s is reached by the 3; 95 % by the 9, of which 1.875 s lie below.
    assert_eq!((s.p50, s.p95, s.max), (Some(Float(3.0)), Some(Float(9.0)), Some(Float(9.0))));
    assert_eq!(stats(&r, "", "level").p50, Some(Int(2)), "levels count row by row");
}

#[test]
fn a_mean_of_the_source_is_weighted_by_what_it_is_of() {
    let mean = StoredColumn {
        weight: Weight::Count("samples"),
        ..column("collect_us_mean", Type::Float64, Kind::Interval, Unit::Microseconds)
    };
    let t = table("t", vec![column("samples", Type::Int64, Kind::Gauge, Unit::Count), mean]);
    let batch =
        rows(t, &[0, 60, 62], &[None, Some(60.0), Some(2.0)], vec![ints([60, 60, 3]), floats([10.0, 20.0, 900.0])]);
    let s = stats(&Memory::default().with(t, vec![batch]).whole(), "", "collect_us_mean");
    assert_eq!(
        (s.mean, s.p50, s.p95, s.p99),
        (Some(4500.0 / 123.0), Some(Float(20.0)), Some(Float(20.0)), Some(Float(900.0)))
    );
}
