//! Reading recordings.

pub mod parquet;
pub mod piece;
mod recording;

pub use recording::{OpenError, Recording, open};
