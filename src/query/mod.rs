//! Queries over recordings: choose rows and columns, group the rows, and compute results per group.
//!
//! A [`Query`] chooses rows of recordings ([`select`]) by window, phase, table and column. For each table, [`index`]
//! finds the group of every row: its entity, or its entity in a time bucket or phase ([`By`]). Then the columns are
//! read, several at a time on several [`threads`], and a [`Fold`] computes one result from the values of each group:
//!
//! - [`statistics`]: count, mean, percentiles, total;
//! - [`points`]: mean, smallest, largest and last value; grouped by time bucket they form a series;
//! - [`sums`]: sums of values and weights, with which entities are combined;
//! - of a counter not the values are folded but their [`growth`].
//!
//! Every recording is a run with its own results; [`across`] puts those of several runs next to each other.
//!
//! This module knows no table by name, and only the columns that every table has. Everything else is declared: the kind
//! of a column, the weight of its values, how the counters of an entity begin.

pub mod across;
mod builder;
mod column;
mod counted;
mod distinct;
pub mod entities;
pub mod folded;
pub mod growth;
pub mod index;
mod intervals;
mod lives;
pub mod number;
mod patterns;
mod piece_values;
pub mod points;
pub mod read;
pub mod rows;
pub mod select;
pub mod statistics;
pub mod sums;
pub mod threads;
pub mod values;
pub mod view;
mod walk;
pub mod weights;
pub mod window;
pub mod words;

#[cfg(test)]
mod tests;

pub use builder::Query;
pub use select::{By, Choice, Rows};
pub use values::Fold;
pub use view::View;
