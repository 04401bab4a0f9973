//! The state of the recorded command that the session and the collectors share.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock};

use crate::linux::cgroup::Own;

/// The recorded command with all its descendants, including those that left its session or lost their parent.
#[derive(Debug)]
pub struct RecordedCommand {
    pub pid: u32,
    /// The control group that was created for it.
    pub cgroup: Own,
    /// Orphans that ended, for which we waited.
    pub adopted: Mutex<Adopted>,
    /// What the samples saw of the process tree.
    pub seen: Mutex<Seen>,
    /// Is it running? Only then can new orphans be its descendants. Before and after, they belong to steps.
    runs: AtomicBool,
    before: OnceLock<Before>,
}

/// What the accounts contain when the command begins: its process was forked, and waited, as a part of the recorder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Before {
    pub process: Used,
    /// CPU time of its control group: total, in user mode, in the kernel.
    pub cgroup_us: [Option<u64>; 3],
    /// How long its process waited for a CPU.
    pub wait_us: u64,
}

impl RecordedCommand {
    pub fn new(pid: u32, cgroup: Own) -> RecordedCommand {
        RecordedCommand {
            pid,
            cgroup,
            adopted: Mutex::default(),
            seen: Mutex::default(),
            runs: AtomicBool::new(false),
            before: OnceLock::new(),
        }
    }

    pub fn set_running(&self, runs: bool) {
        self.runs.store(runs, Relaxed);
    }

    /// Call this when it begins. `before`: what its accounts contain already.
    pub fn begin(&self, before: Before) {
        let _ = self.before.set(before);
        self.set_running(true);
    }

    /// `None` if it has not begun.
    pub fn before(&self) -> Option<&Before> {
        self.before.get()
    }

    pub fn is_running(&self) -> bool {
        self.runs.load(Relaxed)
    }
}

/// Orphans that ended.
#[derive(Debug, Default)]
pub struct Adopted {
    /// What they used.
    pub used: Used,
    /// The pids of those reaped since the last tick, which may have seen them alive.
    pub since_tick: Vec<u32>,
}

/// The resources that processes used, as the kernel reports them to the process that waits for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    pub user_us: u64,
    pub system_us: u64,
    /// The largest value of a single process.
    pub max_rss_bytes: u64,
    pub minor_faults: u64,
    pub major_faults: u64,
    pub voluntary_switches: u64,
    pub involuntary_switches: u64,
    pub read_bytes: u64,
    pub write_bytes: u64,
}

impl Used {
    /// Subtracts what was used before. CPU time is exact only as a whole; its division into user and system time is an
    /// estimate. Before its exec, a process is mostly in the kernel.
    pub fn without(&self, before: &Used) -> Used {
        let cpu_us = before.user_us + before.system_us;
        let system_us = self.system_us.saturating_sub(cpu_us);
        let by_user_us = cpu_us.saturating_sub(self.system_us);
        Used {
            user_us: self.user_us.saturating_sub(by_user_us),
            system_us,
            minor_faults: self.minor_faults.saturating_sub(before.minor_faults),
            major_faults: self.major_faults.saturating_sub(before.major_faults),
            voluntary_switches: self.voluntary_switches.saturating_sub(before.voluntary_switches),
            involuntary_switches: self.involuntary_switches.saturating_sub(before.involuntary_switches),
            read_bytes: self.read_bytes.saturating_sub(before.read_bytes),
            write_bytes: self.write_bytes.saturating_sub(before.write_bytes),
            max_rss_bytes: self.max_rss_bytes,
        }
    }

    pub fn add(&mut self, more: &Used) {
        self.user_us += more.user_us;
        self.system_us += more.system_us;
        self.max_rss_bytes = self.max_rss_bytes.max(more.max_rss_bytes);
        self.minor_faults += more.minor_faults;
        self.major_faults += more.major_faults;
        self.voluntary_switches += more.voluntary_switches;
        self.involuntary_switches += more.involuntary_switches;
        self.read_bytes += more.read_bytes;
        self.write_bytes += more.write_bytes;
    }
}

/// What the samples saw of a command's process tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Peak of the memory of all processes at one tick; shared pages count once per process.
    pub rss_sum_peak_bytes: u64,
    /// Peak memory of a single process, as reported by the kernel.
    pub max_rss_bytes: u64,
    pub processes_peak: u64,
    /// The other processes that were alive at the last tick, by pid, and what they had used.
    pub living: Vec<(u32, Used)>,
    /// Pids of processes that had ended at the last tick, but were not reaped yet.
    pub ended: Vec<u32>,
    /// How long the processes waited for a CPU, those that ended as well; `None` if the kernel does not count it.
    pub wait_us: Option<u64>,
    /// What all packages and their memory consumed since the command began, in microjoules; `None` without counters.
    pub energy_uj: Option<u64>,
    /// Last seen values of processes that no parent waited for, so that no account contains them.
    pub by_disowned: Used,
}

impl Seen {
    /// Did this process belong to the command at the last tick?
    pub fn has(&self, pid: u32) -> bool {
        self.ended.contains(&pid) || self.living.iter().any(|(seen, _)| *seen == pid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_and_the_largest() {
        let one = Used {
            user_us: 1,
            system_us: 2,
            max_rss_bytes: 50,
            minor_faults: 3,
            major_faults: 4,
            voluntary_switches: 5,
            involuntary_switches: 6,
            read_bytes: 7,
            write_bytes: 8,
        };
        let mut sum = one;
        sum.add(&Used { max_rss_bytes: 40, ..one });
        let twice = Used {
            user_us: 2,
            system_us: 4,
            max_rss_bytes: 50,
            minor_faults: 6,
            major_faults: 8,
            voluntary_switches: 10,
            involuntary_switches: 12,
            read_bytes: 14,
            write_bytes: 16,
        };
        assert_eq!(sum, twice);
        assert_eq!(twice.without(&one), Used { max_rss_bytes: 50, user_us: 2, system_us: 1, ..one });
    }

    #[test]
    fn what_was_used_before_is_subtracted_from_the_whole() {
        let of = |user_us, system_us| Used { user_us, system_us, ..Used::default() };
        // For a short command, the kernel reports all CPU time as one or the other.
        assert_eq!(of(1150, 0).without(&of(0, 400)), of(750, 0));
        assert_eq!(of(0, 1150).without(&of(0, 400)), of(0, 750));
        assert_eq!(of(1000, 150).without(&of(300, 100)), of(750, 0));
        assert_eq!(of(10, 20).without(&of(0, 400)), Used::default());
    }
}
