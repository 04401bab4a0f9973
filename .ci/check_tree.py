"""The tables `process` and `command` of a recorded command compared with /proc, read by others at the same times."""

import shutil
import subprocess
from bisect import bisect_left, bisect_right

import pandas as pd

from proc_sampler import Sampler
from recorder import PERFWATCH, manifest

COUNTERS = ["user_ms", "system_ms", "minor_faults", "major_faults", "read_bytes", "write_bytes", "peak_rss_bytes",
            "wait_ms", "context_switches"]
SAME = ["comm", "ppid", "state", "threads", "rss_bytes", "command_line"]
SUMS = ["user_ms", "system_ms", "minor_faults", "major_faults", "read_bytes", "write_bytes"]


def record(scratch, words, interval="100ms", sample=True):
    """A recording of a command, and the readings of its processes by a sampler."""
    folder = scratch / "tree"
    shutil.rmtree(folder, ignore_errors=True)
    command = [PERFWATCH, "record", "-qq", "-i", interval, "--collectors", "process", "-o", folder, "--", *words]
    recorder = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL)
    sampler = Sampler(recorder.pid, scratch / "sampled") if sample else None
    recorder.wait(timeout=120)
    # A process that has ended has no memory, which `ps` and the kernel show as zero.
    process, command = (pd.read_parquet(folder / table).fillna({"rss_bytes": 0}) for table in ("process", "command"))
    return folder, process, command, sampler and sampler.readings()


def check_sums(tally, name, folder, process, command):
    """What must hold exactly between the two tables, and between them and the manifest."""
    for column in SUMS:
        tally.check(f"{name}: {column} of command never decreases", command[column].is_monotonic_increasing)
    mine = process[process.in_command].groupby("ts")
    sums = pd.DataFrame({"processes": mine.size(), "threads": mine.threads.sum(), "rss_bytes": mine.rss_bytes.sum()})
    ours = command.set_index("ts")[["processes", "threads", "rss_bytes"]]
    sums = sums.reindex(ours.index, fill_value=0).astype(ours.dtypes)
    tally.check(f"{name}: processes, threads, rss are sums over the rows of process", ours.equals(sums),
                lambda: f"\n{ours.compare(sums)}")
    cost = manifest(folder)["sessions"][0]["command"]["cost"]
    last = command.iloc[-1]
    # The kernel reports the times of processes in hundredths, rounded down, for user and system.
    lost = 20 * (2 + mine.size().max())
    cpu = 1000 * (cost["user_s"] + cost["system_s"])
    # The table uses the time of the control group if there is one. That includes the time of children reaped by the
    # kernel after the last look at them.
    most = max(cpu, 1000 * (cost["cgroup_cpu_s"] or 0))
    tally.check(f"{name}: the last row is the manifest's sum", cpu - lost <= last.user_ms + last.system_ms <= most + lost,
                lambda: f"{last.user_ms} + {last.system_ms} ms, {cpu} ms, control group {cost['cgroup_cpu_s']} s")
    tally.check(f"{name}: most processes", cost["processes_peak"] == command.processes.max())


class Judged:
    """Counts rows, and keeps the first wrong one."""

    def __init__(self):
        self.right, self.wrong, self.example = {}, {}, {}

    def row(self, column, holds, example):
        counts = self.right if holds else self.wrong
        counts[column] = counts.get(column, 0) + 1
        if not holds:
            self.example.setdefault(column, example)


def check_rows(judged, process, sampled):
    """Checks that each row lies between the readings before and after its tick. Returns the number of rows."""
    readings, rows = {}, 0
    for began, ended, seen in sampled:
        for one in seen:
            readings.setdefault(one["pid"], []).append((began, ended, one))
    for (pid, ts), row in process.set_index(["pid", "ts"]).iterrows():
        at, mine = ts.timestamp(), readings.get(pid, [])
        first = bisect_left(mine, at, key=lambda reading: reading[1])
        # Collecting takes a few milliseconds; longer on a busy machine.
        then = bisect_right(mine, at + 0.06, key=lambda reading: reading[0])
        before = [one for _, _, one in mine[max(first - 1, 0):first]]
        after = [one for _, _, one in mine[then:then + 1]]
        if not before or not after or before[0]["started"] != after[0]["started"]:
            continue
        (before, after), rows = (before[0], after[0]), rows + 1
        # A thread that ended took along what it had waited; only the recorder remembers.
        had_threads = any(one["threads"] > 1 for _, _, one in mine)
        for column in COUNTERS:
            if had_threads and column in ("wait_ms", "context_switches"):
                continue
            low, high = before.get(column), after.get(column)
            if low is not None and high is not None and before["comm"] == after["comm"]:
                # Before its exec it was a small process of ours; and the kernel's sum of pages is approximate.
                room = 2 * 1024 * 1024 if column == "peak_rss_bytes" else 0
                holds = low - room <= row[column] <= high + room
                judged.row(column, holds, f"{pid} {ts}: {low} <= {row[column]} <= {high}")
        still = all(before.get(c) == after.get(c) for c in COUNTERS)
        for column in SAME:
            # Before its exec, the command has none of its own.
            if column == "command_line" and pd.isna(row[column]) and "perfwatch record" in before[column]:
                continue
            # A process that ran in between may have had other values then.
            if before[column] == after[column] and (still or column in ("comm", "ppid", "threads")) and before[column]:
                judged.row(column, row[column] == before[column], f"{pid} {ts}: {row[column]} is not {before[column]}")
    return rows


def check(tally, scratch, programs):
    judged = Judged()
    for name, words, at_least in [
        ("threads", [programs, "threads"], 3),
        ("exec", [programs, "exec"], 3),
        ("daemon", [programs, "daemon"], 3),
        ("disk", [programs, "disk", scratch / "file"], 1),
        # A sleeping process whose parent ends; one that uses CPU next to a sleeping one; a thread that ends.
        ("orphan", ["sh", "-c", f"(sleep 2 & {programs} burn 300 100); sleep 1; {programs} burn 400"], 20),
        ("stopped", ["sh", "-c", "sleep 2 & sleep 0.4; kill -STOP $!; sleep 0.8; kill -CONT $!; wait"], 10),
    ]:
        folder, process, command, sampled = record(scratch, words)
        check_sums(tally, name, folder, process, command)
        rows = check_rows(judged, process, sampled)
        tally.check(f"{name}: rows that were compared", rows >= at_least, rows)
    for column in [*COUNTERS, *SAME]:
        right, wrong = judged.right.get(column, 0), judged.wrong.get(column, 0)
        print(f"process.{column}: {right} of {right + wrong} between two readings of /proc, or the same as both")
        tally.check(f"process.{column}", right > 0 and wrong == 0, judged.example.get(column))
    for name in ("tree", "ignore", "hold 4 60", "children 300"):
        folder, process, command, _ = record(scratch, [programs, *name.split()], "50ms", sample=False)
        check_sums(tally, name, folder, process, command)
    # Usage of children that the kernel does not report must not hide what their parent uses.
    _, _, command, _ = record(scratch, [programs, "ignore"], "200ms", sample=False)
    used = command.usage_percent[2:-1]
    tally.check("ignore: CPU use at every tick, regardless of reaped children", (used > 2).all(), lambda: list(used))
