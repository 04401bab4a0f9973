//! One row per interval or tick, with a column per metric and entity: `usage_percent[3]`. Events of table `perf` have
//! their own names, and next to them come their ratios: `cycles`, `instructions_per_cycle`. So have the program's own
//! numbers, without empty columns: `qps`, `requests_total{code="200"}[total_per_sec]`.

use std::collections::{HashMap, HashSet};
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use super::Rowed;
use super::buckets::{Bucket, Key, RatioPlan};
use super::long::{is_mean, result};
use super::plan::Plan;
use super::value::{Builder, Label, Value, Values};
use crate::export::table::described;
use crate::metric::table::{self as metric, METRIC};
use crate::query::rows::candidates;
use crate::query::{self, entities};
use crate::report::perf::is_perf;
use crate::report::ratios::{EVENT, NamedRatio, Roles, VALUE};
use crate::store::read::piece::Piece;
use crate::table::{ELAPSED_S, Kind, PHASE, TS, TableDef};

/// More columns are hardly meant, and no program reads them well.
const MAX_COLUMNS: usize = 20_000;

const RUNNING: &str = "running_percent";

/// The columns that become wide: those that were named, otherwise the metrics; of `perf` the counts.
pub fn names(table: &TableDef, chosen: Vec<&'static str>, are_named: bool) -> Vec<&'static str> {
    if are_named {
        return chosen;
    }
    let is_metric = |name: &str| {
        let column = table.stored.iter().find(|column| column.name == name);
        column.is_none_or(|column| if is_perf(table) { name == VALUE } else { column.kind.is_metric() })
    };
    chosen.into_iter().filter(|name| is_metric(name)).collect()
}

/// The columns of the result.
pub struct Wide {
    pub schema: SchemaRef,
    /// The place of each entity.
    entities: HashMap<Key, usize>,
    count: usize,
    /// By column and entity, whether it has values; empty: all may have.
    filled: Vec<Vec<bool>>,
    has_elapsed: bool,
    has_phase: bool,
    pub ratios: Option<RatioPlan>,
    named: Vec<NamedRatio>,
}

impl Wide {
    /// Reads the entities of the chosen rows.
    ///
    /// # Errors
    /// A sentence, if there would be too many columns.
    pub fn new(
        table: &TableDef,
        names: &[&'static str],
        plan: &mut Plan,
        pieces: &[Box<dyn Piece + '_>],
        rows: query::Rows<'_>,
    ) -> Result<Wide, String> {
        let per_entity: usize = plan.columns.iter().map(|column| if column.extremes { 3 } else { 1 }).sum();
        let most = MAX_COLUMNS / per_entity.max(1);
        let found = entities_of(table, plan, pieces, rows, most).ok_or_else(|| {
            format!(
                "--wide: table {} would have more than {MAX_COLUMNS} columns; choose fewer with --columns, or leave out \
                 --wide",
                table.name
            )
        })?;
        let FoundEntities { keys, filled } = found;
        let entities = keys.iter().enumerate().map(|(n, key)| (key.clone(), n)).collect();
        let (ratios, named) = ratios(table, plan, &keys).unzip();
        let mut wide = Wide {
            schema: Arc::new(Schema::empty()),
            entities,
            count: keys.len(),
            filled,
            has_elapsed: names.contains(&ELAPSED_S),
            has_phase: names.contains(&PHASE),
            ratios,
            named: named.unwrap_or_default(),
        };
        wide.schema = wide.schema_of(table, plan, &keys);
        Ok(wide)
    }

    fn schema_of(&self, table: &TableDef, plan: &Plan, keys: &[Key]) -> SchemaRef {
        let declared = described(table);
        let mut fields = Fields::default();
        let common = [(TS, true), (ELAPSED_S, self.has_elapsed), (PHASE, self.has_phase)];
        for (name, _) in common.into_iter().filter(|(_, is_wanted)| *is_wanted) {
            if let Ok(field) = declared.field_with_name(name) {
                fields.push(result(field, name, false));
            }
        }
        for (n, column) in plan.columns.iter().enumerate() {
            let Ok(field) = declared.field_with_name(column.name) else { continue };
            let suffixes: &[&str] = if column.extremes { &["", "_min", "_max"] } else { &[""] };
            for (_, key) in keys.iter().enumerate().filter(|(entity, _)| self.is_filled(n, *entity)) {
                for suffix in suffixes {
                    let name = name_of(table, plan, column.name, suffix, key);
                    fields.push(result(field, &name, is_mean(column) && suffix.is_empty()));
                }
            }
        }
        for ratio in &self.named {
            let field = Field::new(with_labels(ratio.name, &ratio.of), DataType::Float64, true);
            fields.push(field.with_metadata(HashMap::from([("unit".into(), ratio.unit.to_string())])));
        }
        Arc::new(Schema::new(fields.all))
    }

    /// Has this column of this entity a column of its own?
    fn is_filled(&self, column: usize, entity: usize) -> bool {
        self.filled.get(column).and_then(|entities| entities.get(entity)).copied().unwrap_or(self.filled.is_empty())
    }
}

/// Fields with different names.
#[derive(Default)]
struct Fields {
    all: Vec<Field>,
    names: HashSet<String>,
}

impl Fields {
    fn push(&mut self, field: Field) {
        let mut name = field.name().clone();
        let mut n = 2;
        while !self.names.insert(name.clone()) {
            name = format!("{}#{n}", field.name());
            n += 1;
        }
        self.all.push(field.with_name(name));
    }
}

fn with_labels(name: &str, labels: &[String]) -> String {
    if labels.is_empty() { name.to_string() } else { format!("{name}[{}]", labels.join(",")) }
}

fn word(label: &Label) -> Option<String> {
    match label {
        Label::Null => None,
        Label::Int(v) => Some(v.to_string()),
        Label::Text(text) => Some(text.to_string()),
    }
}

fn name_of(table: &TableDef, plan: &Plan, column: &str, suffix: &str, key: &[Label]) -> String {
    let names = plan.entities.iter().map(|at| plan.needed.get(*at).copied().unwrap_or_default());
    let labels = || names.clone().zip(key).filter_map(|(name, label)| Some((name, word(label)?)));
    if table.name == METRIC {
        let texts: Vec<String> = labels().map(|(_, label)| label).collect();
        let number = entities::name_of(texts.iter().map(String::as_str)) + suffix;
        return if column == metric::VALUE { number } else { with_labels(&number, &[column.to_string()]) };
    }
    match labels().find(|(name, _)| *name == EVENT).filter(|_| is_perf(table) && column == VALUE) {
        Some((_, event)) => {
            let others: Vec<String> = labels().filter(|(name, _)| *name != EVENT).map(|(_, label)| label).collect();
            with_labels(&(event + suffix), &others)
        }
        None => with_labels(&format!("{column}{suffix}"), &labels().map(|(_, label)| label).collect::<Vec<_>>()),
    }
}

/// The entities of the chosen rows.
#[derive(Default)]
struct FoundEntities {
    keys: Vec<Key>,
    /// As [`Wide::filled`].
    filled: Vec<Vec<bool>>,
}

/// The entities of the chosen rows: in the order of their labels, those of `perf` in that of the rows. `None` if there are
/// more than `most`.
fn entities_of(
    table: &TableDef,
    plan: &Plan,
    pieces: &[Box<dyn Piece + '_>],
    rows: query::Rows<'_>,
    most: usize,
) -> Option<FoundEntities> {
    let mut names: Vec<&str> = plan.entities.iter().filter_map(|at| plan.needed.get(*at).copied()).collect();
    if names.is_empty() {
        return Some(FoundEntities { keys: vec![Key::from([])], filled: Vec::new() });
    }
    let looked_at = if table.name == METRIC { plan.columns.as_slice() } else { &[] };
    names.extend(looked_at.iter().map(|column| column.name));
    // A column without nulls, so that there is one to count rows by.
    names.push(TS);
    let mut known: HashMap<Key, Vec<bool>> = HashMap::new();
    let mut keys: Vec<Key> = Vec::new();
    for piece in pieces {
        let read = candidates(piece.as_ref(), &names, rows, &mut |found| {
            let Ok(batch) = found.chosen() else { return ControlFlow::Continue(()) };
            let labels = batch.columns().iter().take(plan.entities.len()).map(Values::new);
            let Some(labels) = labels.collect::<Option<Vec<_>>>() else { return ControlFlow::Continue(()) };
            for row in 0..batch.num_rows() {
                let key: Key = labels.iter().map(|values| Label::from(values.at(row))).collect();
                let filled = known.entry(key).or_insert_with_key(|key| {
                    keys.push(key.clone());
                    vec![false; looked_at.len()]
                });
                for (is_filled, column) in filled.iter_mut().zip(batch.columns().iter().skip(plan.entities.len())) {
                    *is_filled |= column.is_valid(row);
                }
            }
            if keys.len() > most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        if keys.len() > most {
            return None;
        }
        // What cannot be read is reported when the values are read.
        drop(read);
    }
    if !is_perf(table) {
        keys.sort();
    }
    let is_filled = |n: usize, key: &Key| known.get(key).and_then(|filled| filled.get(n)).copied().unwrap_or(true);
    let filled = (0..looked_at.len()).map(|n| keys.iter().map(|key| is_filled(n, key)).collect()).collect();
    Some(FoundEntities { keys, filled })
}

/// The ratios of the events, if the counts are among the columns.
fn ratios(table: &TableDef, plan: &mut Plan, keys: &[Key]) -> Option<(RatioPlan, Vec<NamedRatio>)> {
    let has = |name: &str, kind: Kind| table.stored.iter().any(|c| c.name == name && c.kind == kind);
    let is_counted = is_perf(table) && plan.columns.iter().any(|column| column.name == VALUE);
    if !is_counted || !has(EVENT, Kind::Entity) || !table.stored.iter().any(|c| c.name == RUNNING) {
        return None;
    }
    let names: Vec<&'static str> = plan.entities.iter().filter_map(|at| plan.needed.get(*at).copied()).collect();
    let labels = |key: &Key| -> Vec<entities::Label> {
        names.iter().zip(key.iter()).map(|(name, label)| entities::Label { name, value: word(label) }).collect()
    };
    let roles = Roles::new(&keys.iter().map(labels).collect::<Vec<_>>());
    let named = roles.named();
    let entities = keys.iter().enumerate().map(|(n, key)| (key.clone(), n)).collect();
    Some((RatioPlan { roles, entities, value: plan.need(VALUE), running: plan.need(RUNNING) }, named))
}

/// Rows in the making.
pub struct Rows<'w> {
    wide: &'w Wide,
    plan: &'w Plan,
    builders: Vec<Builder>,
    rows: usize,
}

impl<'w> Rows<'w> {
    pub fn new(wide: &'w Wide, plan: &'w Plan) -> Self {
        let builders = wide.schema.fields().iter().map(|field| Builder::new(field.data_type())).collect();
        Rows { wide, plan, builders, rows: 0 }
    }
}

impl Rowed for Rows<'_> {
    fn push(&mut self, start_us: i64, bucket: Bucket) {
        let wide = self.wide;
        let mut by_entity = vec![None; wide.count];
        for (key, row) in &bucket.rows {
            if let Some(place) = wide.entities.get(key).and_then(|n| by_entity.get_mut(*n)) {
                *place = Some(row);
            }
        }
        let mut values = vec![Value::Int(start_us)];
        if wide.has_elapsed {
            let longest = bucket.rows.iter().filter_map(|(_, row)| row.elapsed_s).reduce(f64::max);
            values.push(longest.map_or(Value::Null, Value::Float));
        }
        if wide.has_phase {
            let phase = bucket.rows.iter().map(|(_, row)| &row.phase).find(|phase| **phase != Value::Null);
            values.push(phase.cloned().unwrap_or_default());
        }
        for (n, column) in self.plan.columns.iter().enumerate() {
            for (_, row) in by_entity.iter().enumerate().filter(|(entity, _)| wide.is_filled(n, *entity)) {
                let cell = row.and_then(|row| row.cells.get(n));
                values.push(cell.map_or(Value::Null, |cell| cell.value()));
                if column.extremes {
                    values.extend(cell.map_or([Value::Null, Value::Null], |cell| cell.extremes()));
                }
            }
        }
        for ratio in &wide.named {
            let value = bucket.ratios.as_ref().and_then(|sums| ratio.value(sums));
            values.push(value.map_or(Value::Null, Value::Float));
        }
        self.builders.iter_mut().zip(&values).for_each(|(builder, value)| builder.push(value));
        self.rows += 1;
    }

    fn rows(&self) -> usize {
        self.rows
    }

    fn take(&mut self) -> io::Result<RecordBatch> {
        self.rows = 0;
        let columns = self.builders.iter_mut().map(Builder::finish).collect();
        RecordBatch::try_new(self.wide.schema.clone(), columns).map_err(io::Error::other)
    }
}
