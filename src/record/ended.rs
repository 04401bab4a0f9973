//! The result of a session.

use std::sync::atomic::Ordering::Relaxed;

use super::progress::Progress;
use super::result::Finished;

/// The end reason of a session that stopped because the disk became too full.
pub(super) const MIN_FREE: &str = "min-free";

/// The result of a session.
#[derive(Debug)]
pub struct Ended {
    /// "command", "duration", "SIGINT", …
    pub reason: String,
    /// Ticks that were written, that did not take place, and that could not be written.
    pub ticks: u64,
    pub missed: u64,
    pub lost: u64,
    pub sync_failures: u64,
    pub marks: u64,
    /// The problems, in sentences.
    pub problems: Vec<String>,
    /// Every journal was readable to its end and became Parquet.
    pub is_sealed: bool,
    pub command: Option<Finished>,
}

impl Ended {
    pub(super) fn new(reason: String, progress: &Progress, problems: Vec<String>) -> Ended {
        Ended {
            reason,
            ticks: progress.ticks.load(Relaxed),
            missed: progress.missed.load(Relaxed),
            lost: progress.lost.load(Relaxed),
            sync_failures: progress.sync_failures.load(Relaxed),
            marks: progress.marks.load(Relaxed),
            problems,
            is_sealed: true,
            command: None,
        }
    }

    /// Was everything recorded?
    pub fn is_complete(&self) -> bool {
        self.lost == 0 && self.is_sealed && self.reason != MIN_FREE
    }
}
