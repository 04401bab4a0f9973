"""The cost of a command in the manifest, compared with `time -v` and a control group, on programs of known cost."""

import os
import re
import shutil
import signal
import subprocess
from functools import partial
from pathlib import Path

from control_group import ControlGroup
from recorder import PERFWATCH, manifest
from tally import Tally

MIB = 1024 * 1024
TIME = Path("/usr/bin/time")


class Run:
    """One of the programs, under `time -v`, under perfwatch."""

    def __init__(self, scratch, programs, *words, interval="100ms"):
        self.folder = scratch / "cost"
        shutil.rmtree(self.folder, ignore_errors=True)
        said = scratch / "time"
        group = ControlGroup(f"perfwatch-check-{os.getpid()}")
        try:
            record = [PERFWATCH, "record", "-qq", "-i", interval, "--collectors", "process", "-o", self.folder, "--"]
            timed = [TIME, "-v", "-o", said, programs, *words]
            environment = os.environ | ({"CGROUPS": group.procs()} if group.procs() else {})
            self.status = subprocess.run([*map(str, record + timed)], env=environment, timeout=120).returncode
            self.cgroup_cpu_s, self.cgroup_peak = group.cpu_s(), group.memory_peak_bytes()
        finally:
            end_all(programs)
            group.remove()
        self.command = manifest(self.folder)["sessions"][0]["command"]
        self.cost = self.command["cost"]
        self.cpu_s = self.cost["user_s"] + self.cost["system_s"]
        self.time = Verbose(said.read_text())


class Verbose:
    """The output of `time -v`. Seconds are in hundredths, rounded down; bytes are its blocks of 512."""

    def __init__(self, text):
        lines = (line.strip().rsplit(": ", 1) for line in text.splitlines() if ": " in line)
        said = dict(line for line in lines if len(line) == 2)
        number = lambda name: float(said[name])
        self.user_s, self.system_s = number("User time (seconds)"), number("System time (seconds)")
        minutes, seconds = re.search(r"(?:(?<=:)|^)(\d+):([\d.]+)$", said["Elapsed (wall clock) time (h:mm:ss or m:ss)"]).groups()
        self.wall_s = int(minutes) * 60 + float(seconds)
        self.max_rss_bytes = number("Maximum resident set size (kbytes)") * 1024
        self.minor_faults = number("Minor (reclaiming a frame) page faults")
        self.major_faults = number("Major (requiring I/O) page faults")
        self.voluntary_switches = number("Voluntary context switches")
        self.involuntary_switches = number("Involuntary context switches")
        self.read_bytes, self.write_bytes = (number(f"File system {way}") * 512 for way in ("inputs", "outputs"))


class Table:
    """Prints our values next to the others, and counts."""

    def __init__(self, tally):
        self.tally = tally
        print(f"{'program: figure':46} {'perfwatch':>16} {'the other':>16} {'difference':>13} {'bound':>13}")

    def row(self, name, ours, theirs, relative=0.0, absolute=0.0):
        bound = absolute + relative * abs(theirs)
        show = (lambda v: f"{v:,.4f}") if isinstance(ours, float) else (lambda v: f"{v:,.0f}")
        print(f"{name:46} {show(ours):>16} {show(theirs):>16} {show(ours - theirs):>13} {show(bound):>13}")
        self.tally.check(name, abs(ours - theirs) <= bound, f"{ours} is more than {bound} from {theirs}")


def like_time(table, name, run):
    """All processes were waited for: `time` saw what we saw, except itself (and the process that became it)."""
    ours, theirs = run.cost, run.time
    # Its hundredths are rounded down, and it used two or three milliseconds itself.
    for figure in ("user_s", "system_s"):
        table.row(f"{name}: {figure}", ours[figure], getattr(theirs, figure) + 0.005, 0.01, 0.010)
    # Here, two more processes have to be scheduled on a machine that may be busy.
    table.row(f"{name}: wall_s", ours["wall_s"], theirs.wall_s + 0.005, 0.01, 0.030)
    table.row(f"{name}: minor_faults", ours["minor_faults"], theirs.minor_faults + 100, 0.01, 60)
    table.row(f"{name}: major_faults", ours["major_faults"], theirs.major_faults, 0.0, 5)
    table.row(f"{name}: voluntary_switches", ours["voluntary_switches"], theirs.voluntary_switches, 0.01, 30)
    table.row(f"{name}: involuntary_switches", ours["involuntary_switches"], theirs.involuntary_switches, 0.01, 30)
    # It wrote its own file, and may have had to be read itself.
    table.row(f"{name}: write_bytes", ours["write_bytes"], theirs.write_bytes, 0.0, 65536)
    table.row(f"{name}: read_bytes", ours["read_bytes"], theirs.read_bytes, 0.0, 2 * MIB)
    # Values smaller than those of `time` itself, or of our own process before it became that, belong to no program.
    table.row(f"{name}: max_rss_bytes", ours["max_rss_bytes"], max(theirs.max_rss_bytes, 1.4 * MIB), 0.0, MIB)


def like_cgroup(table, name, run):
    """The control group only accounts for the program: `time`, and the start of both, come on top of it."""
    if run.cgroup_cpu_s is not None:
        table.row(f"{name}: user_s + system_s, cgroup", run.cpu_s, run.cgroup_cpu_s + 0.003, 0.01, 0.007)


def check(tally, scratch, programs):
    run = lambda *words, **options: Run(scratch, programs, *words, **options)
    for part in (waited_for, missed_by_time, followers, ignored, spikes, hold, disk, statuses):
        for one in part(run, scratch):
            tally.trials(lambda trial: one(trial, Table(trial)))


def waited_for(run, _):
    """Programs whose parents wait for them."""

    def one(words, tally, table):
        ran = run(*words)
        tally.equal(f"{words[0]}: status", ran.status, 0)
        like_time(table, words[0], ran)
        like_cgroup(table, words[0], ran)

    for words in [("burn", "1200", "600"), ("tree",), ("threads",), ("exec",), ("switches", "20000"), ("children", "500")]:
        yield partial(one, words)


def missed_by_time(run, _):
    """Programs that `time` misses: 600 ms of a daemon, 300 of orphans."""

    def one(name, burnt_s, tally, table):
        ran = run(name)
        table.row(f"{name}: user_s, as designed", ran.cost["user_s"], burnt_s, 0.01, 0.015)
        like_cgroup(table, name, ran)
        tally.check(f"{name}: time missed some", ran.time.user_s < 0.5 * burnt_s, ran.time.user_s)
        tally.equal(f"{name}: left running", ran.cost["left_running"], 0)

    def left(tally, table):
        ran = run("daemon-left")
        table.row("daemon-left: user_s, as designed", ran.cost["user_s"], 0.7, 0.01, 0.015)
        tally.equal("daemon-left: left running", ran.cost["left_running"], 1)
        table.row("daemon-left: its CPU time", ran.cost["left_running_cpu_s"], 0.6, 0.01, 0.015)

    yield from [partial(one, "daemon", 0.7), partial(one, "orphans", 0.4), left]


def followers(run, _):
    """One that ends shortly after the command is counted once, whether we saw it alive or waited for it."""

    def one(late_us, _, table):
        ran = run("follower", late_us)
        table.row(f"follower, {late_us} us: user_s, as designed", ran.cost["user_s"], 0.3, 0.01, 0.015)

    for late_us in ("0", "500", "5000"):
        yield partial(one, late_us)


def ignored(run, _):
    """The usage of children that the kernel reaps is not reported. The ticks saw all except the last 100 ms of each."""

    def one(tally, table):
        ran = run("ignore")
        if ran.cgroup_cpu_s is not None:
            table.row("ignore: cgroup, as designed", ran.cgroup_cpu_s, 2.0, 0.01, 0.01)
        table.row("ignore: user_s, as designed", ran.cpu_s, 1.9, 0.0, 0.115)
        tally.check("ignore: time missed more", ran.time.user_s < 0.9, ran.time.user_s)

    yield one


def spikes(run, _):
    """Memory. Between two ticks of a second only the kernel sees it."""

    def one(name, _, table):
        ran = run(name, "300", interval="1s")
        like_time(table, name, ran)
        table.row(f"{name}: max_rss_bytes, as designed", ran.cost["max_rss_bytes"], 300 * MIB, 0.01, 2 * MIB)
        if ran.cgroup_peak is not None:
            # Page tables, and pages that were allocated ahead, are charged as well.
            table.row(f"{name}: cgroup's peak", ran.cost["max_rss_bytes"], ran.cgroup_peak, 0.01, 4 * MIB)

    yield from [partial(one, "spike"), partial(one, "child-spike")]


def hold(run, _):
    """Memory of several processes at once."""

    def one(_, table):
        ran = run("hold", "4", "60")
        like_time(table, "hold", ran)
        table.row("hold: rss_sum_peak_bytes, as designed", ran.cost["rss_sum_peak_bytes"], 4 * 60 * MIB, 0.0, 10 * MIB)
        if ran.cgroup_peak is not None:
            table.row("hold: rss_sum_peak_bytes, cgroup", ran.cost["rss_sum_peak_bytes"], ran.cgroup_peak, 0.0, 12 * MIB)

    yield one


def disk(run, scratch):
    """Bytes. Some file systems are in memory, and have none."""

    def one(_, table):
        ran = run("disk", scratch / "file")
        like_time(table, "disk", ran)
        if ran.time.write_bytes:
            table.row("disk: write_bytes, as designed", ran.cost["write_bytes"], 56 * MIB, 0.0, MIB)
            table.row("disk: read_bytes, as designed", ran.cost["read_bytes"], 32 * MIB, 0.0, MIB)

    yield one


def statuses(run, _):
    def one(words, status, tally, _):
        ran = run(*words)
        tally.equal(f"{words}", (ran.status, ran.command["exit_code"], ran.command["signal"]), (status, status, None))

    for status in (3, 200):
        yield partial(one, ("status", str(status)), status)


def end_all(program):
    """Ends the processes that run this file."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(folder / "exe") == str(program):
                os.kill(int(folder.name), signal.SIGKILL)
        except OSError:
            pass
