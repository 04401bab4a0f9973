//! Reading recordings.

pub mod parquet;
pub mod piece;
