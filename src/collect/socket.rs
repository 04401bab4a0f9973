//! TCP and UDP sockets and the counters of TCP. Sources: `/proc/net/{sockstat,sockstat6,snmp,netstat}` and `sock_diag`.
//!
//! `/proc/net/tcp` has all states, but costs ten times as much as everything else together: the kernel walks a table
//! sized by memory. So each number is taken from the cheapest source:
//!
//! - TIME_WAIT is `tw` of sockstat. The kernel stores sockets in FIN_WAIT2 that no process holds in the same way and
//!   counts them there; `sock_diag` reports how many these are.
//! - ESTABLISHED is `CurrEstab` of snmp minus CLOSE_WAIT, which `CurrEstab` includes.
//! - The rare states come from `sock_diag`, filtered in the kernel, and are only counted again if something changed
//!   ([`Rest`]).
//!
//! If `sock_diag` is refused, those states and ESTABLISHED are null, because `CurrEstab` alone has another meaning.
//! Everything except `tcp_mem_bytes` belongs to the network namespace in which the recorder was started.

use std::time::Duration;

use super::collector::{CollectError, Collector, Entry, Opened, Setup, Unavailable};
use super::pairs::Pairs;
use crate::linux::files::HeldFile;
use crate::linux::possible::count as possible;
use crate::linux::scan::{lines, number, words};
use crate::linux::sock_diag::{DiagError, Netlink, SockDiag, TcpState, TcpStates};
use crate::table::Unit::{Bytes, Count};
use crate::table::sample::Sample;
use crate::table::{Column, Table, counter, gauge};

pub const ENTRY: Entry = Entry {
    name: "socket",
    doc: "TCP sockets by state, UDP sockets, TCP connections and retransmits",
    tables: &[|| TABLE.def()],
    cadence: Duration::ZERO,
    open,
};

static TABLE: Table<Sockets> = Table {
    name: "socket",
    source: "sock_diag, /proc/net/sockstat, /proc/net/snmp, /proc/net/netstat",
    doc: "Sockets and TCP: one row per tick. Counters begin at boot. All values are of the recorder's network \
          namespace.",
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

const fn state(name: &'static str, doc: &'static str, get: fn(&Sockets) -> crate::table::Value<'_>) -> Column<Sockets> {
    gauge(name, Count, doc, get)
}

/// One row.
#[derive(Debug, Default, PartialEq)]
struct Sockets {
    states: Option<TcpStates>,
    sockstat_tw: Option<u64>,
    current_established: Option<u64>,
    udp: Option<u64>,
    mem_bytes: Option<u64>,
    active_opens: Option<u64>,
    passive_opens: Option<u64>,
    retransmits: Option<u64>,
    resets_sent: Option<u64>,
    listen_overflows: Option<u64>,
}

impl Sockets {
    fn of(&self, state: TcpState) -> crate::table::Value<'static> {
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

fn open(setup: &Setup) -> Result<Opened, Unavailable> {
    let mut notes = Vec::new();
    let mut held = |name: &str, columns: &str| match HeldFile::open(setup.roots.net(name)) {
        Ok(file) => Some(file),
        Err(error) => {
            notes.push(format!("{error}: no {columns}"));
            None
        }
    };
    let sockstat = held("sockstat", "tcp_time_wait, udp_count, tcp_mem_bytes");
    let snmp = held("snmp", "tcp_established, tcp_active_opens, tcp_passive_opens, tcp_retransmits, tcp_resets_sent");
    let netstat = held("netstat", "tcp_listen_overflows");
    // Missing if IPv6 is off. Not worth a note: there are no such sockets then.
    let sockstat6 = HeldFile::open(setup.roots.net("sockstat6")).ok();
    let diag = if setup.roots.are_live() {
        open_diag().map_err(|error| error.to_string())
    } else {
        Err(format!("sock_diag only knows this machine, not the one of {}", setup.roots.proc.display()))
    };
    let diag = match diag {
        Ok(diag) => Some(diag),
        Err(why) => {
            notes.push(format!("{why}: of the TCP states, only tcp_time_wait is available"));
            None
        }
    };
    if let (None, None, None, None) = (&sockstat, &snmp, &netstat, &diag) {
        return Err(Unavailable::new(notes.join("; ")));
    }
    let collector = SocketCollector {
        sockstat,
        sockstat6,
        snmp,
        netstat,
        diag: diag.map(Ok),
        tcp: Pairs::new(b"Tcp:", [b"CurrEstab", b"ActiveOpens", b"PassiveOpens", b"RetransSegs", b"OutRsts"]),
        tcp_ext: Pairs::new(b"TcpExt:", [b"ListenOverflows"]),
        rest: Rest::default(),
        page_size: procfs::page_size(),
    };
    Ok(Opened::with_notes(collector, notes))
}

/// A channel that has answered once.
fn open_diag() -> Result<SockDiag<Netlink>, DiagError> {
    let mut diag = SockDiag::new(Netlink::open()?);
    diag.count()?;
    Ok(diag)
}

/// Each source is `None` if it was missing at the start.
struct SocketCollector {
    sockstat: Option<HeldFile>,
    sockstat6: Option<HeldFile>,
    snmp: Option<HeldFile>,
    netstat: Option<HeldFile>,
    /// `Err`: failed at the previous tick, to be opened again.
    diag: Option<Result<SockDiag<Netlink>, ()>>,
    rest: Rest,
    tcp: Pairs<5>,
    tcp_ext: Pairs<1>,
    page_size: u64,
}

impl Collector for SocketCollector {
    fn collect(&mut self, _tick: u64, out: &mut Sample) -> Result<(), CollectError> {
        let mut row = Sockets::default();
        // Before the states, so that a change between the two readings is seen at the next tick.
        self.rest.begin();
        if let Some(text) = read(&mut self.snmp, out) {
            [row.current_established, row.active_opens, row.passive_opens, row.retransmits, row.resets_sent] =
                self.tcp.read(text).unwrap_or_default();
            row.current_established = possible(row.current_established);
            self.rest.note(text, b"Tcp:");
        }
        if let Some(text) = read(&mut self.sockstat, out) {
            let v4 = Sockstat::parse(text);
            self.rest.note(text, b"TCP:");
            let v6 = read(&mut self.sockstat6, out).map(|text| {
                self.rest.note(text, b"TCP6:");
                Sockstat::parse(text)
            });
            row.sockstat_tw = v4.tw;
            row.mem_bytes = v4.mem_pages.and_then(|pages| pages.checked_mul(self.page_size));
            row.udp = v4.udp.map(|udp| udp.saturating_add(v6.and_then(|v6| v6.udp6).unwrap_or(0)));
        }
        if let Some(diag) = &mut self.diag {
            match self.rest.states(crate::linux::clock::mono_ns(), || count(diag)) {
                Ok(states) => row.states = Some(states),
                Err(error) => out.warn(format!("{error}: no TCP states at this tick")),
            }
        }
        if let Some(text) = read(&mut self.netstat, out) {
            [row.listen_overflows] = self.tcp_ext.read(text).unwrap_or_default();
        }
        if row == Sockets::default() {
            return Err(CollectError::Other("none of the socket sources could be read".into()));
        }
        out.push(&TABLE, &[row]);
        Ok(())
    }
}

/// While TCP is idle, the states of its sockets are those of the last count.
///
/// No socket changes its state unless a segment is sent or received, or the number of sockets, orphans or established
/// connections changes. All of these are in the TCP lines of snmp and sockstat. So while these lines are the same as
/// before the last count, the dump, by far the most expensive reading, is skipped. (The exception is a handshake that
/// is given up without a last segment, hence [`LONGEST_REST_NS`].)
#[derive(Default)]
struct Rest {
    lines: Vec<u8>,
    lines_before: Vec<u8>,
    counted: Option<(u64, TcpStates)>,
}

/// After this time the sockets are counted again in any case.
const LONGEST_REST_NS: u64 = 30_000_000_000;

impl Rest {
    fn begin(&mut self) {
        std::mem::swap(&mut self.lines, &mut self.lines_before);
        self.lines.clear();
    }

    /// Remembers the lines of a text that begin with `prefix`.
    fn note(&mut self, text: &[u8], prefix: &[u8]) {
        for line in lines(text).filter(|line| line.starts_with(prefix)) {
            self.lines.extend_from_slice(line);
        }
    }

    fn states<E>(&mut self, now_ns: u64, count: impl FnOnce() -> Result<TcpStates, E>) -> Result<TcpStates, E> {
        if let Some((at_ns, states)) = &self.counted
            && self.lines == self.lines_before
            && !self.lines.is_empty()
            && now_ns.saturating_sub(*at_ns) < LONGEST_REST_NS
        {
            return Ok(states.clone());
        }
        self.counted = None;
        let states = count()?;
        self.counted = Some((now_ns, states.clone()));
        Ok(states)
    }
}

/// Counts over the channel, or over a new one if it failed the last time: the old one may contain half an answer.
fn count(diag: &mut Result<SockDiag<Netlink>, ()>) -> Result<TcpStates, DiagError> {
    let mut open = match std::mem::replace(diag, Err(())) {
        Ok(open) => open,
        Err(()) => SockDiag::new(Netlink::open()?),
    };
    let states = open.count()?;
    *diag = Ok(open);
    Ok(states)
}

/// A failing source only affects its own columns.
fn read<'f>(file: &'f mut Option<HeldFile>, out: &mut Sample) -> Option<&'f [u8]> {
    match file.as_mut()?.read() {
        Ok(text) => Some(text),
        Err(error) => {
            out.warn(error.to_string());
            None
        }
    }
}

/// The values needed from `sockstat` and `sockstat6`.
#[derive(Debug, Default, PartialEq)]
struct Sockstat {
    tw: Option<u64>,
    mem_pages: Option<u64>,
    udp: Option<u64>,
    udp6: Option<u64>,
}

impl Sockstat {
    /// Lines such as `TCP: inuse 5 orphan 0 tw 2 alloc 7 mem 1`.
    fn parse(text: &[u8]) -> Sockstat {
        let mut found = Sockstat::default();
        for line in lines(text) {
            let mut words = words(line);
            match words.next() {
                Some(b"TCP:") => {
                    while let (Some(key), Some(value)) = (words.next(), words.next()) {
                        match key {
                            b"tw" => found.tw = possible(number(value)),
                            b"mem" => found.mem_pages = possible(number(value)),
                            _ => {}
                        }
                    }
                }
                Some(b"UDP:") => found.udp = inuse(words),
                Some(b"UDP6:") => found.udp6 = inuse(words),
                _ => {}
            }
        }
        found
    }
}

fn inuse<'t>(mut words: impl Iterator<Item = &'t [u8]>) -> Option<u64> {
    words.find(|key| *key == b"inuse")?;
    possible(number(words.next()?))
}

#[cfg(test)]
mod tests {
    use super::super::options::Options;
    use super::*;
    use crate::linux::files::Roots;
    use crate::table::sample::Cell;
    use proptest::prelude::*;
    use std::path::Path;

    const SOCKSTAT: &str = "\
sockets: used 294
TCP: inuse 38 orphan 1 tw 52 alloc 40 mem 5
UDP: inuse 9 mem 3
UDPLITE: inuse 0
RAW: inuse 1
FRAG: inuse 0 memory 0
";
    const SOCKSTAT6: &str = "TCP6: inuse 5\nUDP6: inuse 4\nUDPLITE6: inuse 0\nRAW6: inuse 0\nFRAG6: inuse 0 memory 0\n";
    const SNMP: &str = "\
Ip: Forwarding DefaultTTL InReceives
Ip: 1 64 100
Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs OutSegs RetransSegs InErrs OutRsts InCsumErrors
Tcp: 1 200 120000 -1 60 25 7 8 47 6734 4809 12 0 55 0
";
    const NETSTAT: &str = "\
TcpExt: SyncookiesSent SyncookiesRecv ListenOverflows ListenDrops
TcpExt: 1 2 33 44
IpExt: InNoRoutes ListenOverflows
IpExt: 5 6
";

    #[test]
    fn sockstat_of_both_families() {
        let v4 = Sockstat::parse(SOCKSTAT.as_bytes());
        assert_eq!(v4, Sockstat { tw: Some(52), mem_pages: Some(5), udp: Some(9), udp6: None });
        assert_eq!(Sockstat::parse(SOCKSTAT6.as_bytes()), Sockstat { udp6: Some(4), ..Sockstat::default() });
        assert_eq!(Sockstat::parse(b"TCP: inuse 1 tw\nUDP:\n"), Sockstat::default());
        // Below zero, and wrapped.
        let wrapped =
            b"TCP: inuse 1 orphan 0 tw 4294967295 alloc 1 mem 18446744073709551615\nUDP: inuse 4294967294 mem 3\n";
        assert_eq!(Sockstat::parse(wrapped), Sockstat::default());
    }

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

    #[test]
    fn states_are_counted_again_only_if_something_changed() {
        let mut rest = Rest::default();
        let mut counts = 0;
        let mut tick = |snmp: &str, sockstat: &str, second: u64| {
            rest.begin();
            rest.note(snmp.as_bytes(), b"Tcp:");
            rest.note(sockstat.as_bytes(), b"TCP:");
            rest.states(second * 1_000_000_000, || {
                counts += 1;
                Ok::<_, ()>(TcpStates::for_test(&[(TcpState::Listen, counts)], 0))
            })
            .unwrap()
            .of(TcpState::Listen)
        };
        assert_eq!(tick(SNMP, SOCKSTAT, 0), 1);
        assert_eq!(tick(SNMP, SOCKSTAT, 1), 1);
        // One segment was sent or received.
        let moved = SNMP.replace(" 6734 ", " 6735 ");
        assert_eq!(tick(&moved, SOCKSTAT, 2), 2);
        // Other protocols change all the time.
        assert_eq!(
            tick(&moved.replace("Ip: 1 64 100", "Ip: 1 64 101"), &SOCKSTAT.replace("UDP: inuse 9", "UDP: inuse 8"), 3),
            2
        );
        // One socket fewer.
        assert_eq!(tick(&moved, &SOCKSTAT.replace("inuse 38", "inuse 37"), 4), 3);
        assert_eq!(tick(&moved, &SOCKSTAT.replace("inuse 38", "inuse 37"), 33), 3);
        assert_eq!(tick(&moved, &SOCKSTAT.replace("inuse 38", "inuse 37"), 34), 4, "counted again after 30 s");
        // Without the lines it is unknown whether anything changed.
        assert_eq!((tick("", "", 35), tick("", "", 36)), (5, 6));
    }

    fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("net")).unwrap();
        for (name, text) in files {
            std::fs::write(dir.path().join("net").join(name), text).unwrap();
        }
        dir
    }

    fn setup(proc: &Path) -> Setup {
        Setup::new(Roots { proc: proc.into(), sys: proc.into() }, Options::default())
    }

    /// The row's values by column.
    fn row(collector: &mut dyn Collector) -> Vec<(&'static str, Cell)> {
        let catalog = [TABLE.def()];
        let mut sample = Sample::new(&catalog);
        collector.collect(1, &mut sample).unwrap();
        catalog[0].raw.iter().map(|c| c.name).zip(sample.cells_of(&sample.blocks[0]).iter().copied()).collect()
    }

    #[test]
    fn a_captured_root_has_everything_except_the_states() {
        let dir = root(&[("sockstat", SOCKSTAT), ("sockstat6", SOCKSTAT6), ("snmp", SNMP), ("netstat", NETSTAT)]);
        let mut opened = open(&setup(dir.path())).unwrap();
        assert_eq!(opened.notes.len(), 1, "{:?}", opened.notes);
        assert!(opened.notes[0].starts_with("sock_diag only knows this machine"), "{:?}", opened.notes);
        let page = procfs::page_size() as i64;
        let with_values: Vec<_> =
            row(&mut *opened.collector).into_iter().filter(|(_, cell)| *cell != Cell::Null).collect();
        assert_eq!(
            with_values,
            [
                ("tcp_time_wait", Cell::Int(52)),
                ("udp_count", Cell::Int(13)),
                ("tcp_mem_bytes", Cell::Int(5 * page)),
                ("tcp_active_opens", Cell::Int(60)),
                ("tcp_passive_opens", Cell::Int(25)),
                ("tcp_retransmits", Cell::Int(12)),
                ("tcp_resets_sent", Cell::Int(55)),
                ("tcp_listen_overflows", Cell::Int(33)),
            ]
        );
    }

    #[test]
    fn ipv6_may_be_off_and_files_may_be_missing() {
        let dir = root(&[("sockstat", SOCKSTAT)]);
        let mut opened = open(&setup(dir.path())).unwrap();
        assert_eq!(opened.notes.len(), 3, "{:?}", opened.notes);
        assert!(opened.notes[0].contains("net/snmp: No such file"), "{:?}", opened.notes);
        assert!(opened.notes[1].ends_with("no tcp_listen_overflows"), "{:?}", opened.notes);
        let row = row(&mut *opened.collector);
        assert!(row.contains(&("udp_count", Cell::Int(9))), "{row:?}");
        assert!(row.contains(&("tcp_retransmits", Cell::Null)), "{row:?}");
        let nothing = root(&[]);
        assert!(open(&setup(nothing.path())).is_err());
    }

    #[test]
    fn files_without_values_give_no_row() {
        let dir = root(&[("sockstat", ""), ("snmp", "Tcp"), ("netstat", "\u{fffd}\n")]);
        let mut opened = open(&setup(dir.path())).unwrap();
        let catalog = [TABLE.def()];
        assert!(opened.collector.collect(1, &mut Sample::new(&catalog)).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_do_no_harm(bytes: Vec<u8>, text in "((TCP|UDP|UDP6): |inuse |tw |mem |[0-9]|\n| ){0,20}") {
            Sockstat::parse(&bytes);
            Sockstat::parse(text.as_bytes());
        }
    }
}
