//! Between the store and everything that reads recordings: which rows, of which columns, and what is made of them.
//!
//! A [`Query`] says which rows of some recordings are wanted ([`select`]): a window, a phase, tables and columns. For each table
//! [`index`] finds which group every row belongs to: its entity, or its entity in a time bucket or phase ([`By`]). Then the
//! columns are read, several at a time on several [`threads`], and a [`Fold`] makes one result of the values of each group:
//!
//! - [`statistics`]: count, mean, percentiles, total;
//! - [`points`]: mean, smallest, largest and last value, which by time bucket make a series;
//! - a counter's values are not folded, but their [`growth`].
//!
//! Every recording is a run with results of its own; [`across`] lays those of several runs side by side.
//!
//! Nothing here knows a table by its name, nor a column except those that every table has. What it needs to know is declared:
//! the kind of a column, what its values weigh, how the counters of an entity begin.

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
mod part;
mod patterns;
pub mod points;
pub mod read;
pub mod rows;
pub mod select;
pub mod statistics;
pub mod threads;
pub mod values;
pub mod view;
mod walk;
mod weights;
pub mod window;
pub mod words;

#[cfg(test)]
mod tests;

pub use builder::Query;
pub use select::{By, Choice, Rows};
pub use values::Fold;
pub use view::View;
