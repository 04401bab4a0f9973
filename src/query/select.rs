//! The choice of rows, tables and columns, and the grouping of rows.

use crate::store::read::piece::{Source, Window};
use crate::table::TableDef;

/// The chosen rows.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    pub window: Window,
    pub phase: Option<&'a str>,
}

impl Rows<'_> {
    pub const ALL: Rows<'static> = Rows { window: Window::ALL, phase: None };
}

/// How the rows of an entity are grouped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum By {
    /// All in one group.
    #[default]
    Entity,
    /// By time. Buckets begin at multiples of `width_us` since 1970.
    Bucket { width_us: i64 },
    /// By the innermost phase. Rows outside all phases form one group.
    Phase,
}

/// The chosen tables and columns; empty means all.
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

/// The chosen tables of a recording, and the number of their chosen columns.
pub fn chosen(source: &dyn Source, choice: &Choice) -> (Vec<&'static TableDef>, usize) {
    let tables: Vec<_> = source.tables().into_iter().filter(|t| choice.has_table(t)).collect();
    let columns = tables.iter().map(|t| t.metrics().filter(|c| choice.has_metric(t, c.name)).count()).sum();
    (tables, columns)
}
