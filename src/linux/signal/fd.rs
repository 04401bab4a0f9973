//! Signals as a descriptor that can be read: it returns those that are blocked.
#![allow(unsafe_code, reason = "signalfd(2) has no safe form, and tokio wants a promise about the descriptor")]

use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use libc::c_int;
use tokio::io::unix::AsyncFd;

use super::SignalSet;

/// A signal that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrived {
    pub signal: c_int,
    /// Positive if the kernel itself sent it; zero or negative for `kill`, `sigqueue` and `tgkill`.
    pub code: c_int,
}

/// The descriptor. It never blocks.
#[derive(Debug)]
pub struct SignalFd(OwnedFd);

impl SignalFd {
    /// For these signals, which must be blocked.
    ///
    /// # Errors
    /// If no more descriptors are possible.
    pub fn open(set: &SignalSet) -> io::Result<SignalFd> {
        // SAFETY: the set is complete; the descriptor is then owned only here.
        unsafe {
            match libc::signalfd(-1, set.as_raw(), libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) {
                -1 => Err(io::Error::last_os_error()),
                fd => Ok(SignalFd(OwnedFd::from_raw_fd(fd))),
            }
        }
    }

    /// Reads the next one.
    ///
    /// # Errors
    /// `WouldBlock` if none has arrived.
    pub fn read(&self) -> io::Result<Arrived> {
        // SAFETY: the kernel writes one whole structure, for which zeros are a value.
        let (read, info) = unsafe {
            let mut info: libc::signalfd_siginfo = zeroed();
            let size = size_of::<libc::signalfd_siginfo>();
            (libc::read(self.0.as_raw_fd(), (&raw mut info).cast(), size), info)
        };
        if read <= 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Arrived { signal: info.ssi_signo.cast_signed(), code: info.ssi_code })
    }

    /// Lets the tokio runtime wait for it. To be called inside a runtime.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn listen(self) -> io::Result<Listener> {
        // SAFETY: the descriptor is open and owned by the argument, and `Listener` neither replaces it nor gives it
        // away.
        Ok(Listener(unsafe { AsyncFd::register(self) }?))
    }
}

/// The descriptor, watched by a runtime.
#[derive(Debug)]
pub struct Listener(AsyncFd<SignalFd>);

impl Listener {
    /// Waits for the next signal.
    pub async fn next(&mut self) -> Arrived {
        loop {
            let Ok(mut ready) = self.0.readable().await else { std::future::pending().await };
            match ready.get_inner().read() {
                Ok(arrived) => return arrived,
                Err(_) => ready.clear_ready(),
            }
        }
    }
}

impl AsFd for SignalFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for SignalFd {
    fn as_raw_fd(&self) -> c_int {
        self.0.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blocked_signal_is_read_once() {
        let set = SignalSet::new([libc::SIGUSR1]);
        set.block().unwrap();
        let fd = SignalFd::open(&set).unwrap();
        assert_eq!(fd.read().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }
}
