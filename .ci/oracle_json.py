"""`report --json`, `--by phase`, `--phase`, `--percentiles`, `--since` and `--until`, `report --format csv` and `info --json`
against DuckDB."""

import csv
import io
import json
from datetime import datetime, timedelta, timezone

from oracle import OUTSIDE, RATIOS, WHOLE, Oracle
from recorder import entities, report, run

USUAL = ["p50", "p95", "p99"]
ASKED = ["0.5", "90", "99.9"]


def instant(us):
    return (datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(microseconds=us)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def check(tally, oracle):
    whole(tally, oracle)
    asked = report(oracle.folder, "--percentiles", ",".join(reversed(ASKED)))
    tables(tally, "report --percentiles", oracle, WHOLE, asked["tables"], asked=ASKED)
    if oracle.phases:
        by_phase(tally, oracle)
        for phase in oracle.phases:
            one = report(oracle.folder, "--phase", phase)
            tables(tally, f"report --phase {phase}", oracle, phase, one["tables"])
    part(tally, oracle)
    both_as_csv(tally, oracle)
    info(tally, oracle)


def whole(tally, oracle):
    found = report(oracle.folder)
    heading(tally, oracle, found)
    tables(tally, "report", oracle, WHOLE, found["tables"])
    ratios(tally, oracle, found)
    listed_phases(tally, oracle, found)


def heading(tally, oracle, found):
    ticks, missed, start, end = oracle.ticks()
    wanted = {"ticks": ticks, "missed": missed, "start": instant(start), "end": instant(end), "sessions": oracle.sessions()}
    tally.equal("report: heading", {key: found[key] for key in wanted}, wanted)
    holes = oracle.holes()
    if tally.equal("report: holes", len(found.get("holes", [])), len(holes)):
        for hole, (before, after, seconds, restart) in zip(found.get("holes", []), holes):
            place = hole["from"], hole["to"], hole["restart"]
            tally.equal("report: a hole", place, (instant(before), instant(after), restart))
            tally.close("report: seconds of a hole", hole["seconds"], seconds)


def key_of(entity):
    return tuple(label["value"] for label in entity["labels"])


def tables(tally, what, oracle, scope, found, asked=()):
    """The tables of a report: all of them, with all entities, metrics and statistics."""
    expected = {name: oracle.compute(name).get(scope, {}) for name in oracle.tables}
    expected = {name: of for name, of in expected.items() if of}
    tally.equal(f"{what}: tables", sorted(table["table"] for table in found), sorted(expected))
    for table in found:
        name = table["table"]
        of = expected.get(name, {})
        tally.equal(f"{what}: {name}: rows", table["rows"], sum(entity["rows"] for entity in of.values()))
        keys = {key_of(entity) for entity in table["entities"]}
        if not tally.equal(f"{what}: {name}: entities", keys, set(of)):
            continue
        for entity in table["entities"]:
            one = of[key_of(entity)]
            where = f"{what}: {name} {' '.join(map(str, key_of(entity)))}".rstrip()
            tally.equal(f"{where}: rows", entity["rows"], one["rows"])
            tally.equal(f"{where}: metrics", [m["metric"] for m in entity["metrics"]], list(one["metrics"]))
            for metric in entity["metrics"]:
                statistics(tally, f"{where} {metric['metric']}", metric, one["metrics"][metric["metric"]], asked)
        if scope == WHOLE:
            words(tally, f"{what}: {name}", oracle, table)


def statistics(tally, what, found, expected, asked=()):
    for name in ["count", "nulls", "min", *USUAL, "max"]:
        tally.equal(f"{what}: {name}", found[name], expected.get(name))
    for name in ["mean", "total", "per_sec"]:
        tally.close(f"{what}: {name}", found[name], expected.get(name))
    rates = expected.get("rates")
    tally.equal(f"{what}: has rates", "rates" in found, rates is not None)
    for name in ["min", "mean", *USUAL, "max"] if rates else []:
        tally.close(f"{what}: {name} of rates", found["rates"][name], rates[name])
    if asked:
        has_values = "mean" in expected and expected["count"] > 0
        wanted = {percent: expected[f"p{percent}"] for percent in asked} if has_values else {}
        tally.equal(f"{what}: percentiles", found.get("percentiles", {}), wanted)
        for percent in asked if rates else []:
            tally.close(f"{what}: p{percent} of rates", found["rate_percentiles"][percent], rates[f"p{percent}"])


def words(tally, what, oracle, table):
    for column in table.get("words", []):
        expected = oracle.words(table["table"], column["column"])
        tally.equal(f"{what}: {column['column']}", dict(map(tuple, column["values"])), expected)


def ratios(tally, oracle, found):
    listed = {ratio["ratio"]: ratio for table in found["tables"] for ratio in table.get("ratios", []) if not ratio["labels"]}
    expected = oracle.ratios()
    tally.equal("report: ratios", sorted(set(listed) & set(RATIOS)), sorted(expected))
    for name, (value, intervals) in expected.items():
        tally.close(f"report: {name}", listed[name]["value"], value)
        tally.equal(
            f"report: {name}: intervals, unit",
            (listed[name]["intervals"], listed[name]["unit"]),
            (intervals, RATIOS[name][3]),
        )


def listed_phases(tally, oracle, found):
    listed = found.get("phases", [])
    tally.equal("report: phases", sorted(phase["phase"] for phase in listed), sorted(oracle.phases))
    for phase in listed:
        if (open_ := oracle.seconds_open(phase["phase"])) is not None:
            tally.close(f"report: seconds of {phase['phase']}", phase["seconds"], open_[0])
            tally.equal(f"report: times of {phase['phase']}", phase["times"], open_[1])


def by_phase(tally, oracle):
    matrix = report(oracle.folder, "--by", "phase")["by_phase"]
    columns = matrix["columns"]
    tally.equal("report --by phase: columns", columns, [*oracle.phases, OUTSIDE][: len(columns)])
    for table in matrix["tables"]:
        of = oracle.compute(table["table"])
        for entity in table["entities"]:
            key = key_of(entity)
            for metric in entity["metrics"]:
                for phase, cell in zip(columns, metric["values"]):
                    what = f"report --by phase: {table['table']} {key} {metric['metric']} in {phase}"
                    one = of.get(phase, {}).get(key)
                    if not tally.equal(f"{what}: has rows", cell is not None, one is not None) or one is None:
                        continue
                    expected = one["metrics"][metric["metric"]]
                    tally.equal(f"{what}: count", cell["count"], expected["count"])
                    for name in ["mean", "total", "per_sec"]:
                        tally.close(f"{what}: {name}", cell[name], expected.get(name))


def part(tally, oracle):
    """The middle half of the time. What a counter grew by until the first row is not known."""
    stamps = [us for (us,) in oracle.rows("select us from tick order by us")]
    since, until = instant(stamps[len(stamps) // 4]), instant(stamps[3 * len(stamps) // 4])
    found = report(oracle.folder, "--since", since, "--until", until)
    inside = Oracle(oracle.folder, oracle.facts, since, until)
    tables(tally, "report --since --until", inside, WHOLE, found["tables"])


def both_as_csv(tally, oracle):
    for percents in ["50,95,99", ",".join(ASKED)]:
        as_csv(tally, oracle, percents)


def as_csv(tally, oracle, percents):
    names = [f"p{percent}" for percent in percents.split(",")]
    lines = list(
        csv.DictReader(io.StringIO(run("report", oracle.folder, "--format", "csv", "--percentiles", percents), newline=""))
    )
    of = {
        name: {joined(oracle, name, key): one for key, one in oracle.compute(name)[WHOLE].items()} for name in oracle.tables
    }
    counted = 0
    for line in lines:
        if line["kind"] == "ratio":
            if not line["entity"] and line["metric"] in RATIOS:
                tally.close(
                    f"report --format csv: {line['metric']}", float(line["mean"]), oracle.ratios()[line["metric"]][0]
                )
            continue
        what = f"report --format csv: {line['table']} {line['entity']} {line['metric']}"
        metrics = of[line["table"]][line["entity"]]["metrics"]
        expected = metrics.get(line["metric"])
        if expected is None:
            # Of an amount per second.
            amount = metrics[line["metric"].removesuffix("_per_sec")]
            expected = amount["rates"] | {"count": amount["count"], "nulls": amount["nulls"]}
        else:
            counted += 1
        for name in ["count", "nulls", "min", *names, "max", "mean", "total", "per_sec"]:
            value = float(line[name]) if line[name] else None
            tally.close(f"{what}: {name}", value, expected.get(name))
    all_metrics = sum(len(one["metrics"]) for table in of.values() for one in table.values())
    tally.equal("report --format csv: lines", counted, all_metrics)


def joined(oracle, table, key):
    """The entity as `report --format csv` names it."""
    names = entities(oracle.declared[table])
    return ";".join(f"{name}={value}" for name, value in zip(names, key) if value is not None)


def info(tally, oracle):
    [found] = json.loads(run("info", oracle.folder, "--json"))["recordings"]
    ticks, missed, start, end = oracle.ticks()
    wanted = {"ticks": ticks, "missed": missed, "start": instant(start), "end": instant(end)}
    tally.equal("info: heading", {key: found[key] for key in wanted}, wanted)
    tally.equal("info: rows of tables", {t["table"]: t["rows"] for t in found["tables"]}, oracle.tables)
    for table in found["tables"]:
        files = list((oracle.folder / table["table"]).glob("*.parquet"))
        sizes = sum(file.stat().st_size for file in files)
        tally.equal(f"info: {table['table']}: files", (table["files"], table["bytes"]), (len(files), sizes))
    files = [path for path in oracle.folder.rglob("*") if path.is_file()]
    tally.equal("info: files", (found["files"], found["bytes"]), (len(files), sum(f.stat().st_size for f in files)))
