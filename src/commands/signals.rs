//! The signals that a recording handles.

use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use anyhow::{Context, Result};
use libc::{c_int, sigset_t};
use tokio::io::unix::AsyncFd;

use crate::linux::inherit::is_ignored;
use crate::linux::signal::name;

/// Signals that end a recording.
const ENDING: &[c_int] = &[libc::SIGINT, libc::SIGTERM, libc::SIGHUP];
/// Signals that are passed to a recorded command and must not end us: those that end a process by default, and SIGCONT
/// after Ctrl-Z.
const PASSED: &[c_int] = &[libc::SIGQUIT, libc::SIGUSR1, libc::SIGUSR2, libc::SIGCONT];

/// Is the signal ignored, and must it stay ignored?
pub fn stays_ignored(signal: c_int) -> bool {
    signal == libc::SIGHUP && is_ignored(signal)
}

/// Blocked signals, which we read from a descriptor. They no longer end the process.
pub struct Blocked {
    fd: OwnedFd,
    set: sigset_t,
}

/// A received signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    pub signal: c_int,
    /// Sent by the kernel, as for a key of the terminal, which goes to the whole process group. Otherwise a process
    /// sent it.
    pub by_kernel: bool,
}

impl Received {
    pub fn name(self) -> String {
        name(self.signal)
    }

    /// Does it ask a process to end, or end it by default?
    pub fn ends(self) -> bool {
        ENDING.contains(&self.signal) || self.signal == libc::SIGQUIT
    }

    /// The exit status that a shell reports for a command that was ended by this signal.
    pub fn status(self) -> u8 {
        128u8.wrapping_add(self.signal as u8)
    }
}

impl Blocked {
    /// Must be called before there is a second thread: a signal to the process is delivered to any thread that does not
    /// block it. An ignored SIGHUP stays ignored, for `nohup`. An ignored SIGINT, which a script's shell sets for
    /// background processes, still ends a recording: a process that sends it to us does so on purpose.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn block(for_command: bool) -> Result<Blocked> {
        let passed = PASSED.iter().filter(|_| for_command);
        block(ENDING.iter().chain(passed)).context("cannot listen for signals")
    }

    /// For a process that starts other recorders and passes signals on to them: the signals of a command, and SIGCHLD.
    /// SIGCONT is not passed on, because the recorders receive it themselves.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn block_for_children() -> Result<Blocked> {
        let passed = PASSED.iter().filter(|signal| **signal != libc::SIGCONT);
        block(ENDING.iter().chain(passed).chain([&libc::SIGCHLD])).context("cannot listen for signals")
    }

    /// Unblocks the signals, in a child that handles them separately.
    pub fn release(self) {
        // SAFETY: the set is initialized.
        unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const self.set, std::ptr::null_mut()) };
    }

    /// Waits for the next signal.
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

    /// A signal that has already arrived and would have ended us.
    pub fn pending(&self) -> Option<Received> {
        std::iter::from_fn(|| take(&self.fd).ok()).find(|received| received.signal != libc::SIGCONT)
    }

    /// Starts listening. Must be called inside the tokio runtime.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn listen(self) -> Result<Signals> {
        // SAFETY: the descriptor is open, and the value passed in owns it and does not replace it.
        unsafe { AsyncFd::register(self.fd) }.map(Signals).context("cannot listen for signals")
    }
}

/// The signals, in order of arrival.
pub struct Signals(AsyncFd<OwnedFd>);

impl Signals {
    /// Waits for the next signal.
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
    // SAFETY: zeros are a value of the set, which the calls fill in and read; only this code owns the descriptor.
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
    // Codes above zero are from the kernel; `kill`, `sigqueue` and `tgkill` use zero and below.
    Ok(Received { signal: info.ssi_signo as c_int, by_kernel: info.ssi_code > 0 })
}
