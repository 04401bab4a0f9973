//! A copy of this process that goes on with its work.
#![allow(unsafe_code, reason = "fork(2) and _exit(2) have no safe form")]

use std::io;

use libc::c_int;

/// Which of the two processes this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forked {
    Child,
    /// The number of the child.
    Parent(u32),
}

/// Forks this process. The child has all of it only while there is a single thread: others would stop in the middle of what
/// they do, perhaps with a lock that the child needs.
///
/// # Errors
/// When there is another thread, or there can be no more processes.
pub fn fork() -> io::Result<Forked> {
    // Where nothing tells, the caller is trusted.
    if std::fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() > 1) {
        return Err(io::Error::other("this process has more than one thread"));
    }
    // SAFETY: this process has one thread, so that the child has all of it.
    match unsafe { libc::fork() } {
        0 => Ok(Forked::Child),
        pid @ 1.. => Ok(Forked::Parent(pid.cast_unsigned())),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Ends this process without what the process that it was forked from would do at its end.
pub fn exit_at_once(status: c_int) -> ! {
    // SAFETY: nothing of this process runs afterwards.
    unsafe { libc::_exit(status) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_threads_is_not_forked() {
        // The test harness has a thread of its own.
        let (_end, wait) = std::sync::mpsc::channel::<()>();
        std::thread::spawn(move || wait.recv());
        assert!(fork().unwrap_err().to_string().contains("more than one thread"));
    }
}
