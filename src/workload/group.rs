//! The command's process group, and how signals are sent to it.

use rustix::process::{getpgrp, getpid, getsid};
use rustix::termios::{tcgetpgrp, tcsetpgrp};

use crate::linux::files::{open, read_bytes};
use crate::linux::process::stat::Stat;
use crate::linux::signal;

/// The process group of the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessGroup {
    /// Our own: there is a terminal, whose keys reach the command as well as us.
    Shared,
    /// A group of its own.
    Own,
}

impl ProcessGroup {
    /// The suitable group, depending on whether this process has a controlling terminal.
    pub fn here() -> ProcessGroup {
        if open("/dev/tty").is_ok() { ProcessGroup::Shared } else { ProcessGroup::Own }
    }

    /// Did the command also receive a signal that the kernel sent us? A key of the terminal goes to the whole process
    /// group, but the SIGHUP for a closed terminal only goes to the session leader.
    pub fn hears(self, signal: libc::c_int) -> bool {
        let leads = getsid(None) == Ok(getpid());
        self == ProcessGroup::Shared && !(signal == libc::SIGHUP && leads)
    }

    /// Sends a signal to the command and its process group. A shared group has other members too (we, the rest of a
    /// pipeline, perhaps the script that started us), so there the signal is only sent to descendants of the command.
    pub fn send(self, command: u32, signal: libc::c_int) {
        match self {
            // The command has not been reaped, so its number is not reused. An empty group does no harm.
            ProcessGroup::Own => drop(signal::send_to_group(command, signal)),
            // They may have ended in the meantime.
            ProcessGroup::Shared => in_our_group(command).into_iter().for_each(|pid| drop(signal::send(pid, signal))),
        }
    }

    /// Stops us together with a command that was stopped, until the shell continues the job. On a terminal the shell
    /// waits for us and must see that the job is stopped. (Ctrl-Z stops us too, but `suspend` in a nested shell only
    /// stops that shell.)
    pub fn stop_with(self, command: u32) {
        let Some(stat) = stat_of(command).filter(|stat| self == ProcessGroup::Shared && stat.state == b'T') else {
            return;
        };
        let Ok(terminal) = open("/dev/tty") else { return };
        let in_front = tcgetpgrp(&terminal);
        let _ = signal::send(std::process::id(), libc::SIGSTOP);
        // The shell has made us the foreground group; give that back to the previous one.
        if let Ok(before) = in_front
            && tcgetpgrp(&terminal) == Ok(getpgrp())
        {
            let _ = tcsetpgrp(&terminal, before);
        }
        if stat.pgrp > 1 && stat.pgrp != our_group() {
            let _ = signal::send_to_group(stat.pgrp, libc::SIGCONT);
        }
    }
}

fn stat_of(pid: u32) -> Option<Stat> {
    Stat::parse(&read_bytes(format!("/proc/{pid}/stat")).ok()?)
}

fn all() -> Vec<Stat> {
    let names = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = names.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(stat_of).collect()
}

/// The command and its descendants that are in our process group.
fn in_our_group(command: u32) -> Vec<u32> {
    let group = our_group();
    let all = all();
    let is_in_group = |pid: &u32| all.iter().any(|s| s.pid == *pid && s.pgrp == group);
    std::iter::once(command).chain(descendants_among(command, &all)).filter(is_in_group).collect()
}

fn our_group() -> u32 {
    getpgrp().as_raw_pid().cast_unsigned()
}

/// All descendants of a process.
pub fn descendants(pid: u32) -> Vec<u32> {
    descendants_among(pid, &all())
}

fn descendants_among(pid: u32, all: &[Stat]) -> Vec<u32> {
    let mut found = vec![pid];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(all.iter().filter(|s| s.ppid == parent && s.pid != pid).map(|s| s.pid));
        next += 1;
    }
    found.remove(0);
    found
}
