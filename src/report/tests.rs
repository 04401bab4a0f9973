//! The summary against figures worked out by hand.

use super::model::{Entity, Ratio};
use super::testing::*;
use crate::query::Choice;
use crate::query::number::Number;
use crate::query::statistics::Stats;
use crate::store::read::piece::Window;
use crate::table::{Kind, Life, ResolvedFormula, StoredColumn, StoredOrigin, TableDef, Type, Unit, Weight};

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

/// Two disks at five ticks; `b` is absent at the third and begins anew at the fourth; `a` is reset at the fifth.
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

fn entity_named<'r>(recording: &'r super::model::Recording, name: &str) -> &'r Entity {
    recording.tables.iter().flat_map(|t| &t.entities).find(|e| e.name() == name).unwrap()
}

fn stats(recording: &super::model::Recording, entity: &str, metric: &str) -> Stats {
    entity_named(recording, entity).metric(metric).unwrap().stats
}

use Number::{Float, Int};

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
fn levels_are_not() {
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
    // 0 in one second, then a gap with a jump to 90,000 that nobody saw, then 10 in one second.
    let b = stats(&r, "b", "read_bytes");
    assert_eq!((b.total, b.per_sec), (Some(Int(10)), Some(5.0)));
}

#[test]
fn one_sample_tells_no_growth() {
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
    // 6 in the two seconds up to the last value; the null at the end stands for no time.
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
    // 150 at 1 s, 450 at 3 s: what lies before is not known, the tick at 4 s is not part.
    let s = stats(&r, "a", "read_bytes");
    assert_eq!((s.count, s.total, s.per_sec), (2, Some(Int(300)), Some(150.0)));
    assert_eq!(entity_named(&r, "b").rows, 1);
    assert_eq!(r.start.unwrap().rfc3339(), "2026-11-20T07:00:01.000000Z");
}

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
    // 10 in 0.5 s, 30 in 1.5 s, and the second time 2 in 1 s: 42 in 3 s. The 1,000 between them are nobody's.
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
            // 3 ms of a warm-up, which the ticks cannot tell from none.
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
        (found, super::view::phases(&r, super::view::Options::default()), super::view::heading(&r))
    };
    let (found, line, _) = list(Window::ALL, None);
    // 2.5 s and 0.75, by the marks.
    assert_eq!(found, [("load".to_string(), 2, 3.25), ("load/warmup".to_string(), 1, 0.003)]);
    assert_eq!(line.as_deref(), Some("phases: load (2 times, 3.25 s), load/warmup (3.00 ms)"));
    let (found, _, heading) = list(Window::ALL, Some("warmup"));
    assert_eq!(found, [("load/warmup".to_string(), 1, 0.003)]);
    // From the beginning of its first interval.
    assert_eq!(heading, "host box, 2026-11-20 07:00:01 to 07:00:02 UTC (500 ms), every 1 s, 1 tick");
    let late = Window { from_us: START_US + 5_000_000, to_us: i64::MAX };
    assert_eq!(list(late, None).0, [("load".to_string(), 1, 0.75)]);
    // Cut between its start and its end: what the ticks tell of it.
    let early = Window { from_us: i64::MIN, to_us: START_US + 4_000_000 };
    assert_eq!(list(early, None).0, [("load".to_string(), 1, 0.5), ("load/warmup".to_string(), 1, 0.003)]);
    assert_eq!(super::phases::words(&phased().whole().phases, 1), "load (2 times, 3.25 s), and 1 more");
    assert_eq!(disks().whole().phases, []);
}

#[test]
fn a_damaged_piece_is_named_and_left_out_whole() {
    let mut memory = disks();
    memory.broken = Some(("disk/0".into(), "in_flight"));
    let (r, problems) = memory.summary(Window::ALL, None, &Choice::default());
    assert_eq!(
        problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["disk/0: is damaged, cut short, or not a Parquet file (bad page)"]
    );
    // Only the second piece: also in the columns that were read before the damage was found.
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
    let found: Vec<_> = r.tables[0].entities.iter().map(|e| (e.joined(";"), e.rows)).collect();
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
        super::view::heading(&r),
        "host box, 2026-11-20 07:00:00 to 07:00:04 UTC (4.00 s), every 1 s, 3 ticks, 2 missed"
    );
}

pub(super) fn perf_table() -> &'static TableDef {
    table(
        "perf",
        vec![
            entity("event"),
            column("cpu", Type::Int32, Kind::Entity, Unit::None),
            entity("target"),
            column("value", Type::Float64, Kind::Amount, Unit::None),
            column("unit", Type::Text, Kind::Label, Unit::None),
            column("running_percent", Type::Float64, Kind::Interval, Unit::Percent),
            column("status", Type::Text, Kind::Label, Unit::None),
        ],
    )
}

/// Three intervals of four events; `cycles` does not count in the second, `LLC-loads` never.
pub(super) fn perf() -> Memory {
    let t = perf_table();
    let events = ["cpu-clock", "instructions", "cycles", "LLC-loads"];
    let n = events.len();
    let seconds: Vec<i64> = (0..3 * n).map(|r| (r / n) as i64).collect();
    let elapsed: Vec<Option<f64>> = seconds.iter().map(|s| Some([1.0, 1.0, 2.0][*s as usize])).collect();
    let values = [
        [Some(2000.0), Some(100.0), Some(400.0), None],
        [Some(2000.0), Some(9999.0), None, None],
        [Some(4000.0), Some(3000.0), Some(600.0), None],
    ];
    let batch = rows(
        t,
        &seconds,
        &elapsed,
        vec![
            text((0..3 * n).map(|r| Some(events[r % n]))),
            int32s(vec![None; 3 * n]),
            text(vec![None; 3 * n]),
            floats(values.into_iter().flatten()),
            text((0..3 * n).map(|r| (r % n == 0).then_some("msec"))),
            floats((0..3 * n).map(|r| (r % n < 3).then_some(if r < n { 100.0 } else { 50.0 }))),
            text(values.into_iter().flatten().map(|v| Some(if v.is_some() { "counted" } else { "not_counted" }))),
        ],
    );
    Memory::default().with(t, vec![batch])
}

#[test]
fn perf_values_are_summed() {
    let r = perf().whole();
    let s = stats(&r, "cpu-clock", "value");
    assert_eq!((s.total, s.per_sec), (Some(Float(8000.0)), Some(2000.0)));
    // Only the intervals that counted: 1000 in 1 s + 2 s.
    let s = stats(&r, "cycles", "value");
    assert_eq!((s.count, s.nulls, s.total, s.per_sec), (2, 1, Some(Float(1000.0)), Some(1000.0 / 3.0)));
    // (100 × 1 s + 50 × 1 s + 50 × 2 s) ÷ 4 s.
    assert_eq!(stats(&r, "cycles", "running_percent").mean, Some(62.5));
    assert_eq!(entity_named(&r, "cpu-clock").metric("value").unwrap().unit_word(), "msec");
    assert_eq!(stats(&r, "LLC-loads", "value").total, None);
}

#[test]
fn ratios_come_from_sums_where_both_counted() {
    let r = perf().whole();
    // (100 + 3000) ÷ (400 + 600): without the 9999 of the interval whose cycles did not count; a mean of ratios is 2.625.
    let ipc = Ratio {
        ratio: "instructions_per_cycle",
        labels: Vec::new(),
        value: 3.1,
        unit: "",
        intervals: 2,
        // 100 and 50.
        running_percent: Some(75.0),
    };
    // 1000 cycles in 6 s of CPU time.
    let ghz = Ratio { ratio: "cycles_ghz", value: 1000.0 / 6e9, unit: "GHz", ..ipc.clone() };
    let found = &r.tables[0].ratios;
    assert_eq!(found[0], ipc);
    assert_eq!((found[1].ratio, found[1].unit, found.len()), (ghz.ratio, ghz.unit, 2));
    assert!((found[1].value - ghz.value).abs() < 1e-18);
}

#[test]
fn ratios_of_each_cpu_and_of_all() {
    let t = perf_table();
    let batch = rows(
        t,
        &[0; 4],
        &[Some(1.0); 4],
        vec![
            text([Some("branch-misses:u"), Some("branches:u"), Some("branch-misses:u"), Some("branch-instructions:u")]),
            int32s([Some(0), Some(0), Some(1), Some(1)]),
            text([None; 4]),
            floats([1.0, 100.0, 30.0, 300.0]),
            text([None; 4]),
            floats([100.0; 4]),
            text([Some("counted"); 4]),
        ],
    );
    let r = Memory::default().with(t, vec![batch]).whole();
    let found: Vec<_> = r.tables[0].ratios.iter().map(|r| (r.ratio, r.labels.len(), r.value)).collect();
    let name = "branch_miss_percent";
    // 31 ÷ 400, 1 ÷ 100, 30 ÷ 300; the labels of each are its modifier and its CPU.
    assert_eq!(found, [(name, 1, 7.75), (name, 2, 1.0), (name, 2, 10.0)]);
}

/// Rows of one interval a second: (event, second, value, running).
pub(super) fn events(events: &[(&str, i64, f64, f64)]) -> Memory {
    let t = perf_table();
    let n = events.len();
    let seconds: Vec<i64> = events.iter().map(|e| e.1).collect();
    let batch = rows(
        t,
        &seconds,
        &vec![Some(1.0); n],
        vec![
            text(events.iter().map(|e| Some(e.0))),
            int32s(vec![None; n]),
            text(vec![None; n]),
            floats(events.iter().map(|e| e.2)),
            text(vec![None; n]),
            floats(events.iter().map(|e| e.3)),
            text(vec![Some("counted"); n]),
        ],
    );
    Memory::default().with(t, vec![batch])
}

/// (ratio, PMU or mode, value, running) of such rows.
fn of_events(rows: &[(&str, i64, f64, f64)]) -> Vec<(&'static str, Option<String>, f64, Option<f64>)> {
    let r = events(rows).whole();
    let ratios = r.tables[0].ratios.iter();
    ratios.map(|r| (r.ratio, r.labels.first().and_then(|l| l.value.clone()), r.value, r.running_percent)).collect()
}

#[test]
fn kinds_of_cpu_and_modes_are_never_mixed() {
    let found = of_events(&[
        ("cpu_core/instructions/", 0, 30.0, 100.0),
        ("cpu_core/cycles/", 0, 10.0, 100.0),
        ("cpu_atom/instructions/", 0, 10.0, 100.0),
        ("cpu_atom/cycles/", 0, 20.0, 100.0),
        ("instructions:u", 0, 8.0, 100.0),
        ("cycles", 0, 4.0, 100.0),
    ]);
    let ipc = |kind: &str, value| ("instructions_per_cycle", Some(kind.to_string()), value, Some(100.0));
    assert_eq!(found, [ipc("cpu_core", 3.0), ipc("cpu_atom", 0.5)], "and nothing for all of them together");
}

#[test]
fn misses_by_accesses_and_by_instructions() {
    let found = of_events(&[
        ("instructions", 0, 4000.0, 100.0),
        ("cache-references", 0, 50.0, 100.0),
        ("cache-misses", 0, 10.0, 100.0),
        ("L2-loads", 0, 40.0, 100.0),
        ("LLC-load-misses", 0, 2.0, 100.0),
    ]);
    let plain: Vec<_> = found.iter().map(|(name, _, value, _)| (*name, *value)).collect();
    assert_eq!(
        plain,
        [("cache_miss_percent", 20.0), ("llc_miss_percent", 5.0), ("cache_mpki", 2.5), ("llc_mpki", 0.5)]
    );
}

#[test]
fn guesses_are_left_out_and_estimates_marked() {
    let found = of_events(&[
        ("branches", 0, 100.0, 40.0),
        ("branch-misses", 0, 10.0, 60.0),
        // Seen for a hundredth of the time.
        ("branches", 1, 900.0, 1.0),
        ("branch-misses", 1, 900.0, 60.0),
        ("branches", 2, 100.0, 20.0),
        ("branch-misses", 2, 20.0, 20.0),
    ]);
    assert_eq!(found, [("branch_miss_percent", None, 15.0, Some(30.0))]);
}

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

/// Rows of one disk, each a second: reads and milliseconds so far; the phase.
fn disk_of(rows: &[(i64, i64, Option<&str>)]) -> Memory {
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
    // A mean of the three by time would be 102.7.
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
    // Of the first row of a window nobody knows how many reads it stands for.
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

/// A table of processes that tells which are new. Rows: second, pid, name, when it began (ms after the start), new, faults.
type Process = (i64, i32, &'static str, i64, Option<bool>, i64);

fn processes(all: &[Process]) -> Memory {
    let t = table(
        "process",
        vec![
            column("pid", Type::Int32, Kind::Entity, Unit::None),
            entity("comm"),
            column("started_ms", Type::Int64, Kind::Label, Unit::Milliseconds),
            column("is_new", Type::Bool, Kind::Label, Unit::None),
            counter("minor_faults", 0, Unit::Count),
        ],
    );
    let life = Life { is_new: Some("is_new"), may_change: Some("comm"), began: Some("started_ms") };
    let t: &'static TableDef = Box::leak(Box::new(TableDef { life, ..t.clone() }));
    let batch = rows(
        t,
        &all.iter().map(|p| p.0).collect::<Vec<_>>(),
        &all.iter().map(|p| (p.0 > 0).then_some(1.0)).collect::<Vec<_>>(),
        vec![
            int32s(all.iter().map(|p| Some(p.1))),
            text(all.iter().map(|p| Some(p.2))),
            ints(all.iter().map(|p| START_US / 1000 + p.3)),
            std::sync::Arc::new(all.iter().map(|p| p.4).collect::<arrow_array::BooleanArray>()),
            ints(all.iter().map(|p| p.5)),
        ],
    );
    Memory::default().with(t, vec![batch])
}

fn faults(r: &super::model::Recording, name: &str) -> (Option<Number>, Option<f64>) {
    let s = stats(r, name, "minor_faults");
    (s.total, s.per_sec)
}

#[test]
fn a_process_that_began_within_the_recording_began_from_zero() {
    let (old, new) = (Some(false), Some(true));
    let r = processes(&[
        (0, 1, "init", -9000, old, 500),
        (1, 1, "init", -9000, old, 510),
        // A child that touched 30 MB and was seen once.
        (1, 7, "child", 400, new, 7700),
        (2, 8, "sh", 1500, new, 5),
        (3, 8, "sh", 1500, old, 6),
        // It executes a compiler.
        (4, 8, "cc1", 1500, old, 105),
        (5, 8, "cc1", 1500, old, 107),
        // Its number is used again, by another shell.
        (6, 8, "sh", 5500, new, 4),
    ])
    .whole();
    assert_eq!(faults(&r, "1 init"), (Some(Int(10)), Some(10.0)));
    assert_eq!(faults(&r, "7 child"), (Some(Int(7700)), Some(7700.0)));
    assert_eq!(faults(&r, "8 sh"), (Some(Int(10)), Some(10.0 / 3.0)));
    assert_eq!(faults(&r, "8 cc1"), (Some(Int(101)), Some(101.0 / 2.0)));
    assert!(r.tables[0].words.is_empty(), "how many rows are of something new is no news: {:?}", r.tables[0].words);
}

#[test]
fn a_process_that_is_met_late_grew_since_it_began() {
    // `--processes top`: its first row comes when it is busy.
    let memory = processes(&[(8, 7, "late", 500, Some(true), 75), (9, 7, "late", 500, Some(false), 80)]);
    assert_eq!(faults(&memory.whole(), "7 late"), (Some(Int(80)), Some(80.0 / 8.5)));
    // What it used before the window is not known apart.
    let since = |s: i64| Window { from_us: START_US + s * 1_000_000, to_us: i64::MAX };
    let of = |window| faults(&memory.summary(window, None, &Choice::default()).0, "7 late");
    assert_eq!(of(since(5)), (Some(Int(5)), Some(5.0)));
    assert_eq!(of(since(0)).0, Some(Int(80)));
}

#[test]
fn older_recordings_do_not_tell_who_is_new() {
    let r = processes(&[(1, 7, "a", 400, None, 100), (2, 7, "a", 400, None, 103), (3, 7, "b", 400, None, 900)]).whole();
    assert_eq!(faults(&r, "7 a"), (Some(Int(3)), Some(3.0)));
    assert_eq!(faults(&r, "7 b"), (None, None));
}

#[test]
fn what_people_ask_for_comes_first() {
    let one = |name| table(name, vec![column("level", Type::Int64, Kind::Gauge, Unit::Count)]);
    let names = ["tick", "collector", "cpu", "perf_status", "disk", "command"];
    let memory = names.into_iter().map(one).fold(Memory::default(), |memory, t| {
        let batch = rows(t, &[0], &[None], vec![ints([1])]);
        memory.with(t, vec![batch])
    });
    let found: Vec<_> = memory.whole().tables.iter().map(|t| t.table).collect();
    assert_eq!(found, ["command", "cpu", "disk", "perf_status", "collector", "tick"]);
}

#[test]
fn rates_of_events_are_by_the_length_of_their_intervals() {
    let r = perf().whole();
    let rates = entity_named(&r, "instructions").metric("value").unwrap().rates.unwrap();
    // 100 and 9,999 a second for a second each, 1,500 for two.
    assert_eq!((rates.min, rates.p50, rates.p95, rates.max), (100.0, 1500.0, 9999.0, 9999.0));
    assert_eq!(Some(rates.mean), stats(&r, "instructions", "value").per_sec);
    assert_eq!(entity_named(&r, "LLC-loads").metric("value").unwrap().rates, None);
}

#[test]
fn marks_in_the_order_of_time() {
    let mut problems = Vec::new();
    let list = super::marks::read(&phased(), Window::ALL, None, Some(START_US), &mut problems);
    let found: Vec<_> = list.marks.iter().map(|m| (m.kind.as_str(), m.name.as_deref(), m.phase.as_deref())).collect();
    assert_eq!(found.len(), 7);
    assert_eq!(found[1], ("start", Some("warmup"), Some("load")));
    assert_eq!(found[3], ("event", None, Some("load")));
    let of = |phase| super::marks::read(&phased(), Window::ALL, Some(phase), None, &mut Vec::new()).marks.len();
    assert_eq!((of("load"), of("warmup"), of("no such")), (7, 2, 0));
    let late = Window { from_us: START_US + 5_000_000, to_us: i64::MAX };
    assert_eq!(super::marks::read(&phased(), late, None, None, &mut problems).marks.len(), 2);
    assert!(problems.is_empty());
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
