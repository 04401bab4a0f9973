//! Sets of signals, and which of them the calling thread keeps back.
#![allow(unsafe_code, reason = "the calls about signal masks have no safe form in rustix")]

use std::io;
use std::mem::zeroed;
use std::ptr::{null, null_mut};

use libc::{c_int, sigset_t};

/// Some signals.
#[derive(Clone, Copy)]
pub struct SignalSet(sigset_t);

impl SignalSet {
    /// Numbers that are no signals are left out.
    pub fn new(signals: impl IntoIterator<Item = c_int>) -> SignalSet {
        // SAFETY: zeros are a value of the set, which the calls fill in.
        unsafe {
            let mut set: sigset_t = zeroed();
            libc::sigemptyset(&raw mut set);
            for signal in signals {
                libc::sigaddset(&raw mut set, signal);
            }
            SignalSet(set)
        }
    }

    /// Every signal that there is.
    pub fn all() -> SignalSet {
        // SAFETY: zeros are a value of the set, which the call fills in.
        unsafe {
            let mut set: sigset_t = zeroed();
            libc::sigfillset(&raw mut set);
            SignalSet(set)
        }
    }

    /// Those that the calling thread keeps back.
    pub fn blocked() -> SignalSet {
        let mut set = SignalSet::new([]);
        // SAFETY: a null set only asks; the kernel fills in the other.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, null(), &raw mut set.0) };
        set
    }

    /// Keeps these back too, in the calling thread and in those that it starts.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn block(&self) -> io::Result<()> {
        self.apply(libc::SIG_BLOCK)
    }

    /// Keeps these back no longer.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn unblock(&self) -> io::Result<()> {
        self.apply(libc::SIG_UNBLOCK)
    }

    /// Keeps these back and no others. May be called between fork and exec.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn block_only(&self) -> io::Result<()> {
        self.apply(libc::SIG_SETMASK)
    }

    fn apply(&self, how: c_int) -> io::Result<()> {
        // SAFETY: the set is whole.
        match unsafe { libc::pthread_sigmask(how, &raw const self.0, null_mut()) } {
            0 => Ok(()),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }

    /// For the calls that take one.
    pub(super) fn as_raw(&self) -> *const sigset_t {
        &raw const self.0
    }

    #[cfg(test)]
    pub(super) fn contains(&self, signal: c_int) -> bool {
        // SAFETY: the set is whole.
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
