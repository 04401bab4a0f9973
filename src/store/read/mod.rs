//! Reading recordings.

mod conform;
mod delta;
mod gather;
pub mod guard;
mod hybrid;
mod journal_piece;
pub mod numbers;
mod pages;
pub mod parquet;
pub mod piece;
mod recording;
pub mod sealed_reader;

pub use journal_piece::fault_of;
pub use piece::RecordingState;
pub use recording::{OpenError, Recording, lacks_journals, open, state_of, tables_of};
