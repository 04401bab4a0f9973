//! What is special about table `perf`: each event has its own unit, and labels belong to single events.

use super::model::{Entity, Ratio};
use super::ratios::ratios;
use crate::events::name;
use crate::metric::table::METRIC;
use crate::query::View;
use crate::query::read::BadPiece;
use crate::table::TableDef;

pub const PERF: &str = "perf";
/// The column that tells how much of a value was counted.
pub const RUNNING: &str = "running_percent";
/// The unit of events that drivers of memory controllers name.
pub const MEBIBYTES: &str = "MiB";
/// The column with the unit that perf prints for every event.
const UNIT: &str = "unit";

pub fn is_perf(table: &TableDef) -> bool {
    table.name == PERF
}

/// Events, ratios and numbers of the program that were chosen by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventChoice {
    pub events: Vec<String>,
    pub ratios: Vec<&'static str>,
    /// The program's own numbers, with or without their labels; empty: all.
    pub numbers: Vec<String>,
    /// Columns of the table were chosen too, so that no event is left out.
    pub has_columns: bool,
}

/// None was chosen by name.
pub static ALL_EVENTS: EventChoice =
    EventChoice { events: Vec::new(), ratios: Vec::new(), numbers: Vec::new(), has_columns: false };

impl EventChoice {
    pub fn is_limited(&self) -> bool {
        !self.events.is_empty() || !self.ratios.is_empty()
    }

    pub fn has_event(&self, recorded: &str) -> bool {
        !self.is_limited() || self.has_columns || self.events.iter().any(|asked| name::means(asked, recorded))
    }

    pub fn has_number(&self, entity: &Entity) -> bool {
        let name = entity.label(METRIC).unwrap_or_default();
        self.numbers.is_empty() || self.numbers.iter().any(|asked| asked == name || *asked == entity.name())
    }

    pub fn has_ratio(&self, ratio: &str) -> bool {
        !self.is_limited() || self.ratios.contains(&ratio)
    }
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
