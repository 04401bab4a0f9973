#!/usr/bin/env python3
"""A varying load for a recording: idle, CPU, disk, memory and network, one after the other.

Limited on purpose: at most all CPUs, 64 MB/s to the disk, 400 MB of memory, and no packet leaves the machine. Uses
only Python's standard library. Prints one CSV line per phase: name, start and end in RFC 3339.
"""

import argparse
import multiprocessing
import os
import socket
import sys
import tempfile
import threading
import time
from datetime import datetime, timezone

MB = 1_000_000


def idle(end, _folder):
    time.sleep(max(0, end - time.monotonic()))


def spin(end):
    while time.monotonic() < end:
        sum(i * i for i in range(10_000))


def one_core(end, _folder):
    spin(end)


def all_cores(end, _folder):
    workers = [multiprocessing.Process(target=spin, args=(end,)) for _ in range(os.cpu_count() or 1)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def disk(end, folder):
    """Writes 16 MB and syncs it, four times per second; starts over at the beginning of the file at 64 MB."""
    block = os.urandom(MB)
    with open(os.path.join(folder, "load"), "wb") as file:
        while time.monotonic() < end:
            began = time.monotonic()
            if file.tell() >= 64 * MB:
                file.seek(0)
            for _ in range(16):
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
            idle(min(end, began + 0.25), folder)


def memory(end, _folder):
    """Takes 40 MB at a time up to 400 MB, holds it, gives it back."""
    began = time.monotonic()
    held = []
    while time.monotonic() < end:
        if len(held) < 10 and time.monotonic() - began > len(held) * (end - began) / 15:
            # A page that is not written to takes no memory.
            held.append(b"\1" * (40 * MB))
        time.sleep(0.05)


def network(end, _folder):
    """Connections over loopback, 50 per second, each sending 100 KB and getting it back."""
    server = socket.create_server(("127.0.0.1", 0))
    payload = os.urandom(100_000)

    def serve():
        while True:
            connection, _ = server.accept()
            with connection:
                if not (request := receive(connection)):
                    return
                connection.sendall(request)

    def receive(connection):
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
        return b"".join(parts)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    while True:
        last = time.monotonic() >= end
        with socket.create_connection(server.getsockname()) as connection:
            if not last:
                connection.sendall(payload)
            # An empty request ends the server.
            connection.shutdown(socket.SHUT_WR)
            receive(connection)
        if last:
            break
        time.sleep(0.02)
    thread.join(5)
    server.close()


def everything(end, folder):
    """All of it at once, for short recordings."""
    parts = [multiprocessing.Process(target=part, args=(end, folder)) for part in (one_core, disk, memory, network)]
    for part in parts:
        part.start()
    for part in parts:
        part.join()


PHASES = [("idle", idle), ("one core", one_core), ("all cores", all_cores), ("disk", disk), ("memory", memory),
          ("network", network), ("idle again", idle)]


def stamp():
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=20, help="length of each phase, at most 60 (%(default)s)")
    options.add_argument("--together", action="store_true", help="one phase with everything in it")
    args = options.parse_args()
    print("phase,start,end")
    with tempfile.TemporaryDirectory(prefix="load-", dir=".") as folder:
        for name, phase in [("everything", everything)] if args.together else PHASES:
            start = stamp()
            phase(time.monotonic() + min(args.seconds, 60), folder)
            print(f"{name},{start},{stamp()}")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
