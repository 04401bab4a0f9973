//! The table, and its row.

use std::sync::Arc;

use super::mountstats::Operation;
use crate::table::Unit::{Bytes, Count, Milliseconds, Nanoseconds};
use crate::table::{Chart, Charts, Formula, Table, counter, derived, entity, flag, label, label_int};

pub static TABLE: Table<NfsRow> = Table {
    name: "nfs",
    source: "/proc/self/mountstats",
    doc: "NFS client: one row per tick, mounted file system and operation that has occurred. Counters begin when the \
          file system is mounted. A file system that is mounted at several places has the rows of the first.",
    charts: Charts::Drawn(&[
        Chart::lines("Operations", &["operations_per_sec"]),
        Chart::lines("Time of an operation", &["execute_latency_ms"]),
        Chart::lines("Time until the server answered", &["rtt_latency_ms"]),
        Chart::lines("Throughput", &["bytes_recv_per_sec", "bytes_sent_per_sec"]),
        Chart::lines("Retransmits", &["retransmits_per_sec"]),
    ]),
    columns: &[
        entity("mountpoint", "Where it is mounted.", |r: &NfsRow| (&*r.mountpoint).into()).separate(),
        entity("operation", "The operation, for example `READ`.", |r: &NfsRow| r.operation.name.as_str().into()),
        label("server", "The server and what it exports, for example `nas:/home`.", |r: &NfsRow| (&*r.server).into()),
        label_int("since_ns", Nanoseconds, "The time of the first reading of this mount.", |r: &NfsRow| {
            r.since_ns.into()
        })
        .tells_apart()
        .hidden(),
        flag(
            "is_new",
            "True in the first row of an operation that occurred for the first time during the recording: its counters \
             began at zero, so their whole value is growth. False in all other rows.",
            |r| r.is_new.into(),
        ),
        counter("operations", Count, "Operations completed.", |r: &NfsRow| r.operation.count.into())
            .with_rate("operations_per_sec"),
        counter("retransmits", Count, "Requests sent again.", |r: &NfsRow| {
            r.operation.sent.saturating_sub(r.operation.count).into()
        })
        .with_rate("retransmits_per_sec")
        .lower_is_better(),
        counter("timeouts", Count, "Times that the server did not answer in time (major timeouts).", |r: &NfsRow| {
            r.operation.timeouts.into()
        })
        .lower_is_better(),
        counter("errors", Count, "Operations that ended with an error; null before Linux 5.3.", |r: &NfsRow| {
            r.operation.errors.into()
        })
        .with_rate("errors_per_sec")
        .lower_is_better(),
        counter("bytes_sent", Bytes, "Bytes of the requests, with their headers.", |r: &NfsRow| {
            r.operation.bytes_sent.into()
        })
        .with_rate("bytes_sent_per_sec"),
        counter("bytes_recv", Bytes, "Bytes of the answers, with their headers.", |r: &NfsRow| {
            r.operation.bytes_recv.into()
        })
        .with_rate("bytes_recv_per_sec"),
        time("queue_time_ms", "Sum of the times before the requests were sent.", |r| r.operation.queue_ms.into()),
        time("rtt_time_ms", "Sum of the times from sending a request to its answer.", |r| r.operation.rtt_ms.into()),
        time("execute_time_ms", "Sum of the times of all operations, from start to end.", |r| {
            r.operation.execute_ms.into()
        }),
        derived(
            "queue_latency_ms",
            Milliseconds,
            "Mean time before a request was sent, of the operations completed in the interval; null if there were none.",
            Formula::ratio(&["queue_time_ms"], &["operations"]),
        )
        .lower_is_better(),
        derived(
            "rtt_latency_ms",
            Milliseconds,
            "Mean time from sending a request to its answer: network and server; null if there were none.",
            Formula::ratio(&["rtt_time_ms"], &["operations"]),
        )
        .lower_is_better(),
        derived(
            "execute_latency_ms",
            Milliseconds,
            "Mean time of an operation as its program saw it; null if there were none.",
            Formula::ratio(&["execute_time_ms"], &["operations"]),
        )
        .lower_is_better(),
    ],
};

const fn time(
    name: &'static str,
    doc: &'static str,
    get: fn(&NfsRow) -> crate::table::Value<'_>,
) -> crate::table::Column<NfsRow> {
    counter(name, Milliseconds, doc, get)
}

/// One row.
#[derive(Debug, PartialEq)]
pub struct NfsRow {
    pub mountpoint: Arc<str>,
    pub server: Arc<str>,
    pub since_ns: u64,
    pub is_new: bool,
    pub operation: Operation,
}
