"""What is declared of the columns of a recording, and how names are written in SQL."""

import base64
import json
import re
from pathlib import Path

import pyarrow
import pyarrow.parquet

QUOTIENT = re.compile(r"(?:([\d.]+) \* )?growth\(([^)]*)\) / (elapsed_s|growth\(([^)]*)\))(?: <= ([\d.]+))?")


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def text(value):
    return "'" + value.replace("'", "''") + "'"


def facts(folder):
    """The facts of the columns of all tables, from the footer of a file of each; none of files of version 0.1.0."""
    found = {}
    for table in (path for path in Path(folder).iterdir() if path.is_dir()):
        for file in sorted(table.glob("*.parquet"))[-1:]:
            packed = pyarrow.parquet.read_metadata(file).metadata.get(b"perfwatch.columns")
            packed = pyarrow.py_buffer(base64.b64decode(packed or b""))
            columns = json.load(pyarrow.input_stream(packed, compression="zstd")) if len(packed) else {}
            found |= {(table.name, column): of_column for column, of_column in columns.items()}
    return found


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
