//! What a child does between fork and exec, in addition to what `std::process::Command` can do. Only system calls are
//! allowed there: the child of a process with threads may neither allocate nor wait for a lock.
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

/// Lets a child start with the signals that we started with.
pub fn hand_down_signals(command: &mut Command) {
    let inherited = *inherit::remember();
    // SAFETY: only system calls.
    unsafe { command.pre_exec(move || inherited.restore_signals()) };
}

/// Lets a child end at the latest when the thread that starts it ends. It receives SIGINT whatever we do, and what it
/// mounts is private.
pub fn end_with_us(command: &mut Command) {
    let parent = getpid();
    let inherited = *inherit::remember();
    // SAFETY: only system calls.
    unsafe {
        command.pre_exec(move || {
            // Sent at the end of the thread that forks: for the child, its own thread, which lives as long as the
            // child.
            let _ = set_parent_process_death_signal(Some(Signal::KILL));
            // The recorder blocks signals that the child must receive.
            inherited.restore_signals()?;
            // A script's shell ignores it in background jobs.
            set_disposition(libc::SIGINT, Disposition::Default);
            keep_mounts_to_itself();
            if getppid() != Some(parent) {
                exit_at_once(1);
            }
            Ok(())
        });
    }
}

/// perf mounts tracefs if it is missing, and would leave it mounted. A mount in a private namespace ends with it. A
/// user who may not create a namespace may not mount anything either.
fn keep_mounts_to_itself() {
    // SAFETY: two system calls with constant arguments, which may be made between fork and exec.
    unsafe {
        if libc::unshare(libc::CLONE_NEWNS) == 0 {
            // Unmounts of others take effect here as well, and nothing from here reaches them.
            let (none, how) = (std::ptr::null(), libc::MS_REC | libc::MS_SLAVE);
            libc::mount(none, c"/".as_ptr(), none, how, std::ptr::null());
        }
    }
}
