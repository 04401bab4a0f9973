//! The table `command`, and the sums over the processes of a command.

use super::process_table::KnownProcess;
use super::rows::in_milliseconds;
use super::waits::{Waited, sum};
use crate::linux::process::stat::TicksUsed;
use crate::table::Unit::{Bytes, Count, Microseconds, Milliseconds, Percent};
use crate::table::{Chart, Charts, Formula, Table, counter, derived, gauge};
use crate::workload::command::Used;

/// The recorded command with all its descendants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TreeUsage {
    pub processes: u64,
    /// Processes that have ended and were not waited for yet.
    pub zombies: u64,
    pub threads: u64,
    pub cpu_us: u64,
    pub user_ms: u64,
    pub system_ms: u64,
    pub rss_bytes: u64,
    pub minor_faults: u64,
    pub major_faults: u64,
    pub read_bytes: u64,
    pub write_bytes: u64,
    /// For a CPU. `None` if the kernel does not count it.
    pub wait_us: Option<u64>,
    /// `None` if it was not read at this tick.
    pub pss_bytes: Option<u64>,
}

pub static COMMAND: Table<TreeUsage> = Table {
    name: "command",
    source: "/proc/PID/stat, statm, io; task/TID/schedstat; wait4; cpu.stat of its control group",
    doc: "The recorded command and all its descendants, including children of children, processes that left its \
          session, and orphans: sums over the tree, including processes that have ended, from its exec on. CPU time is \
          that of its control group if it has one; otherwise the time of ended children has steps of 10 ms. For \
          children that nobody waits for (their parent ignores SIGCHLD), the values of the last tick before their end.",
    charts: Charts::Drawn(&[
        Chart::lines("CPU time, in percent of one CPU", &["usage_percent"]),
        Chart::lines("Waiting for a CPU, in percent of the time of one thread", &["wait_percent"]),
        Chart::lines("Resident memory, summed over the processes", &["rss_bytes"]),
        Chart::lines("Storage I/O", &["read_bytes_per_sec", "write_bytes_per_sec"]),
        Chart::lines("Processes and threads", &["processes", "threads"]),
        Chart::lines("Page faults", &["minor_faults_per_sec", "major_faults_per_sec"]),
    ]),
    columns: &[
        gauge("processes", Count, "Processes, including ended ones not yet waited for.", |t: &TreeUsage| {
            t.processes.into()
        }),
        gauge("threads", Count, "Threads of these processes.", |t: &TreeUsage| t.threads.into()),
        counter("cpu_us", Microseconds, "CPU time, user and system.", |t: &TreeUsage| t.cpu_us.into()).hidden(),
        derived(
            "usage_percent",
            Percent,
            "CPU time in the interval, in percent of one CPU: 250 means two and a half CPUs.",
            Formula::rate(&["cpu_us"]).times(0.0001),
        ),
        counter("user_ms", Milliseconds, "CPU time in user mode.", |t: &TreeUsage| t.user_ms.into()),
        counter("system_ms", Milliseconds, "CPU time in the kernel.", |t: &TreeUsage| t.system_ms.into()),
        gauge(
            "rss_bytes",
            Bytes,
            "Resident memory, summed over the processes. Shared pages are counted for each process, so this is an \
             upper bound. Null when all have ended.",
            |t: &TreeUsage| (t.processes > t.zombies).then_some(t.rss_bytes).into(),
        )
        .lower_is_better(),
        counter("minor_faults", Count, "Page faults that needed no reading.", |t: &TreeUsage| t.minor_faults.into())
            .with_rate("minor_faults_per_sec"),
        counter("major_faults", Count, "Page faults that read from storage.", |t: &TreeUsage| t.major_faults.into())
            .with_rate("major_faults_per_sec"),
        counter("read_bytes", Bytes, "Bytes read from storage.", |t: &TreeUsage| t.read_bytes.into())
            .with_rate("read_bytes_per_sec"),
        counter("write_bytes", Bytes, "Bytes written to storage.", |t: &TreeUsage| t.write_bytes.into())
            .with_rate("write_bytes_per_sec"),
        counter("wait_us", Microseconds, "As wait_ms.", |t: &TreeUsage| t.wait_us.into()).hidden(),
        counter(
            "wait_ms",
            Milliseconds,
            "Time in which its threads could run, and no CPU ran them, summed: as wait_ms in process. Of processes that \
             ended, and were not the command itself, what was seen at the last tick before.",
            |t: &TreeUsage| t.wait_us.map(|us| us / 1000).into(),
        ),
        derived(
            "wait_percent",
            Percent,
            "Time in which its threads waited for a CPU, in percent of the interval: 250 means two and a half threads.",
            Formula::rate(&["wait_us"]).times(0.0001),
        )
        .lower_is_better(),
        gauge(
            "pss_bytes",
            Bytes,
            "Proportional memory, summed over the processes: shared pages count once. Only with --pss, and in the rows for \
             which it was read.",
            |t: &TreeUsage| t.pss_bytes.into(),
        )
        .lower_is_better(),
    ],
};

impl TreeUsage {
    /// A process with the children that it waited for.
    pub fn from_process(process: &KnownProcess, page_size: u64) -> TreeUsage {
        let KnownProcess { stat, io, .. } = process;
        let (own, children) = (&stat.own, &stat.children);
        let both = |ticks: fn(&TicksUsed) -> u64| in_milliseconds(ticks(own) + ticks(children));
        let ticks_us = |usage: &TicksUsed| 1000 * in_milliseconds(usage.user_ticks + usage.system_ticks);
        let io = io.unwrap_or_default();
        TreeUsage {
            processes: 1,
            zombies: (stat.state == b'Z').into(),
            threads: stat.threads,
            cpu_us: process.cpu_ns.map_or_else(|| ticks_us(own), |ns| ns / 1000) + ticks_us(children),
            user_ms: both(|usage| usage.user_ticks),
            system_ms: both(|usage| usage.system_ticks),
            rss_bytes: stat.rss_pages.saturating_mul(page_size),
            minor_faults: own.minor_faults + children.minor_faults,
            major_faults: own.major_faults + children.major_faults,
            read_bytes: io.read_bytes,
            write_bytes: io.write_bytes,
            wait_us: process.waits.sum().map(|waited| waited.cpu_ns / 1000),
            pss_bytes: process.pss_bytes,
        }
    }

    /// A process that ended, by the usage reported to its parent.
    pub fn ended(used: &Used) -> TreeUsage {
        TreeUsage {
            cpu_us: used.user_us + used.system_us,
            user_ms: used.user_us / 1000,
            system_ms: used.system_us / 1000,
            minor_faults: used.minor_faults,
            major_faults: used.major_faults,
            read_bytes: used.read_bytes,
            write_bytes: used.write_bytes,
            ..TreeUsage::default()
        }
    }

    /// With what processes had waited that have ended.
    pub fn and_waited(self, ended: &Waited, before_us: u64) -> TreeUsage {
        let wait_us = self.wait_us.map(|us| (us + ended.cpu_ns / 1000).saturating_sub(before_us));
        TreeUsage { wait_us, ..self }
    }

    /// The same in the form of `wait4`.
    pub fn used(&self, max_rss_bytes: u64) -> Used {
        Used {
            user_us: 1000 * self.user_ms,
            system_us: 1000 * self.system_ms,
            max_rss_bytes,
            minor_faults: self.minor_faults,
            major_faults: self.major_faults,
            read_bytes: self.read_bytes,
            write_bytes: self.write_bytes,
            ..Used::default()
        }
    }

    /// Without what the command's process used before the exec of the command.
    pub fn without(self, before: &Used) -> TreeUsage {
        TreeUsage {
            cpu_us: self.cpu_us.saturating_sub(before.user_us + before.system_us),
            minor_faults: self.minor_faults.saturating_sub(before.minor_faults),
            major_faults: self.major_faults.saturating_sub(before.major_faults),
            ..self
        }
    }

    /// Uses the CPU time (in total, in user mode, in the kernel) of the control group, in microseconds: for ended
    /// children the kernel reports steps of 10 ms. Processes may have left the group. Then its CPU time is lower than
    /// the sum by more than the time that running processes on this many CPUs can have used since the last accounting,
    /// and it is not used.
    pub fn refined(self, group: [Option<u64>; 3], cpus: u64) -> TreeUsage {
        const BEHIND_US: u64 = 10_000;
        let [Some(cpu_us), user_us, system_us] = group else { return self };
        if cpu_us + cpus * BEHIND_US < self.cpu_us {
            return self;
        }
        TreeUsage {
            cpu_us: self.cpu_us.max(cpu_us),
            user_ms: user_us.map_or(self.user_ms, |us| us / 1000),
            system_ms: system_us.map_or(self.system_ms, |us| us / 1000),
            ..self
        }
    }

    /// Limits the CPU time to what this many CPUs can provide. The kernel reports the time of children in steps of 10
    /// ms, which in a shorter interval can exceed that; the excess is reported at the next tick.
    pub fn within(self, before: &TreeUsage, cpus: u64, elapsed_us: u64) -> TreeUsage {
        TreeUsage { cpu_us: self.cpu_us.min(before.cpu_us + cpus * elapsed_us), ..self }
    }

    /// Without its usage.
    pub fn levels(self) -> TreeUsage {
        let TreeUsage { processes, zombies, threads, rss_bytes, wait_us, pss_bytes, .. } = self;
        TreeUsage { processes, zombies, threads, rss_bytes, wait_us, pss_bytes, ..TreeUsage::default() }
    }

    pub fn add(&mut self, more: &TreeUsage) {
        self.processes += more.processes;
        self.zombies += more.zombies;
        self.threads += more.threads;
        self.cpu_us += more.cpu_us;
        self.user_ms += more.user_ms;
        self.system_ms += more.system_ms;
        self.rss_bytes += more.rss_bytes;
        self.minor_faults += more.minor_faults;
        self.major_faults += more.major_faults;
        self.read_bytes += more.read_bytes;
        self.write_bytes += more.write_bytes;
        self.wait_us = sum(self.wait_us, more.wait_us);
        self.pss_bytes = sum(self.pss_bytes, more.pss_bytes);
    }

    /// Never less than before: when a parent that takes over the usage of a process was read before the end of that
    /// process, the usage is briefly in no sum.
    pub fn at_least(self, before: &TreeUsage) -> TreeUsage {
        TreeUsage {
            cpu_us: self.cpu_us.max(before.cpu_us),
            user_ms: self.user_ms.max(before.user_ms),
            system_ms: self.system_ms.max(before.system_ms),
            minor_faults: self.minor_faults.max(before.minor_faults),
            major_faults: self.major_faults.max(before.major_faults),
            read_bytes: self.read_bytes.max(before.read_bytes),
            write_bytes: self.write_bytes.max(before.write_bytes),
            wait_us: self.wait_us.max(before.wait_us),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_the_group_is_used_unless_a_process_left_it() {
        let tree = TreeUsage { cpu_us: 20_000, user_ms: 20, system_ms: 0, processes: 1, ..TreeUsage::default() };
        let with = |cpu_us, user_ms, system_ms| TreeUsage { cpu_us, user_ms, system_ms, ..tree };
        assert_eq!(tree.refined([Some(27_999), Some(21_500), Some(6_499)], 1), with(27_999, 21, 6));
        // The CPU time of a running process is added at the kernel's next tick.
        assert_eq!(tree.refined([Some(19_000), Some(15_000), Some(4000)], 1), with(20_000, 15, 4));
        assert_eq!(tree.refined([Some(9_000), Some(9_000), Some(0)], 1), tree, "a process left it");
        assert_eq!(tree.refined([None, Some(1), Some(1)], 1), tree);
        assert_eq!(tree.refined([Some(21_000), None, None], 1), with(21_000, 20, 0), "version 1 without cpuacct.stat");
    }
}
