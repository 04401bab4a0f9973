//! The clock of perf's time stamps and the wall clock.

use crate::linux::clock;

/// Both clocks at the same instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    pub mono_ns: i64,
    pub wall_ns: i64,
}

impl Now {
    pub fn read() -> Now {
        Now { mono_ns: i64::try_from(clock::mono_ns()).unwrap_or(i64::MAX), wall_ns: clock::wall_ns() }
    }
}
