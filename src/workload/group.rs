//! The command's process group, and how signals get there.

use rustix::process::{getpgrp, getpid, getsid};
use rustix::termios::{tcgetpgrp, tcsetpgrp};

use crate::linux::files::{open, read_bytes};
use crate::linux::process::stat::Stat;
use crate::linux::signal;

/// Whose process group the command is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Ours: there is a terminal, whose keys reach it as they reach us.
    Shared,
    /// Its own.
    Own,
}

impl Group {
    /// What suits this process: it has a terminal that controls it, or none.
    pub fn here() -> Group {
        if open("/dev/tty").is_ok() { Group::Shared } else { Group::Own }
    }

    /// Did the command get what the kernel sent us? A key of the terminal goes to the whole process group; but that the
    /// terminal is gone is told to the leader of its session alone.
    pub fn hears(self, signal: libc::c_int) -> bool {
        let leads = getsid(None) == Ok(getpid());
        self == Group::Shared && !(signal == libc::SIGHUP && leads)
    }

    /// Sends a signal to the command and those of its process group. In ours there are others too (we, the rest of a
    /// pipeline, perhaps the script that started us), so there its descendants are looked for.
    pub fn send(self, command: u32, signal: libc::c_int) {
        match self {
            // The group is the command's, which is not waited for yet: its number is not free. An empty one is no trouble.
            Group::Own => drop(signal::send_to_group(command, signal)),
            // They may have ended meanwhile.
            Group::Shared => in_our_group(command).into_iter().for_each(|pid| drop(signal::send(pid, signal))),
        }
    }

    /// Stops us with a command that was stopped, for as long as the shell leaves the job so. On a terminal the shell waits for
    /// us, and must see it. (Ctrl-Z stops us as well; a shell in a shell that is told to `suspend` stops itself alone.)
    pub fn stop_with(self, command: u32) {
        let Some(stat) = stat_of(command).filter(|stat| self == Group::Shared && stat.state == b'T') else { return };
        let Ok(terminal) = open("/dev/tty") else { return };
        let in_front = tcgetpgrp(&terminal);
        let _ = signal::send(std::process::id(), libc::SIGSTOP);
        // The shell has brought us to the front; who was there before goes on there.
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

/// The command and all that come of it and are in our process group.
fn in_our_group(command: u32) -> Vec<u32> {
    let group = our_group();
    let all = all();
    let is_in_group = |pid: &u32| all.iter().any(|s| s.pid == *pid && s.pgrp == group);
    std::iter::once(command).chain(descendants_among(command, &all)).filter(is_in_group).collect()
}

fn our_group() -> u32 {
    getpgrp().as_raw_pid().cast_unsigned()
}

/// All that come of a process.
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
