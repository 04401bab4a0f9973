//! Table `perf`: its values, its rates and its ratios.

use super::{entity_named, stats};
use crate::query::number::Number::Float;
use crate::report::model::Ratio;
use crate::report::testing::*;
use crate::table::{Kind, TableDef, Type, Unit};

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
    // (100 + 3000) ÷ (400 + 600): without the 9999 of the interval whose cycles did not count; a mean of ratios is
    // 2.625.
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

/// Rows with intervals of one second: (event, second, value, running).
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

/// The ratios of such rows: (ratio, PMU or mode, value, running).
fn ratios_of(rows: &[(&str, i64, f64, f64)]) -> Vec<(&'static str, Option<String>, f64, Option<f64>)> {
    let r = events(rows).whole();
    let ratios = r.tables[0].ratios.iter();
    ratios.map(|r| (r.ratio, r.labels.first().and_then(|l| l.value.clone()), r.value, r.running_percent)).collect()
}

#[test]
fn kinds_of_cpu_and_modes_are_never_mixed() {
    let found = ratios_of(&[
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
    let found = ratios_of(&[
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
    let found = ratios_of(&[
        ("branches", 0, 100.0, 40.0),
        ("branch-misses", 0, 10.0, 60.0),
        // On the counter for a hundredth of the time.
        ("branches", 1, 900.0, 1.0),
        ("branch-misses", 1, 900.0, 60.0),
        ("branches", 2, 100.0, 20.0),
        ("branch-misses", 2, 20.0, 20.0),
    ]);
    assert_eq!(found, [("branch_miss_percent", None, 15.0, Some(30.0))]);
}

#[test]
fn rates_of_events_are_by_the_length_of_their_intervals() {
    let r = perf().whole();
    let rates = entity_named(&r, "instructions").metric("value").unwrap().rates.unwrap();
    // 100 and 9,999 per second for one second each, 1,500 for two.
    assert_eq!((rates.min, rates.p50, rates.p95, rates.max), (100.0, 1500.0, 9999.0, 9999.0));
    assert_eq!(Some(rates.mean), stats(&r, "instructions", "value").per_sec);
    assert_eq!(entity_named(&r, "LLC-loads").metric("value").unwrap().rates, None);
}

/// Intervals of 1 s in MiB. In the second one `write` was too rarely on a counter.
#[test]
fn memory_bandwidth_is_bytes_by_the_length_of_intervals() {
    let found = |rows: &[(&str, i64, f64, f64)]| -> Vec<(&str, f64, usize)> {
        events(rows).whole().tables[0].ratios.iter().map(|r| (r.ratio, r.value / 1_048_576.0, r.intervals)).collect()
    };
    let (read, write) = ("uncore_imc/cas_count_read/", "uncore_imc/cas_count_write/");
    let rows = [(read, 0, 1000.0, 100.0), (write, 0, 500.0, 100.0), (read, 1, 3000.0, 100.0), (write, 1, 9999.0, 2.0)];
    // The second interval has no sum of both.
    let expected = [
        ("memory_bytes_per_sec", 1500.0, 1),
        ("memory_read_bytes_per_sec", 2000.0, 2),
        ("memory_write_bytes_per_sec", 500.0, 1),
    ];
    assert_eq!(found(&rows), expected);
    // 2^20 commands of 64 bytes.
    let amd = [("umc_cas_cmd.rd", 0, 1_048_576.0, 100.0), ("umc_cas_cmd.wr", 0, 2_097_152.0, 100.0)];
    assert_eq!(found(&amd).iter().map(|r| r.1).collect::<Vec<_>>(), [192.0, 64.0, 128.0]);
    assert_eq!(found(&rows[..1]), [("memory_read_bytes_per_sec", 1000.0, 1)], "no total without writes");
    let halves = [
        ("uncore_imc/cas_count_read_sch0/", 0, 100.0, 100.0),
        ("uncore_imc/cas_count_read_sch1/", 0, 50.0, 100.0),
        ("uncore_imc/cas_count_write_sch0/", 0, 30.0, 100.0),
    ];
    assert_eq!(found(&halves), [("memory_read_bytes_per_sec", 150.0, 1)], "half of the writes is no number");
}

/// The seconds of two sockets are the same seconds: what they read per second adds up.
#[test]
fn memory_bandwidth_of_sockets_adds_up() {
    let t = perf_table();
    let batch = rows(
        t,
        &[0, 0, 1, 1],
        &[Some(2.0); 4],
        vec![
            text([Some("uncore_imc/data_reads/"); 4]),
            int32s([None; 4]),
            text([Some("S0"), Some("S1"), Some("S0"), Some("S1")]),
            floats([40.0, 10.0, 80.0, 30.0]),
            text([Some("MiB"); 4]),
            floats([100.0; 4]),
            text([Some("counted"); 4]),
        ],
    );
    let r = Memory::default().with(t, vec![batch]).whole();
    let of = |r: &Ratio| (r.labels.len(), r.value / 1_048_576.0);
    // 120 MiB and 40 MiB in 4 s; the PMU is a label of each.
    assert_eq!(r.tables[0].ratios.iter().map(of).collect::<Vec<_>>(), [(1, 40.0), (2, 30.0), (2, 10.0)]);
}
