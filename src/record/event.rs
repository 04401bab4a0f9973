//! Events of the sampling loop.

use std::fmt;

use crate::store::write::WriteError;

/// An event of the sampling loop that users should know immediately. `Display` writes its text.
#[derive(Debug)]
pub enum SamplingEvent {
    /// The first sample was taken.
    Begun,
    /// A collector returned rows, but could not read all values. Sent once.
    Incomplete { collector: &'static str, warning: String },
    /// A collector began to fail.
    Failing { collector: &'static str, error: String },
    /// The collector works again.
    Recovered { collector: &'static str },
    /// Writing ticks began to fail.
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
            SamplingEvent::CannotWrite(error) => write!(f, "{error}; sampling continues and tries again at every tick"),
            SamplingEvent::WritesAgain { lost } => write!(f, "writing again; ticks lost: {lost}"),
        }
    }
}
