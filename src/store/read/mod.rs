//! Reading recordings.

mod conform;
mod gather;
pub mod guard;
mod hybrid;
pub mod numbers;
pub mod parquet;
pub mod piece;
mod recording;
pub mod sealed;

pub use piece::State;
pub use recording::{OpenError, Recording, fault_of, lacks_journals, open, state_of, tables_of};
