//! Reading recordings.

pub mod guard;
pub mod parquet;
pub mod piece;
mod recording;

pub use piece::State;
pub use recording::{OpenError, Recording, open};
