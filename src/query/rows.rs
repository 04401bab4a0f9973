//! The rows themselves, for writing them elsewhere.

use std::ops::ControlFlow;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, TimestampMicrosecondType};
use arrow_array::{ArrayRef, BooleanArray, RecordBatch};
use arrow_schema::ArrowError;
use arrow_select::filter::filter_record_batch;

use super::select::Rows;
use crate::store::read::piece::{Fault, Piece, ReadError, Window};
use crate::table::phase::is_within;
use crate::table::{PHASE, TS};

/// Consecutive rows in the window, and which of them are in the phase.
pub struct Candidates {
    /// With the columns that were asked for, in their order.
    pub batch: RecordBatch,
    /// `None`: all.
    pub in_phase: Option<BooleanArray>,
    /// No row of these and the following ones of the piece is earlier; `None` if that is not known.
    pub from_us: Option<i64>,
}

impl Candidates {
    /// The chosen rows.
    ///
    /// # Errors
    /// Does not happen: the lengths agree.
    pub fn chosen(self) -> Result<RecordBatch, ArrowError> {
        match &self.in_phase {
            Some(in_phase) => filter_record_batch(&self.batch, in_phase),
            None => Ok(self.batch),
        }
    }
}

/// Calls `take` with the rows of a piece that are in the window, some thousand at a time, until it returns a break.
/// `columns` are unique.
///
/// # Errors
/// When the piece cannot be read. The rows before the damage have been taken.
pub fn candidates(
    piece: &dyn Piece,
    columns: &[&str],
    rows: Rows<'_>,
    take: &mut dyn FnMut(Candidates) -> ControlFlow<()>,
) -> Result<(), ReadError> {
    let mut needed = columns.to_vec();
    let has = |name: &str| columns.contains(&name);
    needed.extend([TS].into_iter().filter(|ts| rows.window != Window::ALL && !has(ts)));
    needed.extend([PHASE].into_iter().filter(|phase| rows.phase.is_some() && !has(phase)));
    let asked: Vec<usize> = (0..columns.len()).collect();
    let mut failed = None;
    piece.parts(&needed, &mut |part| {
        let candidates = chosen_in(&part.columns, rows).and_then(|(batch, in_phase)| {
            Ok(Candidates { batch: batch.project(&asked)?, in_phase, from_us: part.from_us })
        });
        match candidates {
            Ok(candidates) if candidates.batch.num_rows() == 0 => ControlFlow::Continue(()),
            Ok(candidates) => take(candidates),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    failed.map_or(Ok(()), |error| Err(ReadError::new(piece.path(), Fault::Damaged(error.to_string()))))
}

/// The rows in the window, and which of them are in the phase.
fn chosen_in(batch: &RecordBatch, rows: Rows<'_>) -> Result<(RecordBatch, Option<BooleanArray>), ArrowError> {
    let wrong = |name: &str| ArrowError::CastError(format!("column `{name}` has another type"));
    let mut batch = batch.clone();
    if rows.window != Window::ALL {
        let ts = batch.column_by_name(TS).and_then(|ts| ts.as_primitive_opt::<TimestampMicrosecondType>());
        let stamps = ts.ok_or_else(|| wrong(TS))?.values();
        if !stamps.iter().all(|ts| rows.window.contains(*ts)) {
            let in_window: BooleanArray = stamps.iter().map(|ts| Some(rows.window.contains(*ts))).collect();
            batch = filter_record_batch(&batch, &in_window)?;
        }
    }
    let in_phase = match rows.phase {
        Some(phase) => {
            let paths = batch.column_by_name(PHASE).and_then(|paths| within(paths, phase));
            Some(paths.ok_or_else(|| wrong(PHASE))?)
        }
        None => None,
    };
    Ok((batch, in_phase))
}

/// Which texts of a dictionary column are phases in this one; `None` for a column of another type.
fn within(paths: &ArrayRef, phase: &str) -> Option<BooleanArray> {
    let dictionary = paths.as_dictionary_opt::<Int32Type>()?;
    let texts = dictionary.values().as_string_opt::<i32>()?;
    let within: Vec<bool> = texts.iter().map(|path| path.is_some_and(|path| is_within(path, phase))).collect();
    let is_within = |key: Option<i32>| key.and_then(|key| within.get(usize::try_from(key).ok()?)) == Some(&true);
    Some(dictionary.keys().iter().map(|key| Some(is_within(key))).collect())
}
