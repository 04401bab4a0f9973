"""A command on a terminal: with `perfwatch record --` before it, everything behaves as without."""

import shlex
import shutil
import subprocess
import sys
import termios
import time

from recorder import PERFWATCH, manifest
from terminal import Terminal

RAW = """
import sys, termios, tty
before = termios.tcgetattr(0)
tty.setraw(0)
print("raw", end="\\r\\n", flush=True)
keys = sys.stdin.buffer.raw.read(1) + sys.stdin.buffer.raw.read(1)
termios.tcsetattr(0, termios.TCSADRAIN, before)
print("keys", keys.hex(), flush=True)
"""


class Commands:
    """Recordings, each in a new folder."""

    def __init__(self, scratch):
        self.scratch, self.number = scratch, 0

    def record(self, *command):
        self.number += 1
        self.folder = self.scratch / f"terminal-{self.number}"
        return [str(word) for word in [PERFWATCH, "record", "-qq", "--collectors", "cpu,process", "-o", self.folder, "--", *command]]

    def facts(self):
        return manifest(self.folder)["sessions"][0]["command"]


def settled(wanted, seconds=10):
    """Whether the condition becomes true within this time."""
    end = time.monotonic() + seconds
    while not (holds := wanted()) and time.monotonic() < end:
        time.sleep(0.02)
    return holds


def runs(group):
    """Whether no process of the process group is stopped."""
    states = subprocess.run(["ps", "-eo", "pgid=,state="], capture_output=True, text=True).stdout.splitlines()
    return "T" not in [line.split()[1] for line in states if line.split()[0] == str(group)]


def check_keys(tally, commands):
    """Ctrl-C and Ctrl-\\, and programs that handle them; alone on the terminal, as with `ssh -t host perfwatch …`."""
    for key, signal, name in [("\x03", 2, "Ctrl-C"), ("\x1c", 3, "Ctrl-\\")]:
        terminal = Terminal(*commands.record("sh", "-c", "ulimit -c 0; echo ready; exec sleep 60"))
        terminal.wait_for("ready")
        terminal.type(key)
        tally.equal(f"{name}: status", terminal.end(), 128 + signal)
        tally.equal(f"{name}: the signal in the manifest", commands.facts()["signal"], signal)
    trap = "n=0; trap 'n=$((n+1)); echo got $n' INT; echo ready; while test $n -lt 2; do sleep 0.05; done; exit 7"
    terminal = Terminal(*commands.record("bash", "-c", trap))
    terminal.wait_for("ready")
    terminal.type("\x03")
    terminal.wait_for("got 1")
    # Once per key: a second one would have been printed by now.
    time.sleep(0.4)
    tally.check("a trap of INT: once per key", terminal._read(0) and b"got 2" not in terminal.said, terminal.said)
    terminal.type("\x03")
    tally.equal("a trap of INT: status", terminal.end(), 7)


def check_loops(tally, commands):
    """Ctrl-C ends a loop of bash, which checks whether the key ended the process it waited for."""
    line = shlex.join(commands.record("sh", "-c", "echo rea''dy; exec sleep 60"))
    for what in ("a loop", "a script"):
        terminal = shell()
        loop = f"for i in 1 2 3; do {line}; echo ro''und $i; done"
        terminal.type(f"{loop}; echo af''ter\n" if what == "a loop" else f"bash -c {shlex.quote(loop)}; echo sta''tus $?\n")
        terminal.wait_for("ready")
        terminal.type("\x03")
        terminal.wait_for("$ ")
        terminal.type("echo th''en\n")
        terminal.wait_for("then")
        tally.check(f"Ctrl-C in {what}: ends it", b"round" not in terminal.said and b"after" not in terminal.said, terminal.said)
        shutil.rmtree(commands.folder, ignore_errors=True)
        terminal.type("exit\n")
        terminal.end()


def shell(*words):
    """A shell at its prompt: its line editor has set the modes of the terminal."""
    terminal = Terminal("bash", "--norc", "--noprofile", *words)
    terminal.wait_for("$ ")
    return terminal


def check_modes(tally, name, terminal, before):
    terminal.wait_for("$ ")
    tally.check(f"{name}: the terminal's modes are as before", settled(lambda: terminal.modes() == before, 3),
                lambda: f"{terminal.modes()} are not {before}")


def check_jobs(tally, commands):
    """perfwatch as a job of an interactive shell."""
    terminal = shell()
    before = terminal.modes()
    line = shlex.join(commands.record("sh", "-c", "echo rea''dy; read x; echo done $x; exit 6"))
    terminal.type(f"{line}\n")
    terminal.wait_for("ready\r\n")
    for back in ("fg", "bg; sleep 0.3; fg"):
        terminal.type("\x1a")
        terminal.wait_for("Stopped")
        # Keys typed while the shell sets up its line are lost.
        terminal.wait_for("$ ")
        tally.check(f"Ctrl-Z, {back}: shell in the foreground", settled(lambda: terminal.in_front() == terminal.pid))
        terminal.type(f"{back}\n")
        tally.check(f"Ctrl-Z, {back}: job in the foreground", settled(lambda: terminal.in_front() != terminal.pid))
        # A Ctrl-Z before the shell has continued all processes would be lost on some of them.
        tally.check(f"Ctrl-Z, {back}: both run", settled(lambda: runs(terminal.in_front())))
        time.sleep(0.2)
    terminal.type("word\n")
    terminal.wait_for("done word")
    terminal.type("echo sta''tus $?\n")
    terminal.wait_for("status 6")
    check_modes(tally, "jobs", terminal, before)

    # In the background all the time; the kill ends it.
    line = shlex.join(commands.record("sleep", "60"))
    terminal.type(f"{line} &\n")
    settled(lambda: (commands.folder / "_recording.json").exists() and list(commands.folder.glob(".journal/[0-9]*")))
    time.sleep(0.3)
    terminal.type("kill %1; wait %1; echo sta''tus $?\n")
    terminal.wait_for("status 143")

    # A pipeline is one job.
    line = shlex.join(commands.record("sh", "-c", "read x; echo [$x]; exit 9"))
    terminal.type(f"{line} | cat; echo sta''tus ${{PIPESTATUS[0]}}\n")
    settled(lambda: terminal.in_front() != terminal.pid)
    terminal.type("hello\n")
    terminal.wait_for("[hello]")
    terminal.wait_for("status 9")
    line = shlex.join(commands.record("sleep", "60"))
    terminal.type(f"{line} | cat; echo sta''tus ${{PIPESTATUS[0]}}\n")
    settled(lambda: list(commands.folder.glob(".journal/[0-9]*")))
    time.sleep(0.3)
    terminal.type("\x03")
    terminal.type("echo aft''er $?\n")
    terminal.wait_for("after 130")
    check_modes(tally, "pipelines", terminal, before)
    terminal.type("exit\n")
    terminal.end()


def check_shell_inside(tally, commands):
    """A shell with its own job control as the command."""
    terminal = Terminal(*commands.record("bash", "--norc", "--noprofile", "-i"))
    terminal.wait_for("$ ")
    terminal.type("sleep 50\n")
    settled(lambda: terminal.in_front() != terminal.pid)
    time.sleep(0.2)
    terminal.type("\x1a")
    terminal.wait_for("Stopped")
    terminal.wait_for("$ ")
    terminal.type("kill %1; echo a''live\n")
    terminal.wait_for("alive")
    terminal.type("sleep 50\n")
    time.sleep(0.4)
    terminal.type("\x03")
    terminal.type("echo aft''er $?\n")
    terminal.wait_for("after 130")
    terminal.type("exit 5\n")
    tally.equal("a shell inside: status", terminal.end(), 5)

    terminal = shell()
    before = terminal.modes()
    line = shlex.join(commands.record("bash", "--norc", "--noprofile", "-i"))
    terminal.type(f"PS1='in$ ' {line}\n")
    terminal.wait_for("in$ ")
    time.sleep(0.3)
    terminal.type("suspend\n")
    terminal.wait_for("Stopped")
    terminal.wait_for("$ ")
    terminal.type("echo out''side; fg\n")
    terminal.wait_for("outside")
    terminal.type("echo in''side\n")
    terminal.wait_for("inside")
    terminal.type("exit 4\n")
    time.sleep(0.5)
    terminal.type("echo sta''tus $?\n")
    terminal.wait_for("status 4")
    check_modes(tally, "suspend", terminal, before)
    terminal.type("exit\n")
    terminal.end()


def check_screen(tally, commands):
    """Raw keys, terminal modes that stay set, and a window that changes its size."""
    terminal = Terminal(*commands.record(sys.executable, "-c", RAW))
    terminal.wait_for("raw")
    terminal.type("\x03q")
    terminal.wait_for("keys 0371")
    tally.equal("raw keys: status", terminal.end(), 0)

    terminal = shell()
    line = shlex.join(commands.record("stty", "-echo", "rows", "33"))
    terminal.type(f"{line}; echo sta''tus $?\n")
    terminal.wait_for("status 0")
    changed = terminal.modes()[3]
    tally.check("stty of the command stays", not changed & termios.ECHO)
    terminal.type("stty echo; exit\n")
    terminal.end()

    watcher = "trap 'stty size; exit 3' WINCH; echo ready; while :; do sleep 0.05; done"
    terminal = Terminal(*commands.record("bash", "-c", watcher))
    terminal.wait_for("ready")
    terminal.size(41, 123)
    terminal.wait_for("41 123")
    tally.equal("SIGWINCH: status", terminal.end(), 3)


def check_hang_up(tally, commands, scratch):
    """The terminal is closed. The kernel signals the leader of its session, which passes it on; or a shell does."""
    for place, begin in [("alone", lambda line: Terminal(*line)), ("in a shell", None)]:
        witness = scratch / "witness"
        witness.unlink(missing_ok=True)
        script = f"trap 'echo hup >> {witness}; exit 4' HUP; echo ready; while :; do sleep 0.05; done"
        line = commands.record("bash", "-c", script)
        if begin:
            terminal = begin(line)
        else:
            terminal = shell("-i")
            terminal.type(f"{shlex.join(line)}\n")
            terminal.wait_for("\r\n")
        terminal.wait_for("ready")
        terminal.hang_up()
        tally.check(f"hang-up, {place}: the command gets the signal", settled(witness.exists, 5))
        try:
            terminal.end()
        except RuntimeError as error:
            tally.check(f"hang-up, {place}: we end", False, str(error))
        if settled(lambda: commands.facts()["ended"] is not None):
            tally.equal(f"hang-up, {place}: exit status in the manifest", commands.facts()["exit_code"], 4)
        else:
            tally.check(f"hang-up, {place}: the recording is finished", False)


def check(tally, scratch):
    if not shutil.which("bash"):
        print("skipped: terminals (no bash)")
        return
    commands = Commands(scratch)
    for part in (check_keys, check_loops, check_jobs, check_shell_inside, check_screen):
        with tally.group(part.__name__):
            part(tally, commands)
    with tally.group("check_hang_up"):
        check_hang_up(tally, commands, scratch)
