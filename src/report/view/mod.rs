//! What people see of the model, and in what order; shared by text and Markdown.
//!
//! A recording has hundreds of columns, most of which say little. By default the view leaves out counters whose rate or
//! share is shown, and columns without a value. It lists columns that never changed in one line, and shows a table of
//! many entities by the spread of their means. `--all` shows everything, `--metric` what it names.
//!
//! The texts of a model are [cleaned](super::clean) before it is shown.

mod changes;
mod entities;
mod events;
mod heading;
mod matrix;
mod metric;
mod numbers;
mod runs;
mod spread;

use super::model::Table;
use super::perf::PERF;
use crate::collect::perf::rows::MISSING_EVENTS;
use crate::events::terms;
use crate::metric::table::METRIC;
use crate::query::words::Words;
use crate::stats::percentile::Percentile;

pub use changes::changes;
pub use heading::{MOST_PHASES, heading, lines, problems};
pub use matrix::{NO_VERDICT, matrix, split};
pub use runs::runs;

/// More entities than this are shown by their spread.
pub const MANY: usize = 8;

#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// Every entity, every metric.
    pub all: bool,
    /// The metrics were selected by name and are shown whatever their values.
    pub chosen: bool,
    /// Of table `perf` only events and ratios were, not its columns.
    pub only_events: bool,
    /// In place of the usual ones; empty: those.
    pub percentiles: &'a [Percentile],
    /// The largest number of changes that are shown.
    pub most_changes: usize,
    /// There is room for all statistics.
    pub wide: bool,
}

/// A title and a grid of text under it.
#[derive(Debug, Default, PartialEq)]
pub struct Section {
    pub title: String,
    /// A remark after the title.
    pub aside: String,
    /// What the first column names; empty: metrics.
    pub of: &'static str,
    /// The columns after the first.
    pub columns: Vec<String>,
    pub groups: Vec<Group>,
    /// Sentences under the grid.
    pub notes: Vec<String>,
}

/// The rows of one entity.
#[derive(Debug, Default, PartialEq)]
pub struct Group {
    /// Empty in a table without entities.
    pub title: String,
    pub rows: Vec<(String, Vec<String>)>,
    /// The course of each row over time; empty: none is drawn.
    pub traces: Vec<Vec<Option<f64>>>,
    pub notes: Vec<String>,
}

impl Section {
    /// Is any course over time drawn?
    pub fn has_traces(&self) -> bool {
        self.groups.iter().flat_map(|group| &group.traces).any(|trace| !trace.is_empty())
    }
}

/// The section of a table.
pub fn section(table: &Table, options: Options<'_>) -> Section {
    let mut section = if table.table == PERF && (!options.chosen || options.only_events) {
        events::section(table, options)
    } else if table.table == METRIC {
        numbers::section(table, options)
    } else if table.entities.len() > MANY && !options.all {
        spread::section(table, options)
    } else {
        entities::section(table, options)
    };
    section.notes.extend(table.words.iter().map(|w| words(w, table.rows, options)));
    section
}

/// The largest number of different words of a column that are shown without `--all`.
const MOST_WORDS: usize = 4;

/// `available: false`, with the number of rows if that is not all rows.
fn words(words: &Words, rows: usize, options: Options<'_>) -> String {
    let shown = if options.all { words.values.len() } else { words.values.len().min(MOST_WORDS) };
    // A list without spaces would be one word, too long for a line.
    let spaced = |v: &String| if words.column == MISSING_EVENTS { terms::spaced(v) } else { v.clone() };
    let values = words.values.iter().take(shown).map(|(value, count)| (spaced(value), count));
    let each = values.map(|(value, count)| match *count {
        count if count == rows => value,
        1 => format!("{value} (1 row)"),
        count => format!("{value} ({count} rows)"),
    });
    let mut text = format!("{}: {}", words.column, each.collect::<Vec<_>>().join("; "));
    if words.values.len() > shown {
        text += &format!("; and {} more", words.values.len() - shown);
    }
    text
}
