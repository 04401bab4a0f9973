//! The signals that end a recording.

use anyhow::{Context, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGINT, SIGTERM and SIGHUP.
pub struct Signals {
    int: Signal,
    term: Signal,
    /// None where it was ignored when we were started, which is what `nohup` is for.
    hup: Option<Signal>,
}

impl Signals {
    /// From now on they no longer end the process by themselves.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn listen() -> Result<Signals> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Signals {
            int: listen(SignalKind::interrupt())?,
            term: listen(SignalKind::terminate())?,
            hup: if is_ignored(libc::SIGHUP) { None } else { Some(listen(SignalKind::hangup())?) },
        })
    }

    /// Waits for the next, and returns its name.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.int.recv() => "SIGINT",
            _ = self.term.recv() => "SIGTERM",
            Some(_) = async { self.hup.as_mut()?.recv().await } => "SIGHUP",
        }
    }
}

fn is_ignored(signal: libc::c_int) -> bool {
    // SAFETY: a null action asks only; the answer is a plain structure, for which zeros are a value.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &raw mut action) == 0 && action.sa_sigaction == libc::SIG_IGN
    }
}
