//! One row per interval and entity.

use std::io;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use super::Rowed;
use super::buckets::{Bucket, Row};
use super::plan::{How, Plan, PlannedColumn};
use super::value::{Builder, Label, Value};
use crate::export::table::described;
use crate::table::{ELAPSED_S, PHASE, TS, TableDef};

/// Where a column of the result comes from.
#[derive(Clone, Copy, Debug)]
enum From {
    Ts,
    Elapsed,
    Phase,
    /// The nth entity column.
    Label(usize),
    /// The nth column of the plan.
    Value(usize),
    Min(usize),
    Max(usize),
}

/// The columns of the result.
pub struct Long {
    pub schema: SchemaRef,
    from: Vec<From>,
}

impl Long {
    pub fn new(table: &TableDef, names: &[&'static str], plan: &Plan) -> Long {
        let declared = described(table);
        let (mut fields, mut from) = (Vec::new(), Vec::new());
        for name in names {
            let Ok(field) = declared.field_with_name(name) else { continue };
            let planned = plan.columns.iter().position(|column| column.name == *name);
            let own = match *name {
                TS => From::Ts,
                ELAPSED_S => From::Elapsed,
                PHASE => From::Phase,
                _ => match planned {
                    Some(n) => From::Value(n),
                    None => match plan.entities.iter().position(|at| plan.needed.get(*at) == Some(name)) {
                        Some(n) => From::Label(n),
                        None => continue,
                    },
                },
            };
            let column = planned.and_then(|n| plan.columns.get(n));
            fields.push(result(field, name, column.is_some_and(is_mean)));
            from.push(own);
            if let (Some(n), Some(_)) = (planned, column.filter(|column| column.extremes)) {
                fields.push(result(field, &format!("{name}_min"), false));
                fields.push(result(field, &format!("{name}_max"), false));
                from.extend([From::Min(n), From::Max(n)]);
            }
        }
        Long { schema: Arc::new(Schema::new(fields)), from }
    }
}

pub fn is_mean(column: &PlannedColumn) -> bool {
    matches!(column.how, How::Mean(_))
}

/// A column of the result, with the unit and the text of the one from which it is made.
pub fn result(field: &Field, name: &str, is_mean: bool) -> Field {
    let ty = match field.data_type() {
        _ if is_mean => DataType::Float64,
        DataType::Dictionary(..) => DataType::Utf8,
        other => other.clone(),
    };
    Field::new(name, ty, name != TS).with_metadata(field.metadata().clone())
}

/// Rows in the making.
pub struct Rows<'l> {
    long: &'l Long,
    builders: Vec<Builder>,
    rows: usize,
}

impl<'l> Rows<'l> {
    pub fn new(long: &'l Long) -> Self {
        let builders = long.schema.fields().iter().map(|field| Builder::new(field.data_type())).collect();
        Rows { long, builders, rows: 0 }
    }

    fn push_row(&mut self, start_us: i64, labels: &[Label], row: &Row) {
        for (from, builder) in self.long.from.iter().zip(&mut self.builders) {
            let cell = |n: usize| row.cells.get(n);
            builder.push(&match *from {
                From::Ts => Value::Int(start_us),
                From::Elapsed => row.elapsed_s.map_or(Value::Null, Value::Float),
                From::Phase => row.phase.clone(),
                From::Label(n) => labels.get(n).map_or(Value::Null, Value::from),
                From::Value(n) => cell(n).map_or(Value::Null, |cell| cell.value()),
                From::Min(n) => cell(n).map_or(Value::Null, |cell| cell.extremes()[0].clone()),
                From::Max(n) => cell(n).map_or(Value::Null, |cell| cell.extremes()[1].clone()),
            });
        }
        self.rows += 1;
    }
}

impl Rowed for Rows<'_> {
    fn push(&mut self, start_us: i64, bucket: Bucket) {
        bucket.rows.iter().for_each(|(labels, row)| self.push_row(start_us, labels, row));
    }

    fn rows(&self) -> usize {
        self.rows
    }

    fn take(&mut self) -> io::Result<RecordBatch> {
        self.rows = 0;
        let columns = self.builders.iter_mut().map(Builder::finish).collect();
        RecordBatch::try_new(self.long.schema.clone(), columns).map_err(io::Error::other)
    }
}
