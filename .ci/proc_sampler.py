"""Repeatedly reads processes in /proc, as simply as possible, in a separate process. Values of other tools are
between two of its readings."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

TICK_MS = 1000 // os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def reading(pid):
    """The current values of a process, or None if there is none with this number."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
        inside, behind = text.split("(", 1)[1].rsplit(")", 1)
        # Numbered as in proc(5): field 3 is the first after the name.
        field = dict(enumerate(behind.split(), 3))
        resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        said = {
            "pid": pid, "comm": inside, "state": field[3], "ppid": int(field[4]), "minor_faults": int(field[10]),
            "major_faults": int(field[12]), "user_ms": int(field[14]) * TICK_MS, "system_ms": int(field[15]) * TICK_MS,
            "threads": int(field[20]), "started": int(field[22]), "rss_bytes": resident * PAGE,
        }
        if "VmHWM" in status:
            said["peak_rss_bytes"] = int(status["VmHWM"].split()[0]) * 1024
        io = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
        said |= {name: int(io[name]) for name in ("read_bytes", "write_bytes")}
        # Of the first thread.
        _, waited_ns, runs = (int(n) for n in Path(f"/proc/{pid}/schedstat").read_text().split())
        if runs:
            said |= {"wait_ms": waited_ns // 1_000_000, "context_switches": runs}
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().removesuffix(b"\0")
        return said | {"command_line": arguments.replace(b"\0", b" ").decode(errors="replace")}
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None


def family(root, parents):
    """The descendants of `root`."""
    found = {root}
    while more := {pid for pid, ppid in parents.items() if ppid in found} - found:
        found |= more
    return found - {root}


def parents():
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                text = Path(f"/proc/{name}/stat").read_text()
                found[int(name)] = int(text.rsplit(")", 1)[1].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                pass
    return found


class Sampler:
    """Readings of all descendants of a process, until it ends: (before, after, readings)."""

    def __init__(self, root, file):
        self.file = file
        self.process = subprocess.Popen([sys.executable, __file__, str(root)], stdout=file.open("w"))

    def readings(self):
        self.process.wait(timeout=60)
        return [json.loads(line) for line in self.file.read_text().splitlines()]


def main(root):
    while os.path.exists(f"/proc/{root}"):
        before = time.time()
        seen = [said for pid in sorted(family(root, parents())) if (said := reading(pid))]
        print(json.dumps([before, time.time(), seen]), flush=True)
        time.sleep(0.01)


if __name__ == "__main__":
    main(int(sys.argv[1]))
