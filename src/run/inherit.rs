//! What a process hands down to those that it starts, as it was handed to us: the recorder changes some of it for itself.

use std::io;
use std::mem::zeroed;
use std::sync::OnceLock;

use libc::{c_int, rlimit, sigset_t};

/// Signals that we may come to ignore or to catch.
const SIGNALS: [c_int; 12] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGCHLD,
    libc::SIGCONT,
    libc::SIGTSTP,
    libc::SIGTTIN,
    libc::SIGTTOU,
    libc::SIGXFSZ,
];

/// How signals and limits were when we began. (`SIGPIPE` is not among it: Rust ignores it before we can look, and gives
/// children the default.)
#[derive(Clone, Copy)]
pub struct Inherited {
    ignored: [bool; SIGNALS.len()],
    mask: sigset_t,
    open_files: rlimit,
}

static AT_START: OnceLock<Inherited> = OnceLock::new();

/// Remembers how it is now, the first time that it is called.
pub fn remember() -> &'static Inherited {
    AT_START.get_or_init(|| {
        // SAFETY: zeros are a value of all three plain structures, and the calls only fill them in.
        unsafe {
            let mut mask: sigset_t = zeroed();
            libc::pthread_sigmask(libc::SIG_SETMASK, std::ptr::null(), &raw mut mask);
            let mut open_files: rlimit = zeroed();
            libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut open_files);
            Inherited { ignored: SIGNALS.map(is_ignored), mask, open_files }
        }
    })
}

/// Does this process ignore the signal?
pub fn is_ignored(signal: c_int) -> bool {
    // SAFETY: a null action asks only; the answer is a plain structure, for which zeros are a value.
    unsafe {
        let mut action: libc::sigaction = zeroed();
        libc::sigaction(signal, std::ptr::null(), &raw mut action) == 0 && action.sa_sigaction == libc::SIG_IGN
    }
}

impl Inherited {
    /// Makes it so again. To be called in the child, between fork and exec: it only makes system calls.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn restore(&self) -> io::Result<()> {
        for (signal, ignored) in SIGNALS.iter().zip(self.ignored) {
            // SAFETY: both dispositions are valid for every signal of the list.
            unsafe { libc::signal(*signal, if ignored { libc::SIG_IGN } else { libc::SIG_DFL }) };
        }
        // SAFETY: the structures are whole, and were filled in by the kernel.
        unsafe {
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const self.open_files);
            match libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.mask, std::ptr::null_mut()) {
                0 => Ok(()),
                error => Err(io::Error::from_raw_os_error(error)),
            }
        }
    }
}
