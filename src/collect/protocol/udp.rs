//! UDP: datagrams, and those that found no port or no room.

use std::time::Duration;

use super::{FamilyCollector, OfFamily, Protocol, count, kernel_counters, rare};
use crate::collect::collector::{Entry, Opened, Setup, Unavailable};
use crate::collect::group::Group;
use crate::table::{Chart, Charts, Table, entity};

pub const ENTRY: Entry = Entry {
    name: "udp",
    doc: "UDP: datagrams, unknown ports, full buffers",
    groups: &[Group::Sar],
    tables: &[|| TABLE.def()],
    cadence: Duration::ZERO,
    open,
};

kernel_counters! {
    /// Of `Udp:`, and of `snmp6`.
    Counters {
        datagrams_recv: "InDatagrams", "Udp6InDatagrams";
        datagrams_sent: "OutDatagrams", "Udp6OutDatagrams";
        no_ports: "NoPorts", "Udp6NoPorts";
        errors_in: "InErrors", "Udp6InErrors";
        receive_buffer_errors: "RcvbufErrors", "Udp6RcvbufErrors";
        send_buffer_errors: "SndbufErrors", "Udp6SndbufErrors";
        checksum_errors: "InCsumErrors", "Udp6InCsumErrors";
        memory_errors: "MemErrors", "Udp6MemErrors";
    }
}

static TABLE: Table<Udp> = Table {
    name: "udp",
    source: "/proc/net/snmp, snmp6",
    doc: "UDP: one row per tick and family. Counters begin at boot. All values are of the recorder's network namespace.",
    charts: Charts::Drawn(&[
        Chart::lines("Datagrams", &["datagrams_recv_per_sec", "datagrams_sent_per_sec"]),
        Chart::lines(
            "Datagrams lost",
            &["no_ports_per_sec", "receive_buffer_errors_per_sec", "send_buffer_errors_per_sec"],
        ),
    ]),
    columns: &[
        entity("family", "`v4` or `v6`.", |udp: &Udp| udp.family.into()),
        count!(Udp, datagrams_recv, "Datagrams delivered to sockets."),
        count!(Udp, datagrams_sent, "Datagrams sent."),
        count!(Udp, no_ports, "Datagrams received for a port without a socket.").lower_is_better(),
        count!(Udp, errors_in, "Datagrams received and not delivered: no room, no memory, or a wrong checksum.")
            .lower_is_better(),
        count!(
            Udp,
            receive_buffer_errors,
            "Datagrams dropped because the receive buffer of the socket was full; part of `errors_in`."
        )
        .lower_is_better(),
        count!(Udp, send_buffer_errors, "Datagrams not sent because the send buffer of the socket was full.")
            .lower_is_better(),
        rare!(Udp, checksum_errors, "Datagrams dropped because of a wrong checksum; part of `errors_in`.")
            .lower_is_better(),
        rare!(
            Udp,
            memory_errors,
            "Datagrams dropped because all UDP sockets together had no more memory; null before Linux 5.11."
        )
        .lower_is_better(),
    ],
};

/// One row.
type Udp = OfFamily<Counters>;

fn open(setup: &Setup) -> Result<Opened, Unavailable> {
    let files: [(_, &[u8]); 1] = [(&setup.net.snmp, b"Udp:")];
    let (protocol, notes) = Protocol::open(setup, Counters::NAMES, &files, Some(b"Udp6"))?;
    let collector = FamilyCollector { protocol, table: &TABLE, counters: Counters::from_values };
    Ok(Opened::with_notes(collector, notes))
}
