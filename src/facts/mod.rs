//! Facts about the machine and about the start of the recorder: plain data, and how each is detected.

pub mod machine;
pub mod start;
