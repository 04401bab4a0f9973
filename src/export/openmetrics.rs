//! OpenMetrics: all metrics of all tables, with their times, as `promtool tsdb create-blocks-from openmetrics` reads them.
//!
//! A metric has the name `perfwatch_TABLE_COLUMN`, and its labels are the entity's. All samples of a metric come together,
//! and in them all of an entity. So the files are read several times if they do not fit into memory: each time some
//! columns, or some entities of one column.

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use super::choice::Columns;
use super::format::float;
use super::resample::value::{Label, Value, Values, stamps};
use super::{Request, TableRows};
use crate::store::read::piece::{ReadError, Source};
use crate::table::{ELAPSED_S, Kind, PHASE, TS, TableDef, intern};

/// Samples in memory at once: 48 MB.
const MOST_SAMPLES: usize = 2 << 20;

type Key = Vec<Label>;
type Sample = (i64, Value);

/// One recording of an export.
pub struct Exported<'a> {
    pub source: &'a dyn Source,
    pub request: Request<'a>,
    /// Labels of all its samples: `host`, and `recording` if there are several.
    pub labels: Vec<(&'static str, String)>,
}

/// Writes all chosen metrics; returns the number of samples. `step` is called after every table.
///
/// # Errors
/// When they cannot be written.
pub fn write(
    recordings: &[Exported<'_>],
    out: &mut dyn Write,
    problems: &mut Vec<ReadError>,
    step: &mut dyn FnMut(&str),
) -> io::Result<usize> {
    let mut writer = Writer { recordings, out, problems, families: HashSet::new(), samples: 0 };
    let mut names: Vec<&'static str> = Vec::new();
    for exported in recordings {
        let tables = exported.request.columns.tables(exported.source);
        names.extend(tables.iter().map(|table| table.name));
    }
    let mut known = HashSet::new();
    names.retain(|name| known.insert(*name) && *name != crate::mark::table::TABLE.name);
    for name in names {
        writer.table(name)?;
        step(name);
    }
    writer.out.write_all(b"# EOF\n")?;
    Ok(writer.samples)
}

/// A metric of one table.
#[derive(Clone, Debug)]
struct Metric {
    column: &'static str,
    is_counter: bool,
    unit: String,
    help: String,
}

struct Writer<'w, 'a> {
    recordings: &'w [Exported<'a>],
    out: &'w mut dyn Write,
    problems: &'w mut Vec<ReadError>,
    /// The names that are taken.
    families: HashSet<String>,
    samples: usize,
}

impl Writer<'_, '_> {
    fn table(&mut self, name: &'static str) -> io::Result<()> {
        let recordings = self.recordings;
        let mut metrics: Vec<Metric> = Vec::new();
        let mut counted: Vec<(&Exported<'_>, &'static TableDef, Vec<(Key, usize)>)> = Vec::new();
        for exported in recordings {
            let tables = exported.request.columns.tables(exported.source);
            let Some(table) = tables.into_iter().find(|table| table.name == name) else { continue };
            let rows = TableRows::open(exported.source, table, &exported.request, self.problems);
            let Ok(rows) = rows else { continue };
            let table = rows.table;
            for metric in metrics_of(table, rows.schema()) {
                if !metrics.iter().any(|known| known.column == metric.column) {
                    metrics.push(metric);
                }
            }
            let only = Columns::Only { tables: vec![name.into()], columns: vec![format!("{name}.{TS}")] };
            let request = Request { columns: &only, ..exported.request };
            let keys = count(exported.source, table, &request, self.problems)?;
            counted.push((exported, table, keys));
        }
        let rows: usize = counted.iter().flat_map(|(.., keys)| keys).map(|(_, rows)| rows).sum();
        let at_once = (MOST_SAMPLES / rows.max(1)).max(1);
        for metrics in metrics.chunks(at_once) {
            if let ([metric], true) = (metrics, rows > MOST_SAMPLES) {
                let family = self.heading(name, metric)?;
                for (exported, table, keys) in &counted {
                    for keys in batches(keys) {
                        let found = collect(exported, table, metrics, Some(&keys), self.problems)?;
                        self.samples_of(metric, &family, exported, table, found.first())?;
                    }
                }
                continue;
            }
            let mut found = Vec::new();
            for (exported, table, _) in &counted {
                found.push((*exported, *table, collect(exported, table, metrics, None, self.problems)?));
            }
            for (n, metric) in metrics.iter().enumerate() {
                let has = |(_, _, columns): &(_, _, Vec<Vec<(Key, Vec<Sample>)>>)| {
                    columns.get(n).is_some_and(|entities| entities.iter().any(|(_, samples)| !samples.is_empty()))
                };
                if !found.iter().any(has) {
                    continue;
                }
                let family = self.heading(name, metric)?;
                for (exported, table, columns) in &found {
                    self.samples_of(metric, &family, exported, table, columns.get(n))?;
                }
            }
        }
        Ok(())
    }

    /// Writes the lines before the samples; returns the name of the family.
    fn heading(&mut self, table: &str, metric: &Metric) -> io::Result<String> {
        let mut family = format!("perfwatch_{table}_{}", metric.column);
        // The samples of a counter end in `_total`.
        while self.families.contains(&family) || self.families.contains(&format!("{family}_total")) {
            family.push_str("_value");
        }
        self.families.insert(family.clone());
        if metric.is_counter {
            self.families.insert(format!("{family}_total"));
        }
        let kind = if metric.is_counter { "counter" } else { "gauge" };
        writeln!(self.out, "# TYPE {family} {kind}")?;
        let is_unit = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if !metric.unit.is_empty()
            && metric.unit.chars().all(is_unit)
            && family.ends_with(&format!("_{}", metric.unit))
        {
            writeln!(self.out, "# UNIT {family} {}", metric.unit)?;
        }
        if !metric.help.is_empty() {
            writeln!(self.out, "# HELP {family} {}", escaped(&metric.help))?;
        }
        Ok(family)
    }

    fn samples_of(
        &mut self,
        metric: &Metric,
        family: &str,
        exported: &Exported<'_>,
        table: &TableDef,
        entities: Option<&Vec<(Key, Vec<Sample>)>>,
    ) -> io::Result<()> {
        let mut line = Vec::new();
        for (key, samples) in entities.into_iter().flatten() {
            let suffix = if metric.is_counter { "_total" } else { "" };
            let start = format!("{family}{suffix}{} ", labels(&exported.labels, table, key));
            for (ts_us, value) in samples {
                line.clear();
                line.extend_from_slice(start.as_bytes());
                match value {
                    Value::Int(v) => write!(line, "{v}")?,
                    Value::Float(v) => float(*v, &mut line)?,
                    _ => continue,
                }
                let (s, us) = (ts_us.div_euclid(1_000_000), ts_us.rem_euclid(1_000_000));
                writeln!(line, " {s}.{us:06}")?;
                self.out.write_all(&line)?;
                self.samples += 1;
            }
        }
        Ok(())
    }
}

/// The columns that are numbers, other than entities and labels.
fn metrics_of(table: &TableDef, schema: &SchemaRef) -> Vec<Metric> {
    let metric = |field: &std::sync::Arc<arrow_schema::Field>| {
        let name = field.name();
        let base = name.strip_suffix("_min").or_else(|| name.strip_suffix("_max"));
        let named = |name: &str| table.stored.iter().find(|column| column.name == name);
        let column = named(name).or_else(|| named(base?))?;
        let is_number = column.kind.is_metric() && field.data_type().is_numeric();
        let metadata = |key: &str| field.metadata().get(key).cloned().unwrap_or_default();
        is_number.then(|| Metric {
            column: intern(name),
            is_counter: column.kind == Kind::Counter,
            unit: metadata("unit"),
            help: metadata("description"),
        })
    };
    let is_common = |name: &str| [TS, ELAPSED_S, PHASE].contains(&name);
    schema.fields().iter().filter(|field| !is_common(field.name())).filter_map(metric).collect()
}

/// The entities of the chosen rows, with the number of their rows, in the order in which they appear.
fn count(
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

/// Entities that fit into memory together.
fn batches(keys: &[(Key, usize)]) -> Vec<HashSet<Key>> {
    let mut batches = vec![HashSet::new()];
    let mut held = 0;
    for (key, rows) in keys {
        if held > 0 && held + rows > MOST_SAMPLES {
            batches.push(HashSet::new());
            held = 0;
        }
        held += rows;
        batches.iter_mut().last().map(|batch| batch.insert(key.clone()));
    }
    batches
}

/// The samples of these metrics: of each the entities, and of each its samples in order of time.
fn collect(
    exported: &Exported<'_>,
    table: &'static TableDef,
    metrics: &[Metric],
    only: Option<&HashSet<Key>>,
    problems: &mut Vec<ReadError>,
) -> io::Result<Vec<Vec<(Key, Vec<Sample>)>>> {
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
    let mut found: Vec<Vec<(Key, Vec<Sample>)>> = vec![Vec::new(); metrics.len()];
    let mut decoding = Ok(());
    rows.each(problems, &mut |batch| {
        let at: Vec<_> = metrics.iter().map(|metric| batch.column_by_name(metric.column).and_then(Values::new)).collect();
        decoding = for_each_row(batch, table, &mut |key, row, ts_us| {
            if only.is_some_and(|only| !only.contains(&key)) {
                return;
            }
            let place = *places.entry(key).or_insert_with_key(|key| {
                found.iter_mut().for_each(|entities| entities.push((key.clone(), Vec::new())));
                found.first().map_or(0, |entities| entities.len() - 1)
            });
            for ((metric, values), entities) in metrics.iter().zip(&at).zip(&mut found) {
                let value = values.as_ref().map_or(Value::Null, |values| values.at(row));
                if has_sample(metric, &value)
                    && let Some((_, samples)) = entities.get_mut(place)
                {
                    samples.push((ts_us, value));
                }
            }
        });
        std::mem::replace(&mut decoding, Ok(()))
    })?;
    for (_, samples) in found.iter_mut().flatten() {
        // A clock that was set back. Of two samples with the same time the later one counts.
        samples.sort_by_key(|(ts_us, _)| *ts_us);
        samples.reverse();
        samples.dedup_by_key(|(ts_us, _)| *ts_us);
        samples.reverse();
    }
    Ok(found)
}

/// Null and NaN have no sample; a counter is never negative.
fn has_sample(metric: &Metric, value: &Value) -> bool {
    match value {
        Value::Int(v) => !metric.is_counter || *v >= 0,
        Value::Float(v) => v.is_finite() && (!metric.is_counter || *v >= 0.0),
        _ => false,
    }
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

/// `{host="vm",device="sda"}`; nothing without labels.
fn labels(common: &[(&'static str, String)], table: &TableDef, key: &[Label]) -> String {
    let own = table.entities().zip(key).filter_map(|(column, label)| match label {
        Label::Null => None,
        Label::Int(v) => Some((column.name, v.to_string())),
        Label::Text(text) => Some((column.name, text.to_string())),
    });
    let common = common.iter().map(|(name, value)| (*name, value.clone()));
    let all = common.chain(own).map(|(name, value)| format!("{name}=\"{}\"", escaped(&value)));
    let all: Vec<String> = all.collect();
    if all.is_empty() { String::new() } else { format!("{{{}}}", all.join(",")) }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
