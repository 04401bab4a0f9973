#!/usr/bin/env python3
"""`perfwatch record -- COMMAND` compared with `time`, control groups, `/proc`, `ps` and a terminal."""

import shutil
import subprocess
import tempfile
from pathlib import Path

import check_cost
import check_machine
import check_many
import check_terminal
import check_tree
from recorder import REPOSITORY
from tally import Tally


def compiled(scratch):
    """The programs of known cost, or None if there is no compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not compiler:
        return None
    program = scratch / "programs"
    subprocess.run([compiler, "-O1", "-pthread", "-o", program, Path(__file__).with_name("programs.c")], check=True)
    return program


def main():
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="command-", dir=REPOSITORY / "target") as scratch:
        scratch = Path(scratch)
        programs = compiled(scratch)
        if not programs:
            print("skipped: programs of known cost (no C compiler)")
        elif not check_cost.TIME.exists():
            print("skipped: cost against time -v (not installed)")
        else:
            with tally.group("cost against time -v and control groups"):
                check_cost.check(tally, scratch, programs)
        if programs:
            with tally.group("the tree against /proc"):
                tally.trials(lambda trial: check_tree.check(trial, scratch, programs))
            with tally.group("the machine against ps and pidstat"):
                check_machine.check(tally, scratch, programs)
        with tally.group("on a terminal"):
            check_terminal.check(tally, scratch)
        with tally.group("many in a row"):
            check_many.check(tally, scratch, programs)
    tally.finish()


if __name__ == "__main__":
    main()
