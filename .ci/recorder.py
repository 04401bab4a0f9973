"""Runs the binary under test, and reads its schema."""

import atexit
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
PERFWATCH = Path(os.environ.get("PERFWATCH", REPOSITORY / "target/debug/perfwatch"))
LOAD = REPOSITORY / "sample-data/load.py"


def run(*args, status=0):
    """The standard output of `perfwatch ARGS`; any other exit status than the expected one is an error."""
    done = subprocess.run([PERFWATCH, *map(str, args)], capture_output=True, text=True, timeout=300)
    if done.returncode != status:
        raise RuntimeError(f"perfwatch {' '.join(map(str, args))}: status {done.returncode}: {done.stderr}")
    return done.stdout


def schema():
    """The declared tables: name → list of columns (name, type, kind, …), the common ones first."""
    declared = json.loads(run("schema", "--format", "json"))
    common = [column | {"kind": "common"} for column in declared["common_columns"]]
    return {table.get("table", table.get("name")): common + table["columns"] for table in declared["tables"]}


def manifest(recording):
    return json.loads((Path(recording) / "_recording.json").read_text())


def entities(columns):
    return [column["name"] for column in columns if column["kind"] == "entity"]


def title(labels):
    """What perfwatch calls an entity: its labels, separated by spaces; those of a number follow its name."""
    name = ""
    for label in labels:
        if label is not None:
            name += label if not name or label.startswith("{") else f" {label}"
    return name


def report(recording, *args):
    """The only recording in `report --format json`."""
    return json.loads(run("report", recording, "--format", "json", *args))["recordings"][0]


class Recording:
    """`perfwatch record` in the background."""

    def __init__(self, folder, *args, interval="200ms", load_seconds=0):
        self.folder = Path(folder)
        command = [PERFWATCH, "record", "-o", folder, "-i", interval, "--all-interfaces", "-qq", *args]
        self.process = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL)
        # No recorder runs longer than its checks, however they end.
        atexit.register(self.process.kill)
        self.load = None
        if load_seconds:
            command = [sys.executable, LOAD, "--together", "--seconds", str(load_seconds)]
            self.load = subprocess.Popen(command, cwd=self.folder.parent, stdout=subprocess.DEVNULL)

    def wait_until_open(self, seconds=30):
        """Waits until the first journal exists: then it is sampling."""
        deadline = time.monotonic() + seconds
        while not any(self.folder.glob(".journal/[0-9]*")):
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError(f"{self.folder}: the recorder did not start")
            time.sleep(0.002)

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self._wait_for_load()

    def stop(self):
        """Ends it as a user would; returns its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.wait()

    def wait(self):
        status = self.process.wait(timeout=300)
        self._wait_for_load()
        return status

    def _wait_for_load(self):
        if self.load:
            self.load.wait(timeout=300)
