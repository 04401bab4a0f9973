//! Room for descriptors: events times CPUs are soon thousands.

/// What the rest of a recorder may need beside the counters.
const RESERVED: u64 = 128;

/// Is there room for so many more? The limit is raised as far as this user may.
pub fn has_room(for_counters: usize) -> bool {
    let open = std::fs::read_dir("/proc/self/fd").map_or(0, |fds| fds.count() as u64);
    let needed = open + RESERVED + for_counters as u64;
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: one valid structure for the answer.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } != 0 || limit.rlim_cur >= needed {
        return true;
    }
    if limit.rlim_max < needed {
        return false;
    }
    limit.rlim_cur = needed;
    // SAFETY: the same structure with the wish.
    unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_few_and_not_for_all_in_the_world() {
        assert!(has_room(1));
        assert!(!has_room(1 << 40));
    }
}
