//! Which rows, tables and columns are asked for, and how rows are grouped.

use crate::store::read::piece::{Source, Window};
use crate::table::TableDef;

/// Which rows are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    pub window: Window,
    pub phase: Option<&'a str>,
}

impl Rows<'_> {
    pub const ALL: Rows<'static> = Rows { window: Window::ALL, phase: None };
}

/// What rows of one entity are told apart by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum By {
    /// Nothing: a group is an entity.
    #[default]
    Entity,
    /// The time: an entity in the microseconds from a multiple of `width_us` since 1970 to the next.
    Bucket { width_us: i64 },
    /// The phase: an entity in the innermost phase of its rows, or outside any.
    Phase,
}

/// The tables and columns that were asked for; empty means all.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    pub tables: Vec<String>,
    /// `column` or `table.column`.
    pub metrics: Vec<String>,
}

impl Choice {
    pub fn has_table(&self, table: &TableDef) -> bool {
        (self.tables.is_empty() || self.tables.iter().any(|t| t == table.name))
            && (self.metrics.is_empty() || table.metrics().any(|c| self.has_metric(table, c.name)))
    }

    pub fn has_metric(&self, table: &TableDef, column: &str) -> bool {
        self.metrics.is_empty()
            || self.metrics.iter().any(|m| match m.split_once('.') {
                Some((of, name)) => of == table.name && name == column,
                None => m == column,
            })
    }
}

/// The tables of a recording that a query goes through, and how many columns that makes.
pub fn chosen(source: &dyn Source, choice: &Choice) -> (Vec<&'static TableDef>, usize) {
    let tables: Vec<_> = source.tables().into_iter().filter(|t| choice.has_table(t)).collect();
    let columns = tables.iter().map(|t| t.metrics().filter(|c| choice.has_metric(t, c.name)).count()).sum();
    (tables, columns)
}
