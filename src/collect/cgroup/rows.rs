//! The table `cgroup`.

use std::sync::Arc;

use super::names::Named;
use crate::linux::cgroup::account::Account;
use crate::linux::cgroup::container::Container;
use crate::linux::possible::tasks;
use crate::table::Unit::{Bytes, Count, Microseconds, Percent};
use crate::table::{Chart, Charts, Column, Formula, Table, counter, derived, entity, flag, gauge, label};

/// A control group at a tick.
pub struct CgroupRow {
    pub cgroup: Arc<str>,
    /// It was created during the recording, and this is its first row.
    pub is_new: bool,
    /// The container that it belongs to.
    pub named: Option<Arc<Named>>,
    pub account: Account,
}

impl CgroupRow {
    fn container(&self) -> Option<&Container> {
        self.named.as_deref().map(|named| &named.container)
    }
}

/// Microseconds per second, in percent.
const PERCENT_OF_US: f64 = 1e-4;

/// The share of the interval in which something waited.
const fn waited(name: &'static str, doc: &'static str, of: &'static [&'static str]) -> Column<CgroupRow> {
    derived(name, Percent, doc, Formula::rate(of).times(PERCENT_OF_US).at_most(100.0)).lower_is_better()
}

pub static TABLE: Table<CgroupRow> = Table {
    name: "cgroup",
    source: "/sys/fs/cgroup, versions 1 and 2",
    doc: "Control groups: the group of the recorded command, if it could be given its own, and those named by \
          `--cgroups`. Each includes the groups below it. Values that its controllers do not count are null. Pressure, \
          and the events of memory protections and limits, exist only in version 2.",
    charts: Charts::Drawn(&[
        Chart::lines("CPU time, in percent of one CPU", &["usage_percent"]),
        Chart::lines("Periods in which the quota stopped the group", &["throttled_percent"]),
        Chart::lines("Memory", &["memory_bytes", "anon_bytes", "file_bytes"]),
        Chart::lines("I/O", &["read_bytes_per_sec", "write_bytes_per_sec"]),
        Chart::lines("Time in which a task waited", &["cpu_some_percent", "memory_some_percent", "io_some_percent"]),
    ]),
    columns: &[
        entity(
            "cgroup",
            "Path of the group below the mount of its hierarchy, `/` for the root; `command` for the group of the \
             recorded command.",
            |r: &CgroupRow| (&*r.cgroup).into(),
        )
        .separate(),
        label(
            "container_id",
            "Identifier of the container that the group is, or is part of, as its path says; null for other groups.",
            |r: &CgroupRow| r.container().and_then(|container| container.id.as_deref()).into(),
        ),
        label(
            "container_name",
            "Name of the container, from files of its runtime on this machine: as in `docker ps`; of Kubernetes \
             `NAMESPACE/POD/CONTAINER`. Null where there is none, or the files may not be read.",
            |r: &CgroupRow| r.named.as_deref().and_then(|named| named.name.as_deref()).into(),
        ),
        label("pod_uid", "UID of the pod of Kubernetes, as the path says.", |r: &CgroupRow| {
            r.container().and_then(|container| container.pod_uid.as_deref()).into()
        }),
        flag(
            "is_new",
            "True in the first row of a group that was created during the recording: its counters began at zero, so \
             their whole value is growth. False in all other rows, and for groups that existed at the first sample.",
            |r| r.is_new.into(),
        ),
        derived(
            "usage_percent",
            Percent,
            "CPU time in the interval, in percent of one CPU: 250 means two and a half CPUs.",
            Formula::rate(&["usage_us"]).times(PERCENT_OF_US),
        ),
        counter("usage_us", Microseconds, "CPU time, user and system.", |r: &CgroupRow| r.account.usage_us.into())
            .at_most_per_sec(Microseconds.most_of_all_cpus()),
        counter("user_us", Microseconds, "CPU time in user mode; in steps of 10 ms in version 1.", |r: &CgroupRow| {
            r.account.user_us.into()
        })
        .at_most_per_sec(Microseconds.most_of_all_cpus()),
        counter(
            "system_us",
            Microseconds,
            "CPU time in the kernel; in steps of 10 ms in version 1.",
            |r: &CgroupRow| r.account.system_us.into(),
        )
        .at_most_per_sec(Microseconds.most_of_all_cpus()),
        derived(
            "throttled_percent",
            Percent,
            "Share of the periods in the interval that ended with the quota used up; null without a quota.",
            Formula::ratio(&["throttled_periods"], &["periods"]).times(100.0).at_most(100.0),
        )
        .lower_is_better(),
        counter("periods", Count, "Periods with a quota of CPU time.", |r: &CgroupRow| r.account.periods.into()),
        counter("throttled_periods", Count, "Periods in which the quota stopped the group.", |r: &CgroupRow| {
            r.account.throttled_periods.into()
        })
        .lower_is_better(),
        counter(
            "throttled_us",
            Microseconds,
            "Time in which the quota stopped the group, summed over the CPUs.",
            |r: &CgroupRow| r.account.throttled_us.into(),
        )
        .at_most_per_sec(Microseconds.most_of_all_cpus())
        .lower_is_better(),
        gauge("memory_bytes", Bytes, "Memory charged to the group, including file cache.", |r: &CgroupRow| {
            r.account.memory_bytes.into()
        })
        .lower_is_better(),
        gauge(
            "memory_peak_bytes",
            Bytes,
            "The most memory charged to the group since its creation, as noted by the kernel; null in version 2 before \
             Linux 5.19.",
            |r: &CgroupRow| r.account.memory_peak_bytes.into(),
        )
        .lower_is_better(),
        gauge("memory_limit_bytes", Bytes, "The group's own limit; null without one.", |r: &CgroupRow| {
            r.account.memory_limit_bytes.into()
        }),
        gauge("anon_bytes", Bytes, "Memory not backed by files: heaps, stacks.", |r: &CgroupRow| {
            r.account.anon_bytes.into()
        })
        .lower_is_better(),
        gauge("file_bytes", Bytes, "File cache, including shared memory.", |r: &CgroupRow| r.account.file_bytes.into()),
        gauge("swap_bytes", Bytes, "Memory of the group that is swapped out.", |r: &CgroupRow| {
            r.account.swap_bytes.into()
        })
        .lower_is_better(),
        counter("low_events", Count, "Reclaims although the group was below `memory.low`.", |r: &CgroupRow| {
            r.account.low_events.into()
        })
        .lower_is_better(),
        counter("high_events", Count, "Slowdowns because the group was above `memory.high`.", |r: &CgroupRow| {
            r.account.high_events.into()
        })
        .lower_is_better(),
        counter(
            "max_events",
            Count,
            "Number of times that the group was about to exceed its limit.",
            |r: &CgroupRow| r.account.max_events.into(),
        )
        .lower_is_better(),
        counter(
            "oom_events",
            Count,
            "Number of times that the group had no memory left below its limit.",
            |r: &CgroupRow| r.account.oom_events.into(),
        )
        .lower_is_better(),
        counter(
            "oom_kills",
            Count,
            "Processes of the group that were killed because of lack of memory.",
            |r: &CgroupRow| r.account.oom_kills.into(),
        )
        .lower_is_better(),
        counter(
            "read_bytes",
            Bytes,
            "Bytes read from block devices, summed over all devices: a device on top of others is counted in addition \
             to them.",
            |r: &CgroupRow| r.account.read_bytes.into(),
        )
        .with_rate("read_bytes_per_sec"),
        counter(
            "write_bytes",
            Bytes,
            "Bytes written to block devices, summed over all devices; in version 1 without writes through the file \
             cache.",
            |r: &CgroupRow| r.account.write_bytes.into(),
        )
        .with_rate("write_bytes_per_sec"),
        counter("read_count", Count, "Reads from block devices.", |r: &CgroupRow| r.account.read_count.into())
            .with_rate("read_iops"),
        counter("write_count", Count, "Writes to block devices.", |r: &CgroupRow| r.account.write_count.into())
            .with_rate("write_iops"),
        gauge("pids_current", Count, "Processes and threads.", |r: &CgroupRow| tasks(r.account.pids).into()),
        counter("cpu_some_us", Microseconds, "Time in which at least one task waited for a CPU.", |r: &CgroupRow| {
            r.account.cpu_some_us.into()
        })
        .at_most_per_sec(Microseconds.most_of_one())
        .hidden(),
        waited(
            "cpu_some_percent",
            "Share of the interval in which at least one task waited for a CPU.",
            &["cpu_some_us"],
        ),
        counter(
            "memory_some_us",
            Microseconds,
            "Time in which at least one task waited for memory.",
            |r: &CgroupRow| r.account.memory_some_us.into(),
        )
        .at_most_per_sec(Microseconds.most_of_one())
        .hidden(),
        waited(
            "memory_some_percent",
            "Share of the interval in which at least one task waited for memory.",
            &["memory_some_us"],
        ),
        counter("memory_full_us", Microseconds, "Time in which all tasks waited for memory.", |r: &CgroupRow| {
            r.account.memory_full_us.into()
        })
        .at_most_per_sec(Microseconds.most_of_one())
        .hidden(),
        waited(
            "memory_full_percent",
            "Share of the interval in which all tasks waited for memory.",
            &["memory_full_us"],
        ),
        counter("io_some_us", Microseconds, "Time in which at least one task waited for I/O.", |r: &CgroupRow| {
            r.account.io_some_us.into()
        })
        .at_most_per_sec(Microseconds.most_of_one())
        .hidden(),
        waited("io_some_percent", "Share of the interval in which at least one task waited for I/O.", &["io_some_us"]),
        counter("io_full_us", Microseconds, "Time in which all tasks waited for I/O.", |r: &CgroupRow| {
            r.account.io_full_us.into()
        })
        .at_most_per_sec(Microseconds.most_of_one())
        .hidden(),
        waited("io_full_percent", "Share of the interval in which all tasks waited for I/O.", &["io_full_us"]),
    ],
};
