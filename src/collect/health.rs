//! What the recorder reports about itself: the tables `tick` and `collector`.

use crate::table::Unit::{Bytes, Count, Microseconds, Nanoseconds};
use crate::table::{
    Chart, Charts, Table, TableDef, counter, entity, gauge, gauge_float, label, label_int, significant,
};

pub fn tables() -> [TableDef; 2] {
    [TICK.def(), COLLECTOR.def()]
}

/// One tick of the recorder.
#[derive(Debug, Default)]
pub struct Tick {
    pub number: u64,
    pub mono_ns: u64,
    pub late_us: u64,
    pub collect_us: u64,
    pub missed: u64,
    pub self_cpu_us: Option<u64>,
    pub self_rss_bytes: Option<u64>,
    pub journal_bytes: u64,
    pub synced_bytes: u64,
}

pub static TICK: Table<Tick> = Table {
    name: "tick",
    source: "the recorder",
    doc: "The recorder's own clock and cost: one row per tick.",
    charts: Charts::Drawn(&[
        Chart::lines("Lateness and reading", &["late_us", "collect_us"]),
        Chart::lines("CPU time of the recorder", &["self_cpu_us"]),
        Chart::lines("Memory of the recorder", &["self_rss_bytes"]),
    ]),
    columns: &[
        label_int("tick", Count, "Number of the tick in its session, from 0.", |t: &Tick| t.number.into()),
        label_int(
            "mono_ns",
            Nanoseconds,
            "CLOCK_MONOTONIC at the start of the tick, to the microsecond: time since boot, without suspend.",
            // The last three digits are noise, and noise takes space: 2 bytes per tick.
            |t: &Tick| (t.mono_ns / 1000 * 1000).into(),
        ),
        gauge(
            "late_us",
            Microseconds,
            "How late the tick began after its scheduled time; 0 for ticks without one: the first, the last, and those \
             made by a mark.",
            |t: &Tick| t.late_us.into(),
        )
        .lower_is_better(),
        gauge("collect_us", Microseconds, "Wall time of reading all collectors in this tick.", |t: &Tick| {
            t.collect_us.into()
        })
        .lower_is_better(),
        gauge(
            "missed",
            Count,
            "Ticks skipped before this one because the machine or the recorder was stopped.",
            |t: &Tick| t.missed.into(),
        )
        .lower_is_better(),
        counter(
            "self_cpu_us",
            Microseconds,
            "CPU time of the recorder since its start, including sealing, without `perf`.",
            |t: &Tick| t.self_cpu_us.into(),
        )
        .lower_is_better(),
        gauge("self_rss_bytes", Bytes, "Resident memory of the recorder.", |t: &Tick| t.self_rss_bytes.into())
            .lower_is_better(),
        gauge("journal_bytes", Bytes, "Length of the open journal before this tick.", |t: &Tick| {
            t.journal_bytes.into()
        }),
        gauge(
            "synced_bytes",
            Bytes,
            "How much of the open journal was known to be on disk before this tick; the rest is lost if the power \
             fails.",
            |t: &Tick| t.synced_bytes.into(),
        ),
    ],
};

/// The work of one collector since its previous row.
#[derive(Clone, Debug, Default)]
pub struct Health {
    pub collector: &'static str,
    pub samples: u64,
    pub rows: u64,
    pub collect_us_mean: Option<f64>,
    pub collect_us_max: Option<u64>,
    pub errors: u64,
    pub error: Option<String>,
}

pub static COLLECTOR: Table<Health> = Table {
    name: "collector",
    source: "the recorder",
    doc: "Status of each collector: one row per collector and minute, one at each failure and recovery, and one at the \
          end.",
    charts: Charts::Drawn(&[Chart::lines("Reading per collector, mean", &["collect_us_mean"])]),
    columns: &[
        entity("collector", "Name, as in `--collectors`.", |h: &Health| h.collector.into()),
        gauge("samples", Count, "Samples taken since the collector's previous row.", |h: &Health| h.samples.into()),
        gauge("rows", Count, "Rows recorded since the collector's previous row.", |h: &Health| h.rows.into()),
        gauge_float(
            "collect_us_mean",
            Microseconds,
            "Mean wall time of a sample since the collector's previous row.",
            |h: &Health| h.collect_us_mean.map(significant).into(),
        )
        .mean_of("samples")
        .lower_is_better(),
        gauge(
            "collect_us_max",
            Microseconds,
            "Longest wall time of a sample since the collector's previous row.",
            |h: &Health| h.collect_us_max.into(),
        )
        .lower_is_better(),
        gauge("errors", Count, "Samples that failed since the collector's previous row.", |h: &Health| h.errors.into())
            .lower_is_better(),
        label(
            "error",
            "The last failure or warning since the collector's previous row; null if there was none.",
            |h: &Health| h.error.as_deref().into(),
        ),
    ],
};
