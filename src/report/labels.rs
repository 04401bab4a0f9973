//! What a table says in words: how often each text or truth value stood in a column that is no entity. So an error, or
//! the events that perf missed, are seen in the report as well.

use std::collections::HashMap;

use serde::Serialize;

use super::index::{BadPiece, RowIndex, each_text};
use super::summary::PERF;
use crate::store::read::piece::Piece;
use crate::table::{Kind, TableDef, Type};

/// The words of one column.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Words {
    pub column: &'static str,
    /// Each with the rows it stands in, the most frequent first. Rows without a value are not counted.
    pub values: Vec<(String, usize)>,
}

/// The label columns that have a value. Table `perf` has its own way: its labels belong to single events. And which rows are of
/// something new is for those who add up counters.
///
/// # Errors
/// When a piece cannot be read.
pub fn words(table: &TableDef, index: &RowIndex, pieces: &[Box<dyn Piece + '_>]) -> Result<Vec<Words>, BadPiece> {
    let is_words = |ty| matches!(ty, Type::Text | Type::Bool);
    let labels = table.stored.iter().filter(|c| c.kind == Kind::Label && is_words(c.ty) && table.name != PERF);
    let labels = labels.filter(|c| Some(c.name) != table.life.is_new);
    let mut all = Vec::new();
    for column in labels {
        let mut counts: HashMap<String, usize> = HashMap::new();
        let mut rows = index.rows.iter();
        for (n, piece) in pieces.iter().enumerate() {
            let bad = |error| BadPiece { piece: n, error };
            for chunk in piece.column(column.name).map_err(bad)? {
                let take = |text: Option<&str>| {
                    // Rows that were not chosen have no entity.
                    let chosen = rows.next().is_some_and(|e| (*e as usize) < index.entities.len());
                    let Some(text) = text.filter(|_| chosen) else { return };
                    match counts.get_mut(text) {
                        Some(count) => *count += 1,
                        None => drop(counts.insert(text.to_string(), 1)),
                    }
                };
                each_text(piece.as_ref(), column.name, &chunk, take).map_err(bad)?;
            }
        }
        let mut values: Vec<(String, usize)> = counts.into_iter().collect();
        values.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        if !values.is_empty() {
            all.push(Words { column: column.name, values });
        }
    }
    Ok(all)
}
