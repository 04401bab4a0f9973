//! The values that a page draws: of each chosen column, the points of a few entities, the others combined, and
//! sparklines.
//!
//! A recording with few samples is drawn sample by sample. Otherwise the samples of each of at most [`MOST_COLUMNS`]
//! columns of time are combined: their mean, weighted as in the tables of the page, and the smallest and largest.

use std::collections::{BTreeMap, HashMap};

use crate::chart::series::Point;
use crate::chart::spark;
use crate::query::growth::Growth;
use crate::query::index::Part;
use crate::query::number::Number;
use crate::query::points::{Point as Folded, Points};
use crate::query::read::BadPiece;
use crate::query::values::{Fold, Values};
use crate::query::{By, Query, View};
use crate::report::model;
use crate::store::read::piece::{ReadError, Source};
use crate::table::{Kind, StoredColumn, TableDef, Unit};
use crate::text::printable::printable;

/// The most columns of time.
pub const MOST_COLUMNS: i64 = 480;
/// Fewer cells than this are drawn in a heat map.
const MOST_CELLS: usize = 20_000;
/// Samples in a bucket this wide are a sample each.
const SAMPLE_US: i64 = 1000;

/// What is needed of a table. Entities are indices of those of its summary.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Each with the entities that have a line of their own. The others are combined.
    pub columns: HashMap<&'static str, Vec<usize>>,
    /// Entities with a sparkline.
    pub sparks: Vec<usize>,
    /// All entities are rows of a heat map.
    pub is_heat: bool,
}

/// The values of a table over time.
#[derive(Debug, Default)]
pub struct TableSeries {
    pub columns: Vec<ColumnSeries>,
}

#[derive(Debug)]
pub struct ColumnSeries {
    pub column: &'static StoredColumn,
    /// By entity.
    pub lines: HashMap<usize, Vec<Point>>,
    /// All others.
    pub rest: Option<Rest>,
    /// By entity: places from 0 to 1, and values.
    pub sparks: HashMap<usize, Vec<(f64, Option<f64>)>>,
}

/// Entities that are combined into one line.
#[derive(Debug)]
pub struct Rest {
    pub count: usize,
    /// Their values are added. Otherwise the highest counts.
    pub is_sum: bool,
    pub points: Vec<Point>,
}

impl TableSeries {
    pub fn column(&self, name: &str) -> Option<&ColumnSeries> {
        self.columns.iter().find(|c| c.column.name == name)
    }

    /// The points of an entity.
    pub fn points(&self, column: &str, entity: usize) -> &[Point] {
        self.column(column).and_then(|c| c.lines.get(&entity)).map_or(&[], Vec::as_slice)
    }
}

/// Where the values come from, and over which time they are drawn.
pub struct Origin<'a> {
    pub source: &'a dyn Source,
    pub query: &'a Query<'a>,
    /// First and last tick.
    pub span: (i64, i64),
}

/// Reads the wanted values. What cannot be read is left out and added to `problems`.
pub fn load(origin: &Origin<'_>, table: &model::Table, wanted: &Wanted, problems: &mut Vec<ReadError>) -> TableSeries {
    let Some(def) = origin.source.tables().into_iter().find(|t| t.name == table.table) else {
        return TableSeries::default();
    };
    let width_us = width(origin.span, table, wanted);
    let query = origin.query.regrouped(By::Bucket { width_us });
    let load = |view: &View<'_>| Ok(Some(load_view(view, origin, table, wanted, width_us)?));
    query.table(origin.source, def, problems, load).unwrap_or_default()
}

fn width((from, to): (i64, i64), table: &model::Table, wanted: &Wanted) -> i64 {
    let samples = table.entities.iter().map(|e| e.rows).max().unwrap_or(0) as i64;
    let most = match wanted.is_heat {
        true => ((MOST_CELLS / table.entities.len().max(1)) as i64).clamp(24, MOST_COLUMNS),
        false => MOST_COLUMNS,
    };
    if samples <= most {
        return SAMPLE_US;
    }
    let columns = most.min(samples / 2).max(1);
    (to.saturating_sub(from) / columns + 1).max(SAMPLE_US)
}

fn load_view(
    view: &View<'_>,
    origin: &Origin<'_>,
    table: &model::Table,
    wanted: &Wanted,
    width_us: i64,
) -> Result<TableSeries, BadPiece> {
    // Names in the summary are cleaned.
    let known: HashMap<Vec<Option<String>>, usize> = table
        .entities
        .iter()
        .enumerate()
        .map(|(n, entity)| (entity.labels.iter().map(|l| l.value.clone()).collect(), n))
        .collect();
    let entities: Vec<Option<usize>> = (view.index.entities.iter())
        .map(|labels| {
            let names = labels.iter().map(|l| l.value.as_deref().map(|v| printable(v).into_owned()));
            known.get(&names.collect::<Vec<_>>()).copied()
        })
        .collect();
    // The groups of every entity in order of time.
    let mut groups: Vec<(usize, i64, usize)> = Vec::new();
    for (n, group) in view.index.groups.iter().enumerate() {
        if let (Part::Bucket { start_us }, Some(Some(entity)), 1..) =
            (&group.part, entities.get(group.entity), group.rows)
        {
            groups.push((*entity, *start_us, n));
        }
    }
    groups.sort_unstable();
    let is_sample = width_us == SAMPLE_US;
    let mut series = TableSeries::default();
    let columns: Vec<&'static StoredColumn> =
        view.table.metrics().filter(|c| wanted.columns.contains_key(c.name)).collect();
    // A few at a time, because all of many entities would not fit.
    for columns in columns.chunks(4) {
        for (column, results) in columns.iter().zip(view.fold(columns, &Drawn, &mut || ())?) {
            let mut found = ColumnSeries { column, lines: HashMap::new(), rest: None, sparks: HashMap::new() };
            let mut rest: BTreeMap<i64, Point> = BTreeMap::new();
            let mut combined = 0;
            let is_sum = is_added(view.table, column);
            let lines = wanted.columns.get(column.name).map_or(&[][..], Vec::as_slice);
            for of_entity in groups.chunk_by(|a, b| a.0 == b.0) {
                let Some((entity, ..)) = of_entity.first() else { continue };
                let values = of_entity.iter().map(|(_, start_us, n)| (*start_us, results.get(*n)));
                let points = points(values, width_us, is_sample, origin.span);
                if wanted.sparks.contains(entity) {
                    found.sparks.insert(*entity, thin(&points, origin.span));
                }
                if wanted.is_heat || lines.contains(entity) {
                    found.lines.insert(*entity, points);
                } else {
                    combined += usize::from(!points.is_empty());
                    points.iter().for_each(|point| combine(&mut rest, *point, is_sum));
                }
            }
            let rest: Vec<Point> = rejoined(rest.into_values().collect(), width_us, is_sample);
            found.rest = (!rest.is_empty()).then_some(Rest { count: combined, is_sum, points: rest });
            series.columns.push(found);
        }
    }
    Ok(series)
}

/// Are values of different entities added? Shares, times and temperatures are not.
fn is_added(table: &TableDef, column: &StoredColumn) -> bool {
    let is_amount = matches!(
        column.unit,
        Unit::Count
            | Unit::Bytes
            | Unit::Kibibytes
            | Unit::Pages
            | Unit::Watts
            | Unit::CountPerSec
            | Unit::BytesPerSec
            | Unit::KibibytesPerSec
            | Unit::PagesPerSec
    );
    is_amount && table.separate.is_empty()
}

fn combine(rest: &mut BTreeMap<i64, Point>, point: Point, is_sum: bool) {
    let slot = rest.entry(point.from_us);
    slot.and_modify(|sum| {
        if is_sum {
            (sum.mean, sum.low, sum.high) = (sum.mean + point.mean, sum.low + point.mean, sum.high + point.mean);
        } else {
            (sum.mean, sum.low, sum.high) =
                (sum.mean.max(point.mean), sum.low.max(point.mean), sum.high.max(point.mean));
        }
        sum.is_joined |= point.is_joined;
    })
    .or_insert(Point { low: point.mean, high: point.mean, ..point });
}

fn rejoined(mut points: Vec<Point>, width_us: i64, is_sample: bool) -> Vec<Point> {
    let reach = reach(points.iter().map(|p| p.from_us), width_us, is_sample);
    let mut before: Option<i64> = None;
    for point in &mut points {
        point.is_joined = before.is_some_and(|before| point.from_us - before <= reach);
        before = Some(point.from_us);
    }
    points
}

/// The longest distance of two points between which nothing is missing: two and a half times the usual distance.
fn reach(starts: impl Iterator<Item = i64>, width_us: i64, is_sample: bool) -> i64 {
    let starts: Vec<i64> = starts.collect();
    let mut steps: Vec<i64> = starts.iter().zip(starts.iter().skip(1)).map(|(a, b)| b - a).collect();
    steps.sort_unstable();
    let usual = steps.get(steps.len() / 2).copied().unwrap_or(0);
    let usual = if is_sample { usual } else { usual.max(width_us) };
    usual.saturating_mul(5) / 2
}

/// The points of an entity. A row without a value is a gap.
fn points<'f>(
    values: impl Iterator<Item = (i64, Option<&'f Folded>)> + Clone,
    width_us: i64,
    is_sample: bool,
    (first, last): (i64, i64),
) -> Vec<Point> {
    let reach = reach(values.clone().map(|(start, _)| start), width_us, is_sample);
    let mut before: Option<i64> = None;
    let mut points = Vec::new();
    for (start, value) in values {
        let Some((value, mean)) = value.and_then(|v| Some((v, v.mean.filter(|m| m.is_finite())?))) else {
            before = None;
            continue;
        };
        let number = |n: Option<Number>| n.map_or(mean, Number::as_f64);
        let from_us = start.max(first);
        points.push(Point {
            from_us,
            to_us: if is_sample { from_us } else { start.saturating_add(width_us).min(last).max(from_us) },
            mean,
            low: number(value.min),
            high: number(value.max),
            is_joined: before.is_some_and(|before| start - before <= reach),
        });
        before = Some(start);
    }
    points
}

/// At most [`spark::COLUMNS`] values of a series, with their places.
pub fn thin(points: &[Point], (first, last): (i64, i64)) -> Vec<(f64, Option<f64>)> {
    let length = last.saturating_sub(first).max(1) as f64;
    let size = points.len().div_ceil(spark::COLUMNS).max(1);
    let mut values = Vec::new();
    for some in points.chunks(size) {
        let Some(head) = some.first() else { continue };
        if !head.is_joined && !values.is_empty() {
            values.push((0.0, None));
        }
        let middle = some.get(some.len() / 2).unwrap_or(head).middle_us();
        let mean = some.iter().map(|p| p.mean / some.len() as f64).sum();
        values.push(((middle.saturating_sub(first) as f64 / length).clamp(0.0, 1.0), Some(mean)));
    }
    values
}

/// Folds into points. Amounts become their growth per second.
struct Drawn;

impl Fold for Drawn {
    type Out = Folded;
    type Buffers = ();

    fn values(&self, values: &Values<'_>, buffers: &mut ()) -> Folded {
        if values.column.kind != Kind::Amount {
            return Points.values(values, buffers);
        }
        let (mut amount, mut seconds) = (0.0, 0.0);
        let mut range: Option<(f64, f64)> = None;
        let mut count = 0;
        for value in values.iter() {
            let Some(v) = value.number.map(Number::as_f64).filter(|_| value.elapsed_s > 0.0) else { continue };
            let rate = v / value.elapsed_s;
            (amount, seconds, count) = (amount + v, seconds + value.elapsed_s, count + 1);
            range = Some(range.map_or((rate, rate), |(low, high)| (low.min(rate), high.max(rate))));
        }
        let Some((low, high)) = range else { return Folded::default() };
        Folded {
            count,
            mean: Some((amount / seconds).clamp(low, high)),
            min: Some(Number::Float(low)),
            max: Some(Number::Float(high)),
            last: None,
        }
    }

    fn growth(&self, growth: &Growth) -> Folded {
        Points.growth(growth)
    }
}
