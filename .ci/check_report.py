"""`report` compared with pandas: the same statistics computed another way, for every table, entity and metric."""

import re
from fractions import Fraction

import numpy as np
import pandas as pd

from recorder import entities, report, run, schema

RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def check(tally, folder, scratch):
    declared = schema()
    reported = report(folder)
    data = {path.name: rows(path, declared[path.name]) for path in folder.iterdir() if path.name in declared}
    tally.equal("report: has every table", sorted(t["table"] for t in reported["tables"]), sorted(data))
    summary(tally, reported, data, declared)
    percentiles(tally, folder, data, declared)
    if reported.get("phases"):
        by_phase(tally, folder, reported["phases"], data, declared)
    heading(tally, reported, data["tick"])
    csv(tally, folder, scratch, data, declared)
    window(tally, folder, data, declared)


def rows(path, columns):
    """All rows of a table; a column that is missing in the files of an older build is null."""
    return pd.read_parquet(path).reindex(columns=[column["name"] for column in columns])


def heading(tally, reported, tick):
    tally.equal("report: ticks", reported["ticks"], len(tick))
    tally.equal("report: missed", reported["missed"], int(tick["missed"].sum()))
    tally.equal("report: start", pd.Timestamp(reported["start"]), tick["ts"].min())
    tally.equal("report: end", pd.Timestamp(reported["end"]), tick["ts"].max())


def summary(tally, reported, data, declared):
    for table in reported["tables"]:
        name = table["table"]
        columns = declared[name]
        keys = entities(columns)
        rows = stepped(data[name].sort_values("ts", kind="stable"), keys, columns)
        tally.equal(f"report {name}: rows", table["rows"], len(rows))
        of = {key: own for key, own in rows.groupby(keys, dropna=False, observed=True)} if keys else {(): rows}
        of = {tuple(map(plain, key)): own for key, own in of.items()}
        found = {tuple(label["value"] for label in e["labels"]): e for e in table["entities"]}
        tally.equal(f"report {name}: entities", sorted(map(str, found)), sorted(map(str, of)))
        by_name = {column["name"]: column for column in columns}
        wanted = {name for name, column in by_name.items() if column["kind"] in {"counter", "gauge", "interval"}}
        for key, entity in found.items():
            own = of[key]
            tally.equal(f"report {name} {key}: rows", entity["rows"], len(own))
            tally.equal(f"report {name} {key}: metrics", {m["metric"] for m in entity["metrics"]}, wanted)
            for metric in entity["metrics"]:
                column = metric["metric"]
                one_metric(tally, f"report {name} {key} {column}", metric,
                           expected(own, by_name[column], amount=(name, column) == ("perf", "value")))


def each_entity(tables, data, declared):
    """The rows of each entity of a report: table, columns by name, labels, entity, rows."""
    for table in tables:
        name = table["table"]
        keys = entities(declared[name])
        rows = stepped(data[name].sort_values("ts", kind="stable"), keys, declared[name])
        of = {key: own for key, own in rows.groupby(keys, dropna=False, observed=True)} if keys else {(): rows}
        of = {tuple(map(plain, key)): own for key, own in of.items()}
        for entity in table["entities"]:
            key = tuple(label["value"] for label in entity["labels"])
            yield name, {column["name"]: column for column in declared[name]}, key, entity, of[key]


def percentiles(tally, folder, data, declared):
    """Percentiles of choice, with a digit after the point."""
    asked = ["0.5", "90", "99.9"]
    reported = report(folder, "--percentiles", ",".join(reversed(asked)))
    for name, columns, key, entity, own in each_entity(reported["tables"], data, declared):
        for metric in entity["metrics"]:
            column = columns[metric["metric"]]
            values = own[column["name"]].dropna()
            if column["kind"] == "counter" or values.empty:
                continue
            wanted = at_percents(values, weights(own, column).loc[values.index], asked)
            tally.equal(f"report --percentiles {name} {key} {column['name']}", metric.get("percentiles"), wanted)


def by_phase(tally, folder, phases, data, declared):
    """Means in each phase with those inside it, and the growth of counters."""
    matrix = report(folder, "--by", "phase")["by_phase"]
    paths = [phase["phase"] for phase in phases]
    tally.equal("report --by phase: columns", matrix["columns"][: len(paths)], paths)
    for name, columns, key, entity, own in each_entity(matrix["tables"], data, declared):
        path = own["phase"].astype(object)
        for row in entity["metrics"]:
            column = columns[row["metric"]]
            for phase, cell in zip(matrix["columns"], row["values"]):
                inside = path.isna() if phase == "(outside)" else path.map(lambda p: p == p and p is not None and f"{p}/".startswith(f"{phase}/"))
                what = f"report --by phase {name} {key} {column['name']} in {phase}"
                chosen = own[inside.astype(bool)]
                tally.equal(f"{what}: count", cell and cell["count"], int(chosen[column["name"]].notna().sum()) if len(chosen) else None)
                if cell is None or "is_new" in own:
                    continue
                if column["kind"] == "counter":
                    step = steps(own, column["name"]).loc[chosen.index].dropna()
                    tally.close(f"{what}: total", cell["total"], float(step.clip(lower=0).sum()) if len(step) else None)
                elif column["name"] not in QUOTIENTS:
                    values = chosen[column["name"]].dropna()
                    weight = weights(own, column).loc[values.index]
                    if weight.sum() <= 0:
                        weight[:] = 1.0
                    tally.close(f"{what}: mean", cell["mean"], float(np.average(values, weights=weight)) if len(values) else None)


def plain(label):
    """An entity's label in the form used by the report."""
    if label is None or label != label:
        return None
    return str(int(label)) if isinstance(label, (int, float, np.number)) else str(label)


def one_metric(tally, what, metric, wanted):
    for exact in ["count", "nulls", "min", "p50", "p95", "p99", "max"]:
        tally.equal(f"{what}: {exact}", metric[exact], wanted[exact])
    for rounded in ["mean", "total", "per_sec"]:
        tally.close(f"{what}: {rounded}", metric[rounded], wanted[rounded])
    rates = wanted.get("rates") or {}
    for name, rate in rates.items():
        tally.close(f"{what}: {name} per second", metric["rates"][name], rate)


def expected(own, declared, amount):
    column = declared["name"]
    values = own[column].dropna()
    found = dict.fromkeys(["min", "mean", "p50", "p95", "p99", "max", "total", "per_sec"])
    found |= {"count": len(values), "nulls": int(own[column].isna().sum())}
    if declared["kind"] == "counter":
        return found | grown(own, column)
    if values.empty:
        return found
    found |= spread(values, weights(own, declared).loc[values.index])
    found |= quotient(own.loc[values.index], own, column)
    if amount:
        seconds = own.loc[values.index, "elapsed_s"].fillna(0)
        found["total"] = float(values.sum())
        found["per_sec"] = found["total"] / seconds.sum() if seconds.sum() > 0 else None
        rows = seconds > 0
        found["rates"] = spread(values[rows] / seconds[rows], seconds[rows]) if rows.any() else None
    return found


def weights(own, declared):
    """The weights of the rows as declared in the schema: all equal, one of their columns, or the growth of counters."""
    weight = declared["weight"]
    if weight is None:
        return pd.Series(1.0, own.index)
    if weight.startswith("growth of "):
        return sum(steps(own, name).clip(lower=0) for name in weight.removeprefix("growth of ").split(" + ")).fillna(0)
    return own[weight].fillna(0).astype(float)


# Numerator and denominator of each quotient, and its factor; written here again on purpose.
QUOTIENTS = {
    "read_latency_ms": ("read_time_ms", "read_count", 1),
    "write_latency_ms": ("write_time_ms", "write_count", 1),
    "throttled_percent": ("throttled_periods", "periods", 100),
}


def quotient(rows, own, column):
    """The mean of a quotient is the quotient of the sums."""
    if column not in QUOTIENTS:
        return {}
    above, below, factor = QUOTIENTS[column]
    above, below = (steps(own, name).loc[rows.index].fillna(0).sum() for name in (above, below))
    return {"mean": min(max(factor * above / below, rows[column].min()), rows[column].max())} if below else {}


def at_percents(values, weights, asked):
    """The same for other percents, as written."""
    if weights.sum() <= 0:
        weights = pd.Series(1.0, values.index)
    order = values.sort_values(kind="stable").index
    summed = np.cumsum((weights.loc[order] * 2**20).round().astype("int64").to_numpy())
    shares = {percent: Fraction(percent) / 100 for percent in asked}
    return {percent: values.loc[order].iloc[int(np.argmax(summed * share.denominator >= share.numerator * summed[-1]))].item()
            for percent, share in shares.items()}


def spread(values, weights):
    """A percentile is the smallest value at which the sum of the weights up to it reaches that share of all weights."""
    if weights.sum() <= 0:
        weights = pd.Series(1.0, values.index)
    order = values.sort_values(kind="stable").index
    # In whole numbers, because elapsed times are multiples of 2^-20 s: nothing is rounded on the way.
    summed = np.cumsum((weights.loc[order] * 2**20).round().astype("int64").to_numpy())
    found = {f"p{percent}": values.loc[order].iloc[int(np.argmax(summed * 100 >= percent * summed[-1]))].item()
             for percent in [50, 95, 99]}
    return found | {"mean": float(np.average(values, weights=weights)), "min": values.min().item(), "max": values.max().item()}


def steps(own, column):
    """Differences from row to row of an entity, except across the start of a session or the return of a device."""
    part = own["elapsed_s"].isna().cumsum()
    valid = own[column].notna()
    return own.loc[valid, column].groupby(part[valid]).diff().reindex(own.index)


def stepped(rows, keys, columns):
    """If a table marks new rows: counters that began at zero, or continued under another name."""
    if "is_new" not in rows or rows["is_new"].isna().all():
        return rows
    rows = rows.copy()
    identity = [key for key in keys if key != "comm"] + [name for name in ["started_ms"] if name in rows]
    new = rows["is_new"].fillna(False).astype(bool)
    rows["seconds of steps"] = rows["elapsed_s"].fillna(0)
    if "started_ms" in rows:
        lived = (rows["ts"].astype("datetime64[us, UTC]").astype("int64") - rows["started_ms"] * 1000) / 1e6
        rows.loc[new, "seconds of steps"] = np.maximum(rows["seconds of steps"], lived)[new]
    for column in columns:
        if column["kind"] == "counter":
            counter = rows[column["name"]]
            step = counter.groupby([rows[key] for key in identity], dropna=False, observed=True).diff()
            rows[f"step of {column['name']}"] = step.where(rows["elapsed_s"].notna()).where(~new, counter)
    return rows


def grown(own, column):
    part = own["elapsed_s"].isna().cumsum()
    clock = own["elapsed_s"].fillna(0).cumsum()
    valid = own[column].notna()
    step = own.loc[valid, column].groupby(part[valid]).diff()
    seconds = clock[valid].groupby(part[valid]).diff()[step.notna()].sum()
    if f"step of {column}" in own:
        step = own[f"step of {column}"]
        seconds = own.loc[step.notna(), "seconds of steps"].sum()
    if not step.notna().any():
        return {"total": None, "per_sec": None}
    total = int(step.clip(lower=0).sum())
    return {"total": total, "per_sec": total / seconds if seconds > 0 else None}


def csv(tally, folder, scratch, data, declared):
    """Every row as CSV; the rows are the same."""
    run("report", folder, "--csv", scratch)
    written = {path.stem: path for path in scratch.iterdir()}
    tally.equal("report --csv: one file per table", sorted(written), sorted(data))
    for name, path in written.items():
        text = pd.read_csv(path, dtype=str, keep_default_na=False)
        rows = data[name]
        tally.equal(f"{path.name}: columns", list(text.columns), [c["name"] for c in declared[name]])
        tally.equal(f"{path.name}: rows", len(text), len(rows))
        tally.check(f"{path.name}: RFC 3339 in UTC", text["ts"].map(lambda ts: bool(RFC3339.fullmatch(ts))).all())
        tally.check(f"{path.name}: the same instants",
                    (pd.to_datetime(text["ts"], utc=True).to_numpy() == rows["ts"].to_numpy()).all())
        for column in declared[name]:
            key = column["name"]
            if column["type"] in {"float64", "int64", "int32"}:
                numbers = pd.to_numeric(text[key].replace("", None))
                same = np.array_equal(numbers.to_numpy(dtype=float), rows[key].to_numpy(dtype=float), equal_nan=True)
                tally.check(f"{path.name}: {key} as in the file", same)


def window(tally, folder, data, declared):
    """A part of the time: the same rows that pandas selects."""
    stamps = data["tick"]["ts"].sort_values().to_list()
    since, until = stamps[len(stamps) // 4], stamps[3 * len(stamps) // 4]
    text = [t.strftime("%Y-%m-%dT%H:%M:%S.%fZ") for t in (since, until)]
    reported = report(folder, "--since", text[0], "--until", text[1])
    for table in reported["tables"]:
        rows = data[table["table"]]
        inside = rows[(rows["ts"] >= since) & (rows["ts"] < until)]
        tally.equal(f"report --since --until {table['table']}: rows", table["rows"], len(inside))
    # Growth in a cut recording has its own rules; the other values are compared with pandas again.
    cpu = next(t for t in reported["tables"] if t["table"] == "cpu")["entities"][0]
    rows = data["cpu"]
    inside = rows[(rows["ts"] >= since) & (rows["ts"] < until)]
    by_name = {column["name"]: column for column in declared["cpu"]}
    for metric in cpu["metrics"]:
        if metric["kind"] != "counter":
            column = metric["metric"]
            one_metric(tally, f"report --since --until cpu {column}", metric,
                       expected(inside, by_name[column], amount=False))
