//! Reports as a page: one HTML file without requests, complete without scripts and without style sheets, and better
//! with them. [`single`] is the page of one recording, [`beside`] that of several; `--svg` writes its charts as files.
//!
//! Values come from [`query`](crate::query), grouped by time; the tables show the values of
//! [`report::model`](crate::report::model). Which columns are drawn is declared with their table.

// Recordings, and the names in them, come from anywhere.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::string_slice))]

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

pub use choose::Amount;
pub use single::{Subject, page, svgs};
