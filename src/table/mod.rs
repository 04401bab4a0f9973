//! What a table is: the one declaration from which the Arrow schema, the rates, the report, `perfwatch schema` and
//! the written column reference all follow.
//!
//! A collector declares a [`Table`] over its own row type `R`; each [`Column`] carries its name, kind, unit, text *and*
//! the way to its value. [`Table::def`] erases `R` and lays the columns out twice:
//!
//! - **raw**: what the collector hands over and the journal keeps, in the order declared;
//! - **stored**: what users read in Parquet: the raw columns that are not hidden, and the derived ones (rates,
//!   percentages, latencies), each of which is one [`Formula`] over raw columns.

pub mod arrow;
mod column;
mod declaration;
#[cfg(test)]
mod declaration_tests;
mod def;
mod formula;
mod kind;
mod names;
pub mod phase;
pub mod rates;
pub mod sample;
pub mod step;
pub mod typed;
mod union;
mod value;

pub use column::{Column, Origin, counter, derived, entity, entity_int, flag, gauge, gauge_float, label, label_int};
pub use declaration::{Declaration, DeclaredColumn, Facts};
pub use def::{Life, RawColumn, ResolvedFormula, StoredColumn, StoredOrigin, TableDef, Weight};
pub use formula::{Formula, Over};
pub use kind::{Better, Kind, Steadiness, Type, Unit};
pub use names::{intern, keep};
pub use typed::Table;
pub use value::{Value, significant};

/// The three columns that every table begins with.
pub const TS: &str = "ts";
pub const ELAPSED_S: &str = "elapsed_s";
pub const PHASE: &str = "phase";

/// The flag that a table of entities that come and go may have: true in the first row of one that began within the recording,
/// so that all that its counters show is growth from zero.
pub const IS_NEW: &str = "is_new";
