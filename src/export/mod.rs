//! The rows of recordings in other formats, as they are or resampled.
//!
//! [`TableRows`] are the chosen rows and columns of a table, some thousand at a time, so that a month of data needs no
//! more memory than an hour. On the way they can be [resampled](resample), which also puts the entities of a tick side by
//! side ([`Shape`]). Then
//!
//! - a [`RowWriter`](format::RowWriter) writes them as CSV, lines of JSON, Parquet or Arrow: one table per [file](mod@file);
//! - [`openmetrics`] and [`perfetto`] write all tables into one file.
//!
//! A [`pack`] is a whole recording in one file, which is read in place of the directory.

pub mod choice;
pub mod file;
pub mod format;
pub mod openmetrics;
pub mod pack;
pub mod perfetto;
pub mod resample;
pub mod table;
pub mod target;

use crate::query::Rows;

pub use choice::Columns;
pub use table::TableRows;

/// What to export.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    pub rows: Rows<'a>,
    pub columns: &'a Columns,
    pub shape: Shape,
}

/// The rows as recorded, or made into others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// One row per entity and this many microseconds; the intervals begin at multiples of it since 1970.
    pub every_us: Option<i64>,
    /// With the smallest and largest value of each resampled number.
    pub extremes: bool,
    /// One row per tick or interval, with a column per metric and entity.
    pub wide: bool,
}

impl Shape {
    pub fn is_as_recorded(self) -> bool {
        self.every_us.is_none() && !self.wide
    }
}

#[cfg(test)]
mod tests;
