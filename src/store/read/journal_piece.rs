//! The rows of a table in a journal.

use std::convert::Infallible;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::OnceLock;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{ArrayRef, RecordBatch, new_null_array};
use arrow_schema::SchemaRef;

use super::conform::conform;
use super::parquet::{projected, suffix_minima};
use super::piece::{Fault, Part, Piece, ReadError};
use crate::store::journal::{Journal, JournalError, Tail};
use crate::store::replay::{self, ReplayError};
use crate::table::{TS, TableDef};

/// Rows of a journal that are converted to columns at a time.
const BATCH_ROWS: usize = 16 * 1024;

/// The damage of an open journal, if any.
pub fn fault_of(journal: &Journal) -> Option<Fault> {
    match journal.tail() {
        Ok(Tail::Clean | Tail::Torn) => None,
        Ok(Tail::Damaged(_)) if journal.header().is_none() => Some(Fault::Head),
        Ok(Tail::Damaged(damage)) => Some(Fault::Journal(damage)),
        Err(error) => Some(fault_of_reading(&error)),
    }
}

/// A file that cannot be read is not necessarily damaged.
fn fault_of_reading(error: &JournalError) -> Fault {
    match error {
        JournalError::Io { error, .. } => Fault::Io(std::io::Error::new(error.kind(), error.to_string())),
        JournalError::Version { found, .. } => Fault::Version { found: found.to_string() },
    }
}

/// The rows of one table in a journal, decoded on first use.
pub(super) struct JournalPiece<'r> {
    journal: &'r Journal,
    table: &'static TableDef,
    /// The schema with the columns of all pieces.
    schema: SchemaRef,
    batches: OnceLock<Result<Vec<RecordBatch>, ReplayError<Infallible>>>,
}

impl<'r> JournalPiece<'r> {
    pub fn new(journal: &'r Journal, table: &'static TableDef, schema: SchemaRef) -> Self {
        JournalPiece { journal, table, schema, batches: OnceLock::new() }
    }

    /// The rows as decoded.
    pub fn batches(&self) -> Result<&[RecordBatch], &ReplayError<Infallible>> {
        let read = || {
            let mut batches = Vec::new();
            let taken = replay::table(self.journal, self.table, BATCH_ROWS, |batch| {
                batches.push(batch);
                Ok(())
            });
            taken.map(|()| batches)
        };
        self.batches.get_or_init(read).as_deref()
    }

    pub fn failed(&self, error: &ReplayError<Infallible>) -> ReadError {
        let fault = match error {
            ReplayError::Journal(error) => fault_of_reading(error),
            ReplayError::Arrow(error) => Fault::Damaged(error.to_string()),
            ReplayError::Taker(never) => match *never {},
        };
        ReadError::new(self.journal.path(), fault)
    }
}

impl Piece for JournalPiece<'_> {
    fn path(&self) -> &Path {
        self.journal.path()
    }

    fn rows(&self) -> usize {
        self.batches().map_or(0, |batches| batches.iter().map(RecordBatch::num_rows).sum())
    }

    fn span(&self) -> Option<(i64, i64)> {
        let stamps = self.batches().ok()?.iter().filter_map(|b| b.column_by_name(TS));
        let stamps = stamps.flat_map(|c| c.as_primitive::<TimestampMicrosecondType>().values().iter().copied());
        stamps.fold(None, |span, ts| match span {
            None => Some((ts, ts)),
            Some((from, to)) => Some((ts.min(from), ts.max(to))),
        })
    }

    fn column(&self, name: &str) -> Result<Vec<ArrayRef>, ReadError> {
        let fail = |what: String| ReadError::new(self.journal.path(), Fault::Damaged(what));
        let batches = self.batches().map_err(|error| self.failed(error))?;
        let columns = batches.iter().map(|batch| match batch.column_by_name(name) {
            Some(column) => Some(column.clone()),
            None => Some(new_null_array(self.schema.field_with_name(name).ok()?.data_type(), batch.num_rows())),
        });
        columns.collect::<Option<_>>().ok_or_else(|| fail(format!("no column {name}")))
    }

    fn parts(&self, columns: &[&str], take: &mut dyn FnMut(Part) -> ControlFlow<()>) -> Result<(), ReadError> {
        let fail = |fault| ReadError::new(self.journal.path(), fault);
        let wanted = projected(&self.schema, columns).map_err(|what| fail(Fault::Schema(what)))?;
        let batches = self.batches().map_err(|error| self.failed(error))?;
        let earliest = suffix_minima(batches.iter().map(earliest).collect());
        for (batch, from_us) in batches.iter().zip(earliest) {
            let from_us = Some(from_us);
            let batch = conform(batch, &wanted).map_err(|error| fail(Fault::Damaged(error.to_string())))?;
            if take(Part { columns: batch, from_us }).is_break() {
                break;
            }
        }
        Ok(())
    }
}

/// The earliest `ts` of a batch.
fn earliest(batch: &RecordBatch) -> i64 {
    let stamps = batch.column_by_name(TS).and_then(|ts| ts.as_primitive_opt::<TimestampMicrosecondType>());
    stamps.and_then(|ts| ts.values().iter().copied().min()).unwrap_or(i64::MIN)
}
