"""The queries of "Many machines" in docs/GUIDE.md, as they stand there, on a fleet in which the right answers are known."""

import datetime as dt
import os
import re
import tempfile
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from recorder import REPOSITORY, run
from tally import Tally

GUIDE = REPOSITORY / "docs/GUIDE.md"
BLOCK = re.compile(r"^```(sql|python)\n(.*?)^```$", re.M | re.S)
# A Monday. The fleet has the two weeks before.
END = dt.datetime(2026, 11, 30, tzinfo=dt.timezone.utc)
HOURS = 14 * 24
WEEK = 7 * 24

# Of each hour, in two weeks: rows of equal length with the first value, then many short ones with 100 %.
LONG, SHORT = 6, 36
# host → percent in the hours of the first and the second week. 12 has a number as its name.
USAGE = {
    "calm": lambda hour: (20.0, 20.0),
    "12": lambda hour: (60.0, 60.0),
    # Up by 15 in every hour of the second week.
    "worse": lambda hour: (30.0, 45.0),
    # Up by 50, but only in a fifth of the hours: a load, for an hour each.
    "sometimes": lambda hour: (30.0, 80.0 if hour % 5 == 0 else 30.0),
    # Nights are busier, in both weeks alike.
    "nights": lambda hour: (70.0, 70.0) if hour % 24 < 6 else (10.0, 10.0),
}
# host → share of the time in which tasks waited, for a CPU and for I/O.
WAITED = {"calm": (1.0, 2.0), "12": (5.0, 50.0), "worse": (30.0, 3.0), "sometimes": (2.0, 2.5), "nights": (20.0, 4.0)}


def blocks():
    """The queries of the section, by language, in their order."""
    text = GUIDE.read_text()
    section = text.split("\n## Many machines\n", 1)[1].split("\n## ", 1)[0]
    return [(language, code) for language, code in BLOCK.findall(section)]


def write(folder, columns):
    """A table as perfwatch writes it: the common columns, then its own."""
    folder.mkdir(parents=True)
    rows = len(columns["elapsed_s"])
    common = {
        "ts": pa.array(columns.pop("ts"), pa.timestamp("us", "UTC")),
        "elapsed_s": pa.array(columns.pop("elapsed_s"), pa.float64()),
    }
    common["phase"] = pa.nulls(rows, pa.string())
    pq.write_table(
        pa.table(common | {name: pa.array(values) for name, values in columns.items()}),
        folder / "20261116T0000Z-0001.parquet",
    )


def hour_of(start, value):
    """99 % of an hour at one value, in a few rows, and 1 % at 100, in many: 3,564 s and 36 s."""
    at = start
    for seconds, level in [(594.0, value)] * LONG + [(1.0, 100.0)] * SHORT:
        at += dt.timedelta(seconds=seconds)
        # The end of an interval; that of the last one would be in the next hour.
        yield min(at, start + dt.timedelta(hours=1, microseconds=-1)), seconds, level


def fleet(folder):
    for host, usage in USAGE.items():
        rows = []
        for hour in range(HOURS):
            start = END - dt.timedelta(hours=HOURS - hour)
            rows += hour_of(start, usage(hour % WEEK)[hour // WEEK])
        # The first row of a session has no interval and no value.
        rows[0] = (rows[0][0], None, None)
        ts, elapsed, values = map(list, zip(*rows))
        write(folder / f"host={host}/cpu", {"ts": ts, "elapsed_s": elapsed, "usage_percent": values})
        cpu, io = WAITED[host]
        # Ten seconds at the share that is expected but for one second at 100, and three rows without a value.
        waited = [("cpu", cpu), ("io", io), ("memory", 90.0)]
        rows = [
            (END - dt.timedelta(seconds=100 - n), s, r, share if s != 1.0 else 100.0)
            for r, share in waited
            for n, s in enumerate([9.0, 90.0, 1.0])
        ]
        rows += [(END - dt.timedelta(seconds=200), None, r, None) for r, _ in waited]
        ts, elapsed, resources, shares = map(list, zip(*rows))
        write(
            folder / f"host={host}/pressure", {"ts": ts, "elapsed_s": elapsed, "resource": resources, "some_percent": shares}
        )


def runs(folder):
    """Three runs of 10, 20 and 30 s, and a warm-up."""
    for number, name in enumerate(["warmup-001", "run=001", "run=002", "run=003"]):
        start = END + dt.timedelta(minutes=number)
        write(
            folder / f"{name}/command",
            {
                "ts": [start, start + dt.timedelta(seconds=1), start + dt.timedelta(seconds=10 * number)],
                "elapsed_s": [None, 1.0, 10.0 * number - 1],
                "usage_percent": [None, 0.0, 100.0],
            },
        )


def ask(language, code):
    """The rows of a query: of SQL as they are, of Python those of the last name that is assigned."""
    if language == "sql":
        found = duckdb.sql(code)
        return [dict(zip(found.columns, row)) for row in found.fetchall()]
    names = {}
    exec(code, names)
    last = re.findall(r"^(\w+) =", code, re.M)[-1]
    found = names[last]
    assert isinstance(found, pl.DataFrame), type(found)
    return found.to_dicts()


def near(tally, what, found, expected):
    """Rows with these values; numbers to nine digits."""
    if not tally.equal(f"{what}: rows", len(found), len(expected)):
        return
    for row, wanted in zip(found, expected):
        for name, value in wanted.items():
            if isinstance(value, float):
                tally.close(f"{what}: {name}", row[name], value)
            else:
                tally.equal(f"{what}: {name}", row[name], value)


def mixed(value):
    """The mean of an hour."""
    return 0.99 * value + 1.0


def answers(tally, found):
    slowest, busiest, by_hour, regressed, repeated = found
    shares = {host: [(99.0 * share + 100.0) / 100.0 for share in both] for host, both in WAITED.items()}
    order = sorted(shares, key=lambda host: -max(shares[host]))
    near(
        tally,
        "slowest hosts",
        slowest,
        [{"host": host, "waited_for_cpu": shares[host][0], "waited_for_io": shares[host][1]} for host in order],
    )
    means = {}
    for host, usage in USAGE.items():
        hours = [mixed(usage(hour % WEEK)[hour // WEEK]) * 3600 for hour in range(HOURS)]
        # Without the first row.
        means[host] = (sum(hours) - 594.0 * usage(0)[0]) / (HOURS * 3600 - 594.0)
    order = sorted(means, key=lambda host: -means[host])
    near(tally, "busiest hosts, in polars", busiest, [{"host": host, "usage_percent": means[host]} for host in order])
    expected = []
    for host in sorted(USAGE):
        for hour in range(HOURS):
            value = USAGE[host](hour % WEEK)[hour // WEEK]
            start = END - dt.timedelta(hours=HOURS - hour)
            first = hour == 0
            seconds = 3006.0 if first else 3600.0
            expected.append(
                {
                    "host": host,
                    "hour": start,
                    "mean": ((seconds - 36) * value + 3600.0) / seconds,
                    # 99 % of the time, not of the rows. In the first hour a row is missing, and it is less than 99 %.
                    "p99": 100.0 if first else value,
                    "max": 100.0,
                }
            )
    near(tally, "p99 by hour", by_hour, expected)
    # The hour that lacks its first row was 30 % as well, and is compared with one of 45.
    first = (2970.0 * 30 + 36 * 100) / 3006
    rises = [mixed(45.0) - first] + [mixed(45.0) - mixed(30.0)] * (WEEK - 1)
    near(
        tally,
        "which hosts regressed",
        regressed,
        [
            {
                "host": "worse",
                "hours": WEEK,
                "this_week": mixed(45.0),
                "median_change": sorted(rises)[WEEK // 2],
                "last_week": (WEEK * 3600 * mixed(30.0) - 594.0 * 30.0) / (WEEK * 3600 - 594.0),
                "lower_quartile": mixed(45.0) - mixed(30.0),
                "upper_quartile": mixed(45.0) - mixed(30.0),
            }
        ],
    )
    near(
        tally,
        "repeated runs",
        repeated,
        [
            {"run": n, "length": dt.timedelta(seconds=10 * n), "cpus_percent": (10.0 * n - 1) * 100 / (10.0 * n)}
            for n in (1, 2, 3)
        ],
    )


def on_recordings(tally, queries, folder):
    """The same queries find their columns in what perfwatch records."""
    for host in ["a", "7"]:
        run("record", "-qq", "-i", "100ms", "-d", "500ms", "-o", folder / f"fleet/host={host}")
    run("record", "-qq", "-i", "100ms", "--runs", "2", "-o", folder / "builds", "--", "sleep", "0.3")
    os.chdir(folder)
    for number, (language, code) in enumerate(queries):
        found = ask(language, code)
        # Two weeks are needed to say what regressed.
        wanted = 0 if "7 days" in code else 2
        tally.check(
            f"query {number + 1} on recordings", len(found) == wanted or "hour" in code and len(found) >= wanted, found
        )


def main():
    tally = Tally()
    duckdb.sql("set timezone = 'UTC'")
    queries = blocks()
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        fleet(scratch / "fleet")
        runs(scratch / "builds")
        os.chdir(scratch)
        with tally.group("queries of the guide"):
            if tally.equal(
                "queries of the guide", [language for language, _ in queries], ["sql", "python", "sql", "sql", "sql"]
            ):
                answers(tally, [ask(*query) for query in queries])
        with tally.group("queries on recordings"):
            on_recordings(tally, queries, scratch / "recorded")
        os.chdir(REPOSITORY)
    tally.finish()


if __name__ == "__main__":
    main()
