//! A recording as a whole: its heading, tables and entities.

use super::{disks, stats};
use crate::query::Choice;
use crate::report::model::joined;
use crate::report::testing::*;
use crate::report::view;
use crate::store::read::piece::Window;
use crate::table::{Kind, Type, Unit};

#[test]
fn a_damaged_piece_is_named_and_left_out_whole() {
    let mut memory = disks();
    memory.broken = Some(("disk/0".into(), "in_flight"));
    let (r, problems) = memory.summary(Window::ALL, None, &Choice::default());
    assert_eq!(
        problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["disk/0: is damaged, cut short, or not a Parquet file (bad page)"]
    );
    // Only the second piece counts, also in the columns that were read before the damage was found.
    assert_eq!(stats(&r, "a", "read_bytes").count, 2);
    assert_eq!(stats(&r, "a", "in_flight").count, 2);
}

#[test]
fn entities_of_several_columns_keep_their_nulls_and_sort_by_number() {
    let t = table(
        "t",
        vec![
            column("cpu", Type::Int32, Kind::Entity, Unit::None),
            entity("target"),
            column("v", Type::Int64, Kind::Gauge, Unit::Count),
        ],
    );
    let batch = rows(
        t,
        &[0; 5],
        &[None; 5],
        vec![
            int32s([Some(10), Some(2), None, Some(2), Some(10)]),
            text([None, Some("x"), None, None, None]),
            ints([1, 2, 3, 4, 5]),
        ],
    );
    let r = Memory::default().with(t, vec![batch]).whole();
    let found: Vec<_> = r.tables[0].entities.iter().map(|e| (joined(&e.labels, ";"), e.rows)).collect();
    let want = [("", 1), ("cpu=2", 1), ("cpu=2;target=x", 1), ("cpu=10", 2)];
    assert_eq!(found, want.map(|(n, rows)| (n.to_string(), rows)));
}

#[test]
fn chosen_metrics_only() {
    let choice = Choice { tables: Vec::new(), metrics: vec!["disk.in_flight".into()] };
    let (r, _) = disks().summary(Window::ALL, None, &choice);
    assert_eq!(r.tables[0].entities[0].metrics.iter().map(|m| m.name).collect::<Vec<_>>(), ["in_flight"]);
    let other = Choice { tables: Vec::new(), metrics: vec!["cpu.in_flight".into()] };
    assert!(disks().summary(Window::ALL, None, &other).0.tables.is_empty());
}

#[test]
fn the_heading_counts_ticks_and_missed_ones() {
    let tick = table("tick", vec![column("missed", Type::Int64, Kind::Gauge, Unit::Count)]);
    let some = [None, Some(1.0), Some(3.0)];
    let batch = rows(tick, &[0, 1, 4], &some, vec![ints([0, 0, 2])]);
    let r = Memory::default().with(tick, vec![batch]).whole();
    assert_eq!((r.ticks, r.missed), (Some(3), Some(2)));
    assert_eq!(
        view::heading(&r),
        "host box, 2026-11-20 07:00:00 to 07:00:04 UTC (4.00 s), every 1 s, 3 ticks, 2 missed"
    );
}

#[test]
fn tables_are_in_the_order_of_interest() {
    let one = |name| table(name, vec![column("level", Type::Int64, Kind::Gauge, Unit::Count)]);
    let names = ["tick", "collector", "cpu", "perf_status", "disk", "command"];
    let memory = names.into_iter().map(one).fold(Memory::default(), |memory, t| {
        let batch = rows(t, &[0], &[None], vec![ints([1])]);
        memory.with(t, vec![batch])
    });
    let found: Vec<_> = memory.whole().tables.iter().map(|t| t.table).collect();
    assert_eq!(found, ["command", "cpu", "disk", "perf_status", "collector", "tick"]);
}

/// Ticks at these seconds, with the length of the interval, missed ticks and lateness in microseconds.
fn ticking(of: &[(i64, Option<f64>, i64, i64)]) -> Memory {
    let tick = table(
        "tick",
        vec![
            column("missed", Type::Int64, Kind::Gauge, Unit::Count),
            column("late_us", Type::Int64, Kind::Gauge, Unit::Microseconds),
        ],
    );
    let (seconds, elapsed): (Vec<i64>, Vec<Option<f64>>) = of.iter().map(|t| (t.0, t.1)).unzip();
    let batch = rows(tick, &seconds, &elapsed, vec![ints(of.iter().map(|t| t.2)), ints(of.iter().map(|t| t.3))]);
    let cpu = table("cpu", vec![column("level", Type::Int64, Kind::Gauge, Unit::Count)]);
    let rows = rows(cpu, &[0], &[None], vec![ints([1])]);
    Memory::default().with(cpu, vec![rows]).with(tick, vec![batch])
}

#[test]
fn what_is_wrong_with_the_recorder_comes_first() {
    let shown = |ticks: &[(i64, Option<f64>, i64, i64)]| {
        let r = ticking(ticks).whole();
        (r.tables[0].table, view::lines(&r, view::Options::default()))
    };
    let good: Vec<(i64, Option<f64>, i64, i64)> = (0..200).map(|s| (s, (s > 0).then_some(1.0), 0, 900)).collect();
    assert_eq!(shown(&good), ("cpu", vec![]));
    // One of 201 is not yet a problem, but a hole.
    let mut one = good.clone();
    one.push((201, Some(2.0), 1, 0));
    assert_eq!(shown(&one), ("cpu", vec!["nothing was recorded for 1.00 s, from 07:03:19 to 07:03:21".into()]));
    let mut many = good.clone();
    many.push((203, Some(4.0), 3, 0));
    many.push((230, None, 0, 0));
    let said = [
        "problems while recording: 3 of 205 ticks were missed",
        "started 2 times; nothing was recorded for 30.0 s in 2 holes; the longest is 27.0 s, from 07:03:23 to 07:03:50",
    ];
    assert_eq!(shown(&many), ("tick", said.map(String::from).to_vec()));
    let late: Vec<_> =
        good.iter().map(|(s, elapsed, missed, _)| (*s, *elapsed, *missed, 100_000 * i64::from(s % 10 == 0))).collect();
    let said = "problems while recording: ticks were late (p95 100 ms of an interval of 1.00 s)";
    assert_eq!(shown(&late), ("tick", vec![said.into()]));
}

#[test]
fn holes_over_several_days_have_dates_and_phases_have_none() {
    let ticks = ticking(&[(0, None, 0, 0), (1, Some(1.0), 0, 0), (86_400, None, 0, 0), (2 * 86_400, None, 0, 0)]);
    let r = ticks.whole();
    let all = view::Options { all: true, ..view::Options::default() };
    let said = "started 3 times; nothing was recorded for 48.0 h: from 2026-11-20 07:00:01 to 2026-11-21 07:00:00; \
                from 2026-11-21 07:00:00 to 2026-11-22 07:00:00";
    assert_eq!(view::lines(&r, all), [said]);
    let json = serde_json::to_value(&r).unwrap();
    assert_eq!((&json["sessions"], &json["holes"][0]["seconds"]), (&3.into(), &86_399.0.into()));
    let (r, _) = ticks.summary(Window::ALL, Some("x"), &Choice::default());
    assert_eq!((r.sessions, r.holes.len()), (None, 0));
}

#[test]
fn entities_may_be_named_by_integers_and_booleans() {
    let t = table(
        "slot",
        vec![
            column("slot", Type::Int64, Kind::Entity, Unit::None),
            column("is_left", Type::Bool, Kind::Entity, Unit::None),
            column("share", Type::Float64, Kind::Entity, Unit::None),
            column("level", Type::Int64, Kind::Gauge, Unit::Count),
        ],
    );
    let is_left: arrow_array::BooleanArray = [Some(true), None, Some(false)].into_iter().collect();
    let columns = vec![
        ints([Some(1 << 40), Some(1 << 40), None]),
        std::sync::Arc::new(is_left) as arrow_array::ArrayRef,
        floats([1.0, 0.25, -2.5]),
        ints([10, 20, 30]),
    ];
    let memory = Memory::default().with(t, vec![rows(t, &[0, 1, 2], &[None; 3], columns)]);
    let r = memory.whole();
    let labels: Vec<Vec<_>> =
        r.tables[0].entities.iter().map(|e| e.labels.iter().map(|l| l.value.as_deref()).collect()).collect();
    assert_eq!(
        labels,
        [
            [None, Some("false"), Some("-2.5")],
            [Some("1099511627776"), None, Some("0.25")],
            [Some("1099511627776"), Some("true"), Some("1.0")]
        ]
    );
}
