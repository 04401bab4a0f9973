//! What a process passes on to programs that it starts, as it was passed to us: the recorder changes some of it for
//! itself.
#![allow(unsafe_code, reason = "runs before `main`, and asks about and closes descriptors that nothing owns")]

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use libc::c_int;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::signal::{Disposition, SignalSet, is_ignored, set_disposition};

/// Signals that we may ignore or catch later.
const SIGNALS: [c_int; 13] = [
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
    libc::SIGPIPE,
];

/// The state of signals, limits and standard streams when we started.
#[derive(Clone, Copy)]
pub struct Inherited {
    ignored: [bool; SIGNALS.len()],
    mask: SignalSet,
    open_files: Rlimit,
    /// Which of the standard streams were closed.
    closed: [bool; 3],
}

static AT_START: OnceLock<Inherited> = OnceLock::new();

/// Standard input is not the one from our start, and must not be closed.
static INPUT_IS_GIVEN: AtomicBool = AtomicBool::new(false);

/// Whatever standard input was at our start, a command gets the current one.
pub fn keep_input() {
    INPUT_IS_GIVEN.store(true, Ordering::Relaxed);
}

/// Called by the loader before `main` and before Rust's runtime, which ignores SIGPIPE and opens `/dev/null` for closed
/// streams.
#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = {
    extern "C" fn before_main() {
        remember();
    }
    before_main
};

/// Stores the current state, at the first call.
pub fn remember() -> &'static Inherited {
    AT_START.get_or_init(|| {
        // SAFETY: only asks, and touches no memory.
        let closed = [0, 1, 2].map(|fd| unsafe { libc::fcntl(fd, libc::F_GETFD) } < 0);
        let open_files = getrlimit(Resource::Nofile);
        Inherited { ignored: SIGNALS.map(is_ignored), mask: SignalSet::blocked(), open_files, closed }
    })
}

impl Inherited {
    /// Restores everything except the mask of blocked signals. To be called in the child, between fork and exec: it
    /// only makes system calls.
    pub fn restore_all_but_mask(&self) {
        let _ = setrlimit(Resource::Nofile, self.open_files);
        self.restore_dispositions();
    }

    fn restore_dispositions(&self) {
        for (signal, ignored) in SIGNALS.iter().zip(self.ignored) {
            set_disposition(*signal, if ignored { Disposition::Ignore } else { Disposition::Default });
        }
    }

    /// Restores the mask of blocked signals. To be called in the child as well.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn restore_mask(&self) -> io::Result<()> {
        self.mask.block_only()
    }

    /// Restores only the signals. To be called in the child as well.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn restore_signals(&self) -> io::Result<()> {
        self.restore_dispositions();
        self.restore_mask()
    }

    /// Closes the standard streams that were closed. To be called in the child.
    pub fn close_streams(&self) {
        for (fd, closed) in (0..).zip(self.closed) {
            if closed && !(fd == libc::STDIN_FILENO && INPUT_IS_GIVEN.load(Ordering::Relaxed)) {
                // SAFETY: from now on only the program that is about to be executed reads or writes it.
                unsafe { libc::close(fd) };
            }
        }
    }
}
