//! Derived values, and cases without a value.

use super::*;
use crate::table::{Charts, Formula, Table, Unit, counter, derived, entity, gauge};

struct Row(&'static str, Option<i64>, i64, i64);

static TABLE: Table<Row> = Table {
    name: "t",
    source: "",
    doc: "",
    charts: Charts::Unknown,
    columns: &[
        entity("name", "", |r: &Row| r.0.into()),
        counter("ops", Unit::Count, "", |r: &Row| r.1.into()).with_rate("ops_per_sec"),
        counter("ms", Unit::Milliseconds, "", |r: &Row| r.2.into()).hidden(),
        counter("idle", Unit::Milliseconds, "", |r: &Row| r.3.into()).hidden().wobbles(),
        gauge("level", Unit::Count, "", |r: &Row| r.2.into()),
        derived("latency_ms", Unit::Milliseconds, "", Formula::ratio(&["ms"], &["ops"])),
        derived("busy_percent", Unit::Percent, "", Formula::rate(&["ms"]).times(0.1).at_most(100.0)),
        derived("share_percent", Unit::Percent, "", Formula::share(&["ms"], &["ms", "idle"])),
    ],
};

/// Runs rows given as (seconds, rows). Returns for each row the elapsed time and the stored cells except the name.
fn run(blocks: &[(f64, &[Row])]) -> Vec<(Option<f64>, Vec<Option<f64>>)> {
    let def = TABLE.def();
    let catalog = [def.clone()];
    let mut rates = Rates::new(&def);
    let mut sample = crate::table::sample::Sample::new(&catalog);
    let mut out = Vec::new();
    for (at, rows) in blocks {
        sample.clear();
        sample.push(&TABLE, rows);
        rates.block((at * 1e9) as u64, None, &sample.cells, |elapsed, stored| {
            let number = |c: &Cell| match c {
                Cell::Int(v) => Some(*v as f64),
                Cell::Float(v) => Some(*v),
                _ => None,
            };
            out.push((elapsed, stored[1..].iter().map(number).collect()));
        });
    }
    out
}

#[test]
fn first_sample_has_levels_but_no_rates() {
    let out = run(&[(10.0, &[Row("a", Some(5), 100, 900)])]);
    assert_eq!(out, [(None, vec![Some(5.0), None, Some(100.0), None, None, None])]);
}

#[test]
fn rates_use_the_actual_time() {
    let out = run(&[(10.0, &[Row("a", Some(5), 100, 900)]), (12.0, &[Row("a", Some(9), 200, 1200)])]);
    // 4 operations and 100 ms in 2 s; 100 of 400 ms.
    assert_eq!(out[1], (Some(2.0), vec![Some(9.0), Some(2.0), Some(200.0), Some(25.0), Some(5.0), Some(25.0)]));
}

#[test]
fn a_missing_counter_has_no_rate() {
    let out = run(&[
        (0.0, &[Row("a", Some(5), 100, 900)]),
        (1.0, &[Row("a", None, 200, 1900)]),
        (2.0, &[Row("a", Some(7), 300, 2900)]),
        (3.0, &[Row("a", Some(8), 300, 3900)]),
    ]);
    let rates: Vec<_> = out.iter().map(|(_, v)| v[1]).collect();
    assert_eq!(rates, [None, None, None, Some(1.0)]);
    // The latency is null with its counter, and without operations; the busy share has a value.
    assert_eq!((out[1].0, out[1].1[3], out[1].1[4]), (Some(1.0), None, Some(10.0)));
}

/// The elapsed time, rates, latencies and shares of a row.
fn derived_of(out: &(Option<f64>, Vec<Option<f64>>)) -> [Option<f64>; 5] {
    [out.0, out.1[1], out.1[3], out.1[4], out.1[5]]
}

#[test]
fn if_one_counter_fell_the_whole_entity_is_not_trusted() {
    // `dm-3` was removed and created again: fewer operations, more time.
    let out = run(&[
        (0.0, &[Row("a", Some(5000), 100, 900), Row("b", Some(1), 0, 0)]),
        (1.0, &[Row("a", Some(4), 70_000, 1900), Row("b", Some(2), 10, 10)]),
        (2.0, &[Row("a", Some(8), 70_200, 2900), Row("b", Some(3), 20, 20)]),
    ]);
    assert_eq!(derived_of(&out[2]), [None; 5]);
    assert_eq!(out[2].1[0], Some(4.0), "the value of the kernel is stored");
    assert_eq!(
        derived_of(&out[3]),
        [Some(1.0), Some(1.0), Some(10.0), Some(1.0), Some(50.0)],
        "b is a different entity"
    );
    assert_eq!(derived_of(&out[4])[..3], [Some(1.0), Some(4.0), Some(50.0)], "counted from the reset");
}

#[test]
fn a_counter_that_is_zero_once_and_returns() {
    let tera = 1_000_000_000_000;
    let out = run(&[
        (0.0, &[Row("a", Some(tera), 0, 0)]),
        (1.0, &[Row("a", Some(0), 0, 0)]),
        (2.0, &[Row("a", Some(tera + 100), 10, 10)]),
        (3.0, &[Row("a", Some(tera + 105), 20, 20)]),
    ]);
    assert_eq!(derived_of(&out[1]), [None; 5]);
    assert_eq!(derived_of(&out[2]), [None; 5]);
    assert_eq!(derived_of(&out[3])[..2], [Some(1.0), Some(5.0)]);
}

#[test]
fn a_counter_that_is_sometimes_zero_is_never_broken() {
    let giga = 1_000_000_000;
    let ops = |i: i64| if i % 4 == 2 { 0 } else { giga + i };
    let rows: Vec<[Row; 1]> = (0..40).map(|i| [Row("a", Some(ops(i)), 100 * i, 900 * i)]).collect();
    let blocks: Vec<(f64, &[Row])> = rows.iter().enumerate().map(|(i, rows)| (i as f64, &rows[..])).collect();
    for (i, row) in run(&blocks).iter().enumerate().skip(1) {
        let trusted = i % 4 < 2;
        assert_eq!(
            (row.0, row.1[1], row.1[4]),
            match trusted {
                true => (Some(1.0), Some(1.0), Some(10.0)),
                false => (None, None, None),
            }
        );
    }
}

#[test]
fn impossible_growth_is_not_growth() {
    let out = run(&[
        (0.0, &[Row("a", Some(0), 0, 0)]),
        (1.0, &[Row("a", Some(40_000_000_000), 100, 900)]),
        (2.0, &[Row("a", Some(40_000_000_001), 200, 1800)]),
    ]);
    assert_eq!(derived_of(&out[1]), [None; 5]);
    assert_eq!(out[2].1[1], Some(1.0));
}

#[test]
fn a_broken_counter_only_affects_itself() {
    let rows: Vec<[Row; 1]> = (0..8).map(|i| [Row("a", Some(1000 - i), 100 * i, 900 * i)]).collect();
    let blocks: Vec<(f64, &[Row])> = rows.iter().enumerate().map(|(i, rows)| (i as f64, &rows[..])).collect();
    let out = run(&blocks);
    let busy: Vec<_> = out.iter().map(|(_, v)| v[4]).collect();
    assert_eq!(busy, [None, None, None, None, Some(10.0), Some(10.0), Some(10.0), Some(10.0)]);
    assert!(out.iter().all(|(_, v)| v[1].is_none()));
}

#[test]
fn no_latency_without_operations_and_at_most_100_percent() {
    let out = run(&[(0.0, &[Row("a", Some(5), 0, 0)]), (1.0, &[Row("a", Some(5), 1500, 0)])]);
    assert_eq!(out[1].1, [Some(5.0), Some(0.0), Some(1500.0), None, Some(100.0), Some(100.0)]);
}

/// The elapsed time and the share over an interval of this many seconds.
fn share(seconds: f64, ms: i64, idle: (i64, i64)) -> (Option<f64>, Option<f64>) {
    let out = run(&[(0.0, &[Row("a", Some(0), 0, idle.0)]), (seconds, &[Row("a", Some(0), ms, idle.1)])]);
    (out[1].0, out[1].1[5])
}

#[test]
fn idle_may_step_back_and_the_share_is_known() {
    assert_eq!(share(1.0, 50, (100, 98)), (Some(1.0), Some(100.0)));
    assert_eq!(share(1.0, 980, (5000, 4980)), (Some(1.0), Some(100.0)));
}

#[test]
fn a_reset_of_idle_is_not_a_wobble() {
    // 118,089 jiffies, then 140.
    assert_eq!(share(1.0, 400, (1_180_890, 1400)), (Some(1.0), None));
    // Less than the interval, but more than it can contain.
    assert_eq!(share(10.0, 4000, (9000, 1400)), (Some(10.0), None));
    assert_eq!(share(1.0, 300, (900, 200)), (Some(1.0), None));
    assert_eq!(share(0.02, 10, (900, 830)).1, None, "20 ms cannot hold 70");
}

#[test]
fn another_entity_with_the_same_name_has_no_rates() {
    static THINGS: Table<(i64, i64)> = Table {
        name: "t",
        source: "",
        doc: "",
        charts: Charts::Unknown,
        columns: &[
            entity("name", "", |_| "a".into()),
            gauge("since", Unit::Count, "", |r: &(i64, i64)| r.0.into()).hidden().tells_apart(),
            counter("ops", Unit::Count, "", |r: &(i64, i64)| r.1.into()).with_rate("ops_per_sec"),
        ],
    };
    let out = run_table(&THINGS, &[(7, 100), (7, 110), (9, 900), (9, 910)]);
    assert_eq!(out, [(None, None), (Some(1.0), Some(10.0)), (None, None), (Some(1.0), Some(10.0))]);
}

#[test]
fn limits_and_conditions_of_single_counters() {
    // The first value limits the growth per second; growth is only known while the second does not change.
    type Line = (Option<i64>, i64, i64);
    static LINES: Table<Line> = Table {
        name: "t",
        source: "",
        doc: "",
        charts: Charts::Unknown,
        columns: &[
            entity("name", "", |_| "a".into()),
            gauge("most", Unit::Count, "", |r: &Line| r.0.into()).hidden(),
            gauge("epoch", Unit::Count, "", |r: &Line| r.1.into()).hidden(),
            counter("ops", Unit::Count, "", |r: &Line| r.2.into())
                .limited_by("most")
                .while_same("epoch")
                .with_rate("ops_per_sec"),
        ],
    };
    let most = Some(100);
    let rows = [(most, 1, 0), (most, 1, 300), (most, 1, 601), (None, 1, 1601), (None, 2, 1602), (None, 2, 1603)];
    let out = run_table(&LINES, &rows);
    let (second, none) = (Some(1.0), (None, None));
    let expected = [none, (second, Some(300.0)), none, (second, Some(1000.0)), (second, None), (second, Some(1.0))];
    assert_eq!(out, expected);
}

#[test]
fn sums_leave_out_an_unreliable_counter() {
    type Cpu = (i64, i64, i64);
    static CPUS: Table<Cpu> = Table {
        name: "t",
        source: "",
        doc: "",
        charts: Charts::Unknown,
        columns: &[
            entity("name", "", |_| "a".into()),
            counter("busy", Unit::Milliseconds, "", |r: &Cpu| r.0.into()).hidden(),
            counter("idle", Unit::Milliseconds, "", |r: &Cpu| r.1.into()).hidden().wobbles(),
            counter("steal", Unit::Milliseconds, "", |r: &Cpu| r.2.into()).hidden().unsteady(),
            derived("busy_percent", Unit::Percent, "", Formula::share(&["busy"], &["busy", "idle", "steal"])),
            derived("steal_percent", Unit::Percent, "", Formula::share(&["steal"], &["busy", "idle", "steal"])),
        ],
    };
    let share = |rows: &[Cpu]| -> Vec<_> { run_all(&CPUS, rows).into_iter().map(|(_, v)| (v[0], v[1])).collect() };
    let out = share(&[(0, 0, 500), (200, 600, 700), (400, 1400, 690), (600, 2200, 680)]);
    let rest = (Some(20.0), None);
    assert_eq!(out, [(None, None), (Some(20.0), Some(20.0)), rest, rest]);
}

/// Rows of one entity in consecutive seconds: elapsed time, and the derived columns.
fn run_all<R: 'static>(table: &'static Table<R>, rows: &[R]) -> Vec<(Option<f64>, Vec<Option<f64>>)> {
    let def = table.def();
    let catalog = [def.clone()];
    let mut rates = Rates::new(&def);
    let mut sample = crate::table::sample::Sample::new(&catalog);
    let mut out = Vec::new();
    for (second, row) in rows.chunks(1).enumerate() {
        sample.clear();
        sample.push(table, row);
        rates.block(second as u64 * 1_000_000_000, None, &sample.cells, |elapsed, stored| {
            let is_derived = |(c, _): &(&crate::table::StoredColumn, _)| matches!(c.origin, StoredOrigin::Derived(_));
            let derived = def.stored.iter().zip(stored).filter(is_derived);
            let number = |cell: &Cell| if let Cell::Float(v) = cell { Some(*v) } else { None };
            out.push((elapsed, derived.map(|(_, cell)| number(cell)).collect()));
        });
    }
    out
}

/// The same for a table with one derived column.
fn run_table<R: 'static>(table: &'static Table<R>, rows: &[R]) -> Vec<(Option<f64>, Option<f64>)> {
    run_all(table, rows).into_iter().map(|(elapsed, derived)| (elapsed, derived[0])).collect()
}

#[test]
fn each_entity_has_its_own_elapsed_time() {
    let out = run(&[
        (0.0, &[Row("a", Some(0), 0, 0), Row("b", Some(100), 0, 0)]),
        (1.0, &[Row("b", Some(110), 0, 0)]),
        (3.0, &[Row("a", Some(30), 0, 0), Row("c", Some(1), 0, 0)]),
    ]);
    assert_eq!((out[2].0, out[2].1[1]), (Some(1.0), Some(10.0)));
    assert_eq!((out[3].0, out[3].1[1]), (Some(3.0), Some(10.0)), "a was missing for one tick");
    assert_eq!((out[4].0, out[4].1[1]), (None, None), "c is new");
}

#[test]
fn old_entities_are_removed() {
    let def = TABLE.def();
    let mut rates = Rates::new(&def);
    for i in 0..5000u32 {
        let row = [Cell::Text(i), Cell::Int(1), Cell::Int(1), Cell::Int(1), Cell::Int(1)];
        rates.block(u64::from(i), None, &row, |_, _| {});
    }
    assert!(rates.known.len() <= SPARE_ENTITIES + 3);
    assert_eq!(rates.known.len(), rates.by_entity.len());
}
