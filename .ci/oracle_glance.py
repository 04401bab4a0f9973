"""The sentences about each resource at the top of a page."""

import re

from human import stands_for
from oracle import WHOLE


def glance(tally, oracle, section):
    """The sentences about each resource."""
    of = lambda table, metric, statistic="mean": [
        one["metrics"][metric][statistic]
        for one in oracle.compute(table)[WHOLE].values()
        if one["metrics"][metric][statistic] is not None
    ]
    first = lambda *names: of(*names)[0]
    states = lambda *names: sum(first("cpu", f"{name}_percent") for name in names)
    pressure = lambda resource: oracle.compute("pressure")[WHOLE][(resource,)]["metrics"]["some_percent"]["mean"]
    busiest = lambda: max(
        oracle.compute("disk")[WHOLE].values(), key=lambda one: one["metrics"]["util_percent"]["mean"] or 0
    )
    known = [
        (
            r"(\S+ %) busy, at most (\S+ %)",
            lambda: (first("cpu", "usage_percent"), first("cpu", "usage_percent", "max")),
            "percent",
        ),
        (
            r"(\S+ %) in user mode, (\S+ %) in the kernel",
            lambda: (states("user", "nice"), states("system", "irq", "softirq")),
            "percent",
        ),
        (r"tasks waited for a CPU (\S+ %) of the time", lambda: (pressure("cpu"),), "percent"),
        (r"tasks waited for I/O (\S+ %) of the time", lambda: (pressure("io"),), "percent"),
        (r"tasks waited for memory (\S+ %) of the time", lambda: (pressure("memory"),), "percent"),
        (
            r"(\S+ %) used, at most (\S+ %)",
            lambda: (first("memory", "usage_percent"), first("memory", "usage_percent", "max")),
            "percent",
        ),
        (r"used, at most .*\((\S+ \S+)\)", lambda: (first("memory", "used_bytes", "max"),), "bytes"),
        (
            r"(\S+ \S+/s) read, (\S+ \S+/s) written",
            lambda: (sum(of("disk", "read_bytes_per_sec")), sum(of("disk", "write_bytes_per_sec"))),
            "bytes/s",
        ),
        (
            r"busy (\S+ %) of the time, p95 (\S+ %)",
            lambda: tuple(busiest()["metrics"]["util_percent"][s] for s in ("mean", "p95")),
            "percent",
        ),
        (
            r"(\S+ \S+/s) received, (\S+ \S+/s) sent",
            lambda: (sum(of("network", "bytes_recv_per_sec")), sum(of("network", "bytes_sent_per_sec"))),
            "bytes/s",
        ),
        (
            r"(\S+ %) of CPU time stolen by other tenants, at most (\S+ %)",
            lambda: (first("cpu", "steal_percent"), first("cpu", "steal_percent", "max")),
            "percent",
        ),
        (r"CPUs idle with I/O pending (\S+ %)", lambda: (first("cpu", "iowait_percent"),), "percent"),
        (r"CPU \S+ alone was (\S+ %) busy", lambda: (max(of("cpu_core", "usage_percent")),), "percent"),
        (r"the command used about one CPU \((\S+ %)\)", lambda: (first("command", "usage_percent"),), "percent"),
        (r"the command kept a CPU busy part of the time", lambda: (), "percent"),
        (r"other programs used most of it when it was busiest", lambda: (), "percent"),
        (r"swap I/O (\S+ \S+/s)", lambda: (first("paging", "swap_io_bytes_per_sec"),), "bytes/s"),
        (r"retransmits (\S+/s)", lambda: (first("socket", "tcp_retransmits_per_sec"),), "count/s"),
    ]
    rows = section.tables[0][1:]
    tally.equal("page: at a glance: resources", len(rows), 5)
    for row in rows:
        for sentence in row[3].text.split("; "):
            matching = [(found, values(), unit) for form, values, unit in known if (found := re.search(form, sentence))]
            tally.check("page: at a glance: a known sentence", bool(matching), sentence)
            for found, values, unit in matching:
                for shown, value in zip(found.groups(), values):
                    tally.check(
                        f"page: at a glance: {sentence}", stands_for(shown, value, unit), lambda: f"{shown!r} is not {value}"
                    )
