//! One file per subcommand: arguments → settings → the rooms below. Printing happens here.

pub mod doctor;
pub mod record;
pub mod recover;

use std::process::ExitCode;

/// How a command ended that did not fail outright.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// It did what it could, and said what it could not.
    Partly,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> ExitCode {
        match outcome {
            Outcome::Done => ExitCode::SUCCESS,
            Outcome::Partly => ExitCode::from(1),
        }
    }
}
