//! Signals: their names, sending them, and what this process does when one arrives.

mod fd;
mod set;

use std::io;

use libc::c_int;
use rustix::process::{DumpableBehavior, Pid, Signal, kill_process, kill_process_group, set_dumpable_behavior};

pub use fd::{Arrived, Listener, SignalFd};
pub use set::SignalSet;

/// Sends a signal to a process.
///
/// # Errors
/// If there is no such process or signal, or it may not be sent.
pub fn send(pid: u32, signal: c_int) -> io::Result<()> {
    Ok(kill_process(target(pid)?, known(signal)?)?)
}

/// Sends a signal to every process of a group.
///
/// # Errors
/// If there is no such group or signal, or it may not be sent.
pub fn send_to_group(group: u32, signal: c_int) -> io::Result<()> {
    Ok(kill_process_group(target(group)?, known(signal)?)?)
}

/// Process 0 does not exist; for `kill` it means the group of the caller.
fn target(pid: u32) -> io::Result<Pid> {
    pid.try_into().ok().and_then(Pid::from_raw).ok_or_else(|| io::Error::from_raw_os_error(libc::ESRCH))
}

fn known(signal: c_int) -> io::Result<Signal> {
    Signal::from_named_raw(signal).ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))
}

/// What a process does at a signal, except for running a handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    Ignore,
    Default,
}

/// Sets what this process does at a signal. May be called between fork and exec.
#[allow(unsafe_code, reason = "signal(2) has no safe form: with a handler it would run code at any moment")]
pub fn set_disposition(signal: c_int, disposition: Disposition) {
    let action = match disposition {
        Disposition::Ignore => libc::SIG_IGN,
        Disposition::Default => libc::SIG_DFL,
    };
    // SAFETY: a system call without memory. Neither action runs our code. A number that is not a signal is refused.
    unsafe { libc::signal(signal, action) };
}

/// Whether this process ignores the signal.
#[allow(unsafe_code, reason = "sigaction(2) has no safe form")]
pub fn is_ignored(signal: c_int) -> bool {
    // SAFETY: a null action only asks; the answer is a plain structure, for which zeros are valid.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &raw mut action) == 0 && action.sa_sigaction == libc::SIG_IGN
    }
}

/// Ends this process as the signal does by default. Returns if that does not end it.
pub fn die_from(signal: c_int) {
    // The core file would be ours, and useless.
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    set_disposition(signal, Disposition::Default);
    let _ = SignalSet::new([signal]).unblock();
    // The kernel delivers a signal that a thread sends to its own process before the call returns, unless another
    // thread takes it.
    let _ = send(std::process::id(), signal);
}

/// `SIGTERM`
pub fn name(signal: c_int) -> String {
    match signal {
        libc::SIGINT => "SIGINT".into(),
        libc::SIGTERM => "SIGTERM".into(),
        libc::SIGHUP => "SIGHUP".into(),
        libc::SIGQUIT => "SIGQUIT".into(),
        libc::SIGKILL => "SIGKILL".into(),
        libc::SIGSEGV => "SIGSEGV".into(),
        libc::SIGABRT => "SIGABRT".into(),
        libc::SIGPIPE => "SIGPIPE".into(),
        libc::SIGUSR1 => "SIGUSR1".into(),
        libc::SIGUSR2 => "SIGUSR2".into(),
        other => format!("signal {other}"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    use std::process::Command;

    use super::*;

    #[test]
    fn a_process_and_a_group_get_what_is_sent() {
        let mut one = Command::new("sleep").arg("60").spawn().unwrap();
        send(one.id(), libc::SIGTERM).unwrap();
        assert_eq!(one.wait().unwrap().signal(), Some(libc::SIGTERM));
        assert_eq!(send(one.id(), libc::SIGTERM).unwrap_err().raw_os_error(), Some(libc::ESRCH));
        let mut group = Command::new("sleep").arg("60").process_group(0).spawn().unwrap();
        send_to_group(group.id(), libc::SIGKILL).unwrap();
        assert_eq!(group.wait().unwrap().signal(), Some(libc::SIGKILL));
    }

    #[test]
    fn nobody_is_hit_by_a_number_that_means_everybody() {
        // 0 and -1 are the caller's group and all processes.
        for pid in [0, u32::MAX, 1 << 31] {
            assert_eq!(send(pid, libc::SIGKILL).unwrap_err().raw_os_error(), Some(libc::ESRCH), "{pid}");
            assert_eq!(send_to_group(pid, libc::SIGKILL).unwrap_err().raw_os_error(), Some(libc::ESRCH), "{pid}");
        }
        assert_eq!(send(std::process::id(), 0).unwrap_err().raw_os_error(), Some(libc::EINVAL));
    }

    #[test]
    fn dispositions_are_set_and_seen() {
        assert!(!is_ignored(libc::SIGWINCH));
        set_disposition(libc::SIGWINCH, Disposition::Ignore);
        assert!(is_ignored(libc::SIGWINCH));
        set_disposition(libc::SIGWINCH, Disposition::Default);
        assert!(!is_ignored(libc::SIGWINCH) && !is_ignored(4711));
    }
}
