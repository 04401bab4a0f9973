//! Signals that a recording answers to.

use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use anyhow::{Context, Result};
use libc::{c_int, sigset_t};
use tokio::io::unix::AsyncFd;

use crate::linux::inherit::is_ignored;
use crate::linux::signal::name;

/// End a recording.
const ENDING: &[c_int] = &[libc::SIGINT, libc::SIGTERM, libc::SIGHUP];
/// Meant for a recorded command; they must not end us. Most end a process by default; SIGCONT says that Ctrl-Z is over.
const PASSED: &[c_int] = &[libc::SIGQUIT, libc::SIGUSR1, libc::SIGUSR2, libc::SIGCONT];

/// Is the signal ignored, and should it stay ignored?
pub fn stays_ignored(signal: c_int) -> bool {
    signal == libc::SIGHUP && is_ignored(signal)
}

/// Signals that are blocked and read from a descriptor, so that they no longer end the process by themselves.
pub struct Blocked {
    fd: OwnedFd,
    set: sigset_t,
}

/// A signal that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    pub signal: c_int,
    /// Sent by the kernel, as for a key of the terminal, which goes to the whole process group. Otherwise a process sent it.
    pub by_kernel: bool,
}

impl Received {
    pub fn name(self) -> String {
        name(self.signal)
    }

    /// Does it ask to end, or end a process by default?
    pub fn ends(self) -> bool {
        ENDING.contains(&self.signal) || self.signal == libc::SIGQUIT
    }

    /// The status that a shell gives a command that it ended.
    pub fn status(self) -> u8 {
        128u8.wrapping_add(self.signal as u8)
    }
}

impl Blocked {
    /// Call this before there is a second thread: a signal for the process goes to any thread that does not block it.
    /// A SIGHUP that is ignored stays ignored: that is what `nohup` is for. A SIGINT that is ignored, as for the background
    /// jobs of a script, ends a recording nevertheless: whoever sends it to us means it.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn block(for_command: bool) -> Result<Blocked> {
        let passed = PASSED.iter().filter(|_| for_command);
        block(ENDING.iter().chain(passed)).context("cannot listen for signals")
    }

    /// For a process that starts other recorders and passes signals on to them: those for a command, without SIGCONT, which
    /// they get by themselves, and SIGCHLD.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn block_for_children() -> Result<Blocked> {
        let passed = PASSED.iter().filter(|signal| **signal != libc::SIGCONT);
        block(ENDING.iter().chain(passed).chain([&libc::SIGCHLD])).context("cannot listen for signals")
    }

    /// Unblocks them, in a child that listens on its own.
    pub fn release(self) {
        // SAFETY: the set is whole.
        unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const self.set, std::ptr::null_mut()) };
    }

    /// Waits for the next.
    pub fn wait(&self) -> Received {
        loop {
            if let Ok(received) = take(&self.fd) {
                return received;
            }
            let mut poll = libc::pollfd { fd: self.fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
            // SAFETY: one structure, which the kernel fills in.
            unsafe { libc::poll(&raw mut poll, 1, -1) };
        }
    }

    /// One that has been received already and would have ended us.
    pub fn pending(&self) -> Option<Received> {
        std::iter::from_fn(|| take(&self.fd).ok()).find(|received| received.signal != libc::SIGCONT)
    }

    /// Call this inside the runtime.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn listen(self) -> Result<Signals> {
        // SAFETY: the descriptor is open, owned by what is handed over, and not replaced.
        unsafe { AsyncFd::register(self.fd) }.map(Signals).context("cannot listen for signals")
    }
}

/// Signals, one after the other.
pub struct Signals(AsyncFd<OwnedFd>);

impl Signals {
    /// Waits for the next.
    pub async fn next(&mut self) -> Received {
        loop {
            let Ok(mut ready) = self.0.readable().await else { std::future::pending().await };
            match take(ready.get_inner()) {
                Ok(received) => return received,
                Err(_) => ready.clear_ready(),
            }
        }
    }
}

fn block<'s>(signals: impl Iterator<Item = &'s c_int>) -> io::Result<Blocked> {
    // SAFETY: zeros are a value of the set, which the calls fill in and read; the descriptor is then ours alone.
    unsafe {
        let mut set: sigset_t = zeroed();
        libc::sigemptyset(&raw mut set);
        for signal in signals.filter(|signal| !stays_ignored(**signal)) {
            libc::sigaddset(&raw mut set, *signal);
        }
        match libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) {
            0 => {}
            error => return Err(io::Error::from_raw_os_error(error)),
        }
        match libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) {
            -1 => Err(io::Error::last_os_error()),
            fd => Ok(Blocked { fd: OwnedFd::from_raw_fd(fd), set }),
        }
    }
}

fn take(fd: &OwnedFd) -> io::Result<Received> {
    // SAFETY: the kernel writes one whole structure, for which zeros are a value.
    let (read, info) = unsafe {
        let mut info: libc::signalfd_siginfo = zeroed();
        let size = size_of::<libc::signalfd_siginfo>();
        (libc::read(fd.as_raw_fd(), (&raw mut info).cast(), size), info)
    };
    if read <= 0 {
        return Err(io::Error::last_os_error());
    }
    // Codes above zero are the kernel's own; `kill`, `sigqueue` and `tgkill` have zero and less.
    Ok(Received { signal: info.ssi_signo as c_int, by_kernel: info.ssi_code > 0 })
}
