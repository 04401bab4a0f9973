//! OpenMetrics: all metrics of all tables, with their times, as `promtool tsdb create-blocks-from openmetrics` reads them.
//!
//! A metric has the name `perfwatch_TABLE_COLUMN`, and its labels are the entity's. All samples of a metric come together,
//! and in them all of an entity. So the files are read several times if they do not fit into memory: each time some
//! columns, or some entities of one column.

mod samples;

use std::collections::HashSet;
use std::io::{self, Write};

use arrow_schema::SchemaRef;

use super::choice::Columns;
use super::format::float;
use super::resample::value::Label;
use super::{Request, TableRows};
use crate::metric::series::pairs;
use crate::metric::table::{LABELS, METRIC};
use crate::query::number::Number;
use crate::store::read::piece::{ReadError, Source};
use crate::table::{ELAPSED_S, Kind, PHASE, TS, TableDef, intern};

use samples::{Entities, Key, batches, collect, count};

/// Samples in memory at once, 24 bytes each, unless a single entity has more.
const MOST_SAMPLES: usize = 2 << 20;

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

/// A table of one recording, and how many rows each of its entities has.
struct Counted<'e, 'a> {
    exported: &'e Exported<'a>,
    table: &'static TableDef,
    keys: Vec<(Key, usize)>,
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
        let mut counted: Vec<Counted<'_, '_>> = Vec::new();
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
            counted.push(Counted { exported, table, keys });
        }
        let rows: usize = counted.iter().flat_map(|counted| &counted.keys).map(|(_, rows)| rows).sum();
        let at_once = (MOST_SAMPLES / rows.max(1)).max(1);
        for metrics in metrics.chunks(at_once) {
            if let ([metric], true) = (metrics, rows > MOST_SAMPLES) {
                let family = self.heading(name, metric)?;
                for Counted { exported, table, keys } in &counted {
                    for keys in batches(keys) {
                        let found = collect(exported, table, metrics, Some(&keys), self.problems)?;
                        self.samples_of(metric, &family, exported, table, found.first())?;
                    }
                }
                continue;
            }
            let mut found: Vec<(_, _, Vec<Entities>)> = Vec::new();
            for Counted { exported, table, .. } in &counted {
                found.push((*exported, *table, collect(exported, table, metrics, None, self.problems)?));
            }
            for (n, metric) in metrics.iter().enumerate() {
                let mut entities = found.iter().filter_map(|(.., columns)| columns.get(n)).flatten();
                if entities.all(|(_, samples)| samples.is_empty()) {
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
        if !metric.unit.is_empty() && metric.unit.chars().all(is_unit) && family.ends_with(&format!("_{}", metric.unit))
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
        entities: Option<&Entities>,
    ) -> io::Result<()> {
        let mut line = Vec::new();
        for (key, samples) in entities.into_iter().flatten() {
            let suffix = if metric.is_counter { "_total" } else { "" };
            let start = format!("{family}{suffix}{} ", labels(&exported.labels, table, key));
            for (ts_us, value) in samples {
                line.clear();
                line.extend_from_slice(start.as_bytes());
                match value {
                    Number::Int(v) => write!(line, "{v}")?,
                    Number::Float(v) => float(*v, &mut line)?,
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

/// `{host="vm",device="sda"}`; nothing without labels. The labels of the program's own numbers are labels here too.
fn labels(common: &[(&'static str, String)], table: &TableDef, key: &[Label]) -> String {
    let mut all: Vec<(String, String)> = common.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
    for (column, label) in table.entities().zip(key) {
        match label {
            Label::Null => {}
            Label::Int(v) => all.push((column.name.into(), v.to_string())),
            Label::Text(text) if table.name == METRIC && column.name == LABELS => {
                let is_free = |name: &str| table.entities().all(|column| column.name != name);
                let own = pairs(text).into_iter().filter(|(name, _)| is_free(name));
                let own: Vec<_> = own.filter(|(name, _)| all.iter().all(|(known, _)| known != name)).collect();
                all.extend(own);
            }
            Label::Text(text) => all.push((column.name.into(), text.to_string())),
        }
    }
    let is_bare = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let all = all.into_iter().map(|(name, value)| match is_bare(&name) {
        true => format!("{name}=\"{}\"", escaped(&value)),
        false => format!("\"{}\"=\"{}\"", escaped(&name), escaped(&value)),
    });
    let all: Vec<String> = all.collect();
    if all.is_empty() { String::new() } else { format!("{{{}}}", all.join(",")) }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
