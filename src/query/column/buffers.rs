//! Buffers that are used again.

use std::sync::{Mutex, PoisonError};

/// Buffers that are passed from one column to the next. Getting new ones from the kernel would take longer than filling them.
#[derive(Debug, Default)]
pub struct Buffers {
    pub keys: Pool<i64>,
    pub codes: Pool<u16>,
}

#[derive(Debug, Default)]
pub struct Pool<T>(Mutex<Vec<Vec<T>>>);

impl<T: Copy> Pool<T> {
    pub fn take(&self, values: usize, none: T) -> Vec<T> {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Prefer one that is large enough.
        let fits = free.iter().position(|buffer| buffer.capacity() >= values);
        let mut buffer = match fits {
            Some(at) => free.swap_remove(at),
            None => free.pop().unwrap_or_default(),
        };
        drop(free);
        buffer.resize(values, none);
        buffer
    }

    pub fn give(&self, buffer: Vec<T>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
    }
}
