//! The recorder's own children: programs that it started for itself. They are told from the orphans of a recorded command.

use std::collections::BTreeSet;
use std::sync::Mutex;

use super::lock::lock;

/// Those that live. Held while one is started, so that nobody sees it before it stands here; what starts one must therefore
/// not wait for a file system that may not answer.
static HELPERS: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// A child that the recorder started for itself.
#[derive(Debug)]
pub struct Helper(u32);

impl Helper {
    /// Starts one with `spawn`, which tells its number.
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

/// Is this child of ours none of the command's?
pub fn is_helper(pid: u32) -> bool {
    lock(&HELPERS).contains(&pid)
}

/// Keeps a child of ours apart from the command, though the recorder did not start it itself.
pub fn disown(pid: u32) {
    lock(&HELPERS).insert(pid);
}

/// A child of ours has ended. Was it kept apart?
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
