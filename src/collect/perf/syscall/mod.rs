//! Counting without the perf program: the kernel's own call, read at the tick.
//!
//! [`open`] is the call, [`probe`] asks whether an event counts, [`plan`] looks up what was asked for, [`counters`] holds
//! what is open and makes rows of it, for which [`descriptors`](crate::linux::descriptors) makes room, and [`collector`] reads it at the tick.

pub mod collector;
pub mod counters;
pub mod open;
pub mod plan;
pub mod probe;
