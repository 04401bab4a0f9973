//! Declares tables. The Arrow schema, the rates, the report, `perfwatch schema` and the column reference all follow
//! from this one declaration.
//!
//! A collector declares a [`Table`] for its own row type `R`. Each [`Column`] has a name, kind, unit and text, *and*
//! the function or formula for its value. [`Table::def`] removes `R` and gives two lists of columns:
//!
//! - **raw**: the columns that the collector provides and the journal stores, in declared order;
//! - **stored**: the columns in the Parquet files: the raw columns that are not hidden, and the derived ones (rates,
//!   percentages, latencies), each of which is a [`Formula`] of raw columns.

pub mod arrow;
mod chart;
mod column;
mod declaration;
#[cfg(test)]
mod declaration_tests;
mod def;
mod formula;
pub mod human;
mod kind;
mod names;
pub mod packed;
pub mod phase;
pub mod rates;
pub mod sample;
pub mod step;
pub mod typed;
mod union;
mod value;

pub use chart::{Chart, Charts, Form, chart_of};
pub use column::{
    Column, Origin, counter, derived, entity, entity_int, flag, gauge, gauge_float, label, label_float, label_int,
};
pub use declaration::{Declaration, DeclaredColumn, Facts};
pub use def::{Life, RawColumn, ResolvedFormula, StoredColumn, StoredOrigin, TableDef, Weight};
pub use formula::{Formula, Over};
pub use kind::{Better, Kind, Steadiness, Type, Unit};
pub use names::{intern, keep};
pub use typed::Table;
pub use value::{Value, significant};

/// The first three columns of every table.
pub const TS: &str = "ts";
pub const ELAPSED_S: &str = "elapsed_s";
pub const PHASE: &str = "phase";

/// A flag of tables with short-lived entities: true in the first row of an entity that started during the recording,
/// whose counters have therefore grown from zero.
pub const IS_NEW: &str = "is_new";
