//! The progress of a session: counted by the sampling thread, read by others.

use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};

/// Counts since the session began.
#[derive(Debug, Default)]
pub struct Progress {
    /// Ticks that were written.
    pub ticks: AtomicU64,
    /// Ticks that did not take place because the one before took too long.
    pub missed: AtomicU64,
    /// Ticks that could not be written.
    pub lost: AtomicU64,
    /// Marks that were stored.
    pub marks: AtomicU64,
    /// Size of the open journal.
    pub journal_bytes: AtomicU64,
    pub sync_failures: AtomicU64,
    failing: Mutex<Vec<&'static str>>,
}

impl Progress {
    /// Names of the collectors whose last sample failed.
    pub fn failing(&self) -> Vec<&'static str> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets whether the last sample of this collector failed.
    pub fn set_failing(&self, collector: &'static str, is_failing: bool) {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        failing.retain(|name| *name != collector);
        if is_failing {
            failing.push(collector);
        }
    }
}
