//! What is special about table `perf`: each event has its own unit, and labels belong to single events.

use super::model::Ratio;
use super::ratios::ratios;
use crate::query::View;
use crate::query::read::BadPiece;
use crate::table::TableDef;

pub const PERF: &str = "perf";
/// The column with the unit that perf prints for every event.
const UNIT: &str = "unit";

pub fn is_perf(table: &TableDef) -> bool {
    table.name == PERF
}

/// The unit of every event; empty for other tables.
///
/// # Errors
/// When a piece cannot be read.
pub fn units(view: &View<'_>) -> Result<Vec<Option<String>>, BadPiece> {
    if is_perf(view.table) { view.first_texts(UNIT) } else { Ok(Vec::new()) }
}

/// The ratios of events; empty for other tables.
///
/// # Errors
/// When a piece cannot be read.
pub fn ratios_of(view: &View<'_>) -> Result<Vec<Ratio>, BadPiece> {
    if is_perf(view.table) { ratios(&view.index, view.pieces) } else { Ok(Vec::new()) }
}
