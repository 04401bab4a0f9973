//! Values as the page shows them: the unit of a metric, also of an event.

use crate::report::model::Metric;
use crate::report::perf::MEBIBYTES;
use crate::table::human::{count, scaled};
use crate::table::{Kind, StoredColumn, Unit, intern};

/// The unit in which a series is drawn, and the factor from the recorded value to it. A counter is drawn as its growth
/// per second, and so is an event.
pub fn drawn_unit(column: &StoredColumn, event_unit: Option<&str>) -> (Unit, f64) {
    match column.kind {
        Kind::Counter => (column.unit.per_sec(), 1.0),
        Kind::Amount => match event_unit {
            Some("msec" | "ms") => (Unit::MillisecondsPerSec, 1.0),
            Some("ns") => (Unit::MillisecondsPerSec, 1e-6),
            Some(MEBIBYTES) => (Unit::BytesPerSec, 1_048_576.0),
            None | Some("") => (Unit::CountPerSec, 1.0),
            Some(other) => (Unit::Other(intern(&format!("{other}/s"))), 1.0),
        },
        _ => (column.unit, 1.0),
    }
}

/// A value of a metric, such as its total.
pub fn amount(v: f64, metric: &Metric) -> String {
    match metric.event_unit.as_deref() {
        Some("msec" | "ms") => scaled(v, Unit::Milliseconds),
        Some("ns") => scaled(v, Unit::Nanoseconds),
        Some(MEBIBYTES) => scaled(v * 1_048_576.0, Unit::Bytes),
        Some(other) if !other.is_empty() => format!("{} {other}", count(v)),
        _ if metric.kind == Kind::Amount => count(v),
        _ => scaled(v, metric.unit),
    }
}

/// A value of a metric per second.
pub fn rate(v: f64, metric: &Metric) -> String {
    if metric.kind == Kind::Amount { amount(v, metric) + "/s" } else { scaled(v, metric.unit.per_sec()) }
}

/// The mean of a metric as it is drawn: per second for counters and events.
pub fn mean(metric: &Metric) -> Option<f64> {
    match metric.kind {
        Kind::Counter | Kind::Amount => metric.stats.per_sec,
        _ => metric.stats.mean,
    }
}

/// The same, written out.
pub fn mean_text(metric: &Metric) -> Option<String> {
    let v = mean(metric)?;
    Some(match metric.kind {
        Kind::Counter | Kind::Amount => rate(v, metric),
        _ => scaled(v, metric.unit),
    })
}
