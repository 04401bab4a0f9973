//! Reading recordings.

pub mod guard;
pub mod parquet;
pub mod piece;
