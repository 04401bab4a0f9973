//! TCP: segments, retransmits by kind, and what queues and buffers had no room for. Connections and sockets by state are
//! in table `socket`.

use std::time::Duration;

use super::{Protocol, count, kernel_counters, rare};
use crate::collect::collector::{CollectError, Collector, Entry, Opened, Setup, Unavailable};
use crate::collect::group::Group;
use crate::table::Unit::{Count, Milliseconds, Percent};
use crate::table::sample::Sample;
use crate::table::{Chart, Charts, Formula, Table, counter, derived};

pub const ENTRY: Entry = Entry {
    name: "tcp",
    doc: "TCP: segments, retransmits by kind, out-of-order segments, drops, memory pressure",
    groups: &[Group::Sar],
    tables: &[|| TABLE.def()],
    cadence: Duration::ZERO,
    open,
};

kernel_counters! {
    /// Of `Tcp:` and `TcpExt:`, which count both families.
    Counters {
        segments_recv: "InSegs";
        segments_sent: "OutSegs";
        retransmits: "RetransSegs";
        errors_in: "InErrs";
        attempt_fails: "AttemptFails";
        established_resets: "EstabResets";
        syn_retransmits: "TCPSynRetrans";
        fast_retransmits: "TCPFastRetrans";
        slow_start_retransmits: "TCPSlowStartRetrans";
        timeouts: "TCPTimeouts";
        spurious_timeouts: "TCPSpuriousRTOs";
        loss_probes: "TCPLossProbes";
        loss_probe_recoveries: "TCPLossProbeRecovery";
        sack_recoveries: "TCPSackRecovery";
        full_undos: "TCPFullUndo";
        partial_undos: "TCPPartialUndo";
        dsack_undos: "TCPDSACKUndo";
        loss_undos: "TCPLossUndo";
        lost_retransmits: "TCPLostRetransmit";
        failed_retransmits: "TCPRetransFail";
        dsacks_recv: "TCPDSACKRecv";
        out_of_order: "TCPOFOQueue";
        out_of_order_drops: "TCPOFODrop";
        delayed_acks: "DelayedACKs";
        delayed_acks_lost: "DelayedACKLost";
        listen_drops: "ListenDrops";
        request_queue_drops: "TCPReqQFullDrop";
        syncookies_sent: "SyncookiesSent";
        syncookies_recv: "SyncookiesRecv";
        syncookies_failed: "SyncookiesFailed";
        backlog_drops: "TCPBacklogDrop";
        receive_queue_drops: "TCPRcvQDrop";
        prunes: "PruneCalled";
        receive_queue_prunes: "RcvPruned";
        collapses: "TCPRcvCollapsed";
        zero_windows_sent: "TCPToZeroWindowAdv";
        zero_window_drops: "TCPZeroWindowDrop";
        window_probes: "TCPWinProbe";
        memory_pressures: "TCPMemoryPressures";
        memory_pressure_ms: "TCPMemoryPressuresChrono";
        aborts_on_memory: "TCPAbortOnMemory";
        aborts_on_timeout: "TCPAbortOnTimeout";
        aborts_on_data: "TCPAbortOnData";
        time_wait_overflows: "TCPTimeWaitOverflow";
        delivered: "TCPDelivered";
        delivered_marked: "TCPDeliveredCE";
    }
}

impl Counters {
    /// Recoveries that were undone, in all ways. `None` if the kernel counts none of them.
    fn undos(&self) -> Option<u64> {
        let parts = [self.full_undos, self.partial_undos, self.dsack_undos, self.loss_undos];
        parts.into_iter().flatten().reduce(u64::saturating_add)
    }
}

static TABLE: Table<Tcp> = Table {
    name: "tcp",
    source: "/proc/net/snmp, netstat",
    doc: "TCP, IPv4 and IPv6 together: one row per tick. Counters begin at boot. All values are of the recorder's \
          network namespace. Connections opened, all retransmits, resets sent and listen overflows are in table `socket`.",
    charts: Charts::Drawn(&[
        Chart::lines("Segments retransmitted", &["retransmit_percent"]),
        Chart::lines("Segments", &["segments_recv_per_sec", "segments_sent_per_sec"]),
        Chart::lines(
            "Retransmits by kind",
            &[
                "fast_retransmits_per_sec",
                "slow_start_retransmits_per_sec",
                "loss_probes_per_sec",
                "syn_retransmits_per_sec",
                "timeouts_per_sec",
            ],
        ),
        Chart::lines("Out of order", &["out_of_order_per_sec"]),
        Chart::lines("Drops", &["listen_drops", "backlog_drops", "receive_queue_drops", "prunes"]),
    ]),
    columns: &[
        derived(
            "retransmit_percent",
            Percent,
            "Share of the segments sent that were sent again.",
            Formula::ratio(&["retransmits"], &["segments_sent"]).times(100.0).at_most(100.0),
        )
        .lower_is_better(),
        count!(Tcp, segments_recv, "Segments received, including those with errors."),
        count!(Tcp, segments_sent, "Segments sent, including those sent again."),
        counter("retransmits", Count, "As `tcp_retransmits` in table `socket`.", |t: &Tcp| {
            t.counters.retransmits.into()
        })
        .hidden(),
        rare!(Tcp, errors_in, "Segments received with errors: a wrong checksum, or too short.").lower_is_better(),
        rare!(Tcp, attempt_fails, "Connections that failed before they were established: refused, reset, timed out.")
            .lower_is_better(),
        rare!(Tcp, established_resets, "Established connections that were reset.").lower_is_better(),
        count!(Tcp, syn_retransmits, "SYN and SYN-ACK segments sent again.").lower_is_better(),
        count!(Tcp, fast_retransmits, "Segments sent again in fast recovery: acknowledgements showed the loss.")
            .lower_is_better(),
        count!(Tcp, slow_start_retransmits, "Segments sent again in slow start, after a timeout.").lower_is_better(),
        count!(Tcp, timeouts, "Retransmission timeouts (RTO).").lower_is_better(),
        rare!(Tcp, spurious_timeouts, "Retransmission timeouts that turned out to be needless (F-RTO).")
            .lower_is_better(),
        count!(Tcp, loss_probes, "Tail loss probes sent (TLP).").lower_is_better(),
        rare!(Tcp, loss_probe_recoveries, "Losses that a tail loss probe repaired.").lower_is_better(),
        rare!(Tcp, sack_recoveries, "Times that selective acknowledgements (SACK) began a fast recovery.")
            .lower_is_better(),
        counter(
            "undos",
            Count,
            "Recoveries undone because the segments were not lost (full, partial, DSACK, loss).",
            |t: &Tcp| t.counters.undos().into(),
        )
        .lower_is_better(),
        rare!(Tcp, lost_retransmits, "Retransmitted segments that were lost again.").lower_is_better(),
        rare!(Tcp, failed_retransmits, "Retransmits that could not be sent, for example because a queue was full.")
            .lower_is_better(),
        rare!(Tcp, dsacks_recv, "Duplicates reported by peers (DSACK): segments that were sent again needlessly.")
            .lower_is_better(),
        count!(Tcp, out_of_order, "Segments received out of order and kept.").lower_is_better(),
        rare!(Tcp, out_of_order_drops, "Segments received out of order and dropped: the receive buffer was full.")
            .lower_is_better(),
        rare!(Tcp, delayed_acks, "Acknowledgements delayed."),
        rare!(
            Tcp,
            delayed_acks_lost,
            "Times that a peer sent again what was already received: an acknowledgement was late or lost."
        )
        .lower_is_better(),
        rare!(
            Tcp,
            listen_drops,
            "Connection requests that listening sockets dropped, for any reason; includes listen overflows."
        )
        .lower_is_better(),
        rare!(Tcp, request_queue_drops, "SYN segments dropped because the queue of half-open connections was full.")
            .lower_is_better(),
        rare!(Tcp, syncookies_sent, "SYN cookies sent: the queue of half-open connections was full.").lower_is_better(),
        rare!(Tcp, syncookies_recv, "SYN cookies that came back."),
        rare!(Tcp, syncookies_failed, "SYN cookies that came back and were not valid.").lower_is_better(),
        rare!(Tcp, backlog_drops, "Segments dropped because the backlog of a socket in use was full.")
            .lower_is_better(),
        rare!(
            Tcp,
            receive_queue_drops,
            "Segments dropped because the receive buffer was full; null before Linux 4.19."
        )
        .lower_is_better(),
        rare!(Tcp, prunes, "Times that a full receive buffer was pruned.").lower_is_better(),
        rare!(Tcp, receive_queue_prunes, "Segments dropped because pruning did not help.").lower_is_better(),
        rare!(Tcp, collapses, "Segments merged in a receive queue to save memory.").lower_is_better(),
        rare!(Tcp, zero_windows_sent, "Times that a peer was told to stop: the receive buffer was full.")
            .lower_is_better(),
        rare!(Tcp, zero_window_drops, "Segments dropped because the window was zero; null before Linux 4.19.")
            .lower_is_better(),
        rare!(Tcp, window_probes, "Probes of a window that the peer has closed, sent.").lower_is_better(),
        rare!(Tcp, memory_pressures, "Times that TCP came under memory pressure.").lower_is_better(),
        counter(
            "memory_pressure_ms",
            Milliseconds,
            "Time under memory pressure, counted when it ends; null before Linux 4.13.",
            |t: &Tcp| t.counters.memory_pressure_ms.into(),
        )
        .lower_is_better(),
        rare!(Tcp, aborts_on_memory, "Connections aborted for lack of memory, or too many orphans.").lower_is_better(),
        rare!(Tcp, aborts_on_timeout, "Connections aborted because a peer no longer answered.").lower_is_better(),
        rare!(Tcp, aborts_on_data, "Connections aborted because data arrived after the socket was closed.")
            .lower_is_better(),
        rare!(Tcp, time_wait_overflows, "Sockets in TIME_WAIT that had no room.").lower_is_better(),
        rare!(Tcp, delivered, "Segments delivered to peers, as their acknowledgements say; null before Linux 4.18."),
        rare!(
            Tcp,
            delivered_marked,
            "Segments delivered and marked because of congestion (ECN); null before Linux 4.18."
        )
        .lower_is_better(),
    ],
};

/// The row.
#[derive(Debug, PartialEq)]
struct Tcp {
    counters: Counters,
}

struct TcpCollector(Protocol<{ Counters::NAMES.len() }>);

fn open(setup: &Setup) -> Result<Opened, Unavailable> {
    let files: [(_, &[u8]); 2] = [(&setup.net.snmp, b"Tcp:"), (&setup.net.netstat, b"TcpExt:")];
    let (protocol, notes) = Protocol::open(setup, Counters::NAMES, &files, None)?;
    Ok(Opened::with_notes(TcpCollector(protocol), notes))
}

impl Collector for TcpCollector {
    fn collect(&mut self, tick: u64, out: &mut Sample) -> Result<(), CollectError> {
        let values = self.0.v4(tick, &mut out.warnings).ok_or_else(super::nothing)?;
        out.push(&TABLE, &[Tcp { counters: Counters::from_values(values) }]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undone_recoveries_are_added_up() {
        assert_eq!(Counters::default().undos(), None);
        let some = Counters { full_undos: Some(1), loss_undos: Some(40), ..Counters::default() };
        assert_eq!(some.undos(), Some(41));
        let most = Counters { full_undos: Some(u64::MAX), partial_undos: Some(1), ..Counters::default() };
        assert_eq!(most.undos(), Some(u64::MAX));
    }
}
