//! The table `cgroup`.

use std::sync::Arc;

use crate::linux::cgroup::account::Account;
use crate::linux::possible::tasks;
use crate::table::Unit::{Bytes, Count, Microseconds, Percent};
use crate::table::{Column, Formula, Table, counter, derived, entity, flag, gauge};

/// A control group at a tick.
pub struct Row {
    pub cgroup: Arc<str>,
    /// It was made while it was recorded, and this is its first row.
    pub is_new: bool,
    pub account: Account,
}

/// Microseconds per second, in percent.
const PERCENT_OF_US: f64 = 1e-4;

/// The share of the interval in which something waited.
const fn waited(name: &'static str, doc: &'static str, of: &'static [&'static str]) -> Column<Row> {
    derived(name, Percent, doc, Formula::rate(of).times(PERCENT_OF_US).at_most(100.0)).lower_is_better()
}

pub static TABLE: Table<Row> = Table {
    name: "cgroup",
    source: "/sys/fs/cgroup, versions 1 and 2",
    doc: "Control groups: that of the recorded command alone, if it could be given one of its own, and those that \
          `--cgroups` names. Each with the groups below it. What its controllers do not count is null; pressure, and which \
          protections and limits memory met, only version 2 tells.",
    columns: &[
        entity(
            "cgroup",
            "Its path below the mount of its hierarchy, `/` for the root; `command` for that of the recorded command.",
            |r: &Row| (&*r.cgroup).into(),
        ),
        flag(
            "is_new",
            "This is the first row of a group that was made while it was recorded: its counters began at zero, so all that \
             they show is growth. False in all other rows, and for those that were there at the first sample.",
            |r| r.is_new.into(),
        ),
        derived(
            "usage_percent",
            Percent,
            "CPU time over the interval, in percent of one CPU: 250 is two and a half CPUs.",
            Formula::rate(&["usage_us"]).times(PERCENT_OF_US),
        ),
        counter("usage_us", Microseconds, "CPU time, user and system.", |r: &Row| r.account.usage_us.into())
            .at_most_per_sec(Microseconds.most_of_all_cpus()),
        counter("user_us", Microseconds, "CPU time in user mode; in steps of 10 ms in version 1.", |r: &Row| {
            r.account.user_us.into()
        })
        .at_most_per_sec(Microseconds.most_of_all_cpus()),
        counter("system_us", Microseconds, "CPU time in the kernel; in steps of 10 ms in version 1.", |r: &Row| {
            r.account.system_us.into()
        })
        .at_most_per_sec(Microseconds.most_of_all_cpus()),
        derived(
            "throttled_percent",
            Percent,
            "How many of the interval's periods ended with the quota used up; null where there is none.",
            Formula::ratio(&["throttled_periods"], &["periods"]).times(100.0).at_most(100.0),
        )
        .lower_is_better(),
        counter("periods", Count, "Periods in which it ran under a quota of CPU time.", |r: &Row| r.account.periods.into()),
        counter("throttled_periods", Count, "Periods in which it was stopped, the quota being used up.", |r: &Row| {
            r.account.throttled_periods.into()
        })
        .lower_is_better(),
        counter("throttled_us", Microseconds, "Time for which it was stopped so, summed over the CPUs.", |r: &Row| {
            r.account.throttled_us.into()
        })
        .at_most_per_sec(Microseconds.most_of_all_cpus())
        .lower_is_better(),
        gauge("memory_bytes", Bytes, "Memory that it is charged with, file cache included.", |r: &Row| {
            r.account.memory_bytes.into()
        })
        .lower_is_better(),
        gauge(
            "memory_peak_bytes",
            Bytes,
            "The most that it was charged with since it was made, as the kernel noted it; null in version 2 before Linux 5.19.",
            |r: &Row| r.account.memory_peak_bytes.into(),
        )
        .lower_is_better(),
        gauge("memory_limit_bytes", Bytes, "Its own limit; null where it has none.", |r: &Row| {
            r.account.memory_limit_bytes.into()
        }),
        gauge("anon_bytes", Bytes, "Memory that belongs to no file: heaps, stacks.", |r: &Row| {
            r.account.anon_bytes.into()
        })
        .lower_is_better(),
        gauge("file_bytes", Bytes, "File cache, shared memory included.", |r: &Row| r.account.file_bytes.into()),
        gauge("swap_bytes", Bytes, "What of it is swapped out.", |r: &Row| r.account.swap_bytes.into())
            .lower_is_better(),
        counter("low_events", Count, "Times that it was reclaimed from although it was below `memory.low`.", |r: &Row| {
            r.account.low_events.into()
        })
        .lower_is_better(),
        counter("high_events", Count, "Times that it was slowed down for being above `memory.high`.", |r: &Row| {
            r.account.high_events.into()
        })
        .lower_is_better(),
        counter("max_events", Count, "Times that it was about to go beyond its limit.", |r: &Row| {
            r.account.max_events.into()
        })
        .lower_is_better(),
        counter("oom_events", Count, "Times that it had no memory left below its limit.", |r: &Row| {
            r.account.oom_events.into()
        })
        .lower_is_better(),
        counter("oom_kills", Count, "Processes of it that were killed for want of memory.", |r: &Row| {
            r.account.oom_kills.into()
        })
        .lower_is_better(),
        counter(
            "read_bytes",
            Bytes,
            "Bytes read from block devices, summed over them: one that stands upon others counts beside them.",
            |r: &Row| r.account.read_bytes.into(),
        )
        .with_rate("read_bytes_per_sec"),
        counter(
            "write_bytes",
            Bytes,
            "Bytes written to block devices, summed over them; in version 1 without what goes through the file cache.",
            |r: &Row| r.account.write_bytes.into(),
        )
        .with_rate("write_bytes_per_sec"),
        counter("read_count", Count, "Reads of block devices.", |r: &Row| r.account.read_count.into())
            .with_rate("read_iops"),
        counter("write_count", Count, "Writes to block devices.", |r: &Row| r.account.write_count.into())
            .with_rate("write_iops"),
        gauge("pids_current", Count, "Processes and threads.", |r: &Row| tasks(r.account.pids).into()),
        counter("cpu_some_us", Microseconds, "Time in which a task waited for a CPU.", |r: &Row| {
            r.account.cpu_some_us.into()
        })
        .at_most_per_sec(Microseconds.most_of_one())
        .hidden(),
        waited("cpu_some_percent", "Share of the interval in which a task waited for a CPU.", &["cpu_some_us"]),
        counter("memory_some_us", Microseconds, "Time in which a task waited for memory.", |r: &Row| {
            r.account.memory_some_us.into()
        })
        .at_most_per_sec(Microseconds.most_of_one())
        .hidden(),
        waited("memory_some_percent", "Share of the interval in which a task waited for memory.", &["memory_some_us"]),
        counter("memory_full_us", Microseconds, "Time in which all tasks waited for memory.", |r: &Row| {
            r.account.memory_full_us.into()
        })
        .at_most_per_sec(Microseconds.most_of_one())
        .hidden(),
        waited("memory_full_percent", "Share of the interval in which all tasks waited for memory.", &["memory_full_us"]),
        counter("io_some_us", Microseconds, "Time in which a task waited for I/O.", |r: &Row| {
            r.account.io_some_us.into()
        })
        .at_most_per_sec(Microseconds.most_of_one())
        .hidden(),
        waited("io_some_percent", "Share of the interval in which a task waited for I/O.", &["io_some_us"]),
        counter("io_full_us", Microseconds, "Time in which all tasks waited for I/O.", |r: &Row| {
            r.account.io_full_us.into()
        })
        .at_most_per_sec(Microseconds.most_of_one())
        .hidden(),
        waited("io_full_percent", "Share of the interval in which all tasks waited for I/O.", &["io_full_us"]),
    ],
};
