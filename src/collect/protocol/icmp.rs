//! ICMP: messages, and what they said.

use std::time::Duration;

use super::{FamilyCollector, OfFamily, Protocol, count, kernel_counters, rare};
use crate::collect::collector::{Entry, Opened, Setup, Unavailable};
use crate::collect::group::Group;
use crate::table::{Chart, Charts, Table, entity};

pub const ENTRY: Entry = Entry {
    name: "icmp",
    doc: "ICMP and ICMPv6: messages by type, errors",
    groups: &[Group::Sar],
    tables: &[|| TABLE.def()],
    cadence: Duration::ZERO,
    open,
};

kernel_counters! {
    /// Of `Icmp:`, and of `snmp6`.
    Counters {
        messages_recv: "InMsgs", "Icmp6InMsgs";
        messages_sent: "OutMsgs", "Icmp6OutMsgs";
        errors_in: "InErrors", "Icmp6InErrors";
        errors_out: "OutErrors", "Icmp6OutErrors";
        rate_limited: "OutRateLimitHost", "Icmp6OutRateLimitHost";
        unreachable_recv: "InDestUnreachs", "Icmp6InDestUnreachs";
        unreachable_sent: "OutDestUnreachs", "Icmp6OutDestUnreachs";
        time_exceeded_recv: "InTimeExcds", "Icmp6InTimeExcds";
        time_exceeded_sent: "OutTimeExcds", "Icmp6OutTimeExcds";
        too_big_recv: "", "Icmp6InPktTooBigs";
        too_big_sent: "", "Icmp6OutPktTooBigs";
        redirects_recv: "InRedirects", "Icmp6InRedirects";
        redirects_sent: "OutRedirects", "Icmp6OutRedirects";
        echos_recv: "InEchos", "Icmp6InEchos";
        echos_sent: "OutEchos", "Icmp6OutEchos";
        echo_replies_recv: "InEchoReps", "Icmp6InEchoReplies";
        echo_replies_sent: "OutEchoReps", "Icmp6OutEchoReplies";
        neighbor_solicits_recv: "", "Icmp6InNeighborSolicits";
        neighbor_solicits_sent: "", "Icmp6OutNeighborSolicits";
    }
}

static TABLE: Table<Icmp> = Table {
    name: "icmp",
    source: "/proc/net/snmp, snmp6",
    doc: "ICMP: one row per tick and family. Counters begin at boot. All values are of the recorder's network namespace.",
    charts: Charts::Drawn(&[
        Chart::lines("Messages", &["messages_recv_per_sec", "messages_sent_per_sec"]),
        Chart::lines("Destination unreachable", &["unreachable_recv_per_sec", "unreachable_sent_per_sec"]),
    ]),
    columns: &[
        entity("family", "`v4` or `v6`.", |icmp: &Icmp| icmp.family.into()),
        count!(Icmp, messages_recv, "Messages received, including those with errors."),
        count!(Icmp, messages_sent, "Messages sent."),
        rare!(Icmp, errors_in, "Messages received with errors (checksum, length), or that belong to no socket.")
            .lower_is_better(),
        rare!(Icmp, errors_out, "Messages that could not be sent.").lower_is_better(),
        rare!(Icmp, rate_limited, "Messages not sent because of the limit per destination; null before Linux 6.3."),
        count!(Icmp, unreachable_recv, "Destination unreachable, received.").lower_is_better(),
        count!(Icmp, unreachable_sent, "Destination unreachable, sent: for example, no socket at this UDP port.")
            .lower_is_better(),
        rare!(Icmp, time_exceeded_recv, "Time exceeded (hop limit, reassembly), received.").lower_is_better(),
        rare!(Icmp, time_exceeded_sent, "Time exceeded (hop limit, reassembly), sent.").lower_is_better(),
        rare!(Icmp, too_big_recv, "Packet too big, received; null for v4, where it is a kind of unreachable.")
            .lower_is_better(),
        rare!(Icmp, too_big_sent, "Packet too big, sent; null for v4, where it is a kind of unreachable.")
            .lower_is_better(),
        rare!(Icmp, redirects_recv, "Redirects received."),
        rare!(Icmp, redirects_sent, "Redirects sent."),
        rare!(Icmp, echos_recv, "Echo requests (ping) received."),
        rare!(Icmp, echos_sent, "Echo requests (ping) sent; null or zero for those of raw sockets on old kernels."),
        rare!(Icmp, echo_replies_recv, "Echo replies received."),
        rare!(Icmp, echo_replies_sent, "Echo replies sent."),
        rare!(Icmp, neighbor_solicits_recv, "Neighbor solicitations received; null for v4, which has ARP."),
        rare!(Icmp, neighbor_solicits_sent, "Neighbor solicitations sent; null for v4, which has ARP."),
    ],
};

/// One row.
type Icmp = OfFamily<Counters>;

fn open(setup: &Setup) -> Result<Opened, Unavailable> {
    let files: [(_, &[u8]); 1] = [(&setup.net.snmp, b"Icmp:")];
    let (protocol, notes) = Protocol::open(setup, Counters::NAMES, &files, Some(b"Icmp6"))?;
    let collector = FamilyCollector { protocol, table: &TABLE, counters: Counters::from_values };
    Ok(Opened::with_notes(collector, notes))
}
