#!/usr/bin/env python3
"""A job of four phases, the same work each time: computes, sorts in memory, stores on the disk, waits for a child.

    perfwatch record -- python3 job.py                   # syncs once per 16 records
    perfwatch record -- python3 job.py --sync-every 1    # slower on purpose: syncs after each record

Uses only Python's standard library, two CPUs, 200 MB of memory and 32 MB of disk. Marks its phases where it is recorded.
"""

import argparse
import multiprocessing
import os
import random
import subprocess
import tempfile
from contextlib import contextmanager

RECORDS = 4000
RECORD = 8192


@contextmanager
def phase(name):
    subprocess.run(["perfwatch", "mark", "start", "-q", name], check=True)
    yield
    subprocess.run(["perfwatch", "mark", "end", "-q", name], check=True)


def digest(rounds):
    value = 1
    for _ in range(rounds):
        value = value * 6364136223846793005 + 1442695040888963407 & 0xFFFFFFFFFFFFFFFF
    return value


def compute():
    """Two processes, of which one has twice as much to do."""
    workers = [multiprocessing.Process(target=digest, args=(rounds,)) for rounds in (8_000_000, 4_000_000)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def sort():
    numbers = random.Random(1)
    rows = [(numbers.random(), str(index)) for index in range(1_000_000)]
    rows.sort()


def store(sync_every):
    record = random.Random(2).randbytes(RECORD)
    with tempfile.TemporaryFile(dir=".") as file:
        for number in range(1, RECORDS + 1):
            file.write(record)
            if number % sync_every == 0:
                file.flush()
                os.fsync(file.fileno())


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--sync-every", type=int, default=16, help="records per fsync (%(default)s)")
    args = options.parse_args()
    with phase("compute"):
        compute()
    with phase("sort"):
        sort()
    with phase("store"):
        store(args.sync_every)
    with phase("wait"):
        subprocess.run(["sleep", "1"], check=True)


if __name__ == "__main__":
    main()
