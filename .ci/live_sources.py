"""The values of other tools for the same seconds, as plain numbers. Functions start them; `join()` gives a dict."""

import json
import os
import re
import shutil
import subprocess
import threading
import time

ENVIRONMENT = os.environ | {"LC_ALL": "C", "S_TIME_FORMAT": "ISO"}
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class Source:
    """A tool that measures for some seconds, with the start and end of that time."""

    def __init__(self, name, work):
        self.name = name
        self.values = {}
        self._thread = threading.Thread(target=self._run, args=(work,))
        self._thread.start()

    def _run(self, work):
        self.began = time.time()
        try:
            self.values = work()
        except Exception as error:
            print(f"skipped: {self.name} ({error})", flush=True)
        self.ended = time.time()

    def join(self):
        self._thread.join()
        return self


def output(*command):
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise RuntimeError(f"status {done.returncode}: {done.stderr.strip()[:200]}")
    return done.stdout, done.stderr


def mpstat(seconds):
    text, _ = output("mpstat", "-o", "JSON", "-P", "ALL", "1", str(seconds))
    samples = json.loads(text)["sysstat"]["hosts"][0]["statistics"]
    loads = [cpu for sample in samples for cpu in sample["cpu-load"]]

    def mean(cpu, key):
        values = [load[key] for load in loads if load["cpu"] == cpu]
        return sum(values) / len(values)

    return {(cpu, key): mean(cpu, key) for cpu in {load["cpu"] for load in loads}
            for key in ["usr", "nice", "sys", "iowait", "soft", "steal", "idle"]}


def iostat(seconds):
    # The first report is since boot; `-y` leaves it out.
    text, _ = output("iostat", "-o", "JSON", "-y", "-dxk", str(seconds), "1")
    return {disk["disk_device"]: disk for disk in json.loads(text)["sysstat"]["hosts"][0]["statistics"][-1]["disk"]}


def vmstat(seconds):
    text, _ = output("vmstat", "-n", str(seconds), "2")
    lines = text.splitlines()
    return dict(zip(lines[1].split(), map(float, lines[-1].split())))


def perf(seconds, program):
    events = "cpu-clock,context-switches,cpu-migrations,page-faults"
    _, text = output(program, "stat", "-a", "-x", ";", "-e", events, "--", "sleep", str(seconds))
    rows = [line.split(";") for line in text.splitlines() if line.count(";") > 3]
    return {re.sub(r":.*", "", row[2]): float(row[0]) for row in rows if row[0].replace(".", "").isdigit()}


def free():
    text, _ = output("free", "-b", "-w")
    head, memory = text.splitlines()[:2]
    return dict(zip(head.split(), map(int, memory.split()[1:])))


def ss():
    text, _ = output("ss", "-s")
    states = dict(re.findall(r"(estab|timewait) (\d+)", text))
    return {state: int(count) for state, count in states.items()}


def proc_counters():
    """Counters of /proc, read one after the other."""
    def lines(path):
        with open(path) as file:
            return [line.split() for line in file]

    found = {}
    for words in lines("/proc/stat"):
        if words[0] == "cpu":
            names = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"]
            found |= {("cpu", f"{n}_ms"): int(v) * 1000 // TICKS_PER_SECOND for n, v in zip(names, words[1:])}
        found |= {("cpu", column): int(words[1]) for key, column in
                  {"intr": "interrupts", "ctxt": "context_switches", "processes": "forks"}.items() if words[0] == key}
    for words in lines("/proc/vmstat"):
        if words[0] in {"pgpgin", "pgpgout", "pgfault", "pgmajfault"}:
            found["paging", words[0]] = int(words[1])
    for words in lines("/proc/diskstats"):
        found |= {("disk", words[2], column): int(words[at]) * unit for column, at, unit in
                  [("read_count", 3, 1), ("read_bytes", 5, 512), ("write_count", 7, 1), ("write_bytes", 9, 512)]}
    for words in lines("/proc/net/dev")[2:]:
        name = words[0].rstrip(":")
        found |= {("network", name, column): int(words[at]) for column, at in
                  [("bytes_recv", 1), ("packets_recv", 2), ("bytes_sent", 9), ("packets_sent", 10)]}
    return found


def has(program):
    return shutil.which(program) is not None
