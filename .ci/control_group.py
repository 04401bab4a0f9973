"""A control group made by hand, to get the usage of a program from another source of the kernel. Version 1, or version 2
if that has the controllers; needs root."""

import os
import time
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")


class ControlGroup:
    """Values that are not accounted for here are None."""

    def __init__(self, name):
        self.folders = {}
        for controller, place in {"cpu": "cpuacct", "memory": "memory"}.items():
            controllers = ROOT / "cgroup.controllers"
            if (ROOT / place / "cgroup.procs").exists():
                self._make(controller, ROOT / place / name)
            elif controllers.exists() and controller in controllers.read_text().split():
                self._make(controller, ROOT / name)

    def _make(self, controller, folder):
        try:
            folder.mkdir(exist_ok=True)
        except OSError:
            return
        self.folders[controller] = folder

    def procs(self):
        """The files for joining it, as needed by `programs`."""
        return ":".join(sorted({str(folder / "cgroup.procs") for folder in self.folders.values()}))

    def _number(self, controller, *names):
        for name in names:
            file = self.folders.get(controller, Path("/nowhere")) / name
            if file.exists():
                return int(file.read_text())
        return None

    def cpu_s(self):
        """CPU time, user and system, of all processes that were ever in it."""
        if ns := self._number("cpu", "cpuacct.usage"):
            return ns / 1e9
        stat = self.folders.get("cpu", Path("/nowhere")) / "cpu.stat"
        if not stat.exists():
            return None
        return int(dict(line.split() for line in stat.read_text().splitlines())["usage_usec"]) / 1e6

    def memory_peak_bytes(self):
        """The most memory charged to it, including file cache."""
        return self._number("memory", "memory.max_usage_in_bytes", "memory.peak")

    def remove(self):
        """The last process may have ended, but still be known to the kernel."""
        for folder in set(self.folders.values()):
            for _ in range(100):
                try:
                    os.rmdir(folder)
                    break
                except OSError:
                    time.sleep(0.02)
