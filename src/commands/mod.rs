//! One file per subcommand: arguments → settings → the modules below. Printing happens here.

pub mod annotate;
pub mod compact;
pub mod completions;
pub mod config;
pub mod doctor;
pub mod events;
pub mod info;
mod input;
pub mod man;
pub mod mark;
mod output;
#[allow(clippy::disallowed_methods, reason = "how long a person waits for a command, which is not recorded")]
pub mod record;
pub mod recover;
pub mod report;
pub mod runs;
pub mod schema;
pub mod sources;
mod tags;
pub mod verify;

/// How a command ended; `main` makes the exit status of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// Something could not be done, and was said; the rest was.
    Incomplete,
    /// A recorded command's own status, or what stands for it.
    Status(u8),
    /// A key of the terminal (Ctrl-C) ended the recorded command. So it is to end us: a shell that only sees a status goes on
    /// with its loop.
    Key(libc::c_int),
}

/// Arguments that make no sense, found after clap was content with them: exit status 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);
