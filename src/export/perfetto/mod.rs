//! A trace for <https://ui.perfetto.dev>: every metric is a counter track, below its entity and its table; phases are
//! slices, marks are instants.
//!
//! A counter holds its value until the next one. So a value over an interval (a rate, a share of time) is at the start of
//! its interval, a value at the tick is at the tick.

mod phases;
mod proto;

use std::collections::HashMap;
use std::io::{self, Write};

use arrow_array::RecordBatch;

use super::resample::value::{Label, Value, Values, stamps};
use super::{Columns, Request, TableRows};
use crate::store::read::piece::{ReadError, Source};
use crate::table::{ELAPSED_S, Kind, StoredOrigin, TS, TableDef};
use proto::{Event, Ids};

/// One recording of an export, and its name in the trace.
pub struct Exported<'a> {
    pub source: &'a dyn Source,
    pub request: Request<'a>,
    pub name: String,
}

/// Writes all chosen metrics; returns the number of values. `step` is called after every table.
///
/// # Errors
/// When they cannot be written, or have a column of a type that no table has.
pub fn write(
    recordings: &[Exported<'_>],
    out: &mut dyn Write,
    problems: &mut Vec<ReadError>,
    step: &mut dyn FnMut(&str),
) -> io::Result<usize> {
    let mut trace = Trace { out, tracks: 0, is_started: false };
    let mut values = 0;
    for exported in recordings {
        let root = trace.track(None, &exported.name, None)?;
        phases::write(&mut trace, exported, root, problems)?;
        for table in exported.request.columns.tables(exported.source) {
            if table.name != crate::mark::table::TABLE.name {
                values += table_tracks(&mut trace, exported, table, root, problems)?;
            }
            step(table.name);
        }
    }
    Ok(values)
}

/// A trace being written.
pub(super) struct Trace<'w> {
    out: &'w mut dyn Write,
    /// The number of tracks so far; each has its number.
    tracks: u64,
    is_started: bool,
}

impl Trace<'_> {
    fn track(&mut self, parent: Option<u64>, name: &str, unit: Option<&str>) -> io::Result<u64> {
        self.tracks += 1;
        proto::track(Ids { track: self.tracks, parent }, name, unit).write(self.out)?;
        Ok(self.tracks)
    }

    /// Nothing before 1970 is in a trace.
    fn event(&mut self, ts_us: i64, track: u64, event: &Event<'_>) -> io::Result<()> {
        let Ok(ts_us) = u64::try_from(ts_us) else { return Ok(()) };
        let ts_ns = ts_us.saturating_mul(1000);
        if !self.is_started {
            proto::start(ts_ns).write(self.out)?;
            self.is_started = true;
        }
        proto::event(ts_ns, track, event).write(self.out)
    }
}

/// A column that becomes counter tracks.
struct Counted {
    name: String,
    unit: String,
    /// Its values are about the time before the tick.
    is_interval: bool,
}

/// The tracks of one table.
struct Tracks<'t> {
    table: &'t TableDef,
    counted: Vec<Counted>,
    root: u64,
    entities: HashMap<Vec<Label>, Vec<Option<u64>>>,
    groups: HashMap<Vec<Label>, u64>,
}

fn table_tracks(
    trace: &mut Trace<'_>,
    exported: &Exported<'_>,
    table: &'static TableDef,
    root: u64,
    problems: &mut Vec<ReadError>,
) -> io::Result<usize> {
    // With the column that tells where intervals begin.
    let chosen = exported.request.columns.of(table).into_iter().chain([ELAPSED_S]);
    let columns = chosen.map(|name| format!("{}.{name}", table.name)).collect();
    let columns = Columns::Only { tables: vec![table.name.into()], columns };
    let request = Request { columns: &columns, ..exported.request };
    let rows = TableRows::open(exported.source, table, &request, problems).map_err(io::Error::other)?;
    let are_named = exported.request.columns.are_named();
    let is_resampled = exported.request.shape.every_us.is_some();
    let counted: Vec<Counted> = rows
        .schema()
        .fields()
        .iter()
        .filter_map(|field| {
            let base = field.name().strip_suffix("_min").or_else(|| field.name().strip_suffix("_max"));
            let named = |name: &str| rows.table.stored.iter().find(|column| column.name == name);
            let column = named(field.name()).or_else(|| named(base?))?;
            let is_shown = column.kind.is_metric() && (are_named || !has_rate(rows.table, column.name));
            is_shown.then(|| Counted {
                name: field.name().clone(),
                unit: field.metadata().get("unit").cloned().unwrap_or_default(),
                is_interval: matches!(column.kind, Kind::Interval | Kind::Amount) && !is_resampled,
            })
        })
        .collect();
    if counted.is_empty() {
        return Ok(0);
    }
    let root = trace.track(Some(root), table.name, None)?;
    let mut tracks = Tracks { table: rows.table, counted, root, entities: HashMap::new(), groups: HashMap::new() };
    let mut values = 0;
    rows.each(problems, &mut |batch| {
        values += tracks.write(trace, batch)?;
        Ok(())
    })?;
    Ok(values)
}

/// Is there a column that is computed from this counter?
fn has_rate(table: &TableDef, counter: &str) -> bool {
    let column = table.stored.iter().find(|column| column.name == counter && column.kind == Kind::Counter);
    let Some(StoredOrigin::Raw(raw)) = column.map(|column| &column.origin) else { return false };
    table.stored.iter().any(|c| matches!(&c.origin, StoredOrigin::Derived(formula) if formula.of.contains(raw)))
}

impl Tracks<'_> {
    fn write(&mut self, trace: &mut Trace<'_>, batch: &RecordBatch) -> io::Result<usize> {
        let wrong = || io::Error::other(format!("table {}: a column has another type", self.table.name));
        let stamps = batch.column_by_name(TS).and_then(stamps).ok_or_else(wrong)?;
        let elapsed = batch.column_by_name(ELAPSED_S).and_then(Values::new);
        let labels = self.table.entities().map(|entity| batch.column_by_name(entity.name).and_then(Values::new));
        let labels: Vec<Values<'_>> = labels.collect::<Option<_>>().ok_or_else(wrong)?;
        let columns = self.counted.iter().map(|counted| batch.column_by_name(&counted.name).and_then(Values::new));
        let columns: Vec<Values<'_>> = columns.collect::<Option<_>>().ok_or_else(wrong)?;
        let mut written = 0;
        for (row, ts_us) in stamps.iter().enumerate() {
            let key: Vec<Label> = labels.iter().map(|values| Label::from(values.at(row))).collect();
            let elapsed_s = elapsed.as_ref().and_then(|elapsed| elapsed.at(row).as_f64()).unwrap_or(0.0);
            let began_us = ts_us.saturating_sub((elapsed_s.max(0.0) * 1e6).round() as i64);
            for (n, values) in columns.iter().enumerate() {
                let event = match values.at(row) {
                    Value::Int(v) => Event::Count(v),
                    Value::Float(v) if v.is_finite() => Event::Measure(v),
                    _ => continue,
                };
                let track = self.track_of(trace, &key, n)?;
                let is_interval = self.counted.get(n).is_some_and(|counted| counted.is_interval);
                trace.event(if is_interval { began_us } else { *ts_us }, track, &event)?;
                written += 1;
            }
        }
        Ok(written)
    }

    /// The track of an entity's column, declared at first use.
    fn track_of(&mut self, trace: &mut Trace<'_>, key: &[Label], column: usize) -> io::Result<u64> {
        if let Some(Some(track)) = self.entities.get(key).and_then(|tracks| tracks.get(column)) {
            return Ok(*track);
        }
        let parent = match key {
            [] => self.root,
            _ => match self.groups.get(key) {
                Some(group) => *group,
                None => {
                    let group = trace.track(Some(self.root), &name_of(key), None)?;
                    self.groups.insert(key.to_vec(), group);
                    group
                }
            },
        };
        let counted = self.counted.get(column);
        let (name, unit) = counted.map_or(("", ""), |counted| (&counted.name, &counted.unit));
        let track = trace.track(Some(parent), name, Some(unit))?;
        let tracks = self.entities.entry(key.to_vec()).or_insert_with(|| vec![None; self.counted.len()]);
        if let Some(place) = tracks.get_mut(column) {
            *place = Some(track);
        }
        Ok(track)
    }
}

/// `sda`; `cycles, 3`
fn name_of(key: &[Label]) -> String {
    let words = key.iter().filter_map(|label| match label {
        Label::Null => None,
        Label::Int(v) => Some(v.to_string()),
        Label::Text(text) => Some(text.to_string()),
    });
    let words: Vec<String> = words.collect();
    if words.is_empty() { "all".into() } else { words.join(", ") }
}
