#!/usr/bin/env python3
"""Disks, memory, paging, kernel tables and nodes against the kernel's files, iostat, sar and numastat.

Counters only grow, so what is recorded lies between a reading before the first tick and one after the last: nothing
here depends on the moment. Levels that move lie between the lowest and the highest recorded value, with room for what
happened between two ticks.
"""

import json
import os
import re
import shutil
import tempfile
import time
from pathlib import Path

import pandas as pd

from live_sources import has, output
from recorder import REPOSITORY, Recording, run
from tally import Tally

# Names in /proc/vmstat that are columns as they are.
SAME_NAMES = ["compact_stall", "thp_fault_alloc", "thp_fault_fallback", "thp_collapse_alloc", "numa_pages_migrated",
              "pgscan_direct"]
# Position in /proc/diskstats after the name, and the unit.
DISK = {"read_merges": (1, 1), "write_merges": (5, 1), "discard_count": (11, 1), "discard_bytes": (13, 512),
        "flush_count": (15, 1)}
MEMORY = {"SUnreclaim": "sunreclaim_bytes", "Active": "active_bytes", "Inactive": "inactive_bytes",
          "PageTables": "page_tables_bytes", "KernelStack": "kernel_stack_bytes", "Percpu": "percpu_bytes",
          "AnonHugePages": "anon_hugepages_bytes", "Zswap": "zswap_bytes",
          "Zswapped": "zswapped_bytes"}
# What sar calls a level, where we have it, and bytes or items per unit of sar.
SAR = {"kbactive": ("memory", "active_bytes", 1024), "kbinact": ("memory", "inactive_bytes", 1024),
       "kbkstack": ("memory", "kernel_stack_bytes", 1024), "kbpgtbl": ("memory", "page_tables_bytes", 1024),
       "dentunusd": ("kernel", "dentries_unused", 1),
       "file-nr": ("kernel", "files_open", 1), "inode-nr": ("kernel", "inodes", 1), "pty-nr": ("kernel", "ptys", 1),
       "plist-sz": ("kernel", "tasks", 1)}
COLLECTORS = "disk,memory,paging,kernel,buddy,hugepages"


def words_of(path):
    return [line.split() for line in Path(path).read_text().splitlines()]


def counters():
    """The counters of /proc that are columns, as (table, entity, column)."""
    found = {}
    vmstat = {words[0]: int(words[1]) for words in words_of("/proc/vmstat")}
    for name in SAME_NAMES:
        if name in vmstat:
            found["paging", None, name] = vmstat[name]
    refaults = [value for name, value in vmstat.items() if re.fullmatch(r"workingset_refault(_anon|_file)?", name)]
    if refaults:
        found["paging", None, "workingset_refault"] = sum(refaults)
    for words in words_of("/proc/diskstats"):
        numbers = words[3:]
        for column, (at, unit) in DISK.items():
            if at < len(numbers):
                found["disk", words[2], column] = int(numbers[at]) * unit
    return found


def meminfo():
    return {words[0].rstrip(":"): int(words[1]) * 1024 for words in words_of("/proc/meminfo") if len(words) == 3}


def sar_levels():
    """What sar prints for one second: the names of its columns and the values of its last line."""
    found = {}
    for option in [["-r", "ALL"], ["-v"], ["-q"]]:
        text, _ = output("sar", *option, "1", "1")
        lines = [line.split() for line in text.splitlines() if line.startswith("Average:")]
        titles = [line.split() for line in text.splitlines() if set(line.split()) & SAR.keys()]
        if lines and titles:
            # The first words are a time and `Average:`.
            names, values = titles[0][1:], lines[-1][1:]
            found |= {name: float(value) for name, value in zip(names[-len(values):], values) if name in SAR}
    return found


def check_growth(tally, tables, before, after):
    compared = 0
    for key, last in after.items():
        table, entity, column = key
        rows = tables[table]
        if entity is not None:
            rows = rows[rows["device"] == entity]
        if rows.empty or key not in before:
            continue
        low, high = int(rows[column].min()), int(rows[column].max())
        compared += 1
        tally.check(f"{table} {entity or ''} {column}", before[key] <= low <= high <= last,
                    f"{low} to {high} is not within {before[key]} to {last}")
    print(f"{compared} counters between two readings of /proc")
    tally.check("counters were compared", compared > 5, compared)


def check_levels(tally, tables, seen):
    """Lowest and highest of the readings of /proc/meminfo, against those recorded at the same time."""
    memory = tables["memory"]
    for name, column in MEMORY.items():
        values = [reading[name] for reading in seen if name in reading]
        if not values:
            tally.check(f"memory {column} is null without {name}", memory[column].isna().all())
            continue
        ours = memory[column].dropna()
        # Something may happen between two ticks: 2 % and 32 MiB.
        room = 0.02 * max(values) + (32 << 20)
        near = bool(len(ours)) and ours.min() - room <= min(values) and max(values) <= ours.max() + room
        tally.check(f"memory {column}", near, lambda: f"{values} is not within {ours.min()} to {ours.max()}")


def check_sar(tally, tables, levels):
    for name, value in levels.items():
        table, column, unit = SAR[name]
        ours = tables[table][column].dropna() / unit
        room = 0.03 * value + 64 * (1024 if unit == 1024 else 16)
        near = bool(len(ours)) and ours.min() - room <= value <= ours.max() + room
        tally.check(f"sar {name}", near, lambda: f"{value} is not within {ours.min()} to {ours.max()}")
    print(f"{len(levels)} levels of sar")


def check_iostat(tally, tables):
    """The first report of iostat is since boot: its f/s and d/s are our counters over the uptime."""
    text, _ = output("iostat", "-o", "JSON", "-dxk", "1", "1")
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    for disk in json.loads(text)["sysstat"]["hosts"][0]["statistics"][0]["disk"]:
        rows = tables["disk"][tables["disk"]["device"] == disk["disk_device"]]
        for name, column in [("f/s", "flush_count"), ("d/s", "discard_count"), ("wrqm/s", "write_merges"),
                             ("rrqm/s", "read_merges")]:
            if not rows.empty and name in disk and not rows[column].isna().all():
                ours = int(rows[column].iloc[-1]) / uptime
                tally.close(f"iostat {disk['disk_device']} {name}", ours, disk[name], relative=0.02, absolute=0.02)


def check_buddy(tally, tables):
    lines = words_of("/proc/buddyinfo")
    expected = {(int(words[1].rstrip(",")), words[3], order) for words in lines for order in range(len(words) - 4)}
    rows = tables["buddy"]
    tally.equal("buddy: nodes, zones and sizes", set(zip(rows["node"], rows["zone"], rows["page_order"])), expected)
    page = os.sysconf("SC_PAGE_SIZE")
    tally.check("buddy: bytes are blocks", (rows["free_bytes"] == (rows["free_blocks"] * page) * 2 ** rows["page_order"]).all())
    ts = rows["ts"].min()
    blocks = int(rows[rows["ts"] == ts]["free_bytes"].sum())
    free = int(tables["memory"].set_index("ts")["free_bytes"].loc[ts])
    # Each CPU keeps some free pages of its own.
    tally.close("buddy: all blocks are the free memory", blocks, free, relative=0.05, absolute=256 << 20)


def check_hugepages(tally, tables):
    rows = tables["hugepages"].groupby("size").last()
    for folder in Path("/sys/kernel/mm/hugepages").iterdir():
        size = folder.name.removeprefix("hugepages-")
        for file, column in [("nr_hugepages", "pages"), ("free_hugepages", "pages_free"),
                             ("resv_hugepages", "pages_reserved"), ("surplus_hugepages", "pages_surplus")]:
            tally.equal(f"hugepages {size} {column}", int(rows.loc[size, column]), int((folder / file).read_text()))


def check_node(tally, scratch):
    """Two nodes, which are copies of the first of this machine: their files do not change while they are recorded."""
    real = Path("/sys/devices/system/node/node0")
    if not real.exists():
        print("skipped: nodes (no /sys/devices/system/node)")
        return
    root = scratch / "sys"
    for node in ["node0", "node1"]:
        copy = root / "devices/system/node" / node
        copy.mkdir(parents=True)
        for file in ["numastat", "meminfo"]:
            shutil.copy(real / file, copy / file)
    folder = scratch / "nodes"
    run("record", "-o", folder, "-d", "1s", "--collectors", "node", "--sys-root", root, "-qq")
    rows = pd.read_parquet(folder / "node")
    tally.equal("nodes", sorted(set(rows["node"])), [0, 1])
    first = rows[rows["node"] == 0].iloc[0]
    for name, value in words_of(root / "devices/system/node/node0/numastat"):
        if name != "interleave_hit":
            tally.equal(f"node {name}", int(first[name]), int(value))
    lines = words_of(root / "devices/system/node/node0/meminfo")
    named = {words[2].rstrip(":"): int(words[3]) * (1024 if words[-1] == "kB" else 1) for words in lines if words}
    for name, column in [("MemTotal", "total_bytes"), ("MemUsed", "used_bytes"), ("MemFree", "free_bytes"),
                         ("FilePages", "file_bytes"), ("AnonPages", "anon_bytes"), ("Slab", "slab_bytes"),
                         ("HugePages_Total", "hugepages_total")]:
        tally.equal(f"node {column}", int(first[column]), named[name])
    if has("numastat"):
        # In megabytes with two decimals, of this machine's only or first node.
        text, _ = output("numastat", "-m")
        shown = dict(re.findall(r"^(\w+) +([\d.]+)", text, re.MULTILINE))
        tally.close("numastat -m MemTotal", first["total_bytes"] / 2**20, float(shown["MemTotal"]), absolute=0.01)
    else:
        print("skipped: numastat (not installed)")


def compare_all(tally):
    with tempfile.TemporaryDirectory(prefix="host-", dir=REPOSITORY / "target") as scratch:
        scratch = Path(scratch)
        folder = scratch / "host"
        before = counters()
        recording = Recording(folder, "--collectors", COLLECTORS, "--all-disks", "--duration", "60s", interval="100ms")
        recording.wait_until_open()
        time.sleep(0.5)
        # Something to flush, and names to cache.
        for i in range(20):
            with open(scratch / f"file{i}", "wb") as file:
                file.write(os.urandom(100_000))
                os.fsync(file.fileno())
        seen = [meminfo()]
        levels = sar_levels() if has("sar") else {}
        seen.append(meminfo())
        if not has("sar"):
            print("skipped: sar (not installed)")
        time.sleep(0.5)
        recording.stop()
        after = counters()
        tables = {path.name: pd.read_parquet(path) for path in folder.iterdir() if path.is_dir()}
        check_growth(tally, tables, before, after)
        check_levels(tally, tables, seen)
        check_sar(tally, tables, levels)
        if has("iostat"):
            check_iostat(tally, tables)
        else:
            print("skipped: iostat (not installed)")
        check_buddy(tally, tables)
        check_hugepages(tally, tables)
        check_node(tally, scratch)


def main():
    tally = Tally()
    with tally.group("disks, memory, kernel tables and nodes"):
        tally.trials(compare_all)
    tally.finish()


if __name__ == "__main__":
    main()
