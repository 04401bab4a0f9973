//! The clock of perf's time stamps and the wall clock.

/// Both clocks at the same instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    pub mono_ns: i64,
    pub wall_ns: i64,
}

impl Now {
    pub fn read() -> Now {
        Now { mono_ns: clock_ns(libc::CLOCK_MONOTONIC), wall_ns: clock_ns(libc::CLOCK_REALTIME) }
    }
}

// Both fields are 32 bits wide on some machines.
#[allow(clippy::unnecessary_cast)]
fn clock_ns(clock: libc::clockid_t) -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the answer; the two clocks exist on every Linux.
    unsafe { libc::clock_gettime(clock, &mut time) };
    (time.tv_sec as i64).saturating_mul(1_000_000_000).saturating_add(time.tv_nsec as i64)
}
