//! The signals that a recording handles.

use std::io;

use anyhow::{Context, Result};
use libc::c_int;

use crate::linux::poll::is_readable;
use crate::linux::signal::{Arrived, Listener, SignalFd, SignalSet, is_ignored, name};

/// Signals that end a recording.
const ENDING: &[c_int] = &[libc::SIGINT, libc::SIGTERM, libc::SIGHUP];
/// Signals for a recorded command, which must not end us. SIGCONT is among them because it follows Ctrl-Z; the others end a
/// process by default.
const PASSED: &[c_int] = &[libc::SIGQUIT, libc::SIGUSR1, libc::SIGUSR2, libc::SIGCONT];

/// Is the signal ignored, and should it stay ignored?
pub fn stays_ignored(signal: c_int) -> bool {
    signal == libc::SIGHUP && is_ignored(signal)
}

/// Signals that are blocked and read from a descriptor, so that they do not end the process.
pub struct Blocked {
    fd: SignalFd,
    set: SignalSet,
}

/// A signal that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    pub signal: c_int,
    /// Sent by the kernel, for example because of Ctrl-C, and then to the whole process group. Otherwise a process sent it.
    pub by_kernel: bool,
}

impl Received {
    pub fn name(self) -> String {
        name(self.signal)
    }

    /// Does it end a recording or, by default, a process?
    pub fn ends(self) -> bool {
        ENDING.contains(&self.signal) || self.signal == libc::SIGQUIT
    }

    /// The exit status that a shell reports for a command that was ended by this signal.
    pub fn status(self) -> u8 {
        128u8.wrapping_add(self.signal as u8)
    }
}

impl Blocked {
    /// Call this before there is a second thread: a signal for the process goes to any thread that does not block it.
    /// If SIGHUP is ignored it stays ignored, as with `nohup`. If SIGINT is ignored, as in background jobs of a script, it still
    /// ends a recording, because it was then sent to us on purpose.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn block(for_command: bool) -> Result<Blocked> {
        let passed = PASSED.iter().filter(|_| for_command);
        block(ENDING.iter().chain(passed)).context("cannot listen for signals")
    }

    /// For a process that starts other recorders and forwards signals to them: the signals for a command and SIGCHLD, but not
    /// SIGCONT, which the recorders receive themselves.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn block_for_children() -> Result<Blocked> {
        let passed = PASSED.iter().filter(|signal| **signal != libc::SIGCONT);
        block(ENDING.iter().chain(passed).chain([&libc::SIGCHLD])).context("cannot listen for signals")
    }

    /// Unblocks the signals, in a child that handles its own.
    pub fn release(self) {
        let _ = self.set.unblock();
    }

    /// Waits for the next signal.
    pub fn wait(&self) -> Received {
        loop {
            if let Ok(arrived) = self.fd.read() {
                return arrived.into();
            }
            // If this is interrupted, it is repeated.
            let _ = is_readable(&self.fd, None);
        }
    }

    /// A signal that has already arrived and would have ended us.
    pub fn pending(&self) -> Option<Received> {
        std::iter::from_fn(|| self.fd.read().ok()).map(Received::from).find(|received| received.signal != libc::SIGCONT)
    }

    /// Call this inside the runtime.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn listen(self) -> Result<Signals> {
        self.fd.listen().map(Signals).context("cannot listen for signals")
    }
}

/// A stream of signals.
pub struct Signals(Listener);

impl Signals {
    /// Waits for the next signal.
    pub async fn next(&mut self) -> Received {
        self.0.next().await.into()
    }
}

fn block<'s>(signals: impl Iterator<Item = &'s c_int>) -> io::Result<Blocked> {
    let set = SignalSet::new(signals.copied().filter(|signal| !stays_ignored(*signal)));
    set.block()?;
    Ok(Blocked { fd: SignalFd::open(&set)?, set })
}

impl From<Arrived> for Received {
    fn from(arrived: Arrived) -> Received {
        Received { signal: arrived.signal, by_kernel: arrived.code > 0 }
    }
}
