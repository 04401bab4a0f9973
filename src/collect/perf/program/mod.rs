//! Counting by the program: `perf stat` prints an interval every now and then, and we read it.
//!
//! The way of a count: [`plan`] decides what perf is asked for, after the kernel was asked event by event ([`wanted`]) and a
//! [`trial`] run has asked perf itself ([`refusal`]: what it says when it refuses); [`supervisor`] keeps the [`child`] running on a thread of its own; [`lines`] puts its output together,
//! [`mod@line`] takes a line apart ([`csv`], [`json`]), [`intervals`] makes rows with a place in time of them; and at the next
//! tick [`collector`] hands those over. [`find`] knows where programs called perf lie.
//!
//! Formats, texts and exit codes differ between versions of perf, and the version tells little about them, since
//! distributions change it: everything here goes by the shape of what is read.

pub mod child;
pub mod collector;
#[cfg(test)]
mod corpus;
pub mod csv;
pub mod find;
pub mod intervals;
pub mod json;
pub mod line;
pub mod lines;
pub mod parse;
pub mod plan;
pub mod refusal;
pub mod supervisor;
#[cfg(test)]
mod tests;
pub mod trial;
pub mod wanted;
