//! The CPU clock of a process.
#![allow(unsafe_code, reason = "the clock of another process has a computed number, which rustix does not take")]

/// CPU time used by a process, in nanoseconds, with all its threads, including ended ones. The kernel reports it for
/// any process ID, to everyone. `None` if there is no such process.
pub fn cpu_ns(pid: u32) -> Option<u64> {
    /// For a process, by the scheduler's accounting (`CPUCLOCK_SCHED`).
    const SCHEDULED: libc::clockid_t = 2;
    let clock = (!libc::clockid_t::try_from(pid).ok()?).wrapping_shl(3) | SCHEDULED;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel fills in the structure passed to it.
    let answer = unsafe { libc::clock_gettime(clock, &raw mut time) };
    (answer == 0).then(|| (time.tv_sec as u64).saturating_mul(1_000_000_000).saturating_add(time.tv_nsec as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_no_clock() {
        assert_eq!(cpu_ns(4_000_000), None);
        assert!(cpu_ns(std::process::id()).is_some());
    }
}
