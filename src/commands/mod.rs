//! One file per subcommand: arguments to settings, then calls to the modules below. Printing happens here.

pub mod annotate;
pub mod compact;
pub mod compare;
pub mod completions;
mod conclusion;
pub mod config;
pub mod doctor;
pub mod events;
pub mod export;
pub mod info;
mod input;
mod json_file;
pub mod man;
pub mod mark;
mod output;
#[allow(clippy::disallowed_methods, reason = "how long a person waits for a command, which is not recorded")]
pub mod record;
pub mod recover;
pub mod report;
pub mod runs;
mod samples;
pub mod schema;
pub mod sources;
mod tags;
pub mod trend;
pub mod verify;

/// How a command ended; `main` turns it into the exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// Part of the work failed and was reported; the rest was done.
    Incomplete,
    /// The exit status of a recorded command, or a replacement for it.
    Status(u8),
    /// A key of the terminal (Ctrl-C) ended the recorded command. We end by the same signal, because a shell that only
    /// sees an exit status continues its loop.
    Key(libc::c_int),
}

/// Invalid arguments that clap accepted: exit status 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);
