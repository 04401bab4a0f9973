//! The tables, and their rows.

use std::borrow::Cow;

use super::parse::Server;
use crate::table::Unit::{Bytes, Count};
use crate::table::{Chart, Charts, Table, counter, entity, flag, gauge};

pub static SERVER: Table<Server> = Table {
    name: "nfs_server",
    source: "/proc/net/rpc/nfsd",
    doc: "NFS server: one row per tick, where the kernel has loaded it. Counters begin then.",
    charts: Charts::Drawn(&[
        Chart::lines("Calls", &["calls_per_sec"]),
        Chart::lines("Throughput", &["read_bytes_per_sec", "write_bytes_per_sec"]),
        Chart::lines("Bad calls and stale handles", &["bad_calls_per_sec", "stale_handles_per_sec"]),
    ]),
    columns: &[
        counter("calls", Count, "Calls of clients.", |s: &Server| s.calls.into()).with_rate("calls_per_sec"),
        counter("bad_calls", Count, "Calls refused because of their format, credentials or client.", |s: &Server| {
            s.bad_calls.into()
        })
        .with_rate("bad_calls_per_sec")
        .lower_is_better(),
        counter("read_bytes", Bytes, "Bytes that clients read.", |s: &Server| s.read_bytes.into())
            .with_rate("read_bytes_per_sec"),
        counter("write_bytes", Bytes, "Bytes that clients wrote.", |s: &Server| s.write_bytes.into())
            .with_rate("write_bytes_per_sec"),
        counter("cache_hits", Count, "Calls that a client sent again, answered from the reply cache.", |s: &Server| {
            s.cache_hits.into()
        })
        .with_rate("cache_hits_per_sec")
        .lower_is_better(),
        counter("cache_misses", Count, "Calls whose answer went into the reply cache.", |s: &Server| {
            s.cache_misses.into()
        }),
        counter("cache_uncached", Count, "Calls that do not use the reply cache.", |s: &Server| {
            s.cache_uncached.into()
        }),
        counter("stale_handles", Count, "Calls for files that no longer exist.", |s: &Server| s.stale_handles.into())
            .with_rate("stale_handles_per_sec"),
        counter("tcp_connections", Count, "Connections that clients opened.", |s: &Server| s.tcp_connections.into()),
        gauge("threads", Count, "Threads of the server.", |s: &Server| s.threads.into()),
    ],
};

pub static OPERATION: Table<OperationRow> = Table {
    name: "nfs_server_operation",
    source: "/proc/net/rpc/nfsd",
    doc: "Operations of the NFS server: one row per tick and operation that has occurred.",
    charts: Charts::Drawn(&[Chart::lines("Operations", &["operations_per_sec"])]),
    columns: &[
        entity(
            "version",
            "The version of NFS, for example `v3`; `v4 calls` for the calls of version 4, each of which contains \
             operations of `v4`.",
            |r: &OperationRow| r.version.into(),
        )
        .separate(),
        entity("operation", "The operation, for example `READ`.", |r: &OperationRow| (&*r.name).into()),
        flag(
            "is_new",
            "True in the first row of an operation that occurred for the first time during the recording: its counter \
             began at zero, so its whole value is growth. False in all other rows.",
            |r| r.is_new.into(),
        ),
        counter("operations", Count, "How often it occurred.", |r: &OperationRow| r.count.into())
            .with_rate("operations_per_sec"),
    ],
};

/// An operation.
#[derive(Debug, PartialEq)]
pub struct OperationRow {
    pub version: &'static str,
    pub name: Cow<'static, str>,
    pub is_new: bool,
    pub count: u64,
}
