//! Counting with the program: `perf stat` prints intervals, and we read them.
//!
//! The path of a count: [`plan`] decides what perf is asked to count. Before that, the kernel is asked for each event
//! ([`wanted`]), and a [`trial`] run asks perf itself ([`refusal`]: the messages with which it refuses). [`supervisor`]
//! keeps the [`child`] running on its own thread. [`lines`] assembles its output, [`mod@line`] parses a line ([`csv`],
//! [`json`]), [`intervals`] makes rows with a wall clock time of them, and at the next tick [`collector`] hands them
//! over. [`find`] looks for programs named perf.
//!
//! Formats, texts and exit codes differ between versions of perf. The version number is not reliable, because
//! distributions change perf, so everything here is recognised by its form.

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
