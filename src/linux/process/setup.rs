//! What a child does between fork and exec, besides what `std::process::Command` knows. Only system calls are allowed there: the
//! child of a process with threads may neither allocate nor wait for a lock.
#![allow(
    unsafe_code,
    reason = "`pre_exec` is unsafe: its closure runs in a copy of a process that may have had other threads"
)]

use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};

use super::fork::exit_at_once;
use crate::linux::inherit;
use crate::linux::signal::{Disposition, set_disposition};

/// Has a child begin with the signals that we began with.
pub fn hand_down_signals(command: &mut Command) {
    let inherited = *inherit::remember();
    // SAFETY: system calls alone.
    unsafe { command.pre_exec(move || inherited.restore_signals()) };
}

/// Has a child end when the thread that starts it ends, at the latest. It hears SIGINT whatever we do, and what it mounts is its own.
pub fn end_with_us(command: &mut Command) {
    let parent = getpid();
    let inherited = *inherit::remember();
    // SAFETY: system calls alone.
    unsafe {
        command.pre_exec(move || {
            // The death meant is that of the thread that forks: the child's own, which lives as long as the child.
            let _ = set_parent_process_death_signal(Some(Signal::KILL));
            // The recorder keeps signals back, which the child is to hear.
            inherited.restore_signals()?;
            // A script's shell ignores it for what it starts in the background.
            set_disposition(libc::SIGINT, Disposition::Default);
            keep_mounts_to_itself();
            if getppid() != Some(parent) {
                exit_at_once(1);
            }
            Ok(())
        });
    }
}

/// perf mounts tracefs where that is missing, and would leave it to the machine. What it mounts in a namespace of its own
/// ends with it. Who may not make one may mount nothing either.
fn keep_mounts_to_itself() {
    // SAFETY: two system calls with constant arguments, which may be made between fork and exec.
    unsafe {
        if libc::unshare(libc::CLONE_NEWNS) == 0 {
            // What others unmount goes here as well, and nothing from here reaches them.
            let (none, how) = (std::ptr::null(), libc::MS_REC | libc::MS_SLAVE);
            libc::mount(none, c"/".as_ptr(), none, how, std::ptr::null());
        }
    }
}
