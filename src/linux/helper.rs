//! The recorder's own children: programs that it started for itself. They must not be mistaken for orphans of a
//! recorded command.

use std::collections::BTreeSet;
use std::sync::Mutex;

use super::lock::lock;

/// Children that are alive. Locked while a child is started, so that it is in the list before anybody sees it. Starting
/// a child must therefore not wait for a file system that may not answer.
static HELPERS: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// A child that the recorder started for itself.
#[derive(Debug)]
pub struct Helper(u32);

impl Helper {
    /// Starts a child with `spawn`, which returns its process ID.
    ///
    /// # Errors
    /// Those of `spawn`.
    pub fn start<T, E>(spawn: impl FnOnce() -> Result<(T, Option<u32>), E>) -> Result<(T, Option<Helper>), E> {
        let mut helpers = lock(&HELPERS);
        let (child, pid) = spawn()?;
        let helper = pid.map(|pid| {
            helpers.insert(pid);
            Helper(pid)
        });
        Ok((child, helper))
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        lock(&HELPERS).remove(&self.0);
    }
}

/// Whether this child of ours does not belong to the command.
pub fn is_helper(pid: u32) -> bool {
    lock(&HELPERS).contains(&pid)
}

/// Registers a child of ours that does not belong to the command, although the recorder did not start it itself.
pub fn disown(pid: u32) {
    lock(&HELPERS).insert(pid);
}

/// A child of ours has ended. Returns whether it was registered here.
pub fn forget(pid: u32) -> bool {
    lock(&HELPERS).remove(&pid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn helpers_are_known_for_as_long_as_they_live() {
        let (_, helper) = Helper::start(|| Ok::<_, ()>(((), Some(4_000_000_001)))).unwrap();
        assert!(is_helper(4_000_000_001));
        drop(helper);
        assert!(!is_helper(4_000_000_001));
        assert!(Helper::start(|| Err::<((), Option<u32>), _>("no")).is_err());
    }
}
