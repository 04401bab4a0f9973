"""`record --processes` compared with `ps` and `pidstat` at the same times."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import pandas as pd

from recorder import PERFWATCH

Ps = namedtuple("Ps", "began ended processes")
Line = namedtuple("Line", "pid ppid state rss_bytes threads comm started cpu_ns")


def ps():
    """All processes listed by `ps`, and the run time of each from the scheduler. A process that did not run between two
    calls was unchanged in between."""
    began = time.time()
    fields = "pid=,ppid=,state=,rss=,nlwp=,lstart=,comm="
    text = subprocess.run(["ps", "-eo", fields], capture_output=True, text=True, check=True).stdout
    processes = {}
    for line in text.splitlines():
        pid, ppid, state, rss, threads, *lstart, comm = line.split(None, 10)
        try:
            ran = "".join(sorted((t / "schedstat").read_text() for t in Path(f"/proc/{pid}/task").iterdir()))
        except OSError:
            continue
        processes[int(pid)] = Line(int(pid), int(ppid), state, int(rss) * 1024, int(threads), comm, " ".join(lstart), ran)
    return Ps(began, time.time(), processes)


def record(scratch, *options, seconds=3, while_it_runs=lambda: []):
    folder = scratch / "machine"
    shutil.rmtree(folder, ignore_errors=True)
    command = [PERFWATCH, "record", "-qq", "-i", "1s", "-d", f"{seconds}s", "--collectors", "process", "-o", folder, *options]
    recorder = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL)
    seen = []
    while recorder.poll() is None:
        seen.append(while_it_runs())
        time.sleep(0.05)
    # A table without rows has no folder.
    rows = pd.DataFrame()
    if (folder / "process").exists():
        # A process that has ended has no memory, which `ps` shows as zero.
        rows = pd.read_parquet(folder / "process").fillna({"rss_bytes": 0})
    return rows, [one for one in seen if one]


def around(ts, seen):
    """The last reading before a tick, and the first after it."""
    at = ts.timestamp()
    before = [one for one in seen if one.ended < at]
    after = [one for one in seen if one.began > at + 0.1]
    return (before[-1], after[0]) if before and after else None


def check_all(tally, scratch):
    table, seen = record(scratch, "--processes", "all", while_it_runs=ps)
    compared, wrong, missing, extra = 0, [], [], []
    for ts, rows in table.groupby("ts"):
        if not (pair := around(ts, seen)):
            continue
        before, after = (one.processes for one in pair)
        ours = rows.set_index("pid")
        tally.check("all: each process once", ours.index.is_unique)
        there = {pid for pid in before.keys() & after.keys() if before[pid].started == after[pid].started}
        missing += sorted(there - set(ours.index))
        # A process that existed only in between, for example `ps` itself, is in neither list.
        extra += [pid for pid in ours.index if pid < min(before) or pid in before and pid not in ours.index]
        for pid in there & set(ours.index):
            one, other, row = before[pid], after[pid], ours.loc[pid]
            if one.cpu_ns == other.cpu_ns and one == other:
                compared += 1
                found = (row.ppid, row.state, row.rss_bytes, row.threads)
                if found != (one.ppid, one.state, one.rss_bytes, one.threads):
                    wrong.append((pid, one.comm, found, one))
                # After the name of a kernel worker, `ps` shows what it works on.
                if not one.comm.startswith(row.comm.replace("?", "")[:15]):
                    wrong.append((pid, row.comm, one.comm))
    print(f"--processes all: {compared} rows as in ps")
    tally.check("all: rows as in ps", compared > 20 and not wrong, lambda: f"{compared}; {len(wrong)} not: {wrong[:3]}")
    tally.check("all: no process is missing", not missing, missing)
    tally.check("all: no other process", not extra, extra)


def check_usage(tally, scratch, programs):
    """Programs of different CPU usage; on a busy machine they get less, and pidstat shows that too."""
    if not shutil.which("pidstat"):
        print("skipped: usage_percent against pidstat (not installed)")
        return
    processes = [subprocess.Popen([programs, "duty", str(percent)]) for percent in (40, 25, 12)]
    try:
        pidstat = subprocess.Popen(["pidstat", "-u", "-h", "-p", "ALL", "1", "5"], stdout=subprocess.PIPE, text=True)
        table, _ = record(scratch, "--processes", "match=^programs$", seconds=6)
        said = pidstat.communicate(timeout=60)[0]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    for process in processes:
        ours = table[table.pid == process.pid].usage_percent.iloc[1:-1].mean()
        lines = [line.split() for line in said.splitlines() if re.search(rf"\s{process.pid}\s", line)]
        theirs = [float(words[words.index(str(process.pid)) + 5]) for words in lines]
        theirs = sum(theirs) / len(theirs)
        print(f"usage_percent: {ours:.1f}, pidstat {theirs:.1f}")
        tally.check("usage_percent as in pidstat", abs(ours - theirs) <= 4, f"{ours}, {theirs}")


def check_top(tally, scratch):
    """The selection compared with the full list: two recorders at the same time."""
    folder = scratch / "full"
    shutil.rmtree(folder, ignore_errors=True)
    command = [PERFWATCH, "record", "-qq", "-d", "4s", "--collectors", "process", "--processes", "all", "-o", folder]
    full = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL)
    top, _ = record(scratch, "--processes", "top=5", seconds=3)
    full.wait(timeout=30)
    full = pd.read_parquet(folder / "process").fillna({"rss_bytes": 0})
    per_tick = top.groupby("ts").size()
    tally.check("top=5: five to ten per tick", per_tick.between(5, 10).all(), list(per_tick))
    compared = 0
    # The first interval began at a different time for each of the two.
    for ts, rows in list(top.groupby("ts"))[2:]:
        everyone = full[(full.ts - ts).abs() < pd.Timedelta("50ms")]
        # The last interval of one ends some milliseconds after a whole interval of the other.
        if everyone.empty or abs(everyone.elapsed_s.median() - rows.elapsed_s.median()) > 0.2:
            continue
        compared += 1
        # By memory, except processes of equal size and those that grow.
        largest = everyone.nlargest(5, "rss_bytes")
        missing = largest[~largest.pid.isin(rows.pid)]
        tally.check("top=5: the five largest of all", len(missing) <= 1, lambda: f"\n{missing}\n{rows}")
        # By CPU time: processes with clearly more than the last selected one.
        chosen = rows.usage_percent.nlargest(5).min()
        busy = everyone[everyone.usage_percent > chosen + 2]
        missing = busy[~busy.pid.isin(rows.pid)]
        tally.check("top=5: the five busiest of all", missing.empty, lambda: f"\n{missing}\n{rows}")
    tally.check("top=5: ticks that were compared", compared >= 1, compared)


def check_match(tally, scratch):
    wanted = f"61.{os.getpid()}"
    sleepers = [subprocess.Popen(["sleep", time]) for time in ("62", wanted, wanted + "5")]
    # One process matches only after its exec.
    becomes = f"import os, time; time.sleep(1.2); os.execvp('sleep', ['sleep', '{wanted}'])"
    other = subprocess.Popen([sys.executable, "-c", becomes])
    try:
        name, _ = record(scratch, "--processes", f"match=^sleep {wanted}$", seconds=3)
    finally:
        for process in [*sleepers, other]:
            process.kill()
            process.wait()
    tally.equal("match: those that match", set(name.pid), {sleepers[1].pid, other.pid})
    tally.equal("match: its name", set(name.comm), {"sleep"})
    nobody, _ = record(scratch, "--processes", "match=^no such process$", seconds=1)
    tally.check("match: nobody", nobody.empty)


def check(tally, scratch, programs):
    if shutil.which("ps"):
        tally.trials(lambda trial: check_all(trial, scratch))
    else:
        print("skipped: --processes all against ps (not installed)")
    tally.trials(lambda trial: check_top(trial, scratch))
    tally.trials(lambda trial: check_usage(trial, scratch, programs))
    check_match(tally, scratch)
