//! The table, and its row.

use crate::collect::stat::CpuTimes;
use crate::linux::possible::tasks;
use crate::table::Unit::{self, Count, Milliseconds, MillisecondsPerSec, Percent};
use crate::table::{Chart, Charts, Formula, Table, counter, derived, gauge, gauge_float, label_int};

/// The parts that add up to the whole time of a CPU. `guest` is not among them: the kernel already counts it in `user`.
/// Uses the steal column that is zero where the kernel does not know steal time, so that the sum has a value.
pub const ALL_MS: &[&str] =
    &["user_ms", "nice_ms", "system_ms", "idle_ms", "iowait_ms", "irq_ms", "softirq_ms", "steal_or_zero_ms"];

pub const BUSY_MS: &[&str] = &["user_ms", "nice_ms", "system_ms", "irq_ms", "softirq_ms", "steal_or_zero_ms"];

/// The hidden column with the limit that only steal time made up by a hypervisor exceeds.
const MAX_MS: &str = "most_ms_per_sec";

/// The hidden column that changes where the sum of idle time is not continuous.
const CPUS: &str = "cpu_changes";

pub static TABLE: Table<CpuRow> = Table {
    name: "cpu",
    source: "/proc/stat, /proc/loadavg",
    doc: "All CPUs together: one row per tick. Percentages are shares of the CPU time in the interval; times are sums \
          over all CPUs. If CPUs were added or removed and the kernel's sum is not continuous, the percentages are \
          null. If steal time decreased, steal_percent is null and the other percentages are shares of the rest.",
    charts: Charts::Drawn(&[
        Chart::shares(
            "CPU time by state",
            &[
                "user_percent",
                "nice_percent",
                "system_percent",
                "irq_percent",
                "softirq_percent",
                "steal_percent",
                "iowait_percent",
            ],
        ),
        Chart::lines("Tasks that run or wait for I/O", &["procs_running", "procs_blocked"]),
        Chart::lines("Load average", &["load1", "load5", "load15"]),
        Chart::lines(
            "Interrupts, context switches and forks",
            &["interrupts_per_sec", "context_switches_per_sec", "forks_per_sec"],
        ),
    ]),
    columns: &[
        derived(
            "usage_percent",
            Percent,
            "Share of all CPU time that was neither idle nor waiting for I/O.",
            Formula::share(BUSY_MS, ALL_MS),
        )
        .lower_is_better(),
        derived(
            "user_percent",
            Percent,
            "Time in user mode. Includes guests that run on this machine, as counted by the kernel.",
            Formula::share(&["user_ms"], ALL_MS),
        ),
        derived(
            "nice_percent",
            Percent,
            "Time in user mode at a lowered priority (nice). Includes niced guests.",
            Formula::share(&["nice_ms"], ALL_MS),
        ),
        derived("system_percent", Percent, "Time in the kernel.", Formula::share(&["system_ms"], ALL_MS)),
        derived("idle_percent", Percent, "Idle time.", Formula::share(&["idle_ms"], ALL_MS)),
        derived(
            "iowait_percent",
            Percent,
            "Idle time while a task of this CPU waited for a disk.",
            Formula::share(&["iowait_ms"], ALL_MS),
        )
        .lower_is_better(),
        derived("irq_percent", Percent, "Time handling interrupts.", Formula::share(&["irq_ms"], ALL_MS)),
        derived("softirq_percent", Percent, "Time handling softirqs.", Formula::share(&["softirq_ms"], ALL_MS)),
        derived(
            "steal_percent",
            Percent,
            "Time in which the CPU was ready to run but the hypervisor ran others; null before Linux 2.6.11.",
            Formula::share(&["steal_ms"], ALL_MS),
        )
        .lower_is_better(),
        derived(
            "guest_percent",
            Percent,
            "Time running a guest, also counted in user_percent; null before Linux 2.6.24.",
            Formula::share(&["guest_ms"], ALL_MS),
        ),
        counter("user_ms", Milliseconds, "Time in user mode since boot, including guests.", |c: &CpuRow| {
            c.times.user.into()
        }),
        counter(
            "nice_ms",
            Milliseconds,
            "Time in user mode at a lowered priority (nice), including niced guests.",
            |c: &CpuRow| c.times.nice.into(),
        ),
        counter("system_ms", Milliseconds, "Time in the kernel.", |c: &CpuRow| c.times.system.into()),
        counter("idle_ms", Milliseconds, "Idle time; the kernel sometimes lets it decrease slightly.", |c: &CpuRow| {
            c.times.idle.into()
        })
        .wobbles()
        .while_same(CPUS),
        counter(
            "iowait_ms",
            Milliseconds,
            "Idle time while a task waited for a disk; the kernel sometimes lets it decrease slightly.",
            |c: &CpuRow| c.times.iowait.into(),
        )
        .wobbles()
        .while_same(CPUS),
        counter("irq_ms", Milliseconds, "Time handling interrupts.", |c: &CpuRow| c.times.irq.into()),
        counter("softirq_ms", Milliseconds, "Time handling softirqs.", |c: &CpuRow| c.times.softirq.into()),
        counter(
            "steal_ms",
            Milliseconds,
            "Time that the hypervisor gave to others; null before Linux 2.6.11.",
            |c: &CpuRow| c.times.steal.into(),
        )
        .limited_by(MAX_MS),
        counter(
            "guest_ms",
            Milliseconds,
            "Time running a guest, also in user_ms; null before Linux 2.6.24.",
            |c: &CpuRow| c.times.guest.into(),
        ),
        counter("steal_or_zero_ms", Milliseconds, "steal_ms for sums: zero where steal_ms is null.", |c: &CpuRow| {
            c.times.steal_or_zero().into()
        })
        .unsteady()
        .limited_by(MAX_MS)
        .hidden(),
        gauge(MAX_MS, MillisecondsPerSec, "An upper limit above the time of all CPUs.", |c: &CpuRow| {
            c.most_ms_per_sec.into()
        })
        .hidden(),
        label_int(CPUS, Count, "How often the sum of idle time was not continuous.", |c: &CpuRow| c.cpu_changes.into())
            .hidden(),
        counter(
            "interrupts",
            Count,
            "Interrupts handled since boot, without softirqs: the total in line `intr` of /proc/stat, the same as in \
             psutil and vmstat.",
            |c: &CpuRow| c.interrupts.into(),
        )
        .with_rate("interrupts_per_sec"),
        counter("context_switches", Count, "Context switches since boot.", |c: &CpuRow| c.context_switches.into())
            .with_rate("context_switches_per_sec"),
        counter("forks", Count, "Processes and threads started since boot.", |c: &CpuRow| c.forks.into())
            .with_rate("forks_per_sec"),
        gauge(
            "procs_running",
            Count,
            "Tasks that were running or ready to run when the tick began, without the recorder itself, which always \
             runs then: procs_running of /proc/stat minus 1. Includes others that wake at the same multiples of the \
             interval (a second recorder, timers at whole seconds).",
            |c: &CpuRow| c.others_running().into(),
        ),
        gauge("procs_blocked", Count, "Tasks waiting for I/O.", |c: &CpuRow| tasks(c.procs_blocked).into())
            .lower_is_better(),
        gauge_float("load1", Unit::None, "Load average over 1 minute.", |c: &CpuRow| c.load[0].into()),
        gauge_float("load5", Unit::None, "Load average over 5 minutes.", |c: &CpuRow| c.load[1].into()),
        gauge_float("load15", Unit::None, "Load average over 15 minutes.", |c: &CpuRow| c.load[2].into()),
    ],
};

#[derive(Debug, Default, PartialEq)]
pub struct CpuRow {
    pub times: CpuTimes,
    pub interrupts: Option<u64>,
    pub context_switches: Option<u64>,
    pub forks: Option<u64>,
    pub procs_running: Option<u64>,
    pub procs_blocked: Option<u64>,
    pub load: [Option<f64>; 3],
    pub cpu_changes: i64,
    pub most_ms_per_sec: Option<i64>,
}

impl CpuRow {
    /// The process that reads the file is running, so the kernel always counts it.
    pub fn others_running(&self) -> Option<u64> {
        tasks(self.procs_running).map(|n| n.saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse::parse;
    use super::super::parse::tests::{HZ, LINUX_6};
    use super::*;
    use crate::table::sample::{Cell, Sample};

    #[test]
    fn impossible_numbers_of_tasks() {
        let text = LINUX_6
            .replace("procs_running 3", "procs_running 0")
            .replace("procs_blocked 1", "procs_blocked 4294967295");
        let cpu = parse(text.as_bytes(), HZ).unwrap();
        assert_eq!(cpu.others_running(), Some(0));
        let catalog = [TABLE.def()];
        let mut sample = Sample::new(&catalog);
        sample.push(&TABLE, &[cpu]);
        let blocked = catalog[0].raw.iter().position(|c| c.name == "procs_blocked").unwrap();
        assert_eq!(sample.cells[blocked], Cell::Null);
    }

    #[test]
    fn columns_are_in_the_documented_order() {
        let def = TABLE.def();
        let names: Vec<_> = def.stored.iter().map(|c| c.name).collect();
        let expected = "usage_percent user_percent nice_percent system_percent idle_percent iowait_percent irq_percent \
                        softirq_percent steal_percent guest_percent user_ms nice_ms system_ms idle_ms iowait_ms irq_ms \
                        softirq_ms steal_ms guest_ms interrupts interrupts_per_sec context_switches \
                        context_switches_per_sec forks forks_per_sec procs_running procs_blocked load1 load5 load15";
        assert_eq!(names, expected.split_whitespace().collect::<Vec<_>>());
    }
}
