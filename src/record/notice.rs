//! The messages of a session, as values. The caller turns them into lines on a terminal.

use std::fmt::{self, Display};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::event::SamplingEvent;
use super::progress::Progress;
use crate::mark;
use crate::store::manifest::CollectorFacts;
use crate::store::write::News;
use crate::text::words::{count, quoted};

/// Is told what happens in a session. Its methods are called on the thread that started the session and should return soon.
pub trait Listener {
    /// A message with its severity.
    fn hear(&mut self, notice: &Notice);

    /// The collectors were opened. Nothing has been written yet.
    fn opened(&mut self) {}

    /// The directory is locked for this session. `facts`: the state of each collector.
    fn taken(&mut self, _facts: &[CollectorFacts]) {}

    /// Sampling begins; the recording is in this directory.
    fn sampling(&mut self, _root: &Path, _facts: &[CollectorFacts]) {}

    /// Does the listener want to see the progress? Asked after `sampling`.
    fn shows_progress(&self) -> bool {
        false
    }

    /// Called several times a second while sampling.
    fn progress(&mut self, _progress: &Progress) {}

    /// Sampling, or waiting for the workload, is over. There is no more progress.
    fn over(&mut self) {}
}

/// Sends notices from any thread to the listener's thread.
pub(super) type Notices = Arc<dyn Fn(Notice) + Send + Sync>;

/// The importance of a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Only shown with `--verbose`.
    Detail,
    /// Not needed by scripts.
    News,
    /// Something is wrong, but the recording continues.
    Warning,
    /// The same about the workload; always shown.
    WorkloadWarning,
    /// It determines or explains the exit status.
    Error,
}

/// A message. `Display` writes its text.
#[derive(Debug)]
pub enum Notice {
    /// Every user can change the recording in this directory.
    OpenToAll(PathBuf),
    /// The interval is too short for precise CPU percentages.
    CoarseInterval,
    /// The control socket, which accepts marks.
    Control(PathBuf),
    /// Why there is no control socket.
    NoControl(String),
    Sampling(SamplingEvent),
    Store(News),
    /// The disk has less free space than required.
    TooFull(String),
    /// Why the command could not be executed.
    NotExecuted(String),
    /// Why the command was not started.
    NotStarted(String),
    /// A step could not be started.
    StepFailed {
        option: &'static str,
        error: std::io::Error,
    },
    /// `--conclude` failed.
    Concluded {
        status: u8,
    },
    /// A phase could not be marked.
    NotMarked {
        phase: String,
        error: String,
    },
    /// Something could not be sealed, or sampling failed.
    Unfinished(String),
}

impl Notice {
    pub fn severity(&self) -> Severity {
        match self {
            Notice::Control(_) | Notice::Sampling(SamplingEvent::Begun) => Severity::Detail,
            Notice::Store(News::Deleted(_) | News::Uniform(..)) => Severity::News,
            Notice::OpenToAll(_)
            | Notice::CoarseInterval
            | Notice::NoControl(_)
            | Notice::Sampling(
                SamplingEvent::Incomplete { .. }
                | SamplingEvent::Failing { .. }
                | SamplingEvent::Recovered { .. }
                | SamplingEvent::WritesAgain { .. },
            )
            | Notice::Store(News::Problem(_)) => Severity::Warning,
            Notice::StepFailed { option: CONCLUDE, .. } | Notice::Concluded { .. } | Notice::NotMarked { .. } => {
                Severity::WorkloadWarning
            }
            Notice::Sampling(SamplingEvent::CannotWrite(_))
            | Notice::TooFull(_)
            | Notice::NotExecuted(_)
            | Notice::NotStarted(_)
            | Notice::StepFailed { .. }
            | Notice::Unfinished(_) => Severity::Error,
        }
    }

    /// Does it have a text? Some are only signals.
    pub fn has_text(&self) -> bool {
        !matches!(self, Notice::Sampling(SamplingEvent::Begun) | Notice::Store(News::Uniform(_, 0)))
    }

    /// The text for the list of problems in the manifest.
    pub fn problem(&self) -> Option<String> {
        match self {
            Notice::TooFull(why) => Some(why.clone()),
            Notice::NoControl(_)
            | Notice::Sampling(
                SamplingEvent::Incomplete { .. }
                | SamplingEvent::Failing { .. }
                | SamplingEvent::CannotWrite(_)
                | SamplingEvent::WritesAgain { .. },
            )
            | Notice::Store(News::Problem(_))
            | Notice::Unfinished(_) => Some(self.to_string()),
            _ => None,
        }
    }
}

/// The options for the scripts of the steps.
pub const PREPARE: &str = "--prepare";
pub const CONCLUDE: &str = "--conclude";

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Notice::OpenToAll(root) => write!(
                f,
                "every user can change {} and what is recorded there; try `chmod o-w {}`",
                root.display(),
                quoted(&root.to_string_lossy())
            ),
            Notice::CoarseInterval => {
                f.write_str("below 100 ms, percentages of CPU time are coarse: the kernel counts in steps of 10 ms")
            }
            Notice::Control(socket) => write!(f, "{}={}", mark::VARIABLE, socket.display()),
            Notice::NoControl(error) => write!(f, "no control socket, marks are not possible: {error}"),
            Notice::Sampling(event) => event.fmt(f),
            Notice::Store(news) => fmt_store(news, f),
            Notice::TooFull(why) => write!(f, "{why}: recording stops"),
            Notice::NotExecuted(why) => f.write_str(why),
            Notice::NotStarted(why) => write!(f, "{why}; the command was not started"),
            Notice::StepFailed { option, error } => write!(f, "{option}: {error}"),
            Notice::Concluded { status } => write!(f, "{CONCLUDE}: exit status {status}"),
            Notice::NotMarked { phase, error } => write!(f, "phase {phase}: {error}"),
            Notice::Unfinished(why) => f.write_str(why),
        }
    }
}

fn fmt_store(news: &News, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match news {
        News::Problem(why) => f.write_str(why),
        News::Deleted(deleted) => deleted.fmt(f),
        News::Uniform(_, widened) => {
            write!(f, "{} of an earlier version got the columns of this version", count(*widened as u64, "file"))
        }
    }
}
