#!/usr/bin/env python3
"""Waits for a quiet machine, and says whether anything else ran during a recording. For `make`.

    undisturbed.py wait
    undisturbed.py check RECORDING [USER_SECONDS]    # those of the load, where it was not recorded as a command
"""

import json
import os
import subprocess
import sys
import time
from datetime import datetime

# Of all CPUs, used by others.
QUIET_PERCENT = float(os.environ.get("QUIET_PERCENT", 5))
LONGEST_WAIT_S = 900


def cpu_time():
    """Jiffies of all CPUs: busy, and in total."""
    with open("/proc/stat") as stat:
        spent = [int(word) for word in stat.readline().split()[1:9]]
    return sum(spent) - spent[3] - spent[4], sum(spent)


def wait():
    end = time.monotonic() + LONGEST_WAIT_S
    while time.monotonic() < end:
        busy, total = cpu_time()
        time.sleep(2)
        busy_now, total_now = cpu_time()
        if (busy_now - busy) * 100 < QUIET_PERCENT * (total_now - total):
            return
    print("the machine is not quiet", file=sys.stderr)


def check(recording, own_s=None):
    """Of the CPU time in user mode: what the kernel did for the load is not in the times of the load's processes."""
    with open(os.path.join(recording, "_recording.json")) as file:
        manifest = json.load(file)
    session = manifest["sessions"][0]
    if own_s is None:
        own_s = session["command"]["cost"]["user_s"]
    names = ["user_percent", "nice_percent", "steal_percent"]
    command = ["perfwatch", "report", recording, "--json", "--all", "--metric", ",".join(f"cpu.{name}" for name in names)]
    report = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    metrics = report["recordings"][0]["tables"][0]["entities"][0]["metrics"]
    means = {metric["metric"]: metric["mean"] or 0 for metric in metrics}
    began, ended = (datetime.fromisoformat(session[key].replace("Z", "+00:00")) for key in ("started", "ended"))
    own = 100 * float(own_s) / (ended - began).total_seconds() / manifest["host"]["cpus_online"]
    others = means["user_percent"] + means["nice_percent"] - own
    print(f"{recording}: user time {own:.1f} %, others {others:.1f} %, stolen by the hypervisor {means['steal_percent']:.1f} %")
    sys.exit(others > QUIET_PERCENT)


if __name__ == "__main__":
    {"wait": wait, "check": check}[sys.argv[1]](*sys.argv[2:])
