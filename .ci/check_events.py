#!/usr/bin/env python3
"""`perfwatch events` compared with `perf list`, and both ways of counting with each other in the same seconds."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd

from recorder import REPOSITORY, Recording, manifest, run
from tally import Tally

# perf's own events: times of the run, which the kernel does not count.
TOOL_EVENTS = {"duration_time", "user_time", "system_time"}
# perf mounts tracefs if it is not mounted, so it runs in its own mount namespace.
APART = ["unshare", "-m"] if os.geteuid() == 0 and shutil.which("unshare") else []
EVENTS = "cpu-clock,task-clock,context-switches,page-faults"


def main():
    tally = Tally()
    listed = json.loads(run("events", "--json"))
    with tally.group("the list of events"):
        check_list(tally, listed)
    perf = shutil.which("perf")
    if not perf or subprocess.run([*APART, perf, "stat", "-a", "-e", "cpu-clock", "true"], capture_output=True).returncode:
        print("skipped: the comparison with perf (no perf here is allowed to count)")
    else:
        with tally.group("against perf list"):
            against_perf_list(tally, listed["events"], perf)
        with tally.group("both ways of counting"):
            tally.trials(both_ways)
    tally.finish()


def check_list(tally, listed):
    events = listed["events"]
    names = [event["name"] for event in events]
    tally.equal("each name once", len(names), len(set(names)))
    tally.equal("total", listed["total"], len(events))
    tally.equal("available", listed["available"], sum(event["available"] for event in events))
    for event in events:
        tally.check(f"{event['name']}: available, or a reason why not", event["available"] == (event["reason"] is None))


def against_perf_list(tally, events, perf):
    types = {"hw": "hardware", "sw": "software", "cache": "cache", "pmu": "pmu", "tracepoint": "tracepoint"}
    for category, kind in types.items():
        done = subprocess.run([*APART, perf, "list", "--raw-dump", category], capture_output=True, text=True)
        theirs = set(done.stdout.split()) - TOOL_EVENTS
        ours = {name for e in events if e["type"] == kind and e["available"] for name in [e["name"], *e["aliases"]]}
        # perf prints one of an event's names, newer versions the shorter one; and hardware events unknown to the kernel.
        if kind in {"hardware", "cache", "pmu"}:
            theirs = {name for name in theirs if name in {n for e in events for n in [e["name"], *e["aliases"]]}}
        missing = sorted(theirs - ours)
        tally.check(f"{kind}: all that perf lists is available", not missing, missing)
        if theirs:
            unheard = sorted(e["name"] for e in events
                             if e["type"] == kind and e["available"] and not theirs & {e["name"], *e["aliases"]})
            tally.check(f"{kind}: all that is available is listed by perf", not unheard, unheard)


def both_ways(tally):
    with tempfile.TemporaryDirectory(prefix="events-", dir=REPOSITORY / "target") as scratch:
        recordings = {
            way: Recording(Path(scratch) / way, "--duration", "6s", "--collectors", "cpu,perf", "--perf-events", EVENTS,
                           "--perf-backend", way, interval="500ms")
            for way in ["perf", "syscall"]
        }
        load = subprocess.Popen([sys.executable, "-c", "import time\nend = time.time() + 5\nwhile time.time() < end: time.sleep(0.001)"])
        rates = {}
        for way, recording in recordings.items():
            tally.equal(f"{way}: exit status", recording.wait(), 0)
            rows = pd.read_parquet(recording.folder / "perf")
            # The seconds that both have completely.
            begin = rows["ts"].min()
            rows = rows[(rows["ts"] > begin) & (rows["ts"] <= begin + pd.Timedelta("4s"))]
            sums = rows.groupby("event", observed=True)[["value", "elapsed_s"]].sum()
            rates[way] = sums["value"] / sums["elapsed_s"]
            tally.check(f"{way}: everything is counted", (rows["status"] == "counted").all())
            [by] = [c["by"] for c in manifest(recording.folder)["sessions"][0]["collectors"] if c["name"] == "perf"]
            tally.check(f"{way}: the manifest names the way", ("stat" in by) == (way == "perf"), by)
        load.wait()
        print(pd.DataFrame(rates).to_string())
        cpus = run_cpus()
        for clock in ["cpu-clock", "task-clock"]:
            for way, rate in rates.items():
                tally.close(f"{way} {clock}: milliseconds of all CPUs", rate[clock], 1000 * cpus, relative=0.02)
        switches = [rate["context-switches"] for rate in rates.values()]
        tally.close("context-switches per second", *switches, relative=0.15)


def run_cpus():
    return len(Path("/proc/stat").read_text().split("\ncpu")) - 1


if __name__ == "__main__":
    main()
