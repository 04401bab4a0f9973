//! The rows themselves, for writing them elsewhere.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, new_empty_array};
use arrow_schema::{ArrowError, DataType, Field, Schema};
use arrow_select::concat::concat;
use arrow_select::filter::filter_record_batch;

use super::read::selection;
use super::select::{Choice, Rows};
use crate::store::read::piece::{Fault, Piece, ReadError};
use crate::table::{ELAPSED_S, PHASE, TS, TableDef};

/// The columns to write: the three that every table has, all that are not metrics, and the chosen metrics.
pub fn columns(table: &TableDef, choice: &Choice) -> Vec<&'static str> {
    let own = table.stored.iter().filter(|c| !c.kind.is_metric() || choice.has_metric(table, c.name));
    [TS, ELAPSED_S, PHASE].into_iter().chain(own.map(|c| c.name)).collect()
}

/// The chosen rows of a piece, with these columns.
///
/// # Errors
/// When the piece cannot be read.
pub fn batch(piece: &dyn Piece, columns: &[&str], rows: Rows<'_>) -> Result<RecordBatch, ReadError> {
    let damaged = |e: ArrowError| ReadError::new(piece.path(), Fault::Damaged(e.to_string()));
    let mut fields = Vec::with_capacity(columns.len());
    let mut arrays = Vec::with_capacity(columns.len());
    for name in columns {
        let array = whole(&piece.column(name)?).map_err(damaged)?;
        fields.push(Field::new(*name, array.data_type().clone(), true));
        arrays.push(array);
    }
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(damaged)?;
    filter_record_batch(&batch, &BooleanArray::from(selection(piece, rows)?)).map_err(damaged)
}

fn whole(chunks: &[ArrayRef]) -> Result<ArrayRef, ArrowError> {
    let chunks: Vec<&dyn Array> = chunks.iter().map(AsRef::as_ref).collect();
    // There are no chunks if all row groups of a piece are outside the window.
    if chunks.is_empty() { Ok(new_empty_array(&DataType::Int64)) } else { concat(&chunks) }
}
