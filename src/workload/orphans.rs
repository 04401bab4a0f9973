//! Processes that lost their parent, and are ours to wait for.

use std::mem::zeroed;

use super::command::{Command, Used};
use super::group::descendants;
use crate::linux::helper::{disown, forget};
use crate::linux::lock::lock;

/// From now on, whoever of those that we start loses its parent becomes our child. False where the kernel cannot (before
/// Linux 3.4).
pub fn adopt() -> bool {
    // SAFETY: changes an attribute of this process, and touches no memory.
    unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1 as libc::c_ulong) == 0 }
}

/// Waits for the orphans that have ended, and adds what they used up to the command's account.
///
/// To be called on the process's main thread. The kernel gives orphans to that one, while each child that we start
/// ourselves belongs to the thread that started it: so nobody's child is taken from those who wait for it.
pub fn reap(command: &Command) {
    while let Some((pid, _, used)) = wait(-1, libc::WNOHANG | libc::__WNOTHREAD) {
        // Beside the command's own time, only those that were seen to be its own are.
        let is_its_own =
            || command.is_running() || lock(&command.seen).living.iter().any(|(seen, _)| *seen == pid as u32);
        if forget(pid as u32) || !is_its_own() {
            continue;
        }
        let mut adopted = lock(&command.adopted);
        adopted.used.add(&used);
        adopted.since_tick.extend(u32::try_from(pid));
    }
}

/// Keeps all that descend from us apart from the command, which is about to begin: a step before it left them, or who was
/// this process before it became perfwatch.
pub fn disown_all(command: &Command) {
    if have_children_beside(command.pid) {
        descendants(std::process::id()).into_iter().filter(|pid| *pid != command.pid).for_each(disown);
    }
}

/// Asked first, for to look at all processes takes milliseconds where there are many.
fn have_children_beside(pid: u32) -> bool {
    let me = std::process::id();
    let list = std::fs::read_to_string(format!("/proc/{me}/task/{me}/children"));
    list.map_or(true, |list| list.split_whitespace().any(|child| child != pid.to_string()))
}

/// `wait4`: the number, the status and the account of a child that has ended.
pub fn wait(pid: libc::pid_t, options: libc::c_int) -> Option<(libc::pid_t, libc::c_int, Used)> {
    // SAFETY: the kernel fills in both structures; zeros are values of them.
    unsafe {
        let (mut status, mut usage): (libc::c_int, libc::rusage) = (0, zeroed());
        loop {
            match libc::wait4(pid, &raw mut status, options, &raw mut usage) {
                ended @ 1.. => return Some((ended, status, used(&usage))),
                -1 if std::io::Error::last_os_error().raw_os_error() == Some(libc::EINTR) => {}
                _ => return None,
            }
        }
    }
}

// The fields are as wide as the machine's words.
#[allow(clippy::unnecessary_cast)]
fn used(usage: &libc::rusage) -> Used {
    /// The kernel accounts for storage in blocks of this size, whatever the device's is.
    const BLOCK: u64 = 512;
    let us = |time: libc::timeval| (time.tv_sec as u64).saturating_mul(1_000_000).saturating_add(time.tv_usec as u64);
    let count = |n: libc::c_long| u64::try_from(n).unwrap_or(0);
    Used {
        user_us: us(usage.ru_utime),
        system_us: us(usage.ru_stime),
        max_rss_bytes: count(usage.ru_maxrss) * 1024,
        minor_faults: count(usage.ru_minflt),
        major_faults: count(usage.ru_majflt),
        voluntary_switches: count(usage.ru_nvcsw),
        involuntary_switches: count(usage.ru_nivcsw),
        read_bytes: count(usage.ru_inblock) * BLOCK,
        write_bytes: count(usage.ru_oublock) * BLOCK,
    }
}
