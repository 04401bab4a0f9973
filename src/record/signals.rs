//! Signals that a recording answers to.

use std::io;

use anyhow::{Context, Result};
use libc::c_int;

use crate::linux::poll::is_readable;
use crate::linux::signal::{Arrived, Listener, SignalFd, SignalSet, is_ignored, name};

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
    fd: SignalFd,
    set: SignalSet,
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
        let _ = self.set.unblock();
    }

    /// Waits for the next.
    pub fn wait(&self) -> Received {
        loop {
            if let Ok(arrived) = self.fd.read() {
                return arrived.into();
            }
            // Interrupted, it is asked again.
            let _ = is_readable(&self.fd, None);
        }
    }

    /// One that has been received already and would have ended us.
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

/// Signals, one after the other.
pub struct Signals(Listener);

impl Signals {
    /// Waits for the next.
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
