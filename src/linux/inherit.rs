//! What a process hands down to those that it starts, as it was handed to us: the recorder changes some of it for itself.

use std::io;
use std::mem::zeroed;
use std::os::unix::process::CommandExt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use libc::{c_int, rlimit, sigset_t};

/// Signals that we may come to ignore or to catch.
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

/// How signals, limits and the standard streams were when we began.
#[derive(Clone, Copy)]
pub struct Inherited {
    ignored: [bool; SIGNALS.len()],
    mask: sigset_t,
    open_files: rlimit,
    /// Which of the standard streams were closed.
    closed: [bool; 3],
}

static AT_START: OnceLock<Inherited> = OnceLock::new();

/// Standard input is another than at our start, and not to be closed.
static INPUT_IS_GIVEN: AtomicBool = AtomicBool::new(false);

/// Whatever standard input was at our start, a command gets the one that there is now.
pub fn keep_input() {
    INPUT_IS_GIVEN.store(true, Ordering::Relaxed);
}

/// Called by the loader before `main`, and before the start of Rust's library, which ignores SIGPIPE and opens `/dev/null`
/// for streams that are closed.
#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = {
    extern "C" fn look() {
        remember();
    }
    look
};

/// Remembers how it is now, the first time that it is called.
pub fn remember() -> &'static Inherited {
    AT_START.get_or_init(|| {
        // SAFETY: zeros are a value of all three plain structures, and the calls only fill them in or ask.
        unsafe {
            let mut mask: sigset_t = zeroed();
            libc::pthread_sigmask(libc::SIG_SETMASK, std::ptr::null(), &raw mut mask);
            let mut open_files: rlimit = zeroed();
            libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut open_files);
            let closed = [0, 1, 2].map(|fd| libc::fcntl(fd, libc::F_GETFD) < 0);
            Inherited { ignored: SIGNALS.map(is_ignored), mask, open_files, closed }
        }
    })
}

/// Has a child of ours begin with the signals that we began with.
pub fn hand_down(command: &mut std::process::Command) {
    let inherited = *remember();
    // SAFETY: system calls alone.
    unsafe { command.pre_exec(move || inherited.restore_signals()) };
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
    /// Restores everything except the mask of blocked signals. To be called in the child, between fork and exec: it only makes system
    /// calls.
    pub fn restore_all_but_mask(&self) {
        // SAFETY: the structure is whole, and was filled in by the kernel.
        unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const self.open_files) };
        self.restore_dispositions();
    }

    fn restore_dispositions(&self) {
        for (signal, ignored) in SIGNALS.iter().zip(self.ignored) {
            // SAFETY: both dispositions are valid for every signal of the list.
            unsafe { libc::signal(*signal, if ignored { libc::SIG_IGN } else { libc::SIG_DFL }) };
        }
    }

    /// Restores the mask of blocked signals. To be called in the child as well.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn restore_mask(&self) -> io::Result<()> {
        // SAFETY: the set is whole, and was filled in by the kernel.
        unsafe {
            match libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.mask, std::ptr::null_mut()) {
                0 => Ok(()),
                error => Err(io::Error::from_raw_os_error(error)),
            }
        }
    }

    /// The signals alone. To be called in the child as well.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn restore_signals(&self) -> io::Result<()> {
        self.restore_dispositions();
        self.restore_mask()
    }

    /// Closes the standard streams that were closed. To be called in the child.
    pub fn close_streams(&self) {
        for (fd, closed) in (0..).zip(self.closed) {
            if closed && !(fd == libc::STDIN_FILENO && INPUT_IS_GIVEN.load(Ordering::Relaxed)) {
                // SAFETY: who reads or writes it from now on is the program that is about to be executed.
                unsafe { libc::close(fd) };
            }
        }
    }
}
