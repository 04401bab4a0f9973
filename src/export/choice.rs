//! Which tables and columns are exported.

use crate::query::Choice;
use crate::store::read::piece::Source;
use crate::table::{ELAPSED_S, Kind, PHASE, TS, TableDef};

/// The tables and columns that a user chose.
#[derive(Clone, Debug)]
pub enum Columns {
    /// All columns that are not metrics, and these metrics.
    Metrics(Choice),
    /// `ts`, the columns that identify a row, and these.
    Only {
        tables: Vec<String>,
        /// `column` or `table.column`; empty: all.
        columns: Vec<String>,
    },
}

impl Columns {
    /// All columns of these tables; of all tables if there are none.
    pub fn all(tables: Vec<String>) -> Columns {
        Columns::Only { tables, columns: Vec::new() }
    }

    /// The chosen tables of a recording.
    pub fn tables(&self, source: &dyn Source) -> Vec<&'static TableDef> {
        let mut tables = source.tables();
        tables.retain(|table| self.has_table(table));
        tables
    }

    fn has_table(&self, table: &TableDef) -> bool {
        match self {
            Columns::Metrics(choice) => choice.has_table(table),
            Columns::Only { tables, columns } => {
                (tables.is_empty() || tables.iter().any(|name| name == table.name))
                    && (columns.is_empty() || all(table).any(|(name, _)| is_named(columns, table, name)))
            }
        }
    }

    /// Did the user name columns?
    pub fn are_named(&self) -> bool {
        match self {
            Columns::Metrics(choice) => !choice.metrics.is_empty(),
            Columns::Only { columns, .. } => !columns.is_empty(),
        }
    }

    /// The columns to write, in the order of the files.
    pub fn of(&self, table: &TableDef) -> Vec<&'static str> {
        let is_chosen = |name: &'static str, kind: Option<Kind>| match self {
            Columns::Metrics(choice) => kind.is_none_or(|kind| !kind.is_metric()) || choice.has_metric(table, name),
            Columns::Only { columns, .. } => {
                columns.is_empty() || name == TS || kind == Some(Kind::Entity) || is_named(columns, table, name)
            }
        };
        all(table).filter(|(name, kind)| is_chosen(name, *kind)).map(|(name, _)| name).collect()
    }
}

/// All columns of a table. The first three have no kind.
fn all(table: &TableDef) -> impl Iterator<Item = (&'static str, Option<Kind>)> {
    let common = [TS, ELAPSED_S, PHASE].into_iter().map(|name| (name, None));
    common.chain(table.stored.iter().map(|column| (column.name, Some(column.kind))))
}

fn is_named(columns: &[String], table: &TableDef, name: &str) -> bool {
    columns.iter().any(|column| match column.split_once('.') {
        Some((of, column)) => of == table.name && column == name,
        None => column == name,
    })
}
