//! Columns of a piece as plain values.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType};
use arrow_schema::DataType;

use super::select::Rows;
use crate::store::read::piece::{Fault, Piece, ReadError, Window};
use crate::table::phase::is_within;
use crate::table::{PHASE, TS};

/// A piece that cannot be read, by its index in the list.
#[derive(Debug)]
pub struct BadPiece {
    pub piece: usize,
    pub error: ReadError,
}

/// The error for a column whose type is not the declared one.
pub fn wrong(piece: &dyn Piece, name: &str) -> ReadError {
    ReadError::new(piece.path(), Fault::Schema(format!("column `{name}` has another type")))
}

/// The time of every row, in microseconds since the epoch.
///
/// # Errors
/// When the column cannot be read.
pub fn timestamps(piece: &dyn Piece) -> Result<Vec<i64>, ReadError> {
    let mut all = Vec::with_capacity(piece.rows());
    for chunk in piece.column(TS)? {
        let ts = chunk.as_primitive_opt::<TimestampMicrosecondType>().ok_or_else(|| wrong(piece, TS))?;
        all.extend_from_slice(ts.values());
    }
    Ok(all)
}

/// A column of floats, row by row.
///
/// # Errors
/// When the column cannot be read, or does not contain floats.
pub fn floats(piece: &dyn Piece, name: &str) -> Result<Vec<Option<f64>>, ReadError> {
    let mut all = Vec::with_capacity(piece.rows());
    for chunk in piece.column(name)? {
        all.extend(chunk.as_primitive_opt::<Float64Type>().ok_or_else(|| wrong(piece, name))?);
    }
    Ok(all)
}

/// A column of integers, row by row.
///
/// # Errors
/// When the column cannot be read, or does not contain integers.
pub fn integers(piece: &dyn Piece, name: &str) -> Result<Vec<Option<i64>>, ReadError> {
    let mut all = Vec::with_capacity(piece.rows());
    for chunk in piece.column(name)? {
        if let Some(ints) = chunk.as_primitive_opt::<Int64Type>() {
            all.extend(ints);
        } else {
            let ints = chunk.as_primitive_opt::<Int32Type>().ok_or_else(|| wrong(piece, name))?;
            all.extend(ints.iter().map(|v| v.map(i64::from)));
        }
    }
    Ok(all)
}

/// A column of Booleans, row by row.
///
/// # Errors
/// When the column cannot be read, or does not contain Booleans.
pub fn flags(piece: &dyn Piece, name: &str) -> Result<Vec<Option<bool>>, ReadError> {
    let mut all = Vec::with_capacity(piece.rows());
    for chunk in piece.column(name)? {
        all.extend(chunk.as_boolean_opt().ok_or_else(|| wrong(piece, name))?);
    }
    Ok(all)
}

/// A column of texts, row by row.
///
/// # Errors
/// When the column cannot be read, or has no values that can be shown as text.
pub fn texts(piece: &dyn Piece, name: &str) -> Result<Vec<Option<String>>, ReadError> {
    let mut all = Vec::with_capacity(piece.rows());
    for chunk in piece.column(name)? {
        each_text(piece, name, &chunk, |text| all.push(text.map(str::to_string)))?;
    }
    Ok(all)
}

/// Calls `f` with the text of every row of a chunk.
///
/// # Errors
/// When the values cannot be shown as text.
pub fn each_text(
    piece: &dyn Piece,
    name: &str,
    chunk: &ArrayRef,
    mut f: impl FnMut(Option<&str>),
) -> Result<(), ReadError> {
    match chunk.data_type() {
        DataType::Dictionary(..) => {
            let dictionary = chunk.as_dictionary_opt::<Int32Type>().ok_or_else(|| wrong(piece, name))?;
            let values = dictionary.values().as_string_opt::<i32>().ok_or_else(|| wrong(piece, name))?;
            for key in dictionary.keys() {
                let text = key.and_then(|k| usize::try_from(k).ok()).filter(|k| *k < values.len());
                f(text.map(|k| values.value(k)));
            }
        }
        DataType::Utf8 => chunk.as_string::<i32>().iter().for_each(f),
        DataType::Boolean => {
            chunk.as_boolean().iter().for_each(|v| f(v.map(|v| if v { "true" } else { "false" })));
        }
        DataType::Int32 => each_number::<Int32Type>(chunk, f),
        DataType::Int64 => each_number::<Int64Type>(chunk, f),
        DataType::Float64 => each_number::<Float64Type>(chunk, f),
        _ => return Err(wrong(piece, name)),
    }
    Ok(())
}

fn each_number<T: ArrowPrimitiveType<Native: std::fmt::Debug>>(chunk: &ArrayRef, mut f: impl FnMut(Option<&str>)) {
    for v in chunk.as_primitive::<T>() {
        // Unlike `Display`, `Debug` writes 1.0 with its decimal point.
        f(v.map(|v| format!("{v:?}")).as_deref());
    }
}

/// Which rows of a piece are in the window; `None`: all.
///
/// # Errors
/// When the piece cannot be read.
pub fn in_window(piece: &dyn Piece, window: Window) -> Result<Option<Vec<bool>>, ReadError> {
    if window == Window::ALL {
        return Ok(None);
    }
    Ok(Some(timestamps(piece)?.into_iter().map(|ts| window.contains(ts)).collect()))
}

/// Which rows of a piece belong to the phase, by their column `phase`; `None`: all.
///
/// # Errors
/// When the piece cannot be read.
pub fn in_phase(piece: &dyn Piece, phase: Option<&str>) -> Result<Option<Vec<bool>>, ReadError> {
    let Some(phase) = phase else { return Ok(None) };
    let mut within = Vec::with_capacity(piece.rows());
    // Consecutive rows usually have the same phase.
    let mut last: (Option<String>, bool) = (None, false);
    for chunk in piece.column(PHASE)? {
        each_text(piece, PHASE, &chunk, |path| {
            if last.0.as_deref() != path {
                last = (path.map(str::to_string), path.is_some_and(|path| is_within(path, phase)));
            }
            within.push(last.1);
        })?;
    }
    Ok(Some(within))
}

/// Which rows of a piece are chosen.
///
/// # Errors
/// When the piece cannot be read.
pub fn selection(piece: &dyn Piece, rows: Rows<'_>) -> Result<Vec<bool>, ReadError> {
    let all = || vec![true; piece.rows()];
    let in_window = in_window(piece, rows.window)?.unwrap_or_else(all);
    let in_phase = in_phase(piece, rows.phase)?.unwrap_or_else(all);
    Ok(in_window.into_iter().zip(in_phase).map(|(window, phase)| window && phase).collect())
}
