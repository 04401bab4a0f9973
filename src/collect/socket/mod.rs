//! TCP and UDP sockets and the counters of TCP. Sources: `/proc/net/{sockstat,sockstat6,snmp,netstat}` and `sock_diag`.
//!
//! `/proc/net/tcp` has all states, but costs ten times as much as everything else together: the kernel walks a table
//! sized by memory. So each number is taken from the cheapest source:
//!
//! - TIME_WAIT is `tw` of sockstat. The kernel stores sockets in FIN_WAIT2 that no process holds in the same way and
//!   counts them there; `sock_diag` reports how many these are.
//! - ESTABLISHED is `CurrEstab` of snmp minus CLOSE_WAIT, which `CurrEstab` includes.
//! - The rare states come from `sock_diag`, filtered in the kernel, and are only counted again if something changed
//!   ([`StateCache`]).
//!
//! If `sock_diag` is refused, those states and ESTABLISHED are null, because `CurrEstab` alone has another meaning.
//! Everything except `tcp_mem_bytes` belongs to the network namespace in which the recorder was started.

mod rows;
mod sockstat;
mod states;

use std::time::Duration;

use super::collector::{CollectError, Collector, Entry, Opened, Setup, Unavailable};
use super::group::Group;
use super::pairs::Pairs;
use crate::linux::clock;
use crate::linux::files::SharedFile;
use crate::linux::possible::count as possible;
use crate::linux::sock_diag::{Netlink, SockDiag};
use crate::table::sample::Sample;
use rows::{Sockets, TABLE};
use sockstat::Sockstat;
use states::{StateCache, count, open_diag};

pub const ENTRY: Entry = Entry {
    name: "socket",
    doc: "TCP sockets by state, UDP sockets, TCP connections and retransmits",
    groups: &[Group::Default, Group::Sar],
    tables: &[|| TABLE.def()],
    cadence: Duration::ZERO,
    open,
};

fn open(setup: &Setup) -> Result<Opened, Unavailable> {
    let mut notes = Vec::new();
    let mut held = |file: &SharedFile, columns: &str| match file.open() {
        Ok(()) => Some(file.clone()),
        Err(error) => {
            notes.push(format!("{error}: no {columns}"));
            None
        }
    };
    let sockstat = held(&setup.net.sockstat, "tcp_time_wait, udp_count, tcp_mem_bytes");
    let snmp =
        held(&setup.net.snmp, "tcp_established, tcp_active_opens, tcp_passive_opens, tcp_retransmits, tcp_resets_sent");
    let netstat = held(&setup.net.netstat, "tcp_listen_overflows");
    // Missing if IPv6 is off. Not worth a note: there are no such sockets then.
    let sockstat6 = setup.net.sockstat6.open().ok().map(|()| setup.net.sockstat6.clone());
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
        states: StateCache::default(),
        page_size: procfs::page_size(),
    };
    Ok(Opened::with_notes(collector, notes))
}

/// Each source is `None` if it was missing at the start.
struct SocketCollector {
    sockstat: Option<SharedFile>,
    sockstat6: Option<SharedFile>,
    snmp: Option<SharedFile>,
    netstat: Option<SharedFile>,
    /// `Err`: failed at the previous tick, to be opened again.
    diag: Option<Result<SockDiag<Netlink>, ()>>,
    states: StateCache,
    tcp: Pairs<5>,
    tcp_ext: Pairs<1>,
    page_size: u64,
}

impl Collector for SocketCollector {
    fn collect(&mut self, tick: u64, out: &mut Sample) -> Result<(), CollectError> {
        let mut row = Sockets::default();
        let SocketCollector { states, tcp, tcp_ext, .. } = self;
        // Before the states, so that a change between the two readings is seen at the next tick.
        states.begin();
        read(&self.snmp, tick, out, |text| {
            [row.current_established, row.active_opens, row.passive_opens, row.retransmits, row.resets_sent] =
                tcp.read(text).unwrap_or_default();
            row.current_established = possible(row.current_established);
            states.note(text, b"Tcp:");
        });
        let v4 = read(&self.sockstat, tick, out, |text| {
            states.note(text, b"TCP:");
            Sockstat::parse(text)
        });
        if let Some(v4) = v4 {
            let v6 = read(&self.sockstat6, tick, out, |text| {
                states.note(text, b"TCP6:");
                Sockstat::parse(text)
            });
            row.sockstat_tw = v4.tw;
            row.mem_bytes = v4.mem_pages.and_then(|pages| pages.checked_mul(self.page_size));
            row.udp = v4.udp.map(|udp| udp.saturating_add(v6.and_then(|v6| v6.udp6).unwrap_or(0)));
        }
        if let Some(diag) = &mut self.diag {
            match states.states(clock::mono_ns(), || count(diag)) {
                Ok(states) => row.states = Some(states),
                Err(error) => out.warn(format!("{error}: no TCP states at this tick")),
            }
        }
        read(&self.netstat, tick, out, |text| {
            [row.listen_overflows] = tcp_ext.read(text).unwrap_or_default();
        });
        if row == Sockets::default() {
            return Err(CollectError::Other("none of the socket sources could be read".into()));
        }
        out.push(&TABLE, &[row]);
        Ok(())
    }
}

/// A failing source only affects its own columns.
fn read<T>(file: &Option<SharedFile>, tick: u64, out: &mut Sample, parse: impl FnOnce(&[u8]) -> T) -> Option<T> {
    match file.as_ref()?.with(tick, parse) {
        Ok(parsed) => Some(parsed),
        Err(error) => {
            out.warn(error.to_string());
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::options::Options;
    use super::*;
    use crate::linux::files::Roots;
    use crate::table::sample::Cell;

    pub const SOCKSTAT: &str = "\
sockets: used 294
TCP: inuse 38 orphan 1 tw 52 alloc 40 mem 5
UDP: inuse 9 mem 3
UDPLITE: inuse 0
RAW: inuse 1
FRAG: inuse 0 memory 0
";
    pub const SOCKSTAT6: &str =
        "TCP6: inuse 5\nUDP6: inuse 4\nUDPLITE6: inuse 0\nRAW6: inuse 0\nFRAG6: inuse 0 memory 0\n";
    pub const SNMP: &str = "\
Ip: Forwarding DefaultTTL InReceives
Ip: 1 64 100
Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs OutSegs RetransSegs InErrs OutRsts InCsumErrors
Tcp: 1 200 120000 -1 60 25 7 8 47 6734 4809 12 0 55 0
";
    pub const NETSTAT: &str = "\
TcpExt: SyncookiesSent SyncookiesRecv ListenOverflows ListenDrops
TcpExt: 1 2 33 44
IpExt: InNoRoutes ListenOverflows
IpExt: 5 6
";

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
}
