//! Recording: the loop that samples.

pub mod recorder;
