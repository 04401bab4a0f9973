//! One number per column of a recording: its entities are combined before anything is tested, because 64 cores are not
//! 64 tests.
//!
//! Shares, temperatures, frequencies and quotients (latencies, ratios) are averaged over the entities, exactly: the
//! mean of quotients is the quotient of the sums. The largest mean of one entity is a metric of its own (`max`).
//! Everything else is added up. Entities of a column that is declared `separate` (events, mount points) stay apart.

use std::collections::BTreeMap;

use super::metric::{Facts, Measured, Name, Statistic};
use crate::metric::table::METRIC;
use crate::query::entities::name_of;
use crate::query::folded::Folded;
use crate::query::index::Part;
use crate::query::sums::Sum;
use crate::report::ratios::LEAST_RUNNING_PERCENT;
use crate::table::{Kind, StoredColumn, StoredOrigin, TableDef, Unit, Weight};

/// The entity of a metric that is the largest of all.
pub const MAX: &str = "max";

/// Tables with this source are about the recorder itself.
const RECORDER: &str = "the recorder";

/// The column that tells how much of a value was counted.
const RUNNING: &str = "running_percent";

/// Are its columns about the machine, or the work on it?
pub fn is_compared(table: &TableDef) -> bool {
    table.source != RECORDER
}

/// The metrics of a table. `is_work`: a command was recorded, so that totals mean its work, not the length of the
/// recording.
pub fn metrics(folded: &Folded<Sum>, is_work: bool) -> Vec<Measured> {
    let all: Vec<usize> = (0..folded.groups.len()).filter(|group| is_counted(folded, *group)).collect();
    numbers(folded, &all, is_work)
}

/// The metrics of a table that was grouped by time, each as a series over time.
pub fn series(folded: &Folded<Sum>) -> BTreeMap<Name, Vec<f64>> {
    let mut buckets: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
    for (n, group) in folded.groups.iter().enumerate() {
        if let Part::Bucket { start_us } = group.part {
            buckets.entry(start_us).or_default().push(n);
        }
    }
    let mut series: BTreeMap<Name, Vec<f64>> = BTreeMap::new();
    for groups in buckets.values() {
        for measured in numbers(folded, groups, false) {
            series.entry(measured.name).or_default().push(measured.value);
        }
    }
    series
}

fn numbers(folded: &Folded<Sum>, groups: &[usize], is_work: bool) -> Vec<Measured> {
    let parts = parts(folded, groups);
    let mut found = Vec::new();
    for (column, sums) in &folded.columns {
        let has_rate = has_rate(folded.table, column);
        for (entity, groups) in &parts {
            let of_part: Vec<&Sum> = groups.iter().filter_map(|group| sums.get(*group)).collect();
            for (label, statistic, value) in combined(column, &of_part, is_work, has_rate) {
                let entity = match (entity.as_str(), label) {
                    ("", None) => None,
                    ("", Some(label)) => Some(label.to_string()),
                    (entity, None) => Some(entity.to_string()),
                    (entity, Some(label)) => Some(format!("{entity} {label}")),
                };
                let unit = if statistic == Statistic::Mean && column.kind == Kind::Counter {
                    column.unit.per_sec()
                } else {
                    column.unit
                };
                let name = Name { phase: None, table: folded.table.name, entity, column: column.name, statistic };
                let facts = Facts::of_unit(unit, column.better);
                // What matters of the program's own numbers is not known here, whatever their unit.
                let facts = if folded.table.name == METRIC { Facts { min_abs: 0.0, ..facts } } else { facts };
                found.push(Measured::new(name, facts, value));
            }
        }
    }
    found
}

/// A value that was extrapolated from almost nothing is a guess.
fn is_counted(folded: &Folded<Sum>, group: usize) -> bool {
    let running = folded.column(RUNNING).and_then(|sums| sums.get(group)).filter(|sum| sum.weight > 0.0);
    running.is_none_or(|sum| sum.product / sum.weight >= LEAST_RUNNING_PERCENT)
}

/// The groups that are combined, by the labels that keep them apart.
fn parts(folded: &Folded<Sum>, groups: &[usize]) -> BTreeMap<String, Vec<usize>> {
    let mut parts: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let found = groups.iter().filter_map(|n| Some((*n, folded.groups.get(*n)?)));
    for (n, group) in found.filter(|(_, group)| group.rows > 0) {
        let labels = folded.entities.get(group.entity).map(Vec::as_slice).unwrap_or_default();
        let apart = labels.iter().filter(|label| folded.table.separate.contains(&label.name));
        let name = name_of(apart.filter_map(|label| label.value.as_deref()));
        parts.entry(name).or_default().push(n);
    }
    parts
}

/// A counter with a column of its growth per second.
fn has_rate(table: &TableDef, column: &StoredColumn) -> bool {
    let StoredOrigin::Raw(raw) = column.origin else { return false };
    table.stored.iter().any(|other| match &other.origin {
        StoredOrigin::Derived(formula) => formula.over.is_none() && formula.factor == 1.0 && formula.of == [raw],
        StoredOrigin::Raw(_) => false,
    })
}

type Combined = (Option<&'static str>, Statistic, f64);

fn combined(column: &StoredColumn, sums: &[&Sum], is_work: bool, has_rate: bool) -> Vec<Combined> {
    let totals: Vec<f64> = sums.iter().filter_map(|sum| sum.total).collect();
    if matches!(column.kind, Kind::Counter | Kind::Amount) {
        let seconds = sums.iter().map(|sum| sum.seconds).fold(0.0, f64::max);
        let total: f64 = totals.iter().sum();
        return match () {
            () if totals.is_empty() => vec![],
            () if is_work => vec![(None, Statistic::Total, total)],
            () if has_rate || seconds <= 0.0 => vec![],
            () => vec![(None, Statistic::Mean, total / seconds)],
        };
    }
    let sums: Vec<&&Sum> = sums.iter().filter(|sum| sum.weight > 0.0).collect();
    let (product, weight): (f64, f64) = sums.iter().fold((0.0, 0.0), |(p, w), sum| (p + sum.product, w + sum.weight));
    if weight <= 0.0 {
        return Vec::new();
    }
    if !is_averaged(column) {
        // An entity that was there half of the time counts half.
        let longest = sums.iter().map(|sum| sum.weight).fold(0.0, f64::max);
        return vec![(None, Statistic::Mean, product / longest)].into_iter().chain(percentiles(&sums)).collect();
    }
    let mut found = vec![(None, Statistic::Mean, product / weight)];
    if sums.len() > 1 && matches!(column.weight, Weight::Row | Weight::Elapsed) {
        let largest = sums.iter().map(|sum| sum.product / sum.weight).fold(f64::MIN, f64::max);
        found.push((Some(MAX), Statistic::Mean, largest));
    }
    found.extend(percentiles(&sums));
    found
}

/// Percentiles cannot be combined.
fn percentiles(sums: &[&&Sum]) -> Vec<Combined> {
    /// Fewer values have no 95th percentile worth the name.
    const LEAST: usize = 20;
    let [only] = sums else { return Vec::new() };
    let all = [(Statistic::P50, only.p50), (Statistic::P95, only.p95)];
    let known = all.into_iter().filter(|_| only.count >= LEAST);
    known.filter_map(|(statistic, value)| Some((None, statistic, value?))).collect()
}

/// A sum over entities would mean nothing.
fn is_averaged(column: &StoredColumn) -> bool {
    matches!(column.weight, Weight::Growth(_) | Weight::Count(_))
        || matches!(column.unit, Unit::Percent | Unit::Celsius | Unit::Megahertz | Unit::None | Unit::Other(_))
}
