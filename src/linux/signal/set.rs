//! Sets of signals, and which of them the calling thread blocks.
#![allow(unsafe_code, reason = "the calls about signal masks have no safe form in rustix")]

use std::io;
use std::mem::zeroed;
use std::ptr::{null, null_mut};

use libc::{c_int, sigset_t};

/// A set of signals.
#[derive(Clone, Copy)]
pub struct SignalSet(sigset_t);

impl SignalSet {
    /// Numbers that are not signals are left out.
    pub fn new(signals: impl IntoIterator<Item = c_int>) -> SignalSet {
        // SAFETY: zeros are valid for the set, which the calls fill in.
        unsafe {
            let mut set: sigset_t = zeroed();
            libc::sigemptyset(&raw mut set);
            for signal in signals {
                libc::sigaddset(&raw mut set, signal);
            }
            SignalSet(set)
        }
    }

    /// Every signal.
    pub fn all() -> SignalSet {
        // SAFETY: zeros are valid for the set, which the call fills in.
        unsafe {
            let mut set: sigset_t = zeroed();
            libc::sigfillset(&raw mut set);
            SignalSet(set)
        }
    }

    /// Those that the calling thread blocks.
    pub fn blocked() -> SignalSet {
        let mut set = SignalSet::new([]);
        // SAFETY: a null set only asks; the kernel fills in the other.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, null(), &raw mut set.0) };
        set
    }

    /// Blocks these as well, in the calling thread and in threads that it starts.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn block(&self) -> io::Result<()> {
        self.apply(libc::SIG_BLOCK)
    }

    /// No longer blocks these.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn unblock(&self) -> io::Result<()> {
        self.apply(libc::SIG_UNBLOCK)
    }

    /// Blocks these and no others. May be called between fork and exec.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn block_only(&self) -> io::Result<()> {
        self.apply(libc::SIG_SETMASK)
    }

    fn apply(&self, how: c_int) -> io::Result<()> {
        // SAFETY: the set is complete.
        match unsafe { libc::pthread_sigmask(how, &raw const self.0, null_mut()) } {
            0 => Ok(()),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }

    /// For calls that need one.
    pub(super) fn as_raw(&self) -> *const sigset_t {
        &raw const self.0
    }

    #[cfg(test)]
    pub(super) fn contains(&self, signal: c_int) -> bool {
        // SAFETY: the set is complete.
        unsafe { libc::sigismember(&raw const self.0, signal) == 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_thread_keeps_back_what_it_is_told() {
        let before = SignalSet::blocked();
        assert!(!before.contains(libc::SIGUSR2));
        let set = SignalSet::new([libc::SIGUSR2, 4711]);
        set.block().unwrap();
        assert!(SignalSet::blocked().contains(libc::SIGUSR2) && !SignalSet::blocked().contains(libc::SIGUSR1));
        set.unblock().unwrap();
        assert!(!SignalSet::blocked().contains(libc::SIGUSR2));
        SignalSet::all().block().unwrap();
        assert!(SignalSet::blocked().contains(libc::SIGUSR1));
        before.block_only().unwrap();
        assert!(!SignalSet::blocked().contains(libc::SIGUSR1));
    }
}
