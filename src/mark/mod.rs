//! Marks: what those who run the work say about it while it is recorded. A phase starts, a phase ends, something happened.
//!
//! A mark is a [`request`]: from `perfwatch mark` ([`client`]), from a line written to the control socket ([`control`], which
//! lies where [`place`] says, and is reached as [`reach`] does it), or from within this process. All go through one [`queue`] to the thread that samples, whose
//! [`intake`] keeps the stack of open [phases](crate::table::phase) and makes rows of the [`table`]. The answer comes when the row is in the
//! journal.

pub mod client;
pub mod control;
pub mod intake;
pub mod place;
pub mod queue;
pub mod reach;
pub mod request;
pub mod table;

pub use control::Control;
pub use queue::Marks;

/// The environment variable that names the control socket to those who run inside or beside a recording.
pub const VARIABLE: &str = "PERFWATCH_CONTROL";
