//! Counting without the program perf: with the system call, read at the tick.
//!
//! [`open`] makes the call, [`probe`] checks whether an event counts, [`plan`] looks up the requested events,
//! [`counters`] holds the open counters and makes rows of them, [`descriptors`](crate::linux::descriptors) raises the
//! limit of open files for them, and [`collector`] reads them at the tick.

pub mod collector;
pub mod counters;
pub mod open;
pub mod plan;
pub mod probe;
