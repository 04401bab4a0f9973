//! The command's process group, and how signals get there.

use std::fs::File;
use std::os::fd::AsRawFd;

use crate::linux::process::stat::Stat;

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
        if File::open("/dev/tty").is_ok() { Group::Shared } else { Group::Own }
    }

    /// Did the command get what the kernel sent us? A key of the terminal goes to the whole process group; but that the
    /// terminal is gone is told to the leader of its session alone.
    pub fn hears(self, signal: libc::c_int) -> bool {
        // SAFETY: system calls without memory.
        let leads = unsafe { libc::getsid(0) == libc::getpid() };
        self == Group::Shared && !(signal == libc::SIGHUP && leads)
    }

    /// Sends a signal to the command and those of its process group. In ours there are others too (we, the rest of a
    /// pipeline, perhaps the script that started us), so there its descendants are looked for.
    pub fn send(self, command: u32, signal: libc::c_int) {
        let Ok(pid) = libc::pid_t::try_from(command) else { return };
        match self {
            // SAFETY: no memory is involved. The group is the command's, who is not waited for yet: its number is not free.
            Group::Own => drop(unsafe { libc::kill(-pid, signal) }),
            Group::Shared => {
                for pid in in_our_group(command) {
                    // SAFETY: no memory is involved.
                    unsafe { libc::kill(pid, signal) };
                }
            }
        }
    }

    /// Stops us with a command that was stopped, for as long as the shell leaves the job so. On a terminal the shell waits for
    /// us, and must see it. (Ctrl-Z stops us as well; a shell in a shell that is told to `suspend` stops itself alone.)
    pub fn stop_with(self, command: u32) {
        let Some(stat) = stat_of(command).filter(|stat| self == Group::Shared && stat.state == b'T') else { return };
        let Ok(terminal) = File::open("/dev/tty") else { return };
        let (fd, theirs) = (terminal.as_raw_fd(), libc::pid_t::try_from(stat.pgrp).unwrap_or(0));
        // SAFETY: no memory is involved.
        unsafe {
            let in_front = libc::tcgetpgrp(fd);
            libc::kill(libc::getpid(), libc::SIGSTOP);
            // The shell has brought us to the front; who was there before goes on there.
            if in_front > 0 && libc::tcgetpgrp(fd) == libc::getpgrp() {
                libc::tcsetpgrp(fd, in_front);
            }
            if theirs > 1 && theirs != libc::getpgrp() {
                libc::kill(-theirs, libc::SIGCONT);
            }
        }
    }
}

fn stat_of(pid: u32) -> Option<Stat> {
    Stat::parse(&std::fs::read(format!("/proc/{pid}/stat")).ok()?)
}

fn all() -> Vec<Stat> {
    let names = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = names.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(stat_of).collect()
}

/// The command and all that come of it and are in our process group.
fn in_our_group(command: u32) -> Vec<libc::pid_t> {
    // SAFETY: a system call without arguments.
    let group = unsafe { libc::getpgrp() };
    let all = all();
    let is_in_group = |pid: &u32| all.iter().any(|s| s.pid == *pid && i64::from(s.pgrp) == i64::from(group));
    let found = std::iter::once(command).chain(of(command, &all));
    found.filter(is_in_group).filter_map(|pid| pid.try_into().ok()).collect()
}

/// All that come of a process.
pub fn descendants(pid: u32) -> Vec<u32> {
    of(pid, &all())
}

fn of(pid: u32, all: &[Stat]) -> Vec<u32> {
    let mut found = vec![pid];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(all.iter().filter(|s| s.ppid == parent && s.pid != pid).map(|s| s.pid));
        next += 1;
    }
    found.remove(0);
    found
}
