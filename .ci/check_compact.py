"""Merging hours into days: the same values to the bit, for readers unaware of it, and never a row twice."""

import shutil
import subprocess
import threading
from pathlib import Path

import check_files
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from recorder import PERFWATCH, report, run

DAY = "20240229"


def in_the_past(recording, folder):
    """A copy whose files have the names of a past day; their hours and numbers stay."""
    shutil.copytree(recording, folder)
    for file in folder.glob("*/*.parquet"):
        file.rename(file.with_name(DAY + file.name[len(DAY):]))
    return folder


def by_number(path):
    """A table's files in the order in which they were written: their names end with the journal's number."""
    return sorted(path.glob("*.parquet"), key=lambda file: int(file.stem.rsplit("-", 1)[1]))


def read(path):
    """All rows of a table folder; dictionaries are unified, so that equal text is equal."""
    return pa.concat_tables([pq.read_table(file) for file in by_number(path)]).unify_dictionaries().combine_chunks()


def bits(table):
    """The values of each column, numbers as bytes: -0.0 is not 0.0 here."""
    columns = {}
    for name in table.column_names:
        column = table.column(name).combine_chunks()
        if pa.types.is_dictionary(column.type):
            columns[name] = column.cast(pa.string()).to_pylist()
        elif pa.types.is_floating(column.type):
            columns[name] = column.is_valid().to_pylist(), column.fill_null(0).view(pa.int64()).to_pylist()
        else:
            columns[name] = column.to_pylist()
    return columns


class Reader(threading.Thread):
    """Repeatedly counts the rows of a table folder, as notebooks do, while its files are exchanged."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.path = path
        self.counts = []
        self.gone = 0
        self.done = threading.Event()

    def run(self):
        while not self.done.is_set():
            try:
                self.counts.append(ds.dataset(self.path, format="parquet").count_rows())
            except (FileNotFoundError, pa.ArrowInvalid):
                # Listed, but removed before it was opened; or no file there at this moment.
                self.gone += 1


def check(tally, recording, scratch):
    folder = in_the_past(recording, scratch / "compact")
    tables = check_files.tables(folder)
    many = [path for path in tables if len(list(path.iterdir())) > 1]
    tally.check("compact: tables with several files to begin with", len(many) >= 8, len(many))
    before = {path.name: bits(read(path)) for path in tables}
    schemas = {path.name: pq.read_schema(by_number(path)[0]) for path in tables}
    hosts = {path.name: pq.read_metadata(by_number(path)[0]).metadata.get(b"perfwatch.host") for path in tables}
    reported = report(folder)["tables"]

    said = subprocess.run([PERFWATCH, "compact", "-n", folder], capture_output=True, text=True)
    tally.check("compact --dry-run: says what it would do", "would merge" in said.stderr, said.stderr)
    run("compact", folder)
    for path in tables:
        files = by_number(path)
        name = f"compact: {path.name}"
        tally.equal(f"{name}: one file", len(files), 1)
        tally.check(f"{name}: every value, to the bit, in order", bits(read(path)) == before[path.name])
        schema = pq.read_schema(files[0])
        tally.check(f"{name}: schema, with units", schema.equals(schemas[path.name], check_metadata=False))
        same = all(a.metadata == b.metadata for a, b in zip(schema, schemas[path.name]))
        tally.check(f"{name}: the metadata of columns", same)
        tally.equal(f"{name}: host", pq.read_metadata(files[0]).metadata.get(b"perfwatch.host"), hosts[path.name])
        if path in many:
            tally.equal(f"{name}: window", pq.read_metadata(files[0]).metadata[b"perfwatch.window"], DAY.encode())
            tally.check(f"{name}: name", files[0].stem.startswith(f"{DAY}-") and files[0].stem.count("-") == 2, files)
    tally.equal("compact: the same report", report(folder)["tables"], reported)
    tally.check("compact: nothing left behind", not (folder / ".journal").exists())
    check_files.check(tally, folder)
    names = sorted(folder.glob("*/*"))
    run("compact", folder)
    tally.equal("compact again: nothing changes", sorted(folder.glob("*/*")), names)
    exchange(tally, recording, scratch)


def exchange(tally, recording, scratch, rounds=5):
    """A reader of the folder sees all rows, or briefly fewer; never more."""
    counts, gone = [], 0
    for round in range(rounds):
        folder = in_the_past(recording, scratch / f"compact-{round}")
        whole = read(folder / "tick").num_rows
        reader = Reader(folder / "tick")
        reader.start()
        run("compact", folder)
        reader.done.set()
        reader.join()
        counts += reader.counts
        gone += reader.gone
        shutil.rmtree(folder)
    tally.check("compact: read while files were exchanged", len(counts) > rounds, (len(counts), gone))
    tally.check("compact: never a row twice", all(count <= whole for count in counts), set(counts))
