//! Messages: all on stderr, so that stdout contains only data. The progress line is shown only on a terminal.

mod messages;
mod missing;
mod progress;
pub mod terminal;

pub use messages::{Messages, message};
pub use progress::ProgressLine;
