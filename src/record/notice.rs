//! What a session has to say to people: values, which whoever started it turns into lines on a terminal.

use std::fmt::{self, Display};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::event::SamplingEvent;
use super::progress::Progress;
use crate::mark;
use crate::store::manifest::CollectorFacts;
use crate::store::write::News;
use crate::text::words::{count, quoted};

/// Hears what happens in a session. It is called on the thread that started the session, and should return soon.
pub trait Listener {
    /// Something to say. `notice` has the words and how important they are.
    fn hear(&mut self, notice: &Notice);

    /// The collectors were opened. Nothing has been written yet.
    fn opened(&mut self) {}

    /// The directory belongs to this session. `facts`: what became of each collector.
    fn taken(&mut self, _facts: &[CollectorFacts]) {}

    /// Sampling begins, into this directory.
    fn sampling(&mut self, _root: &Path, _facts: &[CollectorFacts]) {}

    /// Does the listener want to see the progress? Asked after `sampling`.
    fn shows_progress(&self) -> bool {
        false
    }

    /// Called several times a second while sampling.
    fn progress(&mut self, _progress: &Progress) {}

    /// Sampling, or the wait for the workload, is over. There is no more progress.
    fn over(&mut self) {}
}

/// Takes notices on any thread. The listener hears them on its own.
pub(super) type Notices = Arc<dyn Fn(Notice) + Send + Sync>;

/// How much a notice matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// For those who want to see everything.
    Detail,
    /// Scripts can do without it.
    News,
    /// Something is not as it should be. The recording goes on.
    Warning,
    /// The same, about the workload: never left out.
    WorkloadWarning,
    /// It decides the exit status, or explains it.
    Error,
}

/// One thing to say. `Display` gives the words.
#[derive(Debug)]
pub enum Notice {
    /// Every user can change what is recorded here.
    OpenToAll(PathBuf),
    /// The interval is so short that CPU percentages are coarse.
    CoarseInterval,
    /// The control socket, where marks are taken.
    Control(PathBuf),
    /// There is no control socket, and why.
    NoControl(String),
    Sampling(SamplingEvent),
    Store(News),
    /// The disk is fuller than it may be.
    TooFull(String),
    /// The command could not be executed, and why.
    NotExecuted(String),
    /// The command was not started, and why.
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
    /// Something could not be sealed, or the sampling failed.
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
            | Notice::Store(News::Trouble(_)) => Severity::Warning,
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

    /// Has it words? Some only tell that something happened.
    pub fn is_said(&self) -> bool {
        !matches!(self, Notice::Sampling(SamplingEvent::Begun) | Notice::Store(News::Uniform(_, 0)))
    }

    /// What the manifest keeps of it.
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
            | Notice::Store(News::Trouble(_))
            | Notice::Unfinished(_) => Some(self.to_string()),
            _ => None,
        }
    }
}

/// The options whose scripts are the steps.
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
                f.write_str("below 100 ms the percentages of CPU time are coarse: the kernel counts in steps of 10 ms")
            }
            Notice::Control(socket) => write!(f, "{}={}", mark::VARIABLE, socket.display()),
            Notice::NoControl(error) => write!(f, "no control socket, so no marks: {error}"),
            Notice::Sampling(event) => event.fmt(f),
            Notice::Store(news) => fmt_store(news, f),
            Notice::TooFull(why) => write!(f, "{why}: the recording stops"),
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
        News::Trouble(why) => f.write_str(why),
        News::Deleted(deleted) => deleted.fmt(f),
        News::Uniform(_, widened) => {
            write!(f, "{} of an earlier perfwatch got the columns of this one", count(*widened as u64, "file"))
        }
    }
}
