#!/usr/bin/env python3
"""The same seconds seen by perfwatch and by others: /proc itself, mpstat, iostat, vmstat, free, ss, perf stat.

The others do not read at the same microsecond, so each comparison has a bound; the table shows the difference.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

import live_sources as sources
from recorder import LOAD, REPOSITORY, Recording
from tally import Tally

SECONDS = 8


class Table:
    """Prints our values next to the others, and counts."""

    def __init__(self, tally):
        self.tally = tally
        print(f"{'same seconds':44} {'perfwatch':>15} {'the other':>15} {'difference':>12} {'bound':>12}")

    def row(self, name, ours, theirs, relative=0.0, absolute=0.0):
        bound = max(absolute, relative * abs(theirs))
        apart = abs(ours - theirs)
        print(f"{name:44} {ours:15,.2f} {theirs:15,.2f} {apart:12,.2f} {bound:12,.2f}")
        self.tally.check(name, apart <= bound, f"{ours} is more than {bound} from {theirs}")


class Recorded:
    """The recording, indexed by wall clock times."""

    def __init__(self, folder):
        self.tables = {path.name: pd.read_parquet(path) for path in folder.iterdir() if path.is_dir()}

    def rows(self, table, **entity):
        rows = self.tables[table]
        for column, value in entity.items():
            rows = rows[rows[column] == value]
        return rows.set_index("ts").sort_index()

    def nearest(self, rows, moment):
        return rows.index.get_indexer([pd.Timestamp(moment, unit="s", tz="UTC")], method="nearest")[0]

    def growth(self, rows, column, began, ended):
        """The growth of a counter between the ticks nearest to two times, and the seconds between those ticks."""
        first, last = self.nearest(rows, began), self.nearest(rows, ended)
        seconds = (rows.index[last] - rows.index[first]).total_seconds()
        return float(rows[column].iloc[last] - rows[column].iloc[first]), seconds

    def rate(self, rows, column, source):
        grown, seconds = self.growth(rows, column, source.began, source.ended)
        return grown / seconds

    def during(self, rows, source):
        begin, end = (pd.Timestamp(t, unit="s", tz="UTC") for t in (source.began, source.ended))
        return rows[(rows.index > begin) & (rows.index <= end)]


def levels(stop):
    """Reads free and ss repeatedly, each with its time."""
    seen = []
    while time.time() < stop:
        for name, read in [("free", sources.free), ("ss", sources.ss)]:
            if sources.has(name):
                before = time.time()
                values = read()
                seen.append((name, (before + time.time()) / 2, values))
        time.sleep(0.5)
    return seen


def compare_proc(table, recorded, before, after):
    """The values of /proc at two times. The kernel continued counting until our nearest tick, at most 100 ms away."""
    (began, first), (ended, last) = before, after
    for key, value in last.items():
        name, entity, column = (key[0], None, key[1]) if len(key) == 2 else key
        by = {"disk": "device", "network": "interface"}.get(name)
        if by and entity not in set(recorded.tables[name][by]):
            continue
        rows = recorded.rows(name, **({by: entity} if by else {}))
        ours, _ = recorded.growth(rows, column, began, ended)
        theirs = value - first[key]
        if ours == theirs == 0:
            continue
        # Two ticks of 100 ms off in a window of 8 s, and bursts.
        spread = float(rows[column].diff().max())
        table.row(f"/proc {' '.join(filter(None, [name, entity, column]))}", ours, theirs, 0.03, 2 * spread)


def compare_mpstat(table, recorded, source):
    names = {"usr": "user", "nice": "nice", "sys": "system", "iowait": "iowait", "soft": "softirq", "steal": "steal",
             "idle": "idle"}
    for (cpu, key), theirs in sorted(source.values.items()):
        rows = recorded.rows("cpu") if cpu == "all" else recorded.rows("cpu_core", cpu=int(cpu))
        ours = float(recorded.during(rows, source)[f"{names[key]}_percent"].mean())
        table.row(f"mpstat cpu {cpu} {key} %", ours, theirs, absolute=4)


def compare_iostat(table, recorded, source):
    for device, disk in source.values.items():
        rows = recorded.rows("disk", device=device)
        if rows.empty or disk["r/s"] + disk["w/s"] == 0:
            continue
        # One burst of the load is 16 MB and its operations.
        operations = float(rows["write_count"].diff().max()) / SECONDS
        written = float(rows["write_bytes"].diff().max()) / SECONDS / 1024
        table.row(f"iostat {device} w/s", recorded.rate(rows, "write_count", source), disk["w/s"], 0.1, 2 * operations)
        ours = recorded.rate(rows, "write_bytes", source) / 1024
        table.row(f"iostat {device} wkB/s", ours, disk["wkB/s"], 0.1, 2 * written)
        ours = recorded.rate(rows, "busy_ms", source) / 10
        table.row(f"iostat {device} %util", ours, disk["util"], 0.2, 3)
        compare_await(table, recorded, rows, device, disk["w_await"], source)


def compare_await(table, recorded, rows, device, theirs, source):
    """One burst of writes takes as long as everything else together, so it matters on which side of an end it lies: the
    bound is how much the value changes if the window begins or ends two ticks earlier or later."""
    first, last = (recorded.nearest(rows, moment) for moment in (source.began, source.ended))

    def mean(first, last):
        first, last = max(first, 0), min(last, len(rows) - 1)
        done, spent = (rows[column].iloc[last] - rows[column].iloc[first] for column in ("write_count", "write_time_ms"))
        return spent / done if done else None

    near = [mean(first + begin, last + end) for begin in range(-2, 3) for end in range(-2, 3)]
    if (ours := mean(first, last)) is not None and None not in near:
        table.row(f"iostat {device} w_await ms", ours, theirs, 0.3, max(1, max(near) - min(near)))


def compare_vmstat(table, recorded, source):
    cpu, paging = recorded.rows("cpu"), recorded.rows("paging")
    theirs = source.values
    if not theirs:
        return
    ours = recorded.rate(cpu, "context_switches", source)
    table.row("vmstat cs", ours, theirs["cs"], 0.1, 100)
    table.row("vmstat in", recorded.rate(cpu, "interrupts", source), theirs["in"], 0.1, 100)
    burst = float(paging["pgpgout"].diff().max()) / SECONDS
    table.row("vmstat bo (KiB/s)", recorded.rate(paging, "pgpgout", source), theirs["bo"], 0.1, 2 * burst)
    for key, part in [("us", "user"), ("sy", "system"), ("id", "idle")]:
        ours = float(recorded.during(cpu, source)[f"{part}_percent"].mean())
        # vmstat adds nice to user, and softirq and irq to system.
        if part == "user":
            ours += float(recorded.during(cpu, source)["nice_percent"].mean())
        table.row(f"vmstat {key} %", ours, theirs[key], absolute=4)


def compare_perf(table, recorded, source):
    if "perf" not in recorded.tables:
        return
    for event, theirs in source.values.items():
        rows = recorded.rows("perf", event=event)
        if not rows.empty:
            # Ours are whole intervals; theirs include what perf itself does at its start and end.
            inside = recorded.during(rows, source)
            seconds = inside["elapsed_s"].sum()
            ours = inside["value"].sum() / seconds
            burst = float(rows["value"].max()) / SECONDS
            table.row(f"perf stat {event} /s", ours, theirs / (source.ended - source.began), 0.1, max(2 * burst, 50))


def compare_levels(table, recorded, seen):
    memory, socket = recorded.rows("memory"), recorded.rows("socket")
    columns = {"total": "total_bytes", "used": "used_bytes", "free": "free_bytes", "available": "available_bytes",
               "buffers": "buffers_bytes", "shared": "shmem_bytes"}
    for key, column in columns.items():
        pairs = [(float(memory[column].iloc[recorded.nearest(memory, at)]), values[key])
                 for name, at, values in seen if name == "free" and key in values]
        if pairs:
            ours, theirs = (sum(side) / len(pairs) for side in zip(*pairs))
            # The load allocates 40 MB at a time.
            table.row(f"free {key} (mean of {len(pairs)})", ours, theirs, 0.0 if key == "total" else 0.02,
                      0 if key == "total" else 60e6)
    for key, column, absolute in [("estab", "tcp_established", 3), ("timewait", "tcp_time_wait", 10)]:
        pairs = [(float(socket[column].iloc[recorded.nearest(socket, at)]), values[key])
                 for name, at, values in seen if name == "ss" and key in values]
        if pairs:
            ours, theirs = (sum(side) / len(pairs) for side in zip(*pairs))
            table.row(f"ss {key} (mean of {len(pairs)})", ours, theirs, 0.1, absolute)


def watch(folder):
    """Runs everything at the same time."""
    recording = Recording(folder, "--duration", "60s", interval="100ms")
    recording.wait_until_open()
    load = subprocess.Popen([sys.executable, LOAD, "--together", "--seconds", str(SECONDS + 5)], cwd=folder.parent,
                            stdout=subprocess.DEVNULL)
    # The load and perf have started by then.
    time.sleep(2)
    works = {"mpstat": sources.mpstat, "iostat": sources.iostat, "vmstat": sources.vmstat,
             "perf": lambda seconds: sources.perf(seconds, "perf")}
    started = {}
    before = time.time(), sources.proc_counters()
    for name, work in works.items():
        if sources.has(name):
            started[name] = sources.Source(name, lambda work=work: work(SECONDS))
        else:
            print(f"skipped: {name} (not installed)")
    for name in ["free", "ss"]:
        if not sources.has(name):
            print(f"skipped: {name} (not installed)")
    seen = levels(time.time() + SECONDS - 1)
    for source in started.values():
        source.join()
    after = time.time(), sources.proc_counters()
    time.sleep(0.5)
    recording.stop()
    load.wait()
    return started, before, after, seen


def compare_all(tally):
    with tempfile.TemporaryDirectory(prefix="live-", dir=REPOSITORY / "target") as scratch:
        folder = Path(scratch) / "live"
        started, before, after, seen = watch(folder)
        recorded = Recorded(folder)
        table = Table(tally)
        compare_proc(table, recorded, before, after)
        compare_levels(table, recorded, seen)
        for name, compare in [("mpstat", compare_mpstat), ("iostat", compare_iostat), ("vmstat", compare_vmstat),
                              ("perf", compare_perf)]:
            if name in started:
                compare(table, recorded, started[name])


def main():
    tally = Tally()
    with tally.group("live comparison"):
        tally.trials(compare_all)
    tally.finish()


if __name__ == "__main__":
    main()
