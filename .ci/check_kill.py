"""Live, killed, continued and recovered: the same rows, and never an unfinished file in a table folder."""

import random
import shutil
import signal
import threading
import time

import duckdb
import pandas as pd
import polars as pl
import pyarrow.parquet as pq

from recorder import Recording, report, run


class Watcher(threading.Thread):
    """Watches the table folders while it runs, and opens every file that appears."""

    def __init__(self, folder):
        super().__init__(daemon=True)
        self.folder = folder
        self.strangers = set()
        self.unreadable = {}
        self.rows = {}
        self.looks = 0
        self._done = threading.Event()

    def run(self):
        while not self._done.is_set():
            self.look()
            time.sleep(0.001)

    def look(self):
        self.looks += 1
        for table in self.folder.glob("[a-z]*"):
            if not table.is_dir():
                continue
            for file in table.iterdir():
                if file.suffix != ".parquet" or file.name.startswith("."):
                    self.strangers.add(file)
                elif file not in self.rows:
                    try:
                        self.rows[file] = pq.read_table(file).num_rows
                    except Exception as error:
                        self.unreadable[file] = error
                        self.rows[file] = None

    def stop(self, tally):
        self._done.set()
        self.join()
        self.look()
        name = self.folder.name
        tally.check(f"{name}: only Parquet files in the table folders", not self.strangers, self.strangers)
        tally.check(f"{name}: each file readable when it appeared", not self.unreadable, self.unreadable)
        tally.check(f"{name}: files appeared and were read", len(self.rows) > 0 and self.looks > 100)
        changed = [f for f, rows in self.rows.items() if f.exists() and pq.read_metadata(f).num_rows != rows]
        tally.check(f"{name}: no file changed after it appeared", not changed, changed)


def numbers(reported):
    """The values of a report that must not depend on whether the recording is live, killed or sealed."""
    return {key: reported[key] for key in ["start", "end", "ticks", "missed", "tables"]}


def check_states(tally, scratch):
    """A recording that is stopped, killed and recovered; in between, a copy of its journal is recovered."""
    recording = Recording(scratch / "states", load_seconds=3)
    recording.wait_until_open()
    time.sleep(3)
    first = report(recording.folder)
    tally.equal("live: state", first["state"], "live")
    until = first["end"]
    early = report(recording.folder, "--until", until)

    time.sleep(0.5)
    recording.signal(signal.SIGSTOP)
    live = report(recording.folder)
    tally.check("live: continues", live["ticks"] > first["ticks"], (first["ticks"], live["ticks"]))
    copy = scratch / "states-copy"
    shutil.copytree(recording.folder, copy)
    recording.kill()

    killed = report(recording.folder)
    tally.equal("killed: state", killed["state"], "killed")
    tally.equal("killed: as it was live", numbers(killed), numbers(live))
    tally.check("killed: nothing is sealed yet", not list(recording.folder.glob("*/*.parquet")))
    for folder in [copy, recording.folder]:
        run("recover", folder)
        tally.check(f"{folder.name} recovered: no journal left", not (folder / ".journal").exists())
        tally.equal(f"{folder.name} recovered: as it was live", numbers(report(folder)), numbers(live))
    tally.equal("recovered: a window as it was live", numbers(report(recording.folder, "--until", until)), numbers(early))
    before = numbers(report(recording.folder))
    run("recover", recording.folder)
    tally.equal("recovered twice: the same", numbers(report(recording.folder)), before)
    return recording.folder


def check_kills(tally, scratch, rounds=8, seed=20261120):
    """Killed repeatedly: at the start, while sealing the journal of the previous session, and in between."""
    random.seed(seed)
    folder = scratch / "kills"
    folder.mkdir()
    watcher = Watcher(folder)
    watcher.start()
    seen = []
    for round in range(rounds):
        recording = Recording(folder, *["--append"] * (round > 0), interval="20ms")
        recording.wait_until_open()
        time.sleep(random.uniform(0.0, 1.0))
        recording.kill()
        reported = report(folder)
        tally.check(f"kill {round}: ticks are not lost", reported["ticks"] >= sum(seen), (reported["ticks"], seen))
        seen.append(reported["ticks"] - sum(seen))
    last = report(folder)
    run("recover", folder)
    tally.equal("kills: recovered as reported before", numbers(report(folder)), numbers(last))
    watcher.stop(tally)
    ticks = pd.read_parquet(folder / "tick")
    tally.equal("kills: every tick once in pandas", (len(ticks), ticks["ts"].nunique()), (last["ticks"], len(ticks)))
    return folder


class LongRecording:
    """Runs during the other checks until it has sealed a file while recording."""

    def __init__(self, scratch):
        self.recording = Recording(scratch / "rotate", "--rotate", "1m", interval="100ms")
        self.watcher = Watcher(self.recording.folder)
        self.recording.wait_until_open()
        self.watcher.start()

    def check(self, tally):
        folder = self.recording.folder
        deadline = time.monotonic() + 75
        while not (folder / "tick").is_dir() and time.monotonic() < deadline:
            time.sleep(0.2)
        # The tables are sealed one by one; `perf_status` is the last of them.
        time.sleep(2)
        live = report(folder)
        tally.equal("rotate: still recording", live["state"], "live")
        for table in ["tick", "cpu_core", "network", "perf"]:
            path = folder / table
            rows = len(pd.read_parquet(path))
            tally.check(f"rotate: {table} in pandas while recording", rows > 0)
            tally.equal(f"rotate: {table} in polars while recording", pl.read_parquet(f"{path}/*.parquet").height, rows)
            in_duckdb = duckdb.sql(f"select count(*) from '{path}/*.parquet'").fetchall()
            tally.equal(f"rotate: {table} in DuckDB while recording", in_duckdb, [(rows,)])
            reported = next(t["rows"] for t in live["tables"] if t["table"] == table)
            tally.check(f"rotate: report of {table} has the open minute too", reported > rows, (reported, rows))
        until = live["end"]
        early = report(folder, "--until", until)
        tally.equal("rotate: ends well", self.recording.stop(), 0)
        tally.equal("rotate: a window as it was live", numbers(report(folder, "--until", until)), numbers(early))
        tally.check("rotate: several files per table", len(list((folder / "cpu").iterdir())) > 1)
        self.watcher.stop(tally)
        return folder
