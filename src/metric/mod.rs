//! The program's own numbers: throughput, latencies, queue lengths, as the recorded program tells them.
//!
//! A number has the name of a [`series`]: `qps`, or with labels `qps{shard="0"}`. Numbers come from
//! `perfwatch mark value` and the control socket as [`given`] ones, and from files and servers in the
//! [exposition format](exposition) of Prometheus. All of them become rows of one [`table`].

// What programs send may be anything.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::string_slice))]

pub mod exposition;
pub mod given;
mod labels;
pub mod series;
pub mod table;

pub use series::{Series, SeriesError};

/// The largest number of different series of a recording; more are hardly meant, but an identifier in a label.
pub const MOST_SERIES: usize = 10_000;
