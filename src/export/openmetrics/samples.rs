//! The samples of metrics, collected from the rows of a table.

use std::collections::HashMap;
use std::io;

use arrow_array::RecordBatch;

use super::{Exported, MOST_SAMPLES, Metric};
use crate::export::resample::value::{Label, Value, Values, stamps};
use crate::export::{Columns, Request, TableRows};
use crate::query::number::Number;
use crate::store::read::piece::{ReadError, Source};
use crate::table::{TS, TableDef};

/// The labels of an entity.
pub type Key = Vec<Label>;
/// A time in microseconds since the epoch, and the value.
pub type Sample = (i64, Number);
/// The samples of each entity.
pub type Entities = Vec<(Key, Vec<Sample>)>;

/// The entities of the chosen rows, with the number of their rows, in the order in which they appear.
///
/// # Errors
/// When a column has a type that no table has.
pub fn count(
    source: &dyn Source,
    table: &'static TableDef,
    request: &Request<'_>,
    problems: &mut Vec<ReadError>,
) -> io::Result<Vec<(Key, usize)>> {
    let mut places: HashMap<Key, usize> = HashMap::new();
    let mut keys: Vec<(Key, usize)> = Vec::new();
    let rows = TableRows::open(source, table, request, problems).map_err(io::Error::other)?;
    rows.each(problems, &mut |batch| {
        for_each_row(batch, table, &mut |key, _, _| {
            let at = *places.entry(key).or_insert_with_key(|key| {
                keys.push((key.clone(), 0));
                keys.len() - 1
            });
            keys[at].1 += 1;
        })
    })?;
    Ok(keys)
}

/// Entities that fit into memory together, with the number of their rows.
pub fn batches(keys: &[(Key, usize)]) -> Vec<HashMap<Key, usize>> {
    let mut batches = vec![HashMap::new()];
    let mut held = 0;
    for (key, rows) in keys {
        if held > 0 && held + rows > MOST_SAMPLES {
            batches.push(HashMap::new());
            held = 0;
        }
        held += rows;
        batches.iter_mut().last().map(|batch| batch.insert(key.clone(), *rows));
    }
    batches
}

/// The samples of these metrics: of each the entities, and of each its samples in order of time.
///
/// # Errors
/// When a column has a type that no table has.
pub fn collect(
    exported: &Exported<'_>,
    table: &'static TableDef,
    metrics: &[Metric],
    only: Option<&HashMap<Key, usize>>,
    problems: &mut Vec<ReadError>,
) -> io::Result<Vec<Entities>> {
    // A column of extremes is made from the column that it is named after.
    let base = |column: &'static str| {
        let is_own = table.stored.iter().any(|own| own.name == column);
        let stripped = column.strip_suffix("_min").or_else(|| column.strip_suffix("_max"));
        if is_own { column } else { stripped.unwrap_or(column) }
    };
    let names = metrics.iter().map(|metric| format!("{}.{}", table.name, base(metric.column)));
    let columns = Columns::Only { tables: vec![table.name.into()], columns: names.collect() };
    let request = Request { columns: &columns, ..exported.request };
    let rows = TableRows::open(exported.source, table, &request, problems).map_err(io::Error::other)?;
    let mut places: HashMap<Key, usize> = HashMap::new();
    let mut found: Vec<Entities> = vec![Vec::new(); metrics.len()];
    let mut decoding = Ok(());
    rows.each(problems, &mut |batch| {
        let at: Vec<_> =
            metrics.iter().map(|metric| batch.column_by_name(metric.column).and_then(Values::new)).collect();
        decoding = for_each_row(batch, table, &mut |key, row, ts_us| {
            if only.is_some_and(|only| !only.contains_key(&key)) {
                return;
            }
            let place = *places.entry(key).or_insert_with_key(|key| {
                let rows = only.and_then(|only| only.get(key)).copied().unwrap_or(0);
                found.iter_mut().for_each(|entities| entities.push((key.clone(), Vec::with_capacity(rows))));
                found.first().map_or(0, |entities| entities.len() - 1)
            });
            for ((metric, values), entities) in metrics.iter().zip(&at).zip(&mut found) {
                let value = values.as_ref().and_then(|values| sample(metric, &values.at(row)));
                if let Some((value, (_, samples))) = value.zip(entities.get_mut(place)) {
                    samples.push((ts_us, value));
                }
            }
        });
        std::mem::replace(&mut decoding, Ok(()))
    })?;
    for (_, samples) in found.iter_mut().flatten() {
        // A clock that was set back. Of two samples with the same time the later one counts.
        if samples.is_sorted_by(|(a, _), (b, _)| a < b) {
            continue;
        }
        samples.sort_by_key(|(ts_us, _)| *ts_us);
        samples.reverse();
        samples.dedup_by_key(|(ts_us, _)| *ts_us);
        samples.reverse();
    }
    Ok(found)
}

/// Null and NaN have no sample; a counter is never negative.
fn sample(metric: &Metric, value: &Value) -> Option<Number> {
    let number = match value {
        Value::Int(v) => Number::Int(*v),
        Value::Float(v) if v.is_finite() => Number::Float(*v),
        _ => return None,
    };
    (!metric.is_counter || number.as_f64() >= 0.0).then_some(number)
}

/// Calls `f` with the entity, the number and the time of every row.
fn for_each_row(batch: &RecordBatch, table: &TableDef, f: &mut dyn FnMut(Key, usize, i64)) -> io::Result<()> {
    let wrong = || io::Error::other(format!("table {}: a column has another type", table.name));
    let stamps = batch.column_by_name(TS).and_then(stamps).ok_or_else(wrong)?;
    let labels = table.entities().map(|entity| batch.column_by_name(entity.name).and_then(Values::new));
    let labels: Vec<Values<'_>> = labels.collect::<Option<_>>().ok_or_else(wrong)?;
    for (row, ts_us) in stamps.iter().enumerate() {
        f(labels.iter().map(|values| Label::from(values.at(row))).collect(), row, *ts_us);
    }
    Ok(())
}
