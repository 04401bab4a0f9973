"""What is declared of the columns of a recording, and how names are written in SQL."""

import re
from pathlib import Path

import duckdb

QUOTIENT = re.compile(r"(?:([\d.]+) \* )?growth\(([^)]*)\) / (elapsed_s|growth\(([^)]*)\))(?: <= ([\d.]+))?")


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def text(value):
    return "'" + value.replace("'", "''") + "'"


def facts(folder):
    """The facts of the columns of all tables that have files; none if an older build made the recording."""
    file = Path(folder) / "_columns.json.zst"
    if not file.exists():
        return {}
    file = text(str(file))
    rows = duckdb.sql(f"from read_json({file}, maximum_object_size=100000000)")
    return {(row["table"], row["column"]): row for row in (dict(zip(rows.columns, values)) for values in rows.fetchall())}


def formula(fact):
    """Factor, counters above, `elapsed_s` or counters below, and limit of a derived column; None if it is not one."""
    found = QUOTIENT.fullmatch((fact or {}).get("formula") or "")
    if not found:
        return None
    factor, above, below, counters, limit = found.groups()
    below = counters.split(" + ") if counters else below
    return float(factor or 1), above.split(" + "), below, float(limit) if limit else None


def number_of(file):
    """The number of the last journal whose rows a file has."""
    return int(file.stem.rsplit("-", 1)[1])
