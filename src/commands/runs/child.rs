//! A run in a process of its own, so that each begins as small and as untouched as the first.

use std::io;
use std::mem::zeroed;

use anyhow::Result;

use crate::cli::OUR_FAILURE;
use crate::commands::Outcome;
use crate::commands::signals::stays_ignored;
use crate::run::Group;
use crate::ui;

/// Signals that are passed on to the run, unless a key of the terminal has sent them to it already.
const PASSED: [libc::c_int; 6] =
    [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT, libc::SIGUSR1, libc::SIGUSR2];
/// Of those, what asks to do something and not to end.
const HARMLESS: [libc::c_int; 2] = [libc::SIGUSR1, libc::SIGUSR2];

/// How a run ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    pub status: u8,
    /// What came meanwhile, so that there are to be no more runs.
    pub signal: Option<libc::c_int>,
    /// It was a key of the terminal.
    pub by_key: bool,
}

/// Forks, has `work` done by the child, and waits for it. To be called while there is one thread only.
///
/// # Errors
/// When there can be no more processes.
pub fn in_child(work: impl FnOnce() -> Result<Outcome>) -> io::Result<Ended> {
    // SAFETY: zeros are a value of the set, which is then filled in.
    let set = unsafe {
        let mut set: libc::sigset_t = zeroed();
        libc::sigemptyset(&raw mut set);
        let listened = PASSED.iter().filter(|signal| !stays_ignored(**signal));
        for signal in listened.chain([&libc::SIGCHLD]) {
            libc::sigaddset(&raw mut set, *signal);
        }
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
        set
    };
    // SAFETY: this process has one thread, so that the child has all of it.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            // SAFETY: as above; the child listens by its own means.
            unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const set, std::ptr::null_mut()) };
            let status = match work() {
                Ok(Outcome::Done) => 0,
                Ok(Outcome::Incomplete) => 1,
                Ok(Outcome::Status(status)) => status,
                Ok(Outcome::Key(signal)) => 128u8.wrapping_add(signal as u8),
                Err(error) => {
                    ui::complain(&format!("{error:#}"));
                    OUR_FAILURE
                }
            };
            std::process::exit(status.into())
        }
        child => Ok(follow(child, &set)),
    }
}

/// Passes signals on until the child has ended.
fn follow(child: libc::pid_t, set: &libc::sigset_t) -> Ended {
    let group = Group::here();
    let mut first: Option<(libc::c_int, bool)> = None;
    loop {
        let ended_with = |status| Ended { status, signal: first.map(|f| f.0), by_key: first.is_some_and(|f| f.1) };
        let mut status = 0;
        // SAFETY: the kernel fills in the status; the child is ours.
        match unsafe { libc::waitpid(child, &raw mut status, libc::WNOHANG) } {
            0 => {}
            ended if ended == child => {
                let status = if libc::WIFSIGNALED(status) {
                    128u8.wrapping_add(libc::WTERMSIG(status) as u8)
                } else {
                    libc::WEXITSTATUS(status) as u8
                };
                return ended_with(status);
            }
            _ => return ended_with(OUR_FAILURE),
        }
        // SAFETY: the kernel fills in the structure, for which zeros are a value.
        let (signal, by_kernel) = unsafe {
            let mut info: libc::siginfo_t = zeroed();
            (libc::sigwaitinfo(set, &raw mut info), info.si_code > 0)
        };
        if PASSED.contains(&signal) {
            let by_key = by_kernel && group.hears(signal);
            if !by_key {
                // SAFETY: no memory is involved; the child is not waited for, so that its number is its own.
                unsafe { libc::kill(child, signal) };
            }
            first = first.or(Some((signal, by_key)).filter(|_| !HARMLESS.contains(&signal)));
        }
    }
}
