//! A copy of this process that continues its work.
#![allow(unsafe_code, reason = "fork(2) and _exit(2) have no safe form")]

use std::io;

use libc::c_int;

/// Which of the two processes this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forked {
    Child,
    /// The child's process ID.
    Parent(u32),
}

/// Forks this process. The child is only complete if there is a single thread: other threads would stop in the middle
/// of their work, perhaps with a lock that the child needs.
///
/// # Errors
/// If there is another thread, or no more processes are possible.
pub fn fork() -> io::Result<Forked> {
    // If the number of threads is unknown, the caller is trusted.
    if std::fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() > 1) {
        return Err(io::Error::other("this process has more than one thread"));
    }
    // SAFETY: this process has one thread, so the child is complete.
    match unsafe { libc::fork() } {
        0 => Ok(Forked::Child),
        pid @ 1.. => Ok(Forked::Parent(pid.cast_unsigned())),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Ends this process without the cleanup of the process that it was forked from.
pub fn exit_at_once(status: c_int) -> ! {
    // SAFETY: nothing of this process runs afterwards.
    unsafe { libc::_exit(status) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_threads_is_not_forked() {
        // The test harness has its own thread.
        let (_end, wait) = std::sync::mpsc::channel::<()>();
        std::thread::spawn(move || wait.recv());
        assert!(fork().unwrap_err().to_string().contains("more than one thread"));
    }
}
