"""Marks from the command, from Python and from bash; and phases in pandas."""

import os
import shutil
import socket
import subprocess
import time

import pandas as pd

from recorder import PERFWATCH, Recording, report, schema


class Client:
    """A client as in any language: writes a line, reads a line."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.lines = self.socket.makefile("r")
        self.took_us = []

    def mark(self, line):
        began = time.perf_counter()
        self.socket.sendall(line.encode() + b"\n")
        answer = self.lines.readline().strip()
        self.took_us.append((time.perf_counter() - began) * 1e6)
        return answer


def work(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sum(range(1000))


def from_bash(path):
    """Two marks from a shell script, which finds the recorder by its environment, and one from socat if installed."""
    script = '"$PERFWATCH" mark start bash && "$PERFWATCH" mark event "from bash" -t shell=bash && "$PERFWATCH" mark end bash'
    if shutil.which("socat"):
        script += ' && printf "event by socat\\n" | socat - "UNIX-CONNECT:$PERFWATCH_CONTROL" | grep -qx ok'
    environment = os.environ | {"PERFWATCH_CONTROL": path, "PERFWATCH": str(PERFWATCH)}
    return subprocess.run(["bash", "-ec", script], env=environment, capture_output=True, text=True)


def record(tally, folder):
    recording = Recording(folder, interval="200ms")
    recording.wait_until_open()
    path = (folder / ".journal/control").read_text().strip()
    client = Client(path)
    for _ in range(3):
        tally.equal("mark start", client.mark("start load"), "ok")
        work(0.15)
        tally.equal("mark start, nested", client.mark("start warm up"), "ok")
        work(0.25)
        tally.equal("mark end", client.mark("end load"), "ok: warm up inside it ended too")
        # A gap in which the same amount of work is done.
        work(0.3)
    tally.check("mark: refused", client.mark("end load").startswith("error: no phase `load` is open"))
    boundaries = sorted(client.took_us[:9])
    tally.equal("mark start of the rest", client.mark("start rest"), "ok")
    time.sleep(0.5)
    client.took_us.clear()
    for number in range(1000):
        client.mark(f"event {number}")
    events = sorted(client.took_us)
    tally.equal("mark end of the rest", client.mark("end rest"), "ok")
    done = from_bash(path)
    tally.equal("marks from bash", (done.returncode, done.stderr), (0, ""))
    print(f"time until a mark is acknowledged: for a phase {boundaries[4]:.0f} us (at most {boundaries[-1]:.0f}), "
          f"for an event {events[500]:.0f} us (at most {events[-1]:.0f})")
    tally.equal("record with marks: exit status", recording.stop(), 0)


def check(tally, folder):
    record(tally, folder)
    declared = schema()
    data = {path.name: pd.read_parquet(path) for path in folder.iterdir() if path.name in declared}
    marks(tally, data)
    boundaries(tally, data)
    inner = report(folder, "--phase", "warm up")
    tally.equal("report --phase: an inner name", inner["tables"], report(folder, "--phase", "load/warm up")["tables"])


def marks(tally, data):
    mark = data["mark"]
    tally.equal("mark: events", list(mark[mark["kind"] == "event"]["text"])[:1000], [str(n) for n in range(1000)])
    tally.equal("mark: starts", list(mark[mark["kind"] == "start"]["name"]),
                ["load", "warm up"] * 3 + ["rest", "bash"])
    tally.equal("mark: tags", list(mark["tags"].dropna()), ['{"shell":"bash"}'])
    passed = mark["mono_ns"].diff() / 1e9
    tally.check("mark: elapsed_s is monotonic time", ((mark["elapsed_s"] - passed).abs() < 1e-4 * passed + 3e-6).iloc[1:].all())


def boundaries(tally, data):
    """There is a tick at each boundary, and the phase of a row matches the marks in its interval."""
    tick, mark = data["tick"], data["mark"]
    changes = mark[mark["kind"] != "event"]
    # The shell's marks may be too close to each other.
    for _, change in changes[changes["name"] != "bash"].iterrows():
        # If there was a tick just before, there is none.
        away = (tick["mono_ns"] - change["mono_ns"]).abs().min() / 1e6
        tally.check(f"a tick at {change['kind']} of {change['name']}", away < 10, f"{away} ms away")
    depth = []
    steps = list(changes[["mono_ns", "kind", "name"]].itertuples(index=False))
    paths = []
    for end, elapsed in zip(tick["mono_ns"], tick["elapsed_s"]):
        # The phases open in the middle of the interval.
        middle = end - (0 if pd.isna(elapsed) else elapsed) * 1e9 / 2
        while steps and steps[0].mono_ns <= middle:
            step = steps.pop(0)
            if step.kind == "start":
                depth.append(step.name)
            else:
                del depth[len(depth) - 1 - depth[::-1].index(step.name):]
        paths.append("/".join(depth) or None)
    same = [(a == b) or (b is None and pd.isna(a)) for a, b in zip(tick["phase"], paths)]
    # For intervals of less than 10 ms the shell's marks may be closer to each other than the ticks.
    tally.check("tick: the phase is that of the marks", all(same[:-6]), [p for p, ok in zip(paths, same) if not ok])
    for name in ["cpu", "network", "disk", "pressure"]:
        both = data[name].merge(tick[["ts", "phase"]], on="ts", suffixes=("", "_of_tick"))
        tally.check(f"{name}: the phase is the tick's",
                    (both["phase"].astype(object).fillna("") == both["phase_of_tick"].astype(object).fillna("")).all())
