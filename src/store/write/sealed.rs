//! Notifications about sealed files, and protection of files that are still needed.
//!
//! A [`Sealed`] protects its file. As long as a listener keeps one, or a clone of it, retention deletes neither the file nor anything
//! newer, and tries again after the next sealing. The protection ends with the process, and does not affect `compact` in another
//! process.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// A Parquet file that has just been moved to its table's folder and synced.
#[derive(Clone, Debug)]
pub struct Sealed {
    pub table: &'static str,
    pub path: PathBuf,
    pub rows: usize,
    _hold: Arc<()>,
}

/// Is called for each sealed file, on the thread that seals, and should return soon.
pub type OnSealed = Arc<dyn Fn(&Sealed) + Send + Sync>;

/// Files, and whether a listener still needs them.
type Held = Vec<(PathBuf, Weak<()>)>;

/// The listeners for sealed files, and the files that they hold.
#[derive(Clone, Default)]
pub(super) struct Listeners {
    all: Arc<Mutex<Vec<OnSealed>>>,
    held: Arc<Mutex<Held>>,
}

impl Listeners {
    pub fn add(&self, listener: OnSealed) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).push(listener);
    }

    pub fn tell(&self, table: &'static str, path: PathBuf, rows: usize) {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if all.is_empty() {
            return;
        }
        let sealed = Sealed { table, path, rows, _hold: Arc::default() };
        all.iter().for_each(|listener| listener(&sealed));
        let hold = Arc::downgrade(&sealed._hold);
        self.held.lock().unwrap_or_else(PoisonError::into_inner).push((sealed.path, hold));
    }

    /// Does a listener still need this file?
    pub fn hold(&self, path: &Path) -> bool {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|(_, hold)| hold.strong_count() > 0);
        held.iter().any(|(held, _)| held == path)
    }
}
