//! What was wrong with the recorder. Its tables come first in a report if anything was, because the other figures are
//! then to be read with care.

use serde::Serialize;

use super::model::{Entity, Recording, Table};
use crate::query::number::Number;
use crate::table::Unit;
use crate::table::human::{scaled, time};
use crate::text::words::count;

/// One thing that went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// The table that shows it.
    pub table: &'static str,
    pub what: String,
}

/// Fewer missed ticks than this share happen on a busy machine, and change no figure: rates are by elapsed time.
const MOST_MISSED: f64 = 0.01;

/// A tick that is late by less than this share of the interval is on time.
const MOST_LATE: f64 = 0.1;

/// The largest number of different errors of a table that are named.
const MOST_ERRORS: usize = 4;

/// What went wrong in a recording, in the order in which it matters. `lost`: ticks that could not be written.
pub fn troubles(recording: &Recording, lost: u64) -> Vec<Trouble> {
    let table = |name: &str| recording.tables.iter().find(|t| t.table == name);
    let of = |table: &'static str| move |what: String| Trouble { table, what };
    let mut found: Vec<Trouble> = Vec::new();
    found.extend((lost > 0).then(|| of("tick")(format!("{} could not be written", count(lost, "tick")))));
    found.extend(missed(recording).map(of("tick")));
    found.extend(table("tick").and_then(|tick| late(tick, recording.interval_s?)).map(of("tick")));
    if let Some(collectors) = table("collector") {
        found.extend(collectors.entities.iter().filter_map(failed).map(of("collector")));
        found.extend(errors(collectors).map(of("collector")));
    }
    if let Some(perf) = table("perf_status") {
        found.extend(errors(perf).map(of("perf_status")));
    }
    found
}

fn missed(recording: &Recording) -> Option<String> {
    let missed = u64::try_from(recording.missed?).ok()?;
    let due = recording.ticks?.saturating_add(missed);
    (missed as f64 >= MOST_MISSED * due as f64 && missed > 0).then(|| format!("{missed} of {due} ticks were missed"))
}

fn late(tick: &Table, interval_s: f64) -> Option<String> {
    let late = tick.entities.first()?.metric("late_us").filter(|m| m.unit == Unit::Microseconds)?;
    let p95_s = late.stats.p95.map(Number::as_f64)? / 1e6;
    (p95_s >= MOST_LATE * interval_s).then(|| {
        format!("ticks were late (p95 {} of an interval of {})", scaled(p95_s, Unit::Seconds), time(interval_s))
    })
}

/// `disk failed 3 times`
fn failed(collector: &Entity) -> Option<String> {
    let errors = collector.metric("errors")?;
    // The mean times the number of rows is the sum.
    let times = (errors.stats.mean? * errors.stats.count as f64).round();
    let often = if times > 1.0 { format!("{times} times") } else { "once".into() };
    (times > 0.0).then(|| format!("{} failed {often}", collector.name()))
}

/// The texts of a table's errors.
fn errors(table: &Table) -> impl Iterator<Item = String> {
    let words = table.words.iter().filter(|words| words.column == "error").flat_map(|words| &words.values);
    words.take(MOST_ERRORS).map(|(error, _)| error.clone())
}
