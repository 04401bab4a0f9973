//! Locks whose last writer may have panicked.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Takes a lock that guards plain numbers: they are right even if their last writer panicked.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
