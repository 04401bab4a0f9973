#!/usr/bin/env python3
"""Counters of protocols, softirqs and interrupts against the kernel's files and `nstat`, read before and after.

Everything compared here only grows. So what is recorded lies between what another program read before the recorder
started and after it ended, however slow this machine is; and what a load did in between is part of the growth.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

from recorder import REPOSITORY, Recording, schema
from tally import Tally

# Longer than the cadence of `interrupt`, which is 5 s.
SECONDS = 6
DATAGRAMS = 40
CONNECTIONS = 7

# nstat's names, without the protocol's prefix: of both families, or of IPv4 and IPv6.
IP = {
    "datagrams_recv": "InReceives", "datagrams_delivered": "InDelivers", "datagrams_sent": "OutRequests",
    "datagrams_forwarded": ("ForwDatagrams", "OutForwDatagrams"), "bytes_recv": "InOctets", "bytes_sent": "OutOctets",
    "header_errors_in": "InHdrErrors", "address_errors_in": "InAddrErrors", "no_routes_in": "InNoRoutes",
    "no_routes_out": "OutNoRoutes", "discards_in": "InDiscards", "discards_out": "OutDiscards",
    "congestion_marks_in": "InCEPkts", "fragments_recv": "ReasmReqds", "reassembled": "ReasmOKs",
    "reassembly_failures": "ReasmFails", "reassembly_timeouts": "ReasmTimeout", "fragmented": "FragOKs",
    "fragmentation_failures": "FragFails", "fragments_sent": "FragCreates",
}
ICMP = {
    "messages_recv": "InMsgs", "messages_sent": "OutMsgs", "errors_in": "InErrors", "errors_out": "OutErrors",
    "rate_limited": "OutRateLimitHost", "unreachable_recv": "InDestUnreachs", "unreachable_sent": "OutDestUnreachs",
    "time_exceeded_recv": "InTimeExcds", "time_exceeded_sent": "OutTimeExcds", "too_big_recv": (None, "InPktTooBigs"),
    "too_big_sent": (None, "OutPktTooBigs"), "redirects_recv": "InRedirects", "redirects_sent": "OutRedirects",
    "echos_recv": "InEchos", "echos_sent": "OutEchos", "echo_replies_recv": ("InEchoReps", "InEchoReplies"),
    "echo_replies_sent": ("OutEchoReps", "OutEchoReplies"), "neighbor_solicits_recv": (None, "InNeighborSolicits"),
    "neighbor_solicits_sent": (None, "OutNeighborSolicits"),
}
UDP = {
    "datagrams_recv": "InDatagrams", "datagrams_sent": "OutDatagrams", "no_ports": "NoPorts", "errors_in": "InErrors",
    "receive_buffer_errors": "RcvbufErrors", "send_buffer_errors": "SndbufErrors", "checksum_errors": "InCsumErrors",
    "memory_errors": "MemErrors",
}
TCP = {
    "segments_recv": "TcpInSegs", "segments_sent": "TcpOutSegs", "errors_in": "TcpInErrs",
    "attempt_fails": "TcpAttemptFails", "established_resets": "TcpEstabResets",
    "syn_retransmits": "TcpExtTCPSynRetrans", "fast_retransmits": "TcpExtTCPFastRetrans",
    "slow_start_retransmits": "TcpExtTCPSlowStartRetrans", "timeouts": "TcpExtTCPTimeouts",
    "spurious_timeouts": "TcpExtTCPSpuriousRTOs", "loss_probes": "TcpExtTCPLossProbes",
    "loss_probe_recoveries": "TcpExtTCPLossProbeRecovery", "sack_recoveries": "TcpExtTCPSackRecovery",
    "undos": ("TcpExtTCPFullUndo", "TcpExtTCPPartialUndo", "TcpExtTCPDSACKUndo", "TcpExtTCPLossUndo"),
    "lost_retransmits": "TcpExtTCPLostRetransmit", "failed_retransmits": "TcpExtTCPRetransFail",
    "dsacks_recv": "TcpExtTCPDSACKRecv", "out_of_order": "TcpExtTCPOFOQueue",
    "out_of_order_drops": "TcpExtTCPOFODrop", "delayed_acks": "TcpExtDelayedACKs",
    "delayed_acks_lost": "TcpExtDelayedACKLost", "listen_drops": "TcpExtListenDrops",
    "request_queue_drops": "TcpExtTCPReqQFullDrop", "syncookies_sent": "TcpExtSyncookiesSent",
    "syncookies_recv": "TcpExtSyncookiesRecv", "syncookies_failed": "TcpExtSyncookiesFailed",
    "backlog_drops": "TcpExtTCPBacklogDrop", "receive_queue_drops": "TcpExtTCPRcvQDrop",
    "prunes": "TcpExtPruneCalled", "receive_queue_prunes": "TcpExtRcvPruned", "collapses": "TcpExtTCPRcvCollapsed",
    "zero_windows_sent": "TcpExtTCPToZeroWindowAdv", "zero_window_drops": "TcpExtTCPZeroWindowDrop",
    "window_probes": "TcpExtTCPWinProbe", "memory_pressures": "TcpExtTCPMemoryPressures",
    "memory_pressure_ms": "TcpExtTCPMemoryPressuresChrono", "aborts_on_memory": "TcpExtTCPAbortOnMemory",
    "aborts_on_timeout": "TcpExtTCPAbortOnTimeout", "aborts_on_data": "TcpExtTCPAbortOnData",
    "time_wait_overflows": "TcpExtTCPTimeWaitOverflow", "delivered": "TcpExtTCPDelivered",
    "delivered_marked": "TcpExtTCPDeliveredCE",
}


def names_of_protocol(column, name, prefixes):
    """(table's family, nstat's name) for a column of both families."""
    names = (name, name) if isinstance(name, str) else name
    for family, prefix, part in zip(("v4", "v6"), prefixes, names):
        if part:
            yield family, column, [f"{one}{part}" for one in prefix]


def nstat():
    """Totals since boot: `nstat` reads snmp, netstat and snmp6. Not as JSON, where it cuts them to 32 bits."""
    done = subprocess.run(["nstat", "-asz"], capture_output=True, text=True, check=True, timeout=60)
    rows = (line.split() for line in done.stdout.splitlines() if not line.startswith("#"))
    return {row[0]: int(row[1]) for row in rows}


def softirqs():
    lines = Path("/proc/softirqs").read_text().splitlines()
    cpus = [int(word[3:]) for word in lines[0].split()]
    rows = (line.split() for line in lines[1:])
    return {(cpu, row[0].rstrip(":").lower()): int(n) for row in rows for cpu, n in zip(cpus, row[1:])}


def softnet():
    """Packets per CPU; only of kernels whose lines name the CPU."""
    rows = [[int(word, 16) for word in line.split()] for line in Path("/proc/net/softnet_stat").read_text().splitlines()]
    columns = {"processed": 0, "dropped": 1, "squeezed": 2, "received_rps": 9, "flow_limited": 10}
    return {(row[12], name): row[at] for row in rows if len(row) > 12 for name, at in columns.items()}


def interrupts():
    lines = Path("/proc/interrupts").read_text().splitlines()
    cpus = len(lines[0].split())
    rows = (line.split() for line in lines[1:])
    return {row[0].rstrip(":"): sum(int(n) for n in row[1:1 + cpus] if n.isdigit()) for row in rows}


def load():
    """Datagrams for a port without a socket, and TCP connections over loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(DATAGRAMS):
            sender.sendto(b"x" * 100, ("127.0.0.1", port))
    with socket.create_server(("127.0.0.1", 0)) as server:
        for _ in range(CONNECTIONS):
            with socket.create_connection(server.getsockname()), server.accept()[0] as peer:
                peer.sendall(b"x")


def read_all():
    found = {"softirqs": softirqs(), "softnet": softnet(), "interrupts": interrupts()}
    return found | ({"nstat": nstat()} if shutil.which("nstat") else {})


def between(tally, name, rows, before, after):
    """`rows` are the values of a counter that began at `before` and ended at `after`."""
    values = [before, *map(int, rows.dropna()), after]
    if before <= after:
        tally.check(name, len(values) > 2 and values == sorted(values), lambda: f"not in order: {values}")


def protocols(tally, tables, before, after):
    if "nstat" not in before:
        print("skipped: nstat (not installed)")
        return
    prefixes = {"ip": (("Ip", "IpExt"), ("Ip6",)), "icmp": (("Icmp",), ("Icmp6",)), "udp": (("Udp",), ("Udp6",))}
    declared = schema()
    for table, names in {"ip": IP, "icmp": ICMP, "udp": UDP, "tcp": TCP}.items():
        counters = {column["name"] for column in declared[table] if column["kind"] == "counter"}
        tally.equal(f"{table}: every counter has a name here", sorted(names), sorted(counters))
        for column, name in names.items():
            if table == "tcp":
                parts = [("", column, [name] if isinstance(name, str) else list(name))]
            else:
                parts = names_of_protocol(column, name, prefixes[table])
            for family, column, keys in parts:
                keys = [key for key in keys if key in before["nstat"]]
                rows = tables[table]
                rows = rows[rows["family"] == family] if family else rows
                # A kernel that lacks the counter, or a machine without IPv6.
                if not keys or rows.empty:
                    continue
                first, last = (sum(reading["nstat"][key] for key in keys) for reading in (before, after))
                between(tally, f"{table} {family} {column}", rows[column], first, last)


def grew(tally, rows, column, least):
    growth = int(rows[column].iloc[-1] - rows[column].iloc[0])
    tally.check(f"growth of {column}", growth >= least, f"{growth} is less than {least}")


def check(tally, scratch):
    folder = Path(scratch) / "counters"
    shutil.rmtree(folder, ignore_errors=True)
    before = read_all()
    recording = Recording(folder, "--collectors", "ip,icmp,udp,tcp,softirq,interrupt", "--duration", "60s")
    recording.wait_until_open()
    time.sleep(0.5)
    load()
    time.sleep(SECONDS)
    recording.stop()
    after = read_all()
    tables = {path.name: pd.read_parquet(path) for path in folder.iterdir() if path.is_dir()}

    protocols(tally, tables, before, after)
    v4 = {table: rows[rows["family"] == "v4"] for table, rows in tables.items() if "family" in rows}
    grew(tally, v4["udp"], "no_ports", DATAGRAMS)
    grew(tally, v4["udp"], "datagrams_sent", DATAGRAMS)
    # The header of a datagram has 28 bytes; the kernel may limit how many answers it sends.
    grew(tally, v4["ip"], "bytes_sent", DATAGRAMS * 128)
    grew(tally, v4["icmp"], "unreachable_recv", 1)
    # SYN, SYN-ACK, ACK, a byte, its ACK.
    grew(tally, tables["tcp"], "segments_sent", 5 * CONNECTIONS)

    rows = tables["softirq"]
    tally.equal("softirq: the CPUs", sorted(rows["cpu"].unique()), sorted(os.sched_getaffinity(0) | set(rows["cpu"])))
    kinds = {"hi", "timer", "net_tx", "net_rx", "block", "irq_poll", "tasklet", "sched", "hrtimer", "rcu"}
    for source in ("softirqs", "softnet"):
        for (cpu, kind), first in before[source].items():
            of_cpu = rows[rows["cpu"] == cpu]
            if not of_cpu.empty and (source == "softnet" or kind in kinds):
                between(tally, f"softirq {cpu} {kind}", of_cpu[kind], first, after[source][cpu, kind])

    rows = tables["interrupt"]
    tally.check("interrupt: at most 20 lines", 0 < rows.groupby("ts").size().max() <= 20)
    for line, of_line in rows.groupby("line"):
        first, last = (reading["interrupts"].get(line) for reading in (before, after))
        tally.check(f"interrupt {line}: a line of the kernel", first is not None and last is not None)
        if first is not None and last is not None:
            between(tally, f"interrupt {line}", of_line["interrupts"], first, last)


def main():
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="counters-", dir=REPOSITORY / "target") as scratch:
        with tally.group("counters of the kernel"):
            tally.trials(lambda trial: check(trial, scratch))
    tally.finish()


if __name__ == "__main__":
    sys.exit(main())
