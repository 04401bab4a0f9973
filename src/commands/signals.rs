//! The signals that a recording answers to.

use std::io;

use anyhow::{Context, Result};
use libc::c_int;

use crate::linux::poll::is_readable;
use crate::linux::signal::{Arrived, Listener, SignalFd, SignalSet, is_ignored, name};

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
    fd: SignalFd,
    set: SignalSet,
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

    /// One that came already, and would have ended us.
    pub fn pending(&self) -> Option<Received> {
        std::iter::from_fn(|| self.fd.read().ok()).map(Received::from).find(|received| received.signal != libc::SIGCONT)
    }

    /// To be called inside the runtime.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn listen(self) -> Result<Signals> {
        self.fd.listen().map(Signals).context("cannot listen for signals")
    }
}

/// The signals, one after the other.
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
