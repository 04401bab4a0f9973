//! Locks whose last writer may have panicked.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Takes a lock whose data is valid even if its last writer panicked.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
