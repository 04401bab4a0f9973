//! The signals that a recording answers to.

use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use anyhow::{Context, Result};
use libc::{c_int, sigset_t};
use tokio::io::unix::AsyncFd;

use crate::linux::inherit::is_ignored;
use crate::linux::signal::name;

/// Those that end a recording.
const ENDING: &[c_int] = &[libc::SIGINT, libc::SIGTERM, libc::SIGHUP];
/// Those that are a recorded command's, and must not end us: what ends us by default, and what tells that Ctrl-Z is over.
const PASSED: &[c_int] = &[libc::SIGQUIT, libc::SIGUSR1, libc::SIGUSR2, libc::SIGCONT];

/// Is the signal ignored, and means to stay so?
pub fn stays_ignored(signal: c_int) -> bool {
    signal == libc::SIGHUP && is_ignored(signal)
}

/// Signals that are kept back for us, and no longer end the process by themselves.
pub struct Blocked {
    fd: OwnedFd,
    set: sigset_t,
}

/// A signal that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    pub signal: c_int,
    /// The kernel sent it, as it does at a key of the terminal, and then to the whole process group; else a process did.
    pub by_kernel: bool,
}

impl Received {
    pub fn name(self) -> String {
        name(self.signal)
    }

    /// Does it ask to end, or end by itself whoever does not know it better?
    pub fn ends(self) -> bool {
        ENDING.contains(&self.signal) || self.signal == libc::SIGQUIT
    }

    /// What a shell makes of a command that was ended by it.
    pub fn status(self) -> u8 {
        128u8.wrapping_add(self.signal as u8)
    }
}

impl Blocked {
    /// To be called before there is a second thread: a signal for the process goes to any thread that does not block it.
    /// A SIGHUP that is ignored stays so: that is what `nohup` is for. A SIGINT that is ignored, as a script's shell does it for what
    /// it starts in the background, ends a recording nevertheless: who sends it to us means it.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn block(for_command: bool) -> Result<Blocked> {
        let passed = PASSED.iter().filter(|_| for_command);
        block(ENDING.iter().chain(passed)).context("cannot listen for signals")
    }

    /// For who has other recorders do the recording, and passes signals on to them: those of a command (that Ctrl-Z is over they
    /// hear by themselves), and that one of them has ended.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn block_for_children() -> Result<Blocked> {
        let passed = PASSED.iter().filter(|signal| **signal != libc::SIGCONT);
        block(ENDING.iter().chain(passed).chain([&libc::SIGCHLD])).context("cannot listen for signals")
    }

    /// In a child that listens by its own means: they are no longer kept back.
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

    /// One that came already, and would have ended us.
    pub fn pending(&self) -> Option<Received> {
        std::iter::from_fn(|| take(&self.fd).ok()).find(|received| received.signal != libc::SIGCONT)
    }

    /// To be called inside the runtime.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn listen(self) -> Result<Signals> {
        // SAFETY: the descriptor is open, owned by what is handed over, and not replaced.
        unsafe { AsyncFd::register(self.fd) }.map(Signals).context("cannot listen for signals")
    }
}

/// The signals, one after the other.
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
