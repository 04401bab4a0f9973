//! IP: datagrams, fragments, and what was discarded.

use std::time::Duration;

use super::sockets::InUse;
use super::{Protocol, V6, count, kernel_counters, rare};
use crate::collect::collector::{CollectError, Collector, Entry, Opened, Setup, Unavailable};
use crate::collect::group::Group;
use crate::linux::files::SharedFile;
use crate::table::Unit::{Bytes, Count};
use crate::table::sample::Sample;
use crate::table::{Chart, Charts, Table, entity, gauge};

pub const ENTRY: Entry = Entry {
    name: "ip",
    doc: "IPv4 and IPv6: datagrams, fragments, discards, missing routes",
    groups: &[Group::Sar],
    tables: &[|| TABLE.def()],
    cadence: Duration::ZERO,
    open,
};

kernel_counters! {
    /// Of `Ip:` and `IpExt:`, and of `snmp6`.
    Counters {
        datagrams_recv: "InReceives", "Ip6InReceives";
        datagrams_delivered: "InDelivers", "Ip6InDelivers";
        datagrams_sent: "OutRequests", "Ip6OutRequests";
        datagrams_forwarded: "ForwDatagrams", "Ip6OutForwDatagrams";
        bytes_recv: "InOctets", "Ip6InOctets";
        bytes_sent: "OutOctets", "Ip6OutOctets";
        header_errors_in: "InHdrErrors", "Ip6InHdrErrors";
        address_errors_in: "InAddrErrors", "Ip6InAddrErrors";
        no_routes_in: "InNoRoutes", "Ip6InNoRoutes";
        no_routes_out: "OutNoRoutes", "Ip6OutNoRoutes";
        discards_in: "InDiscards", "Ip6InDiscards";
        discards_out: "OutDiscards", "Ip6OutDiscards";
        congestion_marks_in: "InCEPkts", "Ip6InCEPkts";
        fragments_recv: "ReasmReqds", "Ip6ReasmReqds";
        reassembled: "ReasmOKs", "Ip6ReasmOKs";
        reassembly_failures: "ReasmFails", "Ip6ReasmFails";
        reassembly_timeouts: "ReasmTimeout", "Ip6ReasmTimeout";
        fragmented: "FragOKs", "Ip6FragOKs";
        fragmentation_failures: "FragFails", "Ip6FragFails";
        fragments_sent: "FragCreates", "Ip6FragCreates";
    }
}

static TABLE: Table<Ip> = Table {
    name: "ip",
    source: "/proc/net/snmp, netstat, snmp6, sockstat, sockstat6",
    doc: "IP: one row per tick and family. Counters begin at boot. All values are of the recorder's network namespace.",
    charts: Charts::Drawn(&[
        Chart::lines("Datagrams", &["datagrams_recv_per_sec", "datagrams_sent_per_sec", "datagrams_forwarded_per_sec"]),
        Chart::lines("Discards", &["discards_in", "discards_out", "no_routes_out"]),
        Chart::lines("Fragments", &["fragments_recv_per_sec", "fragments_sent_per_sec", "reassembly_failures_per_sec"]),
    ]),
    columns: &[
        entity("family", "`v4` or `v6`.", |ip: &Ip| ip.family.into()),
        count!(Ip, datagrams_recv, "Datagrams received, including those with errors and those to forward."),
        count!(Ip, datagrams_delivered, "Datagrams delivered to TCP, UDP, ICMP and others on this machine."),
        count!(Ip, datagrams_sent, "Datagrams that this machine wanted to send, without those that it forwards."),
        count!(Ip, datagrams_forwarded, "Datagrams forwarded."),
        count!(Ip, bytes_recv, Bytes, "Bytes of the datagrams received, with their headers."),
        count!(Ip, bytes_sent, Bytes, "Bytes of the datagrams sent, with their headers."),
        rare!(Ip, header_errors_in, "Datagrams received and discarded because of their header: checksum, hop limit.")
            .lower_is_better(),
        rare!(Ip, address_errors_in, "Datagrams received and discarded because of their destination address.")
            .lower_is_better(),
        rare!(Ip, no_routes_in, "Datagrams received and discarded because there was no route to forward them.")
            .lower_is_better(),
        rare!(Ip, no_routes_out, "Datagrams not sent because there was no route.").lower_is_better(),
        rare!(Ip, discards_in, "Correct datagrams received and discarded, for example for lack of memory.")
            .lower_is_better(),
        rare!(Ip, discards_out, "Correct datagrams discarded instead of sent, for example because a queue was full.")
            .lower_is_better(),
        rare!(Ip, congestion_marks_in, "Datagrams received that a router marked because of congestion (ECN).")
            .lower_is_better(),
        count!(Ip, fragments_recv, "Fragments received."),
        rare!(Ip, reassembled, "Datagrams reassembled from fragments."),
        count!(Ip, reassembly_failures, "Reassemblies given up: a fragment was missing, or too much memory in use.")
            .lower_is_better(),
        rare!(Ip, reassembly_timeouts, "Reassemblies given up after waiting for a fragment.").lower_is_better(),
        rare!(Ip, fragmented, "Datagrams sent in fragments."),
        rare!(
            Ip,
            fragmentation_failures,
            "Datagrams discarded because they were too large and must not be fragmented."
        )
        .lower_is_better(),
        count!(Ip, fragments_sent, "Fragments created."),
        gauge("reassembly_count", Count, "Datagrams that wait for fragments.", |ip: &Ip| ip.in_use.fragments.into()),
        gauge("reassembly_bytes", Bytes, "Memory of the fragments that wait.", |ip: &Ip| {
            ip.in_use.fragment_bytes.into()
        }),
        gauge("tcp_sockets", Count, "TCP sockets in use, without TIME_WAIT.", |ip: &Ip| ip.in_use.tcp.into()),
        gauge("udp_sockets", Count, "UDP sockets bound to a port.", |ip: &Ip| ip.in_use.udp.into()),
        gauge("raw_sockets", Count, "Raw sockets in use.", |ip: &Ip| ip.in_use.raw.into()),
    ],
};

/// One row.
#[derive(Debug, PartialEq)]
struct Ip {
    family: &'static str,
    counters: Counters,
    in_use: InUse,
}

struct IpCollector {
    protocol: Protocol<{ Counters::NAMES.len() }>,
    sockstat: SharedFile,
    sockstat6: SharedFile,
}

fn open(setup: &Setup) -> Result<Opened, Unavailable> {
    let v4: [(_, &[u8]); 2] = [(&setup.net.snmp, b"Ip:"), (&setup.net.netstat, b"IpExt:")];
    let (protocol, notes) = Protocol::open(setup, Counters::NAMES, &v4, Some(b"Ip6"))?;
    let (sockstat, sockstat6) = (setup.net.sockstat.clone(), setup.net.sockstat6.clone());
    Ok(Opened::with_notes(IpCollector { protocol, sockstat, sockstat6 }, notes))
}

impl Collector for IpCollector {
    fn collect(&mut self, tick: u64, out: &mut Sample) -> Result<(), CollectError> {
        let row = |family, values| Ip { family, counters: Counters::from_values(values), in_use: InUse::default() };
        let mut rows = self.protocol.rows(tick, out, row)?;
        for row in &mut rows {
            let file = if row.family == V6 { &self.sockstat6 } else { &self.sockstat };
            match file.with(tick, InUse::parse) {
                Ok(in_use) => row.in_use = in_use,
                Err(error) => out.warn(error.to_string()),
            }
        }
        out.push(&TABLE, &rows);
        Ok(())
    }
}
