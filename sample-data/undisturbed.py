#!/usr/bin/env python3
"""Waits for a quiet machine, and says whether anything else ran during a recording. For `make`.

    undisturbed.py wait
    undisturbed.py check RECORDING [CPU_SECONDS]    # those of the load, where the recording has no command
"""

import json
import os
import subprocess
import sys
import time
from datetime import datetime

# Of all CPUs.
QUIET_PERCENT = 5
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
    with open(os.path.join(recording, "_recording.json")) as file:
        manifest = json.load(file)
    session = manifest["sessions"][0]
    if own_s is None:
        cost = session["command"]["cost"]
        own_s = cost["user_s"] + cost["system_s"]
    command = ["perfwatch", "report", recording, "--metric", "cpu.usage_percent", "--json"]
    report = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    usage = report["recordings"][0]["tables"][0]["entities"][0]["metrics"][0]["mean"]
    began, ended = (datetime.fromisoformat(session[key].replace("Z", "+00:00")) for key in ("started", "ended"))
    others = usage - 100 * float(own_s) / (ended - began).total_seconds() / manifest["host"]["cpus_online"]
    print(f"{recording}: {others:.1f} % of the CPUs were used by others")
    sys.exit(others > QUIET_PERCENT)


if __name__ == "__main__":
    {"wait": wait, "check": check}[sys.argv[1]](*sys.argv[2:])
