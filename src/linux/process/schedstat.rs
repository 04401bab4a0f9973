//! `/proc/PID/task/TID/schedstat`: how long a thread waited for a CPU. `/proc/PID/schedstat` is that of the first thread.

use crate::linux::scan::{number, words};

/// What the scheduler counted for a thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Schedstat {
    /// Time in which it could run, and no CPU ran it.
    pub wait_ns: u64,
    /// How often it was given a CPU.
    pub runs: u64,
}

impl Schedstat {
    /// Three numbers: time on a CPU, time waiting for one, runs. `None` if the kernel does not count: it then prints
    /// zeros, also for a thread that ran.
    pub fn parse(text: &[u8]) -> Option<Schedstat> {
        let mut numbers = words(text.trim_ascii_end()).map(number);
        let (_, wait_ns, runs) = (numbers.next()?, numbers.next()??, numbers.next()??);
        (runs > 0).then_some(Schedstat { wait_ns, runs })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_number_is_the_wait() {
        let parsed = |text: &str| Schedstat::parse(text.as_bytes());
        assert_eq!(parsed("81723943 1386558 12\n"), Some(Schedstat { wait_ns: 1_386_558, runs: 12 }));
        for bad in ["0 0 0\n", "", "5\n", "5 6\n", "5 x 7\n", "5 6 -7\n"] {
            assert_eq!(parsed(bad), None, "{bad}");
        }
    }
}
