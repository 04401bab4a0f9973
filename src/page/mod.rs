//! Reports as a page: one HTML file without requests, complete without scripts and without style sheets, and better
//! with them. [`page`] is that of one recording, [`beside()`] that of several over each other, and [`comparison_page`] that of
//! a comparison; [`svgs`] are the charts of a page as files.
//!
//! Values come from [`query`](crate::query), grouped by time; the tables show the values of
//! [`report::model`](crate::report::model). Which columns are drawn is declared with their table.

// Recordings, and the names in them, come from anywhere.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::string_slice))]

mod align;
mod beside;
mod choose;
mod data;
mod document;
mod events;
mod figure;
mod glance;
mod head;
mod marks;
mod section;
mod shown;
mod single;
mod tables;
mod verdicts;

#[cfg(test)]
mod tests;

pub use beside::{Key, Side, beside};
pub use choose::Amount;
pub use single::{Subject, page, svgs};
pub use verdicts::{comparison_page, keys as comparison_keys};
