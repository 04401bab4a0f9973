//! The different texts or Booleans of a column and how often each occurs, so that a report also shows errors.

use std::collections::HashMap;

use serde::Serialize;

use super::index::RowIndex;
use super::read::{BadPiece, each_text};
use crate::store::read::piece::Piece;

/// The words of one column.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Words {
    pub column: &'static str,
    /// Each with its number of rows, the most frequent first. Rows without a value are not counted.
    pub values: Vec<(String, usize)>,
}

/// The words of a column in the chosen rows.
///
/// # Errors
/// When a piece cannot be read.
pub fn words(column: &'static str, index: &RowIndex, pieces: &[Box<dyn Piece + '_>]) -> Result<Words, BadPiece> {
    let mut counts: HashMap<String, usize> = HashMap::new();
    each(column, index, pieces, |group, text| {
        let Some(text) = text.filter(|_| group.is_some()) else { return };
        match counts.get_mut(text) {
            Some(count) => *count += 1,
            None => drop(counts.insert(text.to_string(), 1)),
        }
    })?;
    let mut values: Vec<(String, usize)> = counts.into_iter().collect();
    values.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    Ok(Words { column, values })
}

/// The first text of a column in every group that is not empty.
///
/// # Errors
/// When a piece cannot be read.
pub fn first(column: &str, index: &RowIndex, pieces: &[Box<dyn Piece + '_>]) -> Result<Vec<Option<String>>, BadPiece> {
    let mut found = vec![None; index.groups.len()];
    each(column, index, pieces, |group, text| {
        let Some(slot) = group.and_then(|group| found.get_mut(group)) else { return };
        if slot.is_none() {
            *slot = text.filter(|text| !text.is_empty()).map(str::to_string);
        }
    })?;
    Ok(found)
}

/// Calls `f` with the text of every row, and with its group if the row is chosen.
fn each(
    column: &str,
    index: &RowIndex,
    pieces: &[Box<dyn Piece + '_>],
    mut f: impl FnMut(Option<usize>, Option<&str>),
) -> Result<(), BadPiece> {
    let mut rows = index.chosen_rows();
    for (n, piece) in pieces.iter().enumerate() {
        let bad = |error| BadPiece { piece: n, error };
        for chunk in piece.column(column).map_err(bad)? {
            each_text(piece.as_ref(), column, &chunk, |text| f(rows.next().flatten(), text)).map_err(bad)?;
        }
    }
    Ok(())
}
