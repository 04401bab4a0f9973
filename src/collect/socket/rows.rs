//! The table, and its row.

use crate::linux::sock_diag::{TcpState, TcpStates};
use crate::table::Unit::{Bytes, Count};
use crate::table::{Chart, Charts, Column, Table, Value, counter, gauge};

pub static TABLE: Table<Sockets> = Table {
    name: "socket",
    source: "sock_diag, /proc/net/sockstat, /proc/net/snmp, /proc/net/netstat",
    doc: "Sockets and TCP: one row per tick. Counters begin at boot. All values are of the recorder's network \
          namespace.",
    charts: Charts::Drawn(&[
        Chart::lines(
            "Sockets by state",
            &["tcp_established", "tcp_time_wait", "tcp_close_wait", "tcp_listen", "udp_count"],
        ),
        Chart::lines(
            "TCP connections and retransmits",
            &[
                "tcp_active_opens_per_sec",
                "tcp_passive_opens_per_sec",
                "tcp_retransmits_per_sec",
                "tcp_resets_sent_per_sec",
                "tcp_listen_overflows_per_sec",
            ],
        ),
    ]),
    columns: &[
        gauge(
            "tcp_established",
            Count,
            "Connections in ESTABLISHED (CurrEstab minus those in CLOSE_WAIT).",
            |s: &Sockets| s.established().into(),
        ),
        gauge("tcp_time_wait", Count, "Closed connections in TIME_WAIT.", |s: &Sockets| s.time_wait().into()),
        state("tcp_close_wait", "Sockets in CLOSE_WAIT: the peer has closed, the process has not.", |s| {
            s.of(TcpState::CloseWait)
        })
        .lower_is_better(),
        state("tcp_listen", "Listening sockets.", |s| s.of(TcpState::Listen)),
        state("tcp_syn_sent", "Connections in SYN_SENT: requested, not yet answered.", |s| s.of(TcpState::SynSent)),
        state("tcp_syn_recv", "Connections in SYN_RECV: requested by a peer, half open.", |s| s.of(TcpState::SynRecv)),
        state("tcp_fin_wait1", "Closed sockets waiting for the peer to acknowledge the close (FIN_WAIT1).", |s| {
            s.of(TcpState::FinWait1)
        }),
        state("tcp_fin_wait2", "Closed sockets waiting for the peer to close (FIN_WAIT2).", |s| {
            s.of(TcpState::FinWait2)
        }),
        state("tcp_last_ack", "Sockets closed after the peer, waiting for its last acknowledgement.", |s| {
            s.of(TcpState::LastAck)
        }),
        state("tcp_closing", "Sockets closed by both ends at the same time.", |s| s.of(TcpState::Closing)),
        gauge("udp_count", Count, "UDP sockets bound to a port, IPv4 and IPv6.", |s: &Sockets| s.udp.into()),
        gauge("tcp_mem_bytes", Bytes, "Memory of all TCP buffers on the machine.", |s: &Sockets| s.mem_bytes.into()),
        counter("tcp_active_opens", Count, "Connections opened by this machine.", |s: &Sockets| s.active_opens.into())
            .with_rate("tcp_active_opens_per_sec"),
        counter("tcp_passive_opens", Count, "Connections accepted from peers.", |s: &Sockets| s.passive_opens.into())
            .with_rate("tcp_passive_opens_per_sec"),
        counter("tcp_retransmits", Count, "Segments retransmitted.", |s: &Sockets| s.retransmits.into())
            .with_rate("tcp_retransmits_per_sec")
            .lower_is_better(),
        counter("tcp_resets_sent", Count, "Segments sent with RST.", |s: &Sockets| s.resets_sent.into())
            .with_rate("tcp_resets_sent_per_sec"),
        counter(
            "tcp_listen_overflows",
            Count,
            "Connections dropped because a listening socket's queue was full.",
            |s: &Sockets| s.listen_overflows.into(),
        )
        .with_rate("tcp_listen_overflows_per_sec")
        .lower_is_better(),
    ],
};

const fn state(name: &'static str, doc: &'static str, get: fn(&Sockets) -> Value<'_>) -> Column<Sockets> {
    gauge(name, Count, doc, get)
}

/// One row.
#[derive(Debug, Default, PartialEq)]
pub struct Sockets {
    pub states: Option<TcpStates>,
    pub sockstat_tw: Option<u64>,
    pub current_established: Option<u64>,
    pub udp: Option<u64>,
    pub mem_bytes: Option<u64>,
    pub active_opens: Option<u64>,
    pub passive_opens: Option<u64>,
    pub retransmits: Option<u64>,
    pub resets_sent: Option<u64>,
    pub listen_overflows: Option<u64>,
}

impl Sockets {
    fn of(&self, state: TcpState) -> Value<'static> {
        self.states.as_ref().map(|s| s.of(state)).into()
    }

    fn established(&self) -> Option<u64> {
        // The two values are read at slightly different times, so the difference could go below zero.
        Some(self.current_established?.saturating_sub(self.states.as_ref()?.of(TcpState::CloseWait)))
    }

    /// Without `sock_diag`: the count of sockstat.
    fn time_wait(&self) -> Option<u64> {
        let orphans = self.states.as_ref().map_or(0, |s| s.fin_wait2_orphans);
        Some(self.sockstat_tw?.saturating_sub(orphans))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn established_excludes_close_wait() {
        let mut row = Sockets { current_established: Some(47), sockstat_tw: Some(52), ..Sockets::default() };
        assert_eq!((row.established(), row.time_wait()), (None, Some(52)), "without sock_diag");
        row.states = Some(TcpStates::default());
        assert_eq!((row.established(), row.time_wait()), (Some(47), Some(52)));
        row.states = Some(TcpStates::for_test(&[(TcpState::CloseWait, 5), (TcpState::FinWait2, 9)], 2));
        assert_eq!((row.established(), row.time_wait()), (Some(42), Some(50)));
        row.states = Some(TcpStates::for_test(&[(TcpState::CloseWait, 48)], 53));
        assert_eq!((row.established(), row.time_wait()), (Some(0), Some(0)), "read at different times");
    }
}
