//! Processes that lost their parent, and for which we have to wait.

use rustix::process::{Pid, set_child_subreaper};

use super::command::{RecordedCommand, Used};
use super::group::descendants;
use crate::linux::files::read_once;
use crate::linux::helper::{disown, forget};
use crate::linux::lock::lock;
use crate::linux::process::wait::{Ended, Target, wait};

/// From now on, every descendant that loses its parent becomes our child. False if the kernel does not support that
/// (before Linux 3.4).
pub fn adopt() -> bool {
    // Any process number means "on".
    set_child_subreaper(Some(Pid::INIT)).is_ok()
}

/// Reaps the orphans that have ended, and adds what they used to the command's account.
///
/// Call this on the main thread. The kernel gives orphans to that thread, while each child that we start ourselves
/// belongs to the thread that started it. So no child is reaped here that another thread waits for.
pub fn reap(command: &RecordedCommand) {
    while let Some(Ended { pid, usage, .. }) = wait(Target::AnyOfThisThread) {
        // Before and after the command runs, only processes that were seen as its descendants count.
        let is_of_command = || command.is_running() || lock(&command.seen).has(pid);
        if forget(pid) || !is_of_command() {
            continue;
        }
        let mut adopted = lock(&command.adopted);
        adopted.used.add(&used(&usage));
        adopted.since_tick.push(pid);
    }
}

/// Excludes all current descendants from the command, which is about to begin: a step left them, or the program that
/// this process executed before perfwatch.
pub fn disown_all(command: &RecordedCommand) {
    if has_other_children(command.pid) {
        descendants(std::process::id()).into_iter().filter(|pid| *pid != command.pid).for_each(disown);
    }
}

/// Checked first because scanning all processes takes milliseconds if there are many.
fn has_other_children(pid: u32) -> bool {
    let me = std::process::id();
    let list = read_once(format!("/proc/{me}/task/{me}/children").as_ref());
    list.map_or(true, |list| list.split_whitespace().any(|child| child != pid.to_string()))
}

/// The resources that a child used until its end.
// The width of the fields depends on the machine.
#[allow(clippy::unnecessary_cast, reason = "they are narrower on other machines")]
pub fn used(usage: &libc::rusage) -> Used {
    /// The kernel counts storage in blocks of this size, for all devices.
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

#[cfg(test)]
mod tests {
    use std::process::Command as Program;

    use super::*;
    use crate::linux::cgroup::Own;

    /// A child of this thread that has ended and was not waited for.
    #[allow(clippy::zombie_processes, reason = "the tested code waits for it")]
    fn ended() -> u32 {
        let pid = Program::new("true").spawn().unwrap().id();
        let state = || read_once(format!("/proc/{pid}/stat").as_ref()).unwrap();
        while !state().contains(") Z ") {
            std::thread::yield_now();
        }
        pid
    }

    #[test]
    fn after_the_command_only_its_own_processes_count() {
        let command = RecordedCommand::new(1, Own::default());
        ended();
        reap(&command);
        assert_eq!(lock(&command.adopted).used, Used::default(), "it belongs to a step");
        // It ended, a tick saw that, and only then is it reaped.
        let pid = ended();
        lock(&command.seen).ended.push(pid);
        reap(&command);
        let adopted = lock(&command.adopted);
        assert_eq!(adopted.since_tick, [pid]);
        assert!(adopted.used.max_rss_bytes > 0, "{adopted:?}");
    }
}
