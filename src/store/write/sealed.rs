//! The event that a file was sealed, and retention's patience with those who still need the file.
//!
//! The rule: a [`Sealed`] is a hold on its file. As long as a listener keeps one, or a copy of it, retention deletes neither the file nor
//! anything newer, and looks again after the next sealing. A listener that keeps none holds nothing. Holds end with the
//! process, and `compact` of another process does not know of them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// A Parquet file that has just arrived in its table's folder, synced.
#[derive(Clone, Debug)]
pub struct Sealed {
    pub table: &'static str,
    pub path: PathBuf,
    pub rows: usize,
    _hold: Arc<()>,
}

/// Hears that a file was sealed, on the thread that seals, and should return soon.
pub type OnSealed = Arc<dyn Fn(&Sealed) + Send + Sync>;

/// Files, and whether somebody still needs them.
type Held = Vec<(PathBuf, Weak<()>)>;

/// Those who hear of sealed files, and the files that they hold.
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
