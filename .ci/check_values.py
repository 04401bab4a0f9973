"""The values of the rows: one time per tick, rates that follow from their counters, percentages that are shares."""

import numpy as np
import pandas as pd

from recorder import entities, manifest, schema

# Derived values are stored with 20 significant bits.
RELATIVE = 1e-6
# elapsed_s is stored to 2^-20 s, and both its ends in mono_ns to the microsecond.
CLOCK_S = 1.5e-6
# Elapsed times have 14 significant bits.
BITS = 2**-14
# Tables with one row, or one row per entity, in every tick.
EVERY_TICK = ["cpu", "cpu_core", "memory", "paging", "network", "socket", "disk", "pressure"]
# Each row covers its own interval, which begins and ends with the reading of the counters.
OWN_TIME = {"perf", "perf_status"}
# Each row has its own time.
OWN_INSTANT = {"mark"}
CPU_PARTS = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"]
RATES = {"read_iops": "read_count", "write_iops": "write_count"}
# Counters that may decrease slightly, according to the kernel.
WOBBLY = {"idle_ms", "iowait_ms"}


def check(tally, folder):
    declared = schema()
    data = {path.name: pd.read_parquet(path) for path in folder.iterdir() if path.name in declared}
    ticks = one_instant_a_tick(tally, data, folder)
    for name, rows in data.items():
        keys = entities(declared[name])
        if name not in OWN_TIME | OWN_INSTANT:
            intervals(tally, name, rows, keys, ticks)
            rates(tally, name, rows, keys, declared[name])
        percentages(tally, name, rows)
    shares(tally, data)
    quotients(tally, data)
    levels(tally, data)


def one_instant_a_tick(tally, data, folder):
    sessions = manifest(folder)["sessions"]
    by = [c.get("by", "") for session in sessions for c in session["collectors"] if c["name"] == "perf"]
    at_the_tick = all("at the tick" in way for way in by)
    tick = data["tick"]
    stamps = set(tick["ts"])
    tally.equal("tick: one row per time", len(stamps), len(tick))
    tally.check("tick: numbers go up by one and what was missed",
                (tick["tick"].diff().dropna() == 1 + tick["missed"].iloc[1:]).all(), lambda: tick)
    for name, rows in data.items():
        if name in EVERY_TICK:
            tally.equal(f"{name}: rows at exactly the times of the ticks", set(rows["ts"]), stamps)
        elif name not in OWN_TIME | OWN_INSTANT or name in OWN_TIME and at_the_tick:
            tally.check(f"{name}: joins with the ticks", set(rows["ts"]) <= stamps)
        if name in OWN_TIME and at_the_tick:
            # The first tick of each session begins the first interval.
            tally.equal(f"{name}: ends an interval at every other tick", len(stamps - set(rows["ts"])), len(sessions))
    return tick.set_index("ts")["mono_ns"]


def by_entity(rows, keys):
    """The rows of each entity, in time order."""
    return rows.groupby(keys, dropna=False, observed=True) if keys else [((), rows)]


def intervals(tally, name, rows, keys, mono_ns):
    for entity, own in by_entity(rows, keys):
        mono = own["ts"].map(mono_ns).to_numpy()
        passed = np.diff(mono) / 1e9
        elapsed = own["elapsed_s"].to_numpy()
        tally.check(f"{name} {entity}: no interval before the first row", np.isnan(elapsed[0]), elapsed[0])
        tally.check(f"{name} {entity}: elapsed_s is monotonic time", np.allclose(elapsed[1:], passed, rtol=BITS, atol=CLOCK_S))


def growth(own, counter):
    """The growth of a counter from row to row; NaN where it decreased."""
    step = own[counter].diff()
    return step.clip(lower=0) if counter in WOBBLY else step.where(step >= 0)


def agrees(tally, name, stored, expected, absolute=0.0, relative=RELATIVE):
    stored, expected = stored.to_numpy(dtype=float), expected.to_numpy(dtype=float)
    same = np.isclose(stored, expected, rtol=relative, atol=absolute, equal_nan=True)
    tally.check(name, same.all(), lambda: f"{stored[~same][:3]} is not {expected[~same][:3]}")


def rates(tally, name, rows, keys, columns):
    names = [column["name"] for column in columns]
    for rate in names:
        counter = RATES.get(rate) or (rate.removesuffix("_per_sec") if rate.endswith("_per_sec") else None)
        if counter not in names:
            continue
        for entity, own in by_entity(rows, keys):
            agrees(tally, f"{name} {entity}: {rate}", own[rate], growth(own, counter) / own["elapsed_s"])


def percentages(tally, name, rows):
    for column in rows.columns:
        if column.endswith(("_percent", "_avg10")):
            values = rows[column].dropna()
            tally.check(f"{name}.{column} is in 0-100", values.between(0, 100).all(), lambda: values.describe())


def shares(tally, data):
    for name in ["cpu", "cpu_core"]:
        rows = data[name]
        parts = rows[[f"{part}_percent" for part in CPU_PARTS]].sum(axis=1, skipna=False).dropna()
        tally.check(f"{name}: parts sum up to 100 %", np.allclose(parts, 100, rtol=1e-5), lambda: parts.describe())
        busy = 100 - rows["idle_percent"] - rows["iowait_percent"]
        agrees(tally, f"{name}: usage is everything except idle", rows["usage_percent"], busy, absolute=1e-4)
    cpu = data["cpu"]
    total = sum(growth(cpu, f"{part}_ms") for part in CPU_PARTS)
    for part in CPU_PARTS:
        agrees(tally, f"cpu: {part}_percent", cpu[f"{part}_percent"], 100 * growth(cpu, f"{part}_ms") / total)


def quotients(tally, data):
    for device, own in by_entity(data["disk"], ["device"]):
        seconds = own["elapsed_s"]
        agrees(tally, f"disk {device}: util_percent", own["util_percent"],
               (growth(own, "busy_ms") / seconds / 10).clip(upper=100))
        for way in ["read", "write"]:
            done = growth(own, f"{way}_count")
            latency = growth(own, f"{way}_time_ms") / done.where(done > 0)
            agrees(tally, f"disk {device}: {way}_latency_ms", own[f"{way}_latency_ms"], latency)
    for resource, own in by_entity(data["pressure"], ["resource"]):
        for kind in ["some", "full"]:
            percent = (growth(own, f"{kind}_us") / own["elapsed_s"] / 1e4).clip(upper=100)
            agrees(tally, f"pressure {resource}: {kind}_percent", own[f"{kind}_percent"], percent)


def levels(tally, data):
    memory = data["memory"]
    agrees(tally, "memory: used is total minus available", memory["used_bytes"],
           memory["total_bytes"] - memory["available_bytes"], relative=0)
    agrees(tally, "memory: usage_percent", memory["usage_percent"],
           100 * memory["used_bytes"] / memory["total_bytes"])
    tally.check("memory: free is less than all", (memory["free_bytes"] < memory["total_bytes"]).all())
    files = data["filesystem"]
    agrees(tally, "filesystem: used is total minus free", files["used_bytes"],
           files["total_bytes"] - files["free_bytes"], relative=0)
