//! What is special about table `perf`: its values have a unit for each event, and its labels belong to single events.

use super::model::Ratio;
use super::ratios::ratios;
use crate::query::View;
use crate::query::read::BadPiece;
use crate::table::TableDef;

pub const PERF: &str = "perf";
/// The column that holds what an event counted in the interval.
pub const VALUE: &str = "value";
/// The entity column that names the event.
pub const EVENT: &str = "event";
/// The unit that perf printed with every event.
const UNIT: &str = "unit";

pub fn is_perf(table: &TableDef) -> bool {
    table.name == PERF
}

/// The unit of every event; nothing in other tables.
///
/// # Errors
/// When a piece cannot be read.
pub fn units(view: &View<'_>) -> Result<Vec<Option<String>>, BadPiece> {
    if is_perf(view.table) { view.first_texts(UNIT) } else { Ok(Vec::new()) }
}

/// What two events say together; nothing in other tables.
///
/// # Errors
/// When a piece cannot be read.
pub fn ratios_of(view: &View<'_>) -> Result<Vec<Ratio>, BadPiece> {
    if is_perf(view.table) { ratios(&view.index, view.pieces) } else { Ok(Vec::new()) }
}
