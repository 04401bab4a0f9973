//! The table, and its row.

use std::sync::Arc;

use crate::linux::name::Name;
use crate::linux::possible::count;
use crate::table::Unit::{Bytes, Count, Milliseconds, Percent};
use crate::table::{Chart, Charts, Formula, Table, Value, counter, derived, entity, gauge, label, label_int};

pub static TABLE: Table<Disk> = Table {
    name: "disk",
    source: "/proc/diskstats",
    doc: "Block devices: one row per tick and whole disk, device-mapper or md device; partitions, loop, ram and zram \
          devices only with `--all-disks`.",
    charts: Charts::Drawn(&[
        Chart::lines("Throughput", &["read_bytes_per_sec", "write_bytes_per_sec"]),
        Chart::lines("Operations", &["read_iops", "write_iops"]),
        Chart::lines("Latency", &["read_latency_ms", "write_latency_ms", "flush_latency_ms"]),
        Chart::lines("Utilisation", &["util_percent"]),
        Chart::lines("Queue", &["queue_length"]),
    ]),
    columns: &[
        entity("device", "The kernel's name, for example `nvme0n1`.", |d: &Disk| d.name.as_str().into()),
        label_int("since", Count, "The number of the reading at which it appeared.", |d: &Disk| d.since.into())
            .tells_apart()
            .hidden(),
        label(
            "name",
            "The name of a device-mapper device when it appeared (`vg0-home`), or the level of an md array (`raid1`); \
             null for other devices.",
            |d: &Disk| d.given.as_deref().into(),
        ),
        counter("read_bytes", Bytes, "Bytes read (sectors of 512).", |d: &Disk| bytes(d.sectors_read))
            .with_rate("read_bytes_per_sec"),
        counter("write_bytes", Bytes, "Bytes written (sectors of 512).", |d: &Disk| bytes(d.sectors_written))
            .with_rate("write_bytes_per_sec"),
        counter("read_count", Count, "Reads completed.", |d: &Disk| d.reads.into()).with_rate("read_iops"),
        counter("write_count", Count, "Writes completed.", |d: &Disk| d.writes.into()).with_rate("write_iops"),
        counter("read_time_ms", Milliseconds, "Sum of the times of all reads, from queueing to completion.", |d| {
            d.read_ms.into()
        }),
        counter("write_time_ms", Milliseconds, "Sum of the times of all writes, from queueing to completion.", |d| {
            d.write_ms.into()
        }),
        derived(
            "read_latency_ms",
            Milliseconds,
            "Mean time of the reads completed in the interval; null if there were none.",
            Formula::ratio(&["read_time_ms"], &["read_count"]),
        )
        .lower_is_better(),
        derived(
            "write_latency_ms",
            Milliseconds,
            "Mean time of the writes completed in the interval; null if there were none.",
            Formula::ratio(&["write_time_ms"], &["write_count"]),
        )
        .lower_is_better(),
        gauge(
            "in_flight",
            Count,
            "Operations issued and not yet completed; null from 2^31 on, where the kernel's count went below zero.",
            |d: &Disk| count(d.in_flight).into(),
        ),
        counter("busy_ms", Milliseconds, "Time with at least one operation in flight.", |d: &Disk| d.busy_ms.into()),
        derived(
            "util_percent",
            Percent,
            "Share of the interval with at least one operation in flight; a disk that works in parallel can do more \
             even at 100.",
            Formula::rate(&["busy_ms"]).times(0.1).at_most(100.0),
        ),
        counter(
            "weighted_ms",
            Milliseconds,
            "Time in flight, summed over all operations, including those still in flight.",
            |d: &Disk| d.weighted_ms.into(),
        )
        .hidden(),
        derived(
            "queue_length",
            Count,
            "Mean number of operations in flight over the interval.",
            Formula::rate(&["weighted_ms"]).times(0.001),
        ),
        counter("read_merges", Count, "Reads merged with one that was already queued.", |d: &Disk| {
            d.read_merges.into()
        }),
        counter("write_merges", Count, "Writes merged with one that was already queued.", |d: &Disk| {
            d.write_merges.into()
        }),
        counter(
            "flush_count",
            Count,
            "Flushes of the disk's own cache completed, mostly for fsync; null before Linux 5.5. Zero for a disk without \
             such a cache.",
            |d: &Disk| d.flushes.into(),
        ),
        counter("flush_time_ms", Milliseconds, "Sum of the times of all flushes.", |d: &Disk| d.flush_ms.into())
            .hidden(),
        derived(
            "flush_latency_ms",
            Milliseconds,
            "Mean time of the flushes completed in the interval; null if there were none.",
            Formula::ratio(&["flush_time_ms"], &["flush_count"]),
        )
        .lower_is_better(),
        counter(
            "discard_count",
            Count,
            "Discards completed: blocks that a file system gave back (TRIM); null before Linux 4.18.",
            |d: &Disk| d.discards.into(),
        ),
        counter("discard_bytes", Bytes, "Bytes discarded (sectors of 512).", |d: &Disk| bytes(d.sectors_discarded)),
        counter("discard_time_ms", Milliseconds, "Sum of the times of all discards.", |d: &Disk| d.discard_ms.into())
            .hidden(),
        derived(
            "discard_latency_ms",
            Milliseconds,
            "Mean time of the discards completed in the interval; null if there were none.",
            Formula::ratio(&["discard_time_ms"], &["discard_count"]),
        )
        .lower_is_better(),
    ],
};

/// The sector size used by the kernel, regardless of the disk's own.
const SECTOR: u64 = 512;

fn bytes(sectors: Option<u64>) -> Value<'static> {
    sectors.and_then(|s| s.checked_mul(SECTOR)).into()
}

/// One line of `/proc/diskstats`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Disk {
    pub name: Name,
    pub reads: Option<u64>,
    pub read_merges: Option<u64>,
    pub sectors_read: Option<u64>,
    pub read_ms: Option<u64>,
    pub writes: Option<u64>,
    pub write_merges: Option<u64>,
    pub sectors_written: Option<u64>,
    pub write_ms: Option<u64>,
    pub in_flight: Option<u64>,
    pub busy_ms: Option<u64>,
    pub weighted_ms: Option<u64>,
    pub discards: Option<u64>,
    pub sectors_discarded: Option<u64>,
    pub discard_ms: Option<u64>,
    pub flushes: Option<u64>,
    pub flush_ms: Option<u64>,
    /// The number of the reading at which it appeared; not part of the line.
    pub since: u64,
    /// The name that it was given, or its level; not part of the line.
    pub given: Option<Arc<str>>,
}

impl Disk {
    pub fn was_used(&self) -> bool {
        self.reads.is_some_and(|n| n > 0) || self.writes.is_some_and(|n| n > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse::tests::{line_of, parsed};
    use super::*;
    use crate::table::sample::{Cell, Sample};

    #[test]
    fn sectors_have_512_bytes() {
        assert_eq!(bytes(Some(3)), 1536i64.into());
        assert_eq!(bytes(Some(u64::MAX)), Value::Null);
        assert_eq!(bytes(None), Value::Null);
    }

    #[test]
    fn in_flight_below_zero_is_null() {
        let catalog = [TABLE.def()];
        let in_flight = |text: &str| {
            let mut sample = Sample::new(&catalog);
            sample.push(&TABLE, &parsed(&line_of("sda").replace(" 0 1 1\n", &format!(" {text} 1 1\n"))).unwrap());
            sample.cells[catalog[0].raw.iter().position(|c| c.name == "in_flight").unwrap()]
        };
        for wrapped in ["4294967295", "4294967290", "18446744073709551615", "-1"] {
            assert_eq!(in_flight(wrapped), Cell::Null, "{wrapped}");
        }
        assert_eq!(in_flight("1024"), Cell::Int(1024));
    }
}
