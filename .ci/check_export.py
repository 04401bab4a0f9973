"""`perfwatch export`: every format has the values of the Parquet files; intervals and wide rows as pandas computes them."""

import io
import math
import subprocess
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
from prometheus_client.openmetrics import parser

from declared import ARROW
from recorder import PERFWATCH, REPOSITORY, Recording, entities, run, schema
from renamed import events_renamed
from tally import Tally

SAMPLE = REPOSITORY / "sample-data/varying-load"
HOSTILE = 'a "quoted", <b>\\ 💥 ' + "x" * 60
EVERY = {"10s": 10_000_000, "700ms": 700_000}
# Numbers of OpenMetrics and of Perfetto are compared as they are; means are computed in another order.
CLOSE = dict(rtol=1e-9, atol=1e-9)


def raw(*args):
    """The standard output of `perfwatch export ARGS`, as bytes."""
    done = subprocess.run([PERFWATCH, "export", *map(str, args)], capture_output=True, timeout=300)
    if done.returncode:
        raise RuntimeError(done.stderr.decode())
    return done.stdout


DECLARED = schema()


def recorded(folder, table):
    """All rows of a table in the order of its files, with plain texts; columns that an older build did not have are null."""
    found = pa.concat_tables([pq.read_table(path) for path in sorted((folder / table).glob("*.parquet"))])
    columns = {}
    for column in DECLARED[table]:
        name, ty = column["name"], ARROW[column["type"]]
        columns[name] = found[name].cast(ty) if name in found.schema.names else pa.nulls(found.num_rows, ty)
    return pa.table(columns)


def tables(folder):
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def same(a, b):
    """Two tables of Arrow with the same names, types and values; metadata does not count."""
    return a.schema.names == b.schema.names and a.schema.types == b.schema.types and a.to_pylist() == b.to_pylist()


def rows_of_formats(tally, name, folder, scratch):
    """Parquet and Arrow, in a directory, a file and on standard output; CSV and JSON are compared by check_oracle.py."""
    for fmt in ["parquet", "arrow"]:
        run("export", folder, "--format", fmt, "-o", scratch / fmt)
    tally.equal(f"export: {name}: a file per table", sorted(p.stem for p in (scratch / "arrow").iterdir()), tables(folder))
    for table in tables(folder):
        expected = recorded(folder, table)
        what = f"export: {name}: {table}"
        tally.check(f"{what} as Parquet", same(pq.read_table(scratch / f"parquet/{table}.parquet"), expected))
        with pa.ipc.open_file(scratch / f"arrow/{table}.arrow") as file:
            tally.check(f"{what} as Arrow", same(file.read_all(), expected))
        with pa.ipc.open_stream(raw(folder, "-t", table, "-f", "arrow")) as stream:
            tally.check(f"{what} as a stream of Arrow", same(stream.read_all(), expected))
        tally.equal(f"{what} in pandas", len(pd.read_parquet(scratch / f"parquet/{table}.parquet")), expected.num_rows)
        tally.equal(f"{what}: rows in polars", pl.read_ipc(scratch / f"arrow/{table}.arrow").height, expected.num_rows)


def resampled(frame, columns, table, every_us):
    """The intervals by hand: how each column becomes one follows from its kind and weight."""
    keys = entities(columns)
    frame = frame.copy()
    us = frame["ts"].astype("datetime64[us, UTC]").astype("int64")
    frame["bucket"] = us - us % every_us
    grown = {}
    for column in columns:
        weight = column.get("weight") or ""
        for counter in weight.removeprefix("growth of ").split(" + ") if weight.startswith("growth of ") else []:
            grown[counter] = None
    dividends = {"read_latency_ms": "read_time_ms", "write_latency_ms": "write_time_ms", "throttled_percent": "throttled_periods"}
    groups = frame.groupby(keys, dropna=False, sort=False) if keys else [(None, frame)]
    parts = []
    for _, rows in groups:
        rows = rows.copy()
        continues = rows["elapsed_s"].notna()
        for counter in [*grown, *dividends.values()]:
            if counter in rows:
                step = rows[counter].astype("float64").diff()
                rows[f"grown {counter}"] = step.where(continues & (step >= 0), 0.0).fillna(0.0)
        parts.append(rows)
    frame = pd.concat(parts).sort_index()
    result = []
    for _, rows in frame.groupby(["bucket", *keys], dropna=False, sort=False):
        out = {"bucket": rows["bucket"].iloc[0], **{key: rows[key].iloc[0] for key in keys}}
        for column in columns:
            name = column["name"]
            if name in keys or name == "ts":
                continue
            values = rows[name].dropna()
            kind, weight = column["kind"], column.get("weight") or ""
            if name == "elapsed_s":
                out[name] = values.sum() if len(values) else None
            elif kind in ("label", "counter", "common"):
                # A phase is that of the last row, also if it has none.
                last = rows[name].iloc[-1:] if name == "phase" else values.iloc[-1:]
                out[name] = last.iloc[0] if len(last) and not pd.isna(last.iloc[0]) else None
            elif len(values) == 0:
                out[name] = None
            elif table == "perf" and name == "value":
                out[name] = values.sum()
            else:
                has = rows[name].notna()
                weights, above = rows["elapsed_s"].fillna(0.0), None
                if weight.startswith("growth of "):
                    weights = sum(rows[f"grown {c}"] for c in weight.removeprefix("growth of ").split(" + "))
                    factor = 100.0 if name.endswith("_percent") else 1.0
                    # Where the sum itself is not recorded, it follows from the mean of each interval.
                    if name in dividends:
                        above = factor * rows[f"grown {dividends[name]}"]
                elif weight and weight != "elapsed_s":
                    weights = rows[weight].fillna(0.0)
                weights, numbers = weights[has], values.astype("float64")
                above = numbers * weights if above is None else above[has]
                mean = above.sum() / weights.sum() if weights.sum() > 0 else numbers.mean()
                out[name] = min(max(mean, numbers.min()), numbers.max())
        result.append(out)
    return pd.DataFrame(result)


def intervals(tally, name, folder):
    declared = DECLARED
    for every, every_us in EVERY.items():
        for table in tables(folder):
            if table == "mark":
                continue
            expected = resampled(recorded(folder, table).to_pandas(), declared[table], table, every_us)
            found = pq.read_table(io.BytesIO(raw(folder, "-t", table, "--every", every, "-f", "parquet"))).to_pandas()
            keys = entities(declared[table])
            found["bucket"] = found["ts"].astype("datetime64[us, UTC]").astype("int64")
            order = ["bucket", *keys]
            found = found.sort_values(order, kind="stable").reset_index(drop=True)
            expected = expected.sort_values(order, kind="stable").reset_index(drop=True)
            what = f"export: {name}: {table} every {every}"
            if not tally.equal(f"{what}: rows", len(found), len(expected)):
                continue
            wrong = [c for c in expected.columns if not alike(found[c], expected[c])]
            tally.equal(f"{what}: columns that differ from pandas", wrong, [])


def alike(found, expected):
    if pd.api.types.is_numeric_dtype(found) and not pd.api.types.is_bool_dtype(found):
        return np.allclose(found.astype("float64"), expected.astype("float64"), equal_nan=True, **CLOSE)
    both = zip(found.astype(object), expected.astype(object))
    return all((pd.isna(a) and pd.isna(b)) or a == b for a, b in both)


def extremes(tally, folder):
    args = ("-t", "memory", "--columns", "available_bytes", "--every", "10s", "--min-max", "-f", "parquet")
    found = pq.read_table(io.BytesIO(raw(folder, *args))).to_pandas()
    frame = recorded(folder, "memory").to_pandas()
    groups = frame.groupby(frame["ts"].dt.floor("10s"))["available_bytes"]
    tally.equal("export: smallest values", found["available_bytes_min"].tolist(), groups.min().tolist())
    tally.equal("export: largest values", found["available_bytes_max"].tolist(), groups.max().tolist())


def wide(tally, name, folder, table, column, key):
    """Entities side by side, as `pivot` does it."""
    found = pq.read_table(io.BytesIO(raw(folder, "-t", table, "--columns", column, "--wide", "-f", "parquet"))).to_pandas()
    frame = recorded(folder, table).to_pandas()
    pivoted = frame.pivot(index="ts", columns=key, values=column).sort_index()
    what = f"export: {name}: {table} wide"
    tally.equal(f"{what}: rows", found["ts"].tolist(), pivoted.index.tolist())
    shown = (lambda k: k) if table == "perf" else (lambda k: f"{column}[{k}]")
    tally.equal(f"{what}: columns", set(found.columns) - {"ts"}, {shown(k) for k in pivoted.columns})
    for k in pivoted.columns:
        tally.check(f"{what}: {k}", alike(found[shown(k)].reset_index(drop=True), pivoted[k].reset_index(drop=True)))


def ratios(tally, scratch):
    """Instructions per cycle: events of the sample with other names, because not every machine counts cycles."""
    names = {"cpu-clock": "cycles", "page-faults": "instructions", "context-switches": "branches", "cpu-migrations": "branch-misses"}
    folder = events_renamed(SAMPLE, scratch / "ratios", names)
    frame = pd.read_parquet(folder / "perf")
    frame["event"] = frame["event"].astype(str)
    pivoted = frame.pivot(index="ts", columns="event", values="value")
    for every in [None, "20s"]:
        args = ["--every", every] if every else []
        found = pq.read_table(io.BytesIO(raw(folder, "-t", "perf", "--wide", "-f", "parquet", *args))).to_pandas()
        sums = pivoted.groupby(pivoted.index.floor(every)).sum(min_count=1) if every else pivoted
        for ratio, above, below, factor in [
            ("instructions_per_cycle", "instructions", "cycles", 1),
            ("branch_miss_percent", "branch-misses", "branches", 100),
        ]:
            expected = (factor * sums[above] / sums[below]).where(sums[below] > 0)
            tally.check(f"export: {ratio} {every or ''}", alike(found[ratio], expected.reset_index(drop=True)))


def openmetrics(tally, name, folder):
    """The official parser accepts it, and has all numbers at their times."""
    text = raw(folder, "-f", "openmetrics").decode()
    families = {family.name: family for family in parser.text_string_to_metric_families(text)}
    declared = DECLARED
    for table in tables(folder):
        keys = entities(declared[table])
        rows = recorded(folder, table).to_pylist()
        for column in declared[table]:
            if table == "mark" or column["kind"] not in ("counter", "gauge", "interval"):
                continue
            expected = {}
            for row in rows:
                value = row[column["name"]]
                if value is not None and math.isfinite(value):
                    labels = tuple((key, str(row[key])) for key in keys if row[key] is not None)
                    expected[labels, int(row["ts"].timestamp() * 1e6 + 0.5)] = value
            family = families.get(f"perfwatch_{table}_{column['name']}")
            found = {}
            for sample in family.samples if family else []:
                labels = tuple((key, sample.labels[key]) for key in keys if key in sample.labels)
                found[labels, int(sample.timestamp.sec * 10**6 + sample.timestamp.nsec // 1000)] = sample.value
            tally.equal(f"export: {name}: {table}.{column['name']} in OpenMetrics", found, expected)


def perfetto(tally, name, folder):
    """By the official definition of the messages. trace_processor would be better, but has to be downloaded."""
    try:
        from perfetto.protos.perfetto.trace import perfetto_trace_pb2 as pb
    except ImportError:
        print("skipped: perfetto (cannot be installed)")
        return None
    trace = pb.Trace()
    trace.ParseFromString(raw(folder, "-f", "perfetto"))
    known = [packet.WhichOneof("data") for packet in trace.packet]
    tally.equal(f"export: {name}: kinds of packets", set(known) - {"track_descriptor", "clock_snapshot", "track_event"}, set())
    tally.equal(f"export: {name}: no unknown fields", pb.Trace.FromString(trace.SerializeToString()), trace)
    tracks, used, depth = {}, {}, {}
    for packet in trace.packet:
        if packet.HasField("track_descriptor"):
            track = packet.track_descriptor
            tally.check(f"export: {name}: a parent before its track", not track.parent_uuid or track.parent_uuid in tracks)
            tracks[track.uuid] = track
        elif packet.HasField("track_event"):
            event = packet.track_event
            used.setdefault(event.track_uuid, []).append((packet.timestamp, event))
    tally.equal(f"export: {name}: events on unknown tracks", set(used) - set(tracks), set())

    def path(uuid):
        return (path(tracks[uuid].parent_uuid) if tracks[uuid].parent_uuid else ()) + (tracks[uuid].name,)

    values = {}
    for uuid, events in used.items():
        for ts, event in events:
            if event.type == pb.TrackEvent.TYPE_COUNTER:
                value = event.counter_value if event.HasField("counter_value") else event.double_counter_value
                values.setdefault(path(uuid)[1:], {})[ts // 1000] = value
            elif event.type in (pb.TrackEvent.TYPE_SLICE_BEGIN, pb.TrackEvent.TYPE_SLICE_END):
                depth[uuid] = depth.get(uuid, 0) + (1 if event.type == pb.TrackEvent.TYPE_SLICE_BEGIN else -1)
                tally.check(f"export: {name}: a slice ends after it began", depth[uuid] >= 0)
    tally.equal(f"export: {name}: slices that are open at the end", sum(depth.values()), 0)
    # One gauge and one rate, the latter at the start of its interval.
    rows = [row for row in recorded(folder, "cpu").to_pylist()]
    us = lambda row: int(row["ts"].timestamp() * 1e6 + 0.5)
    tally.equal(f"export: {name}: load1", values["cpu", "load1"], {us(r): r["load1"] for r in rows if r["load1"] is not None})
    expected = {us(r) - round(r["elapsed_s"] * 1e6): r["usage_percent"] for r in rows if r["usage_percent"] is not None}
    tally.equal(f"export: {name}: usage_percent", values["cpu", "usage_percent"], expected)
    return trace, pb


def phases(tally, folder):
    found = perfetto(tally, "phases", folder)
    if found is None:
        return
    trace, pb = found
    begun = [p.track_event.name for p in trace.packet if p.track_event.type == pb.TrackEvent.TYPE_SLICE_BEGIN]
    tally.equal("export: phases as slices", begun, ["load", "inner", "load", "left open"])
    instants = [p.track_event.name for p in trace.packet if p.track_event.type == pb.TrackEvent.TYPE_INSTANT]
    tally.check("export: marks as instants", HOSTILE in instants and "start load" in instants)


def fresh(scratch):
    """A recording with phases, processes and hostile names."""
    folder = scratch / "fresh"
    recording = Recording(folder, "--processes", "top=20", "--perf-events", "cpu-clock,context-switches", load_seconds=4)
    recording.wait_until_open()
    for words in [
        ("start", "load"), ("start", "inner"), ("event", HOSTILE), ("end", "load"), ("start", "load"), ("end", "load"),
        ("start", "left open"),
    ]:
        run("mark", "--recording", folder, *words)
    subprocess.run(["sleep", "4"], check=True)
    recording.stop()
    return folder


def packs(tally, scratch):
    """Other programs open a pack, and find the files of the directory in it. A command of 3 s is small."""
    folder, file = scratch / "three", scratch / "three.perfwatch"
    run("record", "-qq", "-o", folder, "--", "sleep", "3")
    run("export", "--pack", file, folder)
    with zipfile.ZipFile(file) as archive:
        tally.equal("pack: checksums", archive.testzip(), None)
        packed = {name: archive.read(name) for name in archive.namelist()}
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    tally.equal("pack: files", sorted(packed), sorted(files))
    tally.check("pack: contents", packed == files)
    tally.check("pack: a command of 3 s has at most 45 KB", file.stat().st_size <= 45_000, file.stat().st_size)
    with zipfile.ZipFile(scratch / "other.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    for other in [file, scratch / "other.zip"]:
        said, wanted = (run("report", path, "--json").replace(str(path), "") for path in [other, folder])
        tally.check(f"pack: the report of {other.suffix}", said == wanted)


def main():
    tally = Tally()
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        recent = fresh(scratch)
        for name, folder in [("sample", SAMPLE), ("fresh", recent)]:
            with tally.group(f"rows in every format, {name}"):
                rows_of_formats(tally, name, folder, scratch / f"{name}-formats")
            with tally.group(f"intervals, {name}"):
                intervals(tally, name, folder)
            with tally.group(f"OpenMetrics, {name}"):
                openmetrics(tally, name, folder)
            with tally.group(f"Perfetto, {name}"):
                perfetto(tally, name, folder)
            with tally.group(f"wide, {name}"):
                wide(tally, name, folder, "cpu_core", "usage_percent", "cpu")
                wide(tally, name, folder, "perf", "value", "event")
        with tally.group("smallest and largest values"):
            extremes(tally, SAMPLE)
        with tally.group("ratios of events"):
            ratios(tally, scratch)
        with tally.group("packs"):
            packs(tally, scratch)
        with tally.group("phases and marks"):
            phases(tally, recent)
    tally.finish()


if __name__ == "__main__":
    main()
