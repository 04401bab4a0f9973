//! One sealed Parquet file of a table.
//!
//! Columns are found by name. A column that is missing in the file (written by an older version) is null. A column that
//! this version does not know is declared in the file, and is added to the table.

use std::fs::File;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{ArrayRef, RecordBatch, new_null_array};
use arrow_schema::{DataType, Schema, SchemaRef};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::statistics::Statistics;

use super::conform::conform;
use super::numbers::Numbers;
use super::piece::{Fault, Part, Piece, ReadError, VERSION_KEY, Window};
use super::sealed_reader::{GroupRows, SealedReader, TABLE_KEY};
use crate::store::layout::{FORMAT, Layout};
use crate::table::arrow::arrow_schema;
use crate::table::{TS, TableDef};

/// Smaller files are decoded completely, because selecting columns costs more than decoding all.
pub const FEW_ROWS: usize = 256;

/// Verifies everything in a file of any table, and returns its number of rows.
///
/// # Errors
/// When a byte of it is damaged, or it cannot be decoded.
pub fn check(file: File, path: &Path) -> Result<usize, ReadError> {
    SealedReader::from_file(file, path)?.check()
}

/// The facts about the recording in a file's metadata, other than table, window and format.
pub fn facts_of(file: &SealedReader) -> Vec<(String, String)> {
    let pairs = file.metadata().file_metadata().key_value_metadata().into_iter().flatten();
    let facts = pairs.filter_map(|pair| Some((pair.key.strip_prefix("perfwatch.")?, pair.value.as_ref()?)));
    let others = ["format", "version", "table", "source", "description", "columns", "window", "crc"];
    facts.filter(|(key, _)| !others.contains(key)).map(|(key, value)| (key.to_string(), value.clone())).collect()
}

/// A sealed Parquet file with columns that match the table's declaration.
pub struct ParquetPiece {
    file: SealedReader,
    /// The schema of the table.
    schema: SchemaRef,
    /// The row groups to read.
    groups: Vec<usize>,
    rows: usize,
}

impl ParquetPiece {
    /// Reads and checks the footer.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged or foreign, has another format version, or belongs to another table.
    pub fn open(layout: &Layout, path: &Path, table: &TableDef) -> Result<Self, ReadError> {
        ParquetPiece::open_as(layout, path, table, &arrow_schema(table))
    }

    /// The same with the table's schema, for opening many files.
    ///
    /// # Errors
    /// As [`ParquetPiece::open`].
    pub fn open_as(layout: &Layout, path: &Path, table: &TableDef, schema: &SchemaRef) -> Result<Self, ReadError> {
        ParquetPiece::new(SealedReader::open(layout, path, Some(schema))?, table, schema)
    }

    /// The same for an open file.
    ///
    /// # Errors
    /// When it is foreign, has another format version, or belongs to another table.
    pub fn new(file: SealedReader, table: &TableDef, schema: &SchemaRef) -> Result<Self, ReadError> {
        let fail = |fault| Err(ReadError::new(file.path(), fault));
        match file.fact(VERSION_KEY) {
            None => return fail(Fault::Foreign),
            Some(found) if found == FORMAT.to_string() => {}
            Some(found) => return fail(Fault::Version { found: found.to_string() }),
        }
        if let Some(other) = file.fact(TABLE_KEY).filter(|name| *name != table.name) {
            return fail(Fault::Schema(format!("it belongs to table {other}")));
        }
        let is_known = Arc::ptr_eq(schema, file.arrow().schema());
        if let Err(what) = if is_known { Ok(()) } else { check_columns(table, schema, file.arrow().schema()) } {
            return fail(Fault::Schema(what));
        }
        let groups: Vec<usize> = (0..file.metadata().num_row_groups()).collect();
        let mut piece = ParquetPiece { file, schema: schema.clone(), groups, rows: 0 };
        piece.rows = piece.group_metadata().map(|g| usize::try_from(g.num_rows()).unwrap_or(0)).sum();
        Ok(piece)
    }

    /// The same file, limited to row groups that may have rows in the window.
    #[must_use]
    pub fn within(mut self, window: Window) -> Self {
        let spans = self.file.metadata();
        self.groups.retain(|g| group_span(spans.row_group(*g)).is_none_or(|span| window.overlaps(span)));
        self.rows = self.group_metadata().map(|g| usize::try_from(g.num_rows()).unwrap_or(0)).sum();
        self
    }

    /// Is it so small that decoding it completely is faster?
    pub fn is_small(&self) -> bool {
        self.file.is_short() && self.rows <= FEW_ROWS
    }

    /// All columns of the schema, for all rows, in batches of some thousand rows.
    pub fn batches(&self) -> impl Iterator<Item = Result<RecordBatch, ReadError>> {
        self.groups.iter().flat_map(|group| -> Box<dyn Iterator<Item = _>> {
            match self.rows_of(*group) {
                Ok(rows) => Box::new(rows.map(|batch| self.declared(&batch?))),
                Err(error) => Box::new(std::iter::once(Err(error))),
            }
        })
    }

    /// Decodes only columns with values, because creating nulls is much faster than decoding them.
    fn rows_of(&self, group: usize) -> Result<GroupRows<'_>, ReadError> {
        let all = 0..self.file.arrow().schema().fields().len();
        let (null, some): (Vec<_>, Vec<_>) = all.partition(|column| self.file.is_null(group, *column));
        null.iter().try_for_each(|column| self.file.chunk(group, *column).map(drop))?;
        self.file.rows(group, Some(&some))
    }

    /// The columns of the table, in the order of its declaration.
    fn declared(&self, batch: &RecordBatch) -> Result<RecordBatch, ReadError> {
        conform(batch, &self.schema).map_err(|error| self.fail(Fault::Damaged(error.to_string())))
    }

    /// The table with the additional columns of this file; None if there are none.
    pub fn wider(&self, table: &TableDef) -> Option<TableDef> {
        let is_known = self.file.has_schema(Some(&self.schema));
        if is_known { None } else { table.with_columns_of(&self.file.table(table.name)?) }
    }

    /// A column that is not in the schema even after [`widen`](ParquetPiece::widen), because no table can have its
    /// type.
    pub fn unknown_column(&self) -> Option<&str> {
        let names = self.file.arrow().schema().fields().iter().map(|field| field.name().as_str());
        names.into_iter().find(|name| self.schema.column_with_name(name).is_none())
    }

    /// Reads the file with the schema of a table with more columns, which are null here.
    pub fn widen(&mut self, schema: &SchemaRef) {
        self.schema = schema.clone();
    }

    /// The facts about the recording in this file's metadata, other than table, window and format.
    pub fn facts(&self) -> Vec<(String, String)> {
        facts_of(&self.file)
    }

    fn group_metadata(&self) -> impl Iterator<Item = &RowGroupMetaData> {
        self.groups.iter().map(|g| self.file.metadata().row_group(*g))
    }

    fn fail(&self, fault: Fault) -> ReadError {
        ReadError::new(self.file.path(), fault)
    }
}

impl Piece for ParquetPiece {
    fn path(&self) -> &Path {
        self.file.path()
    }

    fn rows(&self) -> usize {
        self.rows
    }

    fn span(&self) -> Option<(i64, i64)> {
        let mut spans = self.group_metadata().map(group_span);
        let first = spans.next()??;
        spans.try_fold(first, |(from, to), span| span.map(|(f, t)| (from.min(f), to.max(t))))
    }

    fn column(&self, name: &str) -> Result<Vec<ArrayRef>, ReadError> {
        let Ok(index) = self.file.arrow().schema().index_of(name) else {
            let field = self.schema.field_with_name(name);
            let field = field.map_err(|_| self.fail(Fault::Schema(format!("no column `{name}`"))))?;
            return Ok(vec![new_null_array(field.data_type(), self.rows)]);
        };
        let mut chunks = Vec::new();
        for group in &self.groups {
            for batch in self.file.rows(*group, Some(&[index]))? {
                chunks.extend(batch?.columns().first().cloned());
            }
        }
        let read: usize = chunks.iter().map(|c| c.len()).sum();
        if read != self.rows {
            return Err(self.fail(Fault::Damaged(format!("column {name}: {read} of {} rows", self.rows))));
        }
        Ok(chunks)
    }

    fn numbers(&self, name: &str, take: &mut dyn FnMut(Numbers<'_>)) -> Result<(), ReadError> {
        let Ok(index) = self.file.arrow().schema().index_of(name) else {
            self.column(name)?.iter().for_each(|nulls| take(Numbers::Array(nulls)));
            return Ok(());
        };
        let mut read = 0;
        for group in &self.groups {
            match self.file.numbers(*group, index, take)? {
                Some(rows) => read += rows,
                None => {
                    for batch in self.file.rows(*group, Some(&[index]))? {
                        for chunk in batch?.columns().iter().take(1) {
                            read += chunk.len();
                            take(Numbers::Array(chunk));
                        }
                    }
                }
            }
        }
        if read != self.rows {
            return Err(self.fail(Fault::Damaged(format!("column {name}: {read} of {} rows", self.rows))));
        }
        Ok(())
    }

    fn parts(&self, columns: &[&str], take: &mut dyn FnMut(Part) -> ControlFlow<()>) -> Result<(), ReadError> {
        let wanted = projected(&self.schema, columns).map_err(|what| self.fail(Fault::Schema(what)))?;
        let begins: Vec<_> = self.group_metadata().map(|group| group_span(group).map(|span| span.0)).collect();
        for (n, group) in self.groups.iter().enumerate() {
            let mut later = begins.get(n + 1..).unwrap_or_default().iter();
            let later_us = later.try_fold(i64::MAX, |least, from| from.map(|from| least.min(from)));
            if self.parts_of(*group, &wanted, later_us, take)?.is_break() {
                break;
            }
        }
        Ok(())
    }
}

impl ParquetPiece {
    /// The earliest `ts` from each batch of a row group to the end of the group.
    fn earliest(&self, group: usize) -> Result<Vec<i64>, ReadError> {
        let mut all = Vec::new();
        for batch in self.file.rows(group, Some(&[0]))? {
            let batch = batch?;
            let stamps = batch.columns().first().and_then(|ts| ts.as_primitive_opt::<TimestampMicrosecondType>());
            all.push(stamps.and_then(|ts| ts.values().iter().copied().min()).unwrap_or(i64::MIN));
        }
        Ok(suffix_minima(all))
    }

    /// A row group with these columns of the table. `later_us`: the earliest `ts` of the following groups.
    fn parts_of(
        &self,
        group: usize,
        wanted: &SchemaRef,
        later_us: Option<i64>,
        take: &mut dyn FnMut(Part) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, ReadError> {
        let found = self.file.arrow().schema();
        let here = wanted.fields().iter().filter_map(|field| found.index_of(field.name()).ok());
        let (null, mut some): (Vec<_>, Vec<_>) = here.partition(|column| self.file.is_null(group, *column));
        null.iter().try_for_each(|column| self.file.chunk(group, *column).map(drop))?;
        if some.is_empty() {
            // A column with values, for the number of rows.
            some.push(0);
        }
        let earliest = self.earliest(group)?;
        let mut read = 0;
        for (n, batch) in self.file.rows(group, Some(&some))?.enumerate() {
            let batch = conform(&batch?, wanted).map_err(|error| self.fail(Fault::Damaged(error.to_string())))?;
            read += batch.num_rows();
            let from_us = earliest.get(n).copied().zip(later_us).map(|(own, later)| own.min(later));
            if take(Part { columns: batch, from_us }).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        let rows = self.file.metadata().row_group(group).num_rows();
        match i64::try_from(read) == Ok(rows) {
            true => Ok(ControlFlow::Continue(())),
            false => Err(self.fail(Fault::Damaged(format!("{read} of {rows} rows")))),
        }
    }
}

/// The smallest and largest `ts` of a row group.
fn group_span(group: &RowGroupMetaData) -> Option<(i64, i64)> {
    // `ts` is the first column of every table; `check_columns` has verified it.
    match group.columns().first()?.statistics()? {
        Statistics::Int64(s) => Some((*s.min_opt()?, *s.max_opt()?)),
        _ => None,
    }
}

/// Of each number, the smallest of it and all that follow.
pub(super) fn suffix_minima(mut numbers: Vec<i64>) -> Vec<i64> {
    let mut least = i64::MAX;
    for number in numbers.iter_mut().rev() {
        least = least.min(*number);
        *number = least;
    }
    numbers
}

/// These columns of a schema.
///
/// # Errors
/// The first that it does not have.
pub(super) fn projected(schema: &SchemaRef, columns: &[&str]) -> Result<SchemaRef, String> {
    let field = |name: &&str| match schema.fields().find(name) {
        Some((_, field)) => Ok(field.clone()),
        None => Err(format!("no column `{name}`")),
    };
    Ok(Arc::new(Schema::new(columns.iter().map(field).collect::<Result<Vec<_>, _>>()?)))
}

/// Compares names and types with the declaration; the error describes the first relevant difference.
fn check_columns(table: &TableDef, declared: &Schema, found: &Schema) -> Result<(), String> {
    let mut known = 0;
    for want in declared.fields() {
        let Ok(have) = found.field_with_name(want.name()) else { continue };
        if !same_type(have.data_type(), want.data_type()) {
            let (have, want, name) = (have.data_type(), want.data_type(), want.name());
            return Err(format!("column `{name}` is {have}, table {} has {want}", table.name));
        }
        known += 1;
    }
    let first = found.fields().first().map_or("", |field| field.name());
    match first == TS && (known > COMMON || declared.fields().len() == COMMON) {
        true => Ok(()),
        false => Err(format!("it has none of the columns of table {}", table.name)),
    }
}

/// Number of columns that every table has.
const COMMON: usize = 3;

/// A string column may be plain or a dictionary: a tool that rewrote the file may have dropped Arrow's schema.
fn same_type(have: &DataType, want: &DataType) -> bool {
    match want {
        DataType::Dictionary(_, value) => have == want || have == value.as_ref(),
        DataType::Timestamp(unit, _) => matches!(have, DataType::Timestamp(u, Some(_)) if u == unit),
        _ => have == want,
    }
}

#[cfg(test)]
#[path = "parquet_tests.rs"]
mod tests;
