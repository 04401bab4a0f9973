"""Many short commands: every status is right, every recording is readable, and no process or file is left behind."""

import ctypes
import json
import os
import re
import shutil
import subprocess
import time

from recorder import PERFWATCH, manifest, run

PR_SET_CHILD_SUBREAPER = 36
#: Script, and the status that a shell gives it; `LEFT` leaves a process that ends on its own.
COMMANDS = [
    (["true"], 0),
    (["false"], 1),
    (["sh", "-c", "exit 77"], 77),
    (["sh", "-c", "kill -9 $$"], 137),
    (["sh", "-c", "kill -SEGV $$"], 139),
    (["sh", "-c", "(exit 3) | (exit 4)"], 4),
    (["sh", "-c", "setsid sleep 0.01 & exit 5"], 5),
    (["sh", "-c", "(sleep 0 &) ; exit 6"], 6),
    (["no-such-command"], 127),
    (["/"], 126),
]
SOME_AT_ONCE = 50


def descriptors(pid):
    """The open descriptors of a process."""
    folder, found = f"/proc/{pid}/fd", []
    for fd in os.listdir(folder):
        try:
            found.append(os.readlink(f"{folder}/{fd}"))
        except FileNotFoundError:
            pass  # the descriptor used for listing
    return sorted(found)


def leftovers():
    """Our children that we did not start: processes left by the recorders, running or not waited for."""
    end, left = time.monotonic() + 5, 0
    while time.monotonic() < end:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return left, []
        left += pid != 0
        time.sleep(0 if pid else 0.01)
    children = open(f"/proc/self/task/{os.getpid()}/children").read().split()
    return left, children


def check_in_a_row(tally, scratch, number):
    # Processes that lose their parent become our children.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    tally.equal("no children of ours before", leftovers(), (0, []))
    before = descriptors("self")
    folders, wrong, seconds = [], [], []
    for i in range(number):
        command, status = COMMANDS[i % len(COMMANDS)]
        folder = scratch / f"many-{i}"
        began = time.monotonic()
        done = subprocess.run([PERFWATCH, "record", "-qq", "-o", folder, "--", *command], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60)
        seconds.append(time.monotonic() - began)
        said = done.stderr if status not in (126, 127) else ""
        if done.returncode != status or done.stdout or said:
            wrong.append((command, status, done.returncode, done.stdout, done.stderr))
        if status in (126, 127):
            tally.check(f"{command}: no recording", not folder.exists())
        else:
            folders.append((folder, status))
    seconds.sort()
    print(f"{number} commands, median {1000 * seconds[len(seconds) // 2]:.0f} ms, at most {1000 * seconds[-1]:.0f} ms")
    tally.check(f"{number} statuses", not wrong, lambda: f"{len(wrong)}: {wrong[:3]}")
    left, alive = leftovers()
    tally.check("no process is still running", not alive, alive)
    # One in ten leaves a process that sleeps for 10 ms, which may still run after us.
    tally.check("no processes were left except by the commands", left <= 2 * (number // len(COMMANDS) + 1), left)
    tally.equal("our own descriptors", descriptors("self"), before)
    for at in range(0, len(folders), SOME_AT_ONCE):
        some = folders[at:at + SOME_AT_ONCE]
        reports = json.loads(run("report", *(folder for folder, _ in some), "--format", "json"))["recordings"]
        tally.equal("recordings that can be read", len(reports), len(some))
        for folder, status in some:
            facts = manifest(folder)["sessions"][0]["command"]
            ended = facts["exit_code"] if facts["signal"] is None else 128 + facts["signal"]
            tally.equal(f"{folder.name}: status in the manifest", ended, status)
            tally.check(f"{folder.name}: no journal is left", not list(folder.glob(".journal/*")))
            shutil.rmtree(folder)


def check_descriptors(tally, scratch, programs):
    """A command has the same descriptors as without us, and the recorder the same after 500 children as before."""
    listing = ["ls", "-l", "/proc/self/fd"]
    ask = lambda *words: subprocess.run([*words, *listing], stdin=subprocess.DEVNULL, capture_output=True, text=True).stdout
    # Numbers of pipes and processes differ.
    plain = lambda text: [re.sub(r"\d{3,}", "N", line.split(" ", 8)[-1]) for line in text.splitlines()[1:]]
    kinds = lambda text: [re.sub(r".* (\d+) -> ", r"\1 ", line) for line in plain(text)]
    alone, wrapped = ask(), ask(PERFWATCH, "record", "-qq", "-o", scratch / "fds", "--")
    tally.equal("a command's descriptors", kinds(wrapped), kinds(alone))
    if not programs:
        return
    script = f"{programs} children 3; echo ready; read x; {programs} children 500; echo done; read x"
    recorder = subprocess.Popen([PERFWATCH, "record", "-qq", "-i", "20ms", "-o", scratch / "held", "--", "sh", "-c", script],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    recorder.stdout.readline()
    time.sleep(0.3)
    before = len(descriptors(recorder.pid))
    recorder.stdin.write(b"\n")
    recorder.stdin.flush()
    recorder.stdout.readline()
    time.sleep(0.3)
    after = len(descriptors(recorder.pid))
    zombies = subprocess.run(["ps", "--ppid", str(recorder.pid), "-o", "state="], capture_output=True, text=True).stdout
    recorder.communicate(b"\n", timeout=30)
    tally.check("500 children: the recorder's descriptors", after <= before, f"{before} before, {after} after")
    tally.check("500 children: no zombies", "Z" not in zombies, zombies)


def check(tally, scratch, programs, number=None):
    check_in_a_row(tally, scratch, number or int(os.environ.get("PERFWATCH_COMMANDS", "100")))
    check_descriptors(tally, scratch, programs)
