//! Every entity of a table, with a line per metric.

use super::metric::{is_single, is_zero, names, no_value, percentile_names, shown, value};
use super::{Group, Options, Section};
use crate::report::model::{Entity, Metric, Table};
use crate::table::Kind;
use crate::table::human::scaled;
use crate::text::words;

pub fn section(table: &Table, options: Options<'_>) -> Section {
    let mut section = Section { title: table.table.into(), aside: table.source.into(), ..Section::default() };
    let totals = totals(table, options);
    section.columns = columns(options, totals);
    let mut empty = Vec::new();
    for entity in &table.entities {
        let mut group = Group { title: entity.name(), ..Group::default() };
        let mut constant = Vec::new();
        for metric in shown(entity, options) {
            let is_empty = metric.stats.count == 0 || metric.kind == Kind::Counter && metric.stats.total.is_none();
            if is_empty && !options.all && !options.chosen {
                empty.push(metric.name);
            } else if folds(metric, options) {
                constant.push(metric);
            } else {
                group.rows.push((metric.name.into(), cells(entity, metric, options, totals)));
                group.traces.push(metric.trace.clone());
            }
        }
        let idle = group.rows.is_empty() && constant.len() > 3 && constant.iter().all(|m| is_zero(m));
        // For a device that did nothing, a list of its metrics would say nothing.
        group.notes = match idle && !group.title.is_empty() {
            true if constant.iter().all(|m| is_single(m)) => vec!["all 0".into()],
            true => vec!["all always 0".into()],
            false => unchanging(&constant),
        };
        if !group.rows.is_empty() || !group.notes.is_empty() {
            section.groups.push(group);
        }
    }
    section.notes.extend(no_value(empty));
    if section.groups.is_empty() && section.notes.is_empty() && table.words.is_empty() {
        section.notes.push(format!("{} without numbers; --csv writes them", words::count(table.rows as u64, "row")));
    }
    section
}

/// Is the metric listed in one line with others that never changed? With a single interval this is not known.
fn folds(m: &Metric, options: Options<'_>) -> bool {
    let same = match (m.kind, m.stats.min, m.stats.max) {
        (Kind::Counter, ..) => m.stats.total.is_none_or(|t| t.as_f64() == 0.0),
        (_, min, max) => min == max,
    };
    same && (!is_single(m) || is_zero(m)) && !options.all && !options.chosen
}

fn unchanging(metrics: &[&Metric]) -> Vec<String> {
    let (zero, other): (Vec<&Metric>, Vec<&Metric>) = metrics.iter().partition(|m| is_zero(m));
    let mut notes = Vec::new();
    if !other.is_empty() {
        let each = other.iter().map(|m| format!("{} {}", m.name, value(m.stats.max, m)));
        notes.push(format!("unchanged: {}", each.collect::<Vec<_>>().join(", ")));
    }
    let (once, always): (Vec<&Metric>, Vec<&Metric>) = zero.into_iter().partition(|m| is_single(m));
    for (what, metrics) in [("always 0", always), ("0", once)] {
        if !metrics.is_empty() {
            notes.push(format!("{what}: {}", metrics.iter().map(|m| m.name).collect::<Vec<_>>().join(", ")));
        }
    }
    notes
}

/// Does any row have a total?
fn totals(table: &Table, options: Options<'_>) -> bool {
    let mut metrics = table.entities.iter().flat_map(|e| shown(e, options).map(move |m| (e, m)));
    metrics.any(|(e, m)| total(e, m).is_some())
}

/// The growth of a counter is shown in the row of its rate.
fn total(entity: &Entity, metric: &Metric) -> Option<String> {
    let of = |m: &Metric| m.stats.total.filter(|t| t.as_f64() != 0.0).map(|t| scaled(t.as_f64(), m.unit));
    match metric.kind {
        Kind::Counter | Kind::Amount => of(metric),
        Kind::Interval => of(entity.metrics.iter().find(|m| m.rate == Some(metric.name))?),
        _ => None,
    }
}

pub(super) fn columns(options: Options<'_>, totals: bool) -> Vec<String> {
    let first: &[&str] = if options.wide { &["count", "nulls", "min", "mean"] } else { &["mean"] };
    let mut columns = names(first);
    columns.extend(percentile_names(options));
    columns.push("max".into());
    columns.extend(totals.then(|| "total".into()));
    columns
}

pub(super) fn cells(entity: &Entity, m: &Metric, options: Options<'_>, totals: bool) -> Vec<String> {
    let s = &m.stats;
    let mean = match m.kind {
        Kind::Counter => s.per_sec.map(|v| scaled(v, m.unit.per_sec())),
        _ => s.mean.map(|v| scaled(v, m.unit)),
    }
    .unwrap_or_default();
    let of = |v| value(v, m);
    let mut cells =
        if options.wide { vec![s.count.to_string(), s.nulls.to_string(), of(s.min), mean] } else { vec![mean] };
    match (options.percentiles, options.wide) {
        ([], true) => cells.extend([s.p50, s.p95, s.p99].map(of)),
        ([], false) => cells.extend([s.p50, s.p95].map(of)),
        (asked, _) => cells.extend(asked.iter().map(|percentile| of(m.percentiles.at(*percentile)))),
    }
    cells.push(of(s.max));
    if totals {
        cells.push(total(entity, m).unwrap_or_default());
    }
    cells
}
