"""The rows of `report --csv` and of `export` as CSV and JSON are those of the Parquet files, compared in DuckDB."""

import csv
import json
import tempfile
from pathlib import Path

from declared import DUCKDB
from oracle_facts import quoted, text
from recorder import run


def check(tally, oracle):
    for form in [None, "csv", "jsonl"]:
        exported(tally, oracle, form)


def exported(tally, oracle, form):
    """Without a form, those of `report --csv`."""
    command = ["report", "--csv"] if form is None else ["export", "-f", form, "-o"]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "rows"
        run(command[0], oracle.folder, *command[1:], folder)
        files = sorted(folder.iterdir())
        what = " ".join(command)
        tally.equal(f"{what}: a file per table", [file.stem for file in files], sorted(oracle.tables))
        for file in files:
            same_rows(tally, f"{what}: {file.stem}", oracle, file.stem, file)


def same_rows(tally, what, oracle, table, file):
    """Row by row, every value: numbers exactly, no value as no value, times as they are written."""
    columns = oracle.columns(table)
    types = "{" + ", ".join(f"{text(name)}: {text(read_as(name, c))}" for name, c in columns.items()) + "}"
    path = text(str(file))
    with open(file, newline="") as lines:
        if file.suffix == ".csv":
            names = next(csv.reader(lines))
            source = f"read_csv({path}, columns={types}, header=true, nullstr='', quote='\"', escape='\"', delim=',', strict_mode=true)"
        else:
            names = list(json.loads(next(lines)))
            source = f"read_json({path}, columns={types}, format='newline_delimited', maximum_object_size=100000000)"
    tally.equal(f"{what}: columns", names, list(columns))
    differs = " or ".join(f"({different(name, c['type'])})" for name, c in columns.items())
    query = f"""
        with a as (select *, o as n from {quoted(table)}), b as (select *, row_number() over () as n from {source})
        select count(*), count(*) filter (a.n is null or b.n is null or {differs}), first(a.n order by a.n) filter ({differs})
        from a full join b using (n)
    """
    [(rows, wrong, first)] = oracle.rows(query)
    tally.equal(f"{what}: rows", rows, oracle.tables[table])
    tally.check(f"{what}: every value", wrong == 0, lambda: f"{wrong} rows differ, the first is {first}")


def read_as(name, column):
    return "VARCHAR" if name == "ts" else DUCKDB[column["type"]]


def different(name, kind):
    if name == "ts":
        return "strftime(a.ts at time zone 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ') is distinct from b.ts"
    name = quoted(name)
    if kind == "string":
        # In CSV an empty text and no value look the same.
        return f"a.{name} is distinct from b.{name} and coalesce(a.{name}, '') <> coalesce(b.{name}, '')"
    return f"a.{name} is distinct from b.{name}"
