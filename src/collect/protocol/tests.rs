//! The tables of protocols, on files that kernels of several ages print.

use std::collections::HashSet;
use std::path::Path;

use super::super::options::Options;
use super::*;
use crate::collect::collector::{Collector, Entry};
use crate::linux::files::Roots;
use crate::table::sample::Cell;

/// After Linux 6.x; every number is another one.
const SNMP: &str = "\
Ip: Forwarding DefaultTTL InReceives InHdrErrors InAddrErrors ForwDatagrams InUnknownProtos InDiscards InDelivers OutRequests OutDiscards OutNoRoutes ReasmTimeout ReasmReqds ReasmOKs ReasmFails FragOKs FragFails FragCreates OutTransmits
Ip: 1 64 1001 1002 1003 1004 1005 1006 1007 1008 1009 1010 1011 1012 1013 1014 1015 1016 1017 1018
Icmp: InMsgs InErrors InCsumErrors InDestUnreachs InTimeExcds InParmProbs InSrcQuenchs InRedirects InEchos InEchoReps InTimestamps InTimestampReps InAddrMasks InAddrMaskReps OutMsgs OutErrors OutRateLimitGlobal OutRateLimitHost OutDestUnreachs OutTimeExcds OutParmProbs OutSrcQuenchs OutRedirects OutEchos OutEchoReps OutTimestamps OutTimestampReps OutAddrMasks OutAddrMaskReps
Icmp: 201 202 203 204 205 206 207 208 209 210 211 212 213 214 215 216 217 218 219 220 221 222 223 224 225 226 227 228 229
IcmpMsg: InType3 OutType3
IcmpMsg: 204 219
Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs OutSegs RetransSegs InErrs OutRsts InCsumErrors
Tcp: 1 200 120000 -1 301 302 303 304 305 306 307 308 309 310 311
Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti MemErrors
Udp: 401 402 403 404 405 406 407 408 409
UdpLite: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti MemErrors
UdpLite: 0 0 0 0 0 0 0 0 0
";

const NETSTAT: &str = "\
TcpExt: SyncookiesSent SyncookiesRecv PruneCalled ListenDrops TCPSackRecovery TCPFullUndo TCPPartialUndo TCPDSACKUndo TCPLossUndo TCPTimeouts TCPMemoryPressuresChrono TCPOFOQueue
TcpExt: 501 502 503 504 505 1 20 300 4000 510 511 512
IpExt: InNoRoutes InTruncatedPkts InOctets OutOctets InCEPkts
IpExt: 601 602 603 604 605
";

const SNMP6: &str = "\
Ip6InReceives                   \t701
Ip6InNoRoutes                   \t702
Ip6InDelivers                   \t703
Ip6OutForwDatagrams             \t704
Ip6OutRequests                  \t705
Ip6ReasmFails                   \t706
Ip6InOctets                     \t707
Icmp6InMsgs                     \t801
Icmp6InPktTooBigs               \t802
Icmp6OutNeighborSolicits        \t803
Icmp6InType134                  \t804
Udp6InDatagrams                 \t901
Udp6NoPorts                     \t902
UdpLite6InDatagrams             \t903
";

const SOCKSTAT: &str = "sockets: used 9\nTCP: inuse 7 orphan 0 tw 0 alloc 1 mem 81\nFRAG: inuse 2 memory 4096\n";
const SOCKSTAT6: &str = "TCP6: inuse 3\nUDP6: inuse 4\nRAW6: inuse 1\nFRAG6: inuse 0 memory 0\n";

const ALL: &[(&str, &str)] =
    &[("snmp", SNMP), ("netstat", NETSTAT), ("snmp6", SNMP6), ("sockstat", SOCKSTAT), ("sockstat6", SOCKSTAT6)];

fn put(dir: &Path, files: &[(&str, &str)]) {
    std::fs::create_dir_all(dir.join("net")).unwrap();
    for (name, text) in files {
        std::fs::write(dir.join("net").join(name), text).unwrap();
    }
}

fn root(files: &[(&str, &str)]) -> (tempfile::TempDir, Setup) {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), files);
    let roots = Roots { proc: dir.path().into(), sys: dir.path().into() };
    (dir, Setup::new(roots, Options::default()))
}

/// The rows of a tick, each as `column=value`, without nulls.
fn rows(entry: &Entry, collector: &mut dyn Collector, tick: u64) -> Vec<Vec<String>> {
    let catalog = [entry.tables[0]()];
    let mut sample = Sample::new(&catalog);
    collector.collect(tick, &mut sample).unwrap();
    let shown = |(column, cell): (&crate::table::RawColumn, &Cell)| match cell {
        Cell::Null => None,
        Cell::Int(v) => Some(format!("{}={v}", column.name)),
        Cell::Text(id) => Some(sample.texts.get(*id).unwrap().to_string()),
        other => panic!("{other:?}"),
    };
    let width = catalog[0].raw.len();
    sample.cells.chunks(width).map(|row| catalog[0].raw.iter().zip(row).filter_map(shown).collect()).collect()
}

fn of(entry: &Entry, files: &[(&str, &str)]) -> Vec<String> {
    let (_dir, setup) = root(files);
    let mut opened = (entry.open)(&setup).ok().unwrap();
    rows(entry, &mut *opened.collector, 1).into_iter().map(|row| row.join(" ")).collect()
}

#[test]
fn each_number_finds_its_column() {
    let v4 = "v4 datagrams_recv=1001 datagrams_delivered=1007 datagrams_sent=1008 datagrams_forwarded=1004 \
              bytes_recv=603 bytes_sent=604 header_errors_in=1002 address_errors_in=1003 no_routes_in=601 \
              no_routes_out=1010 discards_in=1006 discards_out=1009 congestion_marks_in=605 fragments_recv=1012 \
              reassembled=1013 reassembly_failures=1014 reassembly_timeouts=1011 fragmented=1015 \
              fragmentation_failures=1016 fragments_sent=1017 reassembly_count=2 reassembly_bytes=4096 tcp_sockets=7";
    let v6 = "v6 datagrams_recv=701 datagrams_delivered=703 datagrams_sent=705 datagrams_forwarded=704 bytes_recv=707 \
              no_routes_in=702 reassembly_failures=706 reassembly_count=0 reassembly_bytes=0 tcp_sockets=3 \
              udp_sockets=4 raw_sockets=1";
    assert_eq!(of(&ip::ENTRY, ALL), [v4, v6]);

    let v4 = "v4 messages_recv=201 messages_sent=215 errors_in=202 errors_out=216 rate_limited=218 \
              unreachable_recv=204 unreachable_sent=219 time_exceeded_recv=205 time_exceeded_sent=220 \
              redirects_recv=208 redirects_sent=223 echos_recv=209 echos_sent=224 echo_replies_recv=210 \
              echo_replies_sent=225";
    assert_eq!(of(&icmp::ENTRY, ALL), [v4, "v6 messages_recv=801 too_big_recv=802 neighbor_solicits_sent=803"]);

    let v4 = "v4 datagrams_recv=401 datagrams_sent=404 no_ports=402 errors_in=403 receive_buffer_errors=405 \
              send_buffer_errors=406 checksum_errors=407 memory_errors=409";
    assert_eq!(of(&udp::ENTRY, ALL), [v4, "v6 datagrams_recv=901 no_ports=902"]);

    let tcp = "segments_recv=306 segments_sent=307 retransmits=308 errors_in=309 attempt_fails=303 \
               established_resets=304 timeouts=510 sack_recoveries=505 undos=4321 out_of_order=512 listen_drops=504 \
               syncookies_sent=501 syncookies_recv=502 prunes=503 memory_pressure_ms=511";
    assert_eq!(of(&tcp::ENTRY, ALL), [tcp]);
}

/// After Linux 2.6.32, which has neither IpExt octets nor a line of errors in checksums.
#[test]
fn what_an_old_kernel_does_not_count_is_null() {
    let snmp = "\
Ip: Forwarding DefaultTTL InReceives InHdrErrors InAddrErrors ForwDatagrams InUnknownProtos InDiscards InDelivers OutRequests OutDiscards OutNoRoutes ReasmTimeout ReasmReqds ReasmOKs ReasmFails FragOKs FragFails FragCreates
Ip: 2 64 11 0 0 0 0 0 12 13 0 0 0 0 0 0 0 0 0
Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs OutSegs RetransSegs InErrs OutRsts
Tcp: 1 200 120000 -1 1 2 3 4 5 6 7 8 9 10
Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors
Udp: 21 22 23 24 25 26
";
    let files = [("snmp", snmp), ("netstat", "TcpExt: ListenDrops\nTcpExt: 5\nIpExt: InNoRoutes\nIpExt: 6\n")];
    let found = of(&udp::ENTRY, &files);
    let expected = "v4 datagrams_recv=21 datagrams_sent=24 no_ports=22 errors_in=23 receive_buffer_errors=25 send_buffer_errors=26";
    assert_eq!(found, [expected], "and no row for v6");
    let ip = &of(&ip::ENTRY, &[files[0], files[1], ("sockstat", "")])[0];
    assert!(ip.contains("no_routes_in=6") && !ip.contains("bytes_recv") && !ip.contains("congestion"), "{ip}");
    let tcp = &of(&tcp::ENTRY, &files)[0];
    assert_eq!(tcp.split(' ').count(), 7, "{tcp}");
    let notes = |entry: &Entry, files: &[(&str, &str)]| (entry.open)(&root(files).1).ok().unwrap().notes;
    assert_eq!(notes(&udp::ENTRY, &files), ["no value on this kernel for checksum_errors, memory_errors"]);
    assert_eq!(notes(&udp::ENTRY, ALL), [""; 0]);
    // What only IPv6 has is not missed where there is no IPv6.
    assert_eq!(notes(&icmp::ENTRY, &ALL[..2]), [""; 0]);
}

#[test]
fn missing_files_are_named_and_leave_the_others() {
    let (_dir, setup) = root(&ALL[1..]);
    let opened = (tcp::ENTRY.open)(&setup).ok().unwrap();
    assert_eq!(opened.notes.len(), 1, "{:?}", opened.notes);
    assert!(opened.notes[0].contains("net/snmp: No such file"), "{:?}", opened.notes);
    // Only IPv6 is left.
    let found = of(&udp::ENTRY, &ALL[1..]);
    assert_eq!(found, ["v6 datagrams_recv=901 no_ports=902"]);
    let (_dir, setup) = root(&[]);
    for entry in [&ip::ENTRY, &icmp::ENTRY, &tcp::ENTRY, &udp::ENTRY] {
        let why = (entry.open)(&setup).err().unwrap();
        assert!(why.reason.contains("net/snmp"), "{}: {}", entry.name, why.reason);
    }
}

#[test]
fn a_file_without_values_is_an_error() {
    let (dir, setup) = root(ALL);
    for entry in [&ip::ENTRY, &icmp::ENTRY, &tcp::ENTRY, &udp::ENTRY] {
        let mut opened = (entry.open)(&setup).ok().unwrap();
        put(dir.path(), &[("snmp", "Ip"), ("netstat", "\u{fffd}\n"), ("snmp6", "Ip6\nUdp6InDatagrams x\n")]);
        let catalog = [entry.tables[0]()];
        let tick = entry.name.len() as u64 * 100;
        let error = opened.collector.collect(tick, &mut Sample::new(&catalog)).unwrap_err();
        assert!(error.to_string().contains("none of the counters"), "{}: {error}", entry.name);
        put(dir.path(), ALL);
    }
}

/// Two tables of one tick show the same reading.
#[test]
fn a_file_is_read_once_per_tick() {
    let (dir, setup) = root(ALL);
    let mut udp = (udp::ENTRY.open)(&setup).ok().unwrap();
    let mut tcp = (tcp::ENTRY.open)(&setup).ok().unwrap();
    assert!(rows(&udp::ENTRY, &mut *udp.collector, 1)[0].contains(&"datagrams_recv=401".to_string()));
    put(dir.path(), &[("snmp", &SNMP.replace("306 307", "998 999"))]);
    assert!(rows(&tcp::ENTRY, &mut *tcp.collector, 1)[0].contains(&"segments_sent=307".to_string()));
    assert!(rows(&tcp::ENTRY, &mut *tcp.collector, 2)[0].contains(&"segments_sent=999".to_string()));
}

/// The kernel's names on this machine, which is newer than every "null before".
#[test]
fn a_current_kernel_has_every_name() {
    let names = |path: &str| -> HashSet<String> {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.split_whitespace().map(str::to_string).collect()
    };
    let (snmp, netstat) = (names("/proc/net/snmp"), names("/proc/net/netstat"));
    if !snmp.contains("OutRateLimitHost") || !netstat.contains("TCPPLBRehash") {
        println!("skipped: an older kernel");
        return;
    }
    for entry in [&ip::ENTRY, &icmp::ENTRY, &tcp::ENTRY, &udp::ENTRY] {
        let mut opened = (entry.open)(&Setup::new(Roots::default(), Options::default())).ok().unwrap();
        let found = rows(entry, &mut *opened.collector, 1).remove(0);
        let columns = entry.tables[0]().raw.len();
        // ICMP of IPv4 lacks what IPv6 has alone.
        let missing = if entry.name == "icmp" { 4 } else { 0 };
        assert_eq!(found.len(), columns - missing, "{}: {found:?}", entry.name);
    }
}

proptest::proptest! {
    #[test]
    fn any_bytes_do_no_harm(text: Vec<u8>, lines in "(Ip6[A-Za-z]{0,12}|[ \t\n]|[0-9]{0,22}){0,20}") {
        let names = [&b"Ip6InReceives"[..], b""];
        values_of_lines(&text, b"Ip6", &names);
        values_of_lines(lines.as_bytes(), b"Ip6", &names);
        sockets::InUse::parse(&text);
    }
}
