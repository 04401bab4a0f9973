//! Limits of descriptors: events times CPUs, and files of control groups, can be thousands.

use std::os::fd::RawFd;
use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What the rest of a recorder may need in addition.
const RESERVED: u64 = 32;

/// Makes room for this many more; raises the limit as far as this user may.
///
/// # Errors
/// How many are needed in total, and how many are allowed.
pub fn make_room(more: usize) -> Result<(), (u64, u64)> {
    let open = std::fs::read_dir("/proc/self/fd").map_or(0, |fds| fds.count() as u64);
    let needed = open + RESERVED + more as u64;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    let allowed = limit.maximum.unwrap_or(u64::MAX);
    let wish = Rlimit { current: Some(needed), ..limit };
    if allowed >= needed && setrlimit(Resource::Nofile, wish).is_ok() {
        return Ok(());
    }
    Err((needed, allowed))
}

/// The number of descriptors of files that are only read stays below this: the usual limit is 1,024.
const LAST_KEPT: u64 = 511;

/// Whether there is room to keep this one open. Half of what is allowed is left for others.
pub fn is_low(descriptor: RawFd) -> bool {
    static LAST: OnceLock<u64> = OnceLock::new();
    let last = *LAST
        .get_or_init(|| getrlimit(Resource::Nofile).current.map_or(LAST_KEPT, |current| LAST_KEPT.min(current / 2)));
    u64::try_from(descriptor).is_ok_and(|descriptor| descriptor <= last)
}

/// Closes everything except the standard streams. For a process that has just started and holds no open file: an owner
/// of one of these descriptors would otherwise go on using its number.
#[allow(unsafe_code, reason = "there is no safe way to close a descriptor that nothing here owns")]
pub fn close_all_but_standard() {
    let entries = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let open: Vec<RawFd> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    for fd in open.into_iter().filter(|fd| *fd > libc::STDERR_FILENO) {
        // SAFETY: nothing in this process owns it, as the caller ensures.
        unsafe { libc::close(fd) };
    }
}

/// tokio panics if it gets no descriptors for its epoll and its signals; this returns an error instead.
///
/// # Errors
/// If there is no room for eight.
pub fn room_for_tokio() -> std::io::Result<()> {
    (0..4).map(|_| std::os::unix::net::UnixStream::pair()).collect::<std::io::Result<Vec<_>>>().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_few_and_not_for_all_in_the_world() {
        assert_eq!(make_room(1), Ok(()));
        assert!(make_room(1 << 40).is_err_and(|(needed, allowed)| needed > 1 << 40 && allowed < needed));
    }
}
