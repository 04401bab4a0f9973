//! Marks: notes about the recorded work, made while it is recorded. A phase starts, a phase ends, something happened.
//!
//! A mark is a [`request`]: from `perfwatch mark` ([`client`]), from a line written to the control socket ([`control`];
//! its path is defined in [`socket`], and long paths are handled in [`reach`]), or from within this process. All go
//! through one [`queue`] to the sampling thread, where [`intake`] keeps the stack of open [phases](crate::table::phase)
//! and makes rows of the [`table`]. The answer is sent when the row is in the journal.

pub mod client;
pub mod control;
pub mod intake;

pub mod queue;
pub mod reach;
pub mod request;
pub mod socket;
pub mod table;

pub use control::Control;
pub use queue::Marks;

/// The environment variable with the path of the control socket, for processes inside or outside a recording.
pub const VARIABLE: &str = "PERFWATCH_CONTROL";
