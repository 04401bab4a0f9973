//! What happens in the loop that users should hear at once.

use std::fmt;

use crate::store::write::WriteError;

/// What happens in the loop that users should hear at once. `Display` gives the words.
#[derive(Debug)]
pub enum SamplingEvent {
    /// The first sample was taken.
    Begun,
    /// A collector's rows stand, but something in them could not be read. Said once.
    Incomplete { collector: &'static str, warning: String },
    /// A collector's sample failed, after ones that did not.
    Failing { collector: &'static str, error: String },
    /// It works again.
    Recovered { collector: &'static str },
    /// A tick could not be written, after ones that could.
    CannotWrite(WriteError),
    /// Ticks are written again; this many were lost.
    WritesAgain { lost: u64 },
}

impl fmt::Display for SamplingEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SamplingEvent::Begun => Ok(()),
            SamplingEvent::Incomplete { collector, warning } => write!(f, "{collector}: {warning}"),
            SamplingEvent::Failing { collector, error } => write!(f, "{collector}: {error}"),
            SamplingEvent::Recovered { collector } => write!(f, "{collector}: works again"),
            SamplingEvent::CannotWrite(error) => write!(f, "{error}; sampling goes on, and each tick tries again"),
            SamplingEvent::WritesAgain { lost } => write!(f, "writing again; ticks lost: {lost}"),
        }
    }
}
