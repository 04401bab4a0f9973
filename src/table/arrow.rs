//! Converts rows of a table to Arrow columns, in the schema of the Parquet files.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use arrow_array::builder::{
    ArrayBuilder, BooleanBuilder, Float64Builder, Int32Builder, Int64Builder, StringDictionaryBuilder,
    TimestampMicrosecondBuilder,
};
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit};

use super::sample::{Cell, Texts};
use super::{DeclaredColumn, ELAPSED_S, PHASE, TS, TableDef, Type};

fn text_type() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

fn data_type(ty: Type) -> DataType {
    match ty {
        Type::Int32 => DataType::Int32,
        Type::Int64 => DataType::Int64,
        Type::Float64 => DataType::Float64,
        Type::Bool => DataType::Boolean,
        Type::Text => text_type(),
    }
}

/// The columns in an Arrow schema, with the facts in their metadata: version 0.1.0 has them there. Columns with types that
/// tables cannot have are left out.
pub fn declared(schema: &Schema) -> Vec<DeclaredColumn> {
    let ty = |ty: &DataType| match ty {
        DataType::Int32 => Some(Type::Int32),
        DataType::Int64 => Some(Type::Int64),
        DataType::Float64 => Some(Type::Float64),
        DataType::Boolean => Some(Type::Bool),
        DataType::Utf8 => Some(Type::Text),
        DataType::Dictionary(_, of) if **of == DataType::Utf8 => Some(Type::Text),
        _ => None,
    };
    let columns = schema.fields().iter().filter_map(|field| {
        let facts = field.metadata().iter().map(|(key, value)| (key.clone(), value.clone()));
        Some(DeclaredColumn {
            name: field.name().clone(),
            ty: ty(field.data_type())?.to_string(),
            facts: facts.collect(),
        })
    });
    columns.collect()
}

/// The Arrow schema of a table: `ts`, `elapsed_s`, `phase`, then the stored columns.
pub fn arrow_schema(table: &TableDef) -> SchemaRef {
    let mut fields = vec![
        Field::new(TS, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), false),
        Field::new(ELAPSED_S, DataType::Float64, true),
        Field::new(PHASE, text_type(), true),
    ];
    fields.extend(table.stored.iter().map(|column| Field::new(column.name, data_type(column.ty), true)));
    Arc::new(Schema::new(fields))
}

/// The same, made once per table: a comparison opens each table of many recordings.
pub fn shared_schema(table: &'static TableDef) -> SchemaRef {
    /// By the address of the table.
    static MADE: LazyLock<Mutex<HashMap<usize, SchemaRef>>> = LazyLock::new(Mutex::default);
    let Ok(mut made) = MADE.lock() else { return arrow_schema(table) };
    made.entry(std::ptr::from_ref(table).addr()).or_insert_with(|| arrow_schema(table)).clone()
}

/// The schema with text in dictionaries; None if it has no plain text.
pub fn with_dictionaries(schema: &Schema) -> Option<SchemaRef> {
    let is_plain = |field: &Field| *field.data_type() == DataType::Utf8;
    schema.fields().iter().any(|field| is_plain(field)).then(|| {
        let fields = schema.fields().iter().map(|field| match is_plain(field) {
            true => Arc::new(field.as_ref().clone().with_data_type(text_type())),
            false => field.clone(),
        });
        Arc::new(Schema::new_with_metadata(fields.collect::<Vec<_>>(), schema.metadata().clone()))
    })
}

enum Builder {
    Int32(Int32Builder),
    Int64(Int64Builder),
    Float64(Float64Builder),
    Bool(BooleanBuilder),
    Text(StringDictionaryBuilder<Int32Type>),
}

impl Builder {
    fn new(ty: Type) -> Self {
        match ty {
            Type::Int32 => Builder::Int32(Int32Builder::new()),
            Type::Int64 => Builder::Int64(Int64Builder::new()),
            Type::Float64 => Builder::Float64(Float64Builder::new()),
            Type::Bool => Builder::Bool(BooleanBuilder::new()),
            Type::Text => Builder::Text(StringDictionaryBuilder::new()),
        }
    }

    fn push(&mut self, cell: Cell, texts: &Texts) -> Result<(), ArrowError> {
        match (self, cell) {
            (Builder::Int64(b), Cell::Int(v)) => b.append_value(v),
            (Builder::Int64(b), _) => b.append_null(),
            (Builder::Float64(b), Cell::Float(v)) => b.append_value(v),
            (Builder::Float64(b), _) => b.append_null(),
            (Builder::Int32(b), Cell::Int(v)) => b.append_option(i32::try_from(v).ok()),
            (Builder::Int32(b), _) => b.append_null(),
            (Builder::Bool(b), Cell::Bool(v)) => b.append_value(v),
            (Builder::Bool(b), _) => b.append_null(),
            (Builder::Text(b), Cell::Text(id)) => match texts.get(id) {
                Some(text) => b.append(text).map(|_| ())?,
                None => b.append_null(),
            },
            (Builder::Text(b), _) => b.append_null(),
        }
        Ok(())
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Builder::Int32(b) => b.finish().into_array(),
            Builder::Int64(b) => b.finish().into_array(),
            Builder::Float64(b) => b.finish().into_array(),
            Builder::Bool(b) => b.finish().into_array(),
            Builder::Text(b) => Arc::new(b.finish()),
        }
    }
}

/// Shortens the code above.
trait IntoArray {
    fn into_array(self) -> ArrayRef;
}
impl<A: arrow_array::Array + 'static> IntoArray for A {
    fn into_array(self) -> ArrayRef {
        Arc::new(self)
    }
}

/// Collects rows of one table until they are taken as a batch.
pub struct Columns {
    schema: SchemaRef,
    ts: TimestampMicrosecondBuilder,
    elapsed: Float64Builder,
    phase: StringDictionaryBuilder<Int32Type>,
    stored: Vec<Builder>,
}

impl Columns {
    pub fn new(table: &TableDef) -> Self {
        Columns {
            schema: arrow_schema(table),
            ts: TimestampMicrosecondBuilder::new().with_timezone("UTC"),
            elapsed: Float64Builder::new(),
            phase: StringDictionaryBuilder::new(),
            stored: table.stored.iter().map(|c| Builder::new(c.ty)).collect(),
        }
    }

    /// Adds a row. `cells` are in the order of the table's stored columns.
    ///
    /// # Errors
    /// If a column has more than 2^31 different texts.
    pub fn push(
        &mut self,
        ts_us: i64,
        elapsed_s: Option<f64>,
        phase: Option<&str>,
        cells: &[Cell],
        texts: &Texts,
    ) -> Result<(), ArrowError> {
        for (builder, cell) in self.stored.iter_mut().zip(cells) {
            builder.push(*cell, texts)?;
        }
        match phase {
            Some(text) => self.phase.append(text).map(|_| ())?,
            None => self.phase.append_null(),
        }
        self.elapsed.append_option(elapsed_s);
        self.ts.append_value(ts_us);
        Ok(())
    }

    /// Rows since the last batch.
    pub fn rows(&self) -> usize {
        self.ts.len()
    }

    /// Returns the rows so far and starts again without rows.
    ///
    /// # Errors
    /// If an earlier row was only partly added.
    pub fn take(&mut self) -> Result<RecordBatch, ArrowError> {
        let mut columns: Vec<ArrayRef> =
            vec![Arc::new(self.ts.finish()), Arc::new(self.elapsed.finish()), Arc::new(self.phase.finish())];
        columns.extend(self.stored.iter_mut().map(Builder::finish));
        RecordBatch::try_new(self.schema.clone(), columns)
    }
}
