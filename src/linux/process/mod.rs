//! Processes, as `/proc` tells of them.

pub mod kernel;
pub mod stat;
