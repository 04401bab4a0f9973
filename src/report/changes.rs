//! What changed most inside a recording: metrics whose level changed by more than their noise, and when.
//!
//! Every metric is a series of at most 120 means over time, in which
//! [change points](crate::stats::change_points) are found. Their probabilities hold for series that depend on their past,
//! and are adjusted for the number of series. A change is measured in units of the noise around its two levels, and of the
//! smallest noise that counts, so that values without noise do not win by any change.

use std::collections::BTreeMap;

use serde::Serialize;

use super::model::{Entity, Instant};
use super::perf::{is_perf, units};
use super::ratios::{EVENT, VALUE};
use super::summary::{Request, has_rate};
use crate::query::By;
use crate::query::entities::Label;
use crate::query::folded::Folded;
use crate::query::index::Part;
use crate::query::points::{Point, Points};
use crate::query::select::chosen;
use crate::query::threads::map;
use crate::report::order::OWN;
use crate::stats::change_points::{LEAST, Series, Shape};
use crate::stats::many::holm;
use crate::stats::means::Sample;
use crate::store::read::piece::{ReadError, Source};
use crate::table::{Kind, StoredColumn, Unit};
use crate::text::words::count;

/// More do not show more, and take longer.
const MOST_BUCKETS: i64 = 120;

/// The probability that any metric of a recording without changes is listed.
const LEVEL: f64 = 0.05;

/// A table with more entities is only looked at if it is chosen: 1,000 processes are too many metrics.
const MOST_ENTITIES: usize = 8;

/// The noise is at least this share of the larger level: smaller changes of quiet values matter little.
const LEAST_NOISE: f64 = 0.02;

/// A change is at least this many units of noise.
const LEAST_UNITS: f64 = 3.0;

/// Of percentages it is at least this many points.
const LEAST_POINTS: f64 = 1.0;

/// Metrics of an entity whose series go together this closely changed once, not twice.
const TOGETHER: f64 = 0.95;

/// The changes of a recording, the largest first.
#[derive(Debug, Default, Serialize)]
pub struct Changes {
    pub changes: Vec<MetricChange>,
    /// Metrics that were looked at; those that never change are not counted.
    pub metrics: usize,
    /// Tables with many entities that were not looked at, each with their number: `process (21)`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// Why nothing could be looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// The largest change of a metric.
#[derive(Clone, Debug, Serialize)]
pub struct MetricChange {
    pub table: &'static str,
    pub labels: Vec<Label>,
    pub metric: &'static str,
    #[serde(serialize_with = "unit_word")]
    pub unit: Unit,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_unit: Option<String>,
    /// When the new level begins; of a drift, when it begins.
    pub at: Instant,
    pub after_s: f64,
    /// It rises or falls all the time, and has no two levels.
    pub is_drift: bool,
    pub from: f64,
    pub to: f64,
    /// The difference in units of the noise.
    pub noise_units: f64,
    /// Probability of such a change by chance, among all metrics.
    pub p: f64,
    /// Further changes of the level.
    pub more: usize,
    /// Metrics of the same entity that changed with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub with: Vec<&'static str>,
}

impl MetricChange {
    pub fn unit_word(&self) -> &str {
        self.event_unit.as_deref().unwrap_or(self.unit.word())
    }
}

fn unit_word<S: serde::Serializer>(unit: &Unit, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(unit.word())
}

/// A metric over time: the places of its values, and the values.
struct Curve {
    table: &'static str,
    labels: Vec<Label>,
    column: &'static StoredColumn,
    unit: Unit,
    event_unit: Option<String>,
    points: BTreeMap<i64, f64>,
}

/// The changes in a recording of which ticks are in these microseconds.
pub fn changes(
    source: &dyn Source,
    span: (Instant, Instant),
    request: &Request<'_>,
    problems: &mut Vec<ReadError>,
    step: &mut dyn FnMut(&str),
) -> Changes {
    let width_us = width(source.facts().interval_s, span);
    let query = request.query(source).group(By::Bucket { width_us });
    let is_asked = |name: &str| request.choice.tables.iter().any(|table| table == name);
    let mut curves: Vec<Curve> = Vec::new();
    let mut left_out = Vec::new();
    for table in chosen(source, request.choice).0 {
        if OWN.contains(&table.name) && !is_asked(table.name) {
            continue;
        }
        let found = query.table(source, table, problems, |view| {
            let entities = view.index.entities.len();
            if entities > MOST_ENTITIES && !is_perf(table) && !is_asked(table.name) {
                left_out.push(format!("{} ({entities})", table.name));
                return Ok(None);
            }
            let columns = query.columns(table);
            let results = view.fold(&columns, &Points, &mut || step(table.name))?;
            let units = units(view)?;
            let folded = Folded {
                table: view.table,
                rows: view.index.chosen(),
                entities: view.index.entities.clone(),
                groups: view.index.groups.clone(),
                columns: columns.into_iter().zip(results).collect(),
                by: By::Bucket { width_us },
            };
            Ok(Some((folded, units)))
        });
        if let Some((folded, units)) = found {
            curves.extend(self::curves(&folded, &units, request));
        }
    }
    let longest = curves.iter().map(|curve| curve.points.len()).max().unwrap_or(0);
    curves.retain(|curve| curve.points.len() >= LEAST.max(longest / 2) && !is_constant(curve));
    if longest < LEAST {
        let problem = format!("{} are too few: {LEAST} are needed to see a change", count(longest as u64, "value"));
        return Changes { problem: Some(problem), left_out, ..Changes::default() };
    }
    let found = map(request.threads, curves.len(), || (), |(), n| Ok::<_, ()>(found(&curves[n], span.0)), &mut |_| {});
    let found = found.unwrap_or_default();
    let adjusted = holm(&found.iter().map(|(p, _)| *p).collect::<Vec<f64>>());
    let mut all: Vec<(usize, MetricChange)> = Vec::new();
    for (n, ((_, change), p)) in found.into_iter().zip(adjusted).enumerate() {
        all.extend(change.filter(|_| p <= LEVEL).map(|change| (n, MetricChange { p, ..change })));
    }
    all.sort_by(|(_, a), (_, b)| b.noise_units.total_cmp(&a.noise_units));
    Changes { changes: gathered(all, &curves), metrics: curves.len(), left_out, problem: None }
}

/// The width of a bucket: a whole number of intervals.
fn width(interval_s: Option<f64>, (from, to): (Instant, Instant)) -> i64 {
    let interval_us = interval_s.map_or(1_000_000, |s| (s * 1e6) as i64).max(1);
    let intervals = to.0.saturating_sub(from.0).max(0) / interval_us + 1;
    interval_us.saturating_mul((intervals + MOST_BUCKETS - 1) / MOST_BUCKETS)
}

/// The metrics of a table over time: those that a report shows.
fn curves(folded: &Folded<Point>, units: &[Option<String>], request: &Request<'_>) -> Vec<Curve> {
    let is_chosen = !request.choice.metrics.is_empty();
    let mut curves: Vec<Curve> = Vec::new();
    for (column, points) in &folded.columns {
        if has_rate(folded.table, column) && !is_chosen || is_perf(folded.table) && column.name != VALUE {
            continue;
        }
        let first = curves.len();
        let unit = if column.kind == Kind::Counter { column.unit.per_sec() } else { column.unit };
        curves.extend(folded.entities.iter().map(|labels| Curve {
            table: folded.table.name,
            labels: labels.clone(),
            column,
            unit,
            event_unit: None,
            points: BTreeMap::new(),
        }));
        for (n, (group, point)) in folded.groups.iter().zip(points).enumerate() {
            let Part::Bucket { start_us } = group.part else { continue };
            let Some(curve) = curves.get_mut(first + group.entity) else { continue };
            curve.points.extend(point.mean.map(|mean| (start_us, mean)));
            if column.kind == Kind::Amount && curve.event_unit.is_none() {
                curve.event_unit = units.get(n).cloned().flatten();
            }
        }
    }
    let event = |curve: &Curve| {
        let entity = Entity { labels: curve.labels.clone(), rows: 0, metrics: Vec::new() };
        entity.label(EVENT).unwrap_or_default().to_string()
    };
    curves.retain(|curve| !is_perf(folded.table) || request.events.has_event(&event(curve)));
    curves
}

fn is_constant(curve: &Curve) -> bool {
    let mut values = curve.points.values();
    values.next().is_none_or(|first| values.all(|v| v == first))
}

/// The probability that a metric did not change, and its largest change, if it is large enough.
fn found(curve: &Curve, start: Instant) -> (f64, Option<MetricChange>) {
    let (stamps, values): (Vec<i64>, Vec<f64>) = curve.points.iter().unzip();
    // Whole numbers were rounded.
    let quantum = if curve.column.ty == crate::table::Type::Float64 { 0.0 } else { 1.0 };
    let Some(series) = Series::new(&values, quantum) else { return (1.0, None) };
    let p = series.p();
    let shape = series.shape(LEVEL);
    let (at, from, to, more, is_drift) = match &shape {
        Shape::Flat => return (p, None),
        Shape::Drift(drift) => (0, drift.from, drift.to, 0, true),
        Shape::Steps(steps) => {
            let size = |step: &&crate::stats::change_points::Step| (step.after - step.before).abs();
            let Some(largest) = steps.iter().max_by(|a, b| size(a).total_cmp(&size(b))) else { return (p, None) };
            (largest.at, largest.before, largest.after, steps.len() - 1, false)
        }
    };
    let (least, most) = (
        values.iter().copied().fold(f64::INFINITY, f64::min),
        values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
    );
    // A line may leave the range of the values, and a mean by rounding.
    let (from, to) = (from.clamp(least, most), to.clamp(least, most));
    let noise = noise(&values, &shape).max(LEAST_NOISE * from.abs().max(to.abs())).max(quantum / 12.0_f64.sqrt());
    let noise_units = (to - from).abs() / noise;
    let is_small = noise_units < LEAST_UNITS || curve.unit == Unit::Percent && (to - from).abs() < LEAST_POINTS;
    let Some(at_us) = stamps.get(at).filter(|_| !is_small && noise_units.is_finite()) else { return (p, None) };
    // The first bucket begins before the recording.
    let at = Instant((*at_us).max(start.0));
    let change = MetricChange {
        table: curve.table,
        labels: curve.labels.clone(),
        metric: curve.column.name,
        unit: curve.unit,
        event_unit: curve.event_unit.clone(),
        at,
        after_s: at.0.saturating_sub(start.0) as f64 / 1e6,
        is_drift,
        from,
        to,
        noise_units,
        p,
        more,
        with: Vec::new(),
    };
    (p, Some(change))
}

/// The standard deviation around the shape.
fn noise(values: &[f64], shape: &Shape) -> f64 {
    let last = values.len().saturating_sub(1).max(1) as f64;
    let mut levels: Vec<(usize, f64)> = Vec::new();
    if let Shape::Steps(steps) = shape {
        levels.extend(steps.first().map(|step| (0, step.before)));
        levels.extend(steps.iter().map(|step| (step.at, step.after)));
    }
    let expected = |n: usize| match shape {
        Shape::Drift(drift) => drift.from + (drift.to - drift.from) * n as f64 / last,
        _ => levels.iter().rev().find(|(at, _)| *at <= n).map_or(0.0, |(_, level)| *level),
    };
    let off: Vec<f64> = values.iter().enumerate().map(|(n, v)| v - expected(n)).collect();
    Sample::of(&off).map_or(0.0, |sample| sample.deviation)
}

/// The changes without those that only repeat another of the same entity: of these the metric that its table has first.
fn gathered(all: Vec<(usize, MetricChange)>, curves: &[Curve]) -> Vec<MetricChange> {
    let mut groups: Vec<Vec<(usize, MetricChange)>> = Vec::new();
    for (n, change) in all {
        let goes_with = |group: &&mut Vec<(usize, MetricChange)>| {
            group.first().is_some_and(|(other, own)| {
                let same = own.table == change.table && own.labels == change.labels;
                same && together(&curves[*other], &curves[n]) >= TOGETHER
            })
        };
        match groups.iter_mut().find(goes_with) {
            Some(group) => group.push((n, change)),
            None => groups.push(vec![(n, change)]),
        }
    }
    let whole = |mut group: Vec<(usize, MetricChange)>| {
        group.sort_by_key(|(n, _)| *n);
        let mut group = group.into_iter().map(|(_, change)| change);
        let mut first = group.next()?;
        first.with = group.map(|change| change.metric).collect();
        Some(first)
    };
    groups.into_iter().filter_map(whole).collect()
}

/// The size of the correlation of two metrics, where both have values.
fn together(a: &Curve, b: &Curve) -> f64 {
    let pairs: Vec<(f64, f64)> = a.points.iter().filter_map(|(at, v)| Some((*v, *b.points.get(at)?))).collect();
    let n = pairs.len() as f64;
    let (mean_a, mean_b) = (pairs.iter().map(|p| p.0).sum::<f64>() / n, pairs.iter().map(|p| p.1).sum::<f64>() / n);
    let sum = |f: &dyn Fn(f64, f64) -> f64| pairs.iter().map(|(a, b)| f(a - mean_a, b - mean_b)).sum::<f64>();
    let (of_a, of_b) = (sum(&|a, _| a * a), sum(&|_, b| b * b));
    if of_a > 0.0 && of_b > 0.0 { sum(&|a, b| a * b).abs() / (of_a * of_b).sqrt() } else { 0.0 }
}
