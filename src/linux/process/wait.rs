//! Waiting for children, and what the kernel reports about ended ones.
#![allow(unsafe_code, reason = "wait4(2), which tells what a child used up, has no safe form in rustix")]

use std::io;
use std::mem::zeroed;

use libc::{c_int, rusage};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{Pid, WaitId, WaitIdOptions, WaitIdStatus, waitid};

/// A child that has ended and was waited for: its process ID is free again.
#[derive(Clone, Copy)]
pub struct Ended {
    pub pid: u32,
    pub status: Status,
    /// What it used, including the children that it waited for.
    pub usage: rusage,
}

/// How a process ended: `wstatus` of `wait(2)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(c_int);

impl Status {
    /// Its exit status, or `None` if a signal ended it.
    pub fn code(self) -> Option<i32> {
        libc::WIFEXITED(self.0).then(|| libc::WEXITSTATUS(self.0))
    }

    pub fn signal(self) -> Option<i32> {
        libc::WIFSIGNALED(self.0).then(|| libc::WTERMSIG(self.0))
    }
}

/// Which child is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// This child, however long it takes.
    Child(u32),
    /// Any child of the calling thread that has already ended.
    AnyOfThisThread,
}

/// Waits for a child. `None` if there is none, or none that has ended.
pub fn wait(target: Target) -> Option<Ended> {
    let (pid, options) = match target {
        Target::Child(pid) => (libc::pid_t::try_from(pid).ok().filter(|pid| *pid > 0)?, 0),
        Target::AnyOfThisThread => (-1, libc::WNOHANG | libc::__WNOTHREAD),
    };
    loop {
        // SAFETY: the kernel fills in both; zeros are a value of the structure.
        let (ended, status, usage) = unsafe {
            let (mut status, mut usage): (c_int, rusage) = (0, zeroed());
            (libc::wait4(pid, &raw mut status, options, &raw mut usage), status, usage)
        };
        match ended {
            1.. => return Some(Ended { pid: ended.cast_unsigned(), status: Status(status), usage }),
            -1 if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {}
            _ => return None,
        }
    }
}

/// The state of a child; whether it can still be asked about afterwards depends on `options`. `None` if there is no
/// such child, or if nothing has changed and the options forbid waiting.
pub fn news_of(pid: u32, options: WaitIdOptions) -> Option<WaitIdStatus> {
    let pid = Pid::from_raw(pid.try_into().ok()?)?;
    retry_on_intr(|| waitid(WaitId::Pid(pid), options)).ok().flatten()
}

/// Whether the child has ended; if so, it was waited for. `None`: it still runs.
///
/// # Errors
/// If there is no such child.
pub fn has_ended(pid: u32) -> io::Result<Option<Status>> {
    let pid = pid.try_into().ok().and_then(Pid::from_raw).ok_or(Errno::CHILD)?;
    let ended = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::NOHANG)?;
    Ok(ended.map(|(_, status)| Status(status.as_raw())))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_child_is_waited_for_once() {
        let mut child = Command::new("sh").args(["-c", "exit 3"]).spawn().unwrap();
        let ended = wait(Target::Child(child.id())).unwrap();
        assert_eq!((ended.pid, ended.status.code(), ended.status.signal()), (child.id(), Some(3), None));
        assert!(ended.usage.ru_minflt > 0);
        assert!(wait(Target::Child(child.id())).is_none() && has_ended(child.id()).is_err());
        assert!(child.wait().is_err(), "its number is free");
        assert!(wait(Target::Child(0)).is_none() && wait(Target::Child(u32::MAX)).is_none());
    }

    #[test]
    fn one_that_lives_is_left_alone() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        assert_eq!(has_ended(child.id()).unwrap(), None);
        assert!(news_of(child.id(), WaitIdOptions::EXITED | WaitIdOptions::NOHANG).is_none());
        child.kill().unwrap();
        let seen = news_of(child.id(), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).unwrap();
        assert!(seen.killed());
        let ended = wait(Target::Child(child.id())).unwrap();
        assert_eq!((ended.status.code(), ended.status.signal()), (None, Some(libc::SIGKILL)));
        assert!(child.wait().is_err(), "its number is free");
    }
}
