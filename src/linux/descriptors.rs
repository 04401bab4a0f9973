//! Room for descriptors: events times CPUs, and files of control groups, are soon thousands.

use std::os::fd::RawFd;
use std::sync::OnceLock;

/// What the rest of a recorder may need beside those.
const RESERVED: u64 = 32;

/// Makes room for so many more; the limit is raised as far as this user may.
///
/// # Errors
/// How many are needed in all, and how many allowed.
pub fn make_room(more: usize) -> Result<(), (u64, u64)> {
    let open = std::fs::read_dir("/proc/self/fd").map_or(0, |fds| fds.count() as u64);
    let needed = open + RESERVED + more as u64;
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: one valid structure for the answer.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } != 0 || limit.rlim_cur >= needed {
        return Ok(());
    }
    let allowed = limit.rlim_max;
    limit.rlim_cur = needed;
    // SAFETY: the same structure with the wish.
    if allowed >= needed && unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) } == 0 {
        return Ok(());
    }
    Err((needed, allowed))
}

/// Descriptors of files that are only read stay below this: the usual limit is 1,024.
const LAST_KEPT: u64 = 511;

/// Is there room to keep this one open? Half of what is allowed is left for others.
pub fn is_low(descriptor: RawFd) -> bool {
    static LAST: OnceLock<u64> = OnceLock::new();
    let last = *LAST.get_or_init(|| {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: one valid structure for the answer.
        let asked = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) };
        if asked == 0 { LAST_KEPT.min(limit.rlim_cur / 2) } else { LAST_KEPT }
    });
    u64::try_from(descriptor).is_ok_and(|descriptor| descriptor <= last)
}

/// tokio panics where it gets no descriptors for its epoll and its signals: an error here instead.
///
/// # Errors
/// When there is not room for eight.
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
