#!/usr/bin/env python3
"""What the machines of the sample fleet do for 35 seconds: build, database, web server, nothing.

    perfwatch record -o host=db & python3 hosts.py db --recording host=db

Three phases of equal length. Uses only Python's standard library; no packet leaves the machine. Marks the phases,
and prints its CPU time in user mode, in seconds.
"""

import argparse
import multiprocessing
import os
import random
import socket
import subprocess
import tempfile
import threading
import time

PAGE = 8192
MB = 1_000_000


def spin(end):
    while time.monotonic() < end:
        sum(i * i for i in range(10_000))


def together(target, arguments):
    """One process per item of `arguments`, until all have ended."""
    workers = [multiprocessing.Process(target=target, args=args) for args in arguments]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


# build


def translate(end, seed):
    """Jobs of random length with short pauses, as a compiler under make."""
    numbers = random.Random(seed)
    while time.monotonic() < end:
        spin(min(end, time.monotonic() + numbers.uniform(0.2, 2)))
        time.sleep(numbers.uniform(0, 0.3))


def configure(end):
    """Many short processes."""
    while time.monotonic() < end:
        subprocess.run(["sh", "-c", "exit 0"], check=True)
        time.sleep(0.02)


def compile(end):
    together(translate, [(end, seed) for seed in range(os.cpu_count() or 1)])


def link(end):
    """One process that computes and writes 30 MB per second, as a linker."""
    block = os.urandom(MB)
    with tempfile.TemporaryFile(dir=".") as file:
        while time.monotonic() < end:
            if file.tell() >= 300 * MB:
                file.seek(0)
            for _ in range(15):
                file.write(block)
            spin(min(end, time.monotonic() + 0.5))


# database


def commit(end, pause):
    """Writes a page somewhere in 64 MB and syncs it, again and again."""
    numbers, page = random.Random(os.getpid()), os.urandom(PAGE)
    with tempfile.TemporaryFile(dir=".") as file:
        file.truncate(64 * MB)
        while time.monotonic() < end:
            file.seek(numbers.randrange(64 * MB // PAGE) * PAGE)
            file.write(page)
            file.flush()
            os.fsync(file.fileno())
            time.sleep(pause)


def checkpoint(end):
    """Writes 192 MB and syncs them, every three seconds."""
    block = os.urandom(MB)
    with tempfile.TemporaryFile(dir=".") as file:
        while time.monotonic() < end:
            began = time.monotonic()
            file.seek(0)
            for _ in range(192):
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
            time.sleep(max(0, min(end, began + 3) - time.monotonic()))


def one_writer(end):
    commit(end, 0.01)


def eight_writers(end):
    together(commit, [(end, 0.002)] * 8)


def with_checkpoints(end):
    """The single writer again, while another process writes checkpoints."""
    other = multiprocessing.Process(target=checkpoint, args=(end,))
    other.start()
    commit(end, 0.01)
    other.join()


# web server


def serve(listener, workers=4):
    """Answers after 10 ms, at most `workers` requests at a time: 400 per second."""

    def work():
        answer = os.urandom(20_000)
        while True:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                time.sleep(0.01)
                connection.sendall(answer)

    for _ in range(workers):
        threading.Thread(target=work).start()


def visit(address, end, pause, times):
    while time.monotonic() < end:
        began = time.monotonic()
        with socket.create_connection(address) as connection:
            connection.sendall(b"GET")
            while connection.recv(65536):
                pass
        times.append(time.monotonic() - began)
        time.sleep(pause)


def visitors(count, pause):
    def phase(end):
        """Connections of `count` clients; returns how many and how long they took, as tags."""
        # With so few places in its queue the server drops requests that are too many, and the client asks again after 1 s.
        listener = socket.create_server(("127.0.0.1", 0), backlog=16)
        server = multiprocessing.Process(target=serve, args=(listener,))
        server.start()
        times = []
        args = (listener.getsockname(), end, pause, times)
        clients = [threading.Thread(target=visit, args=args) for _ in range(count)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        server.kill()
        server.join()
        listener.close()
        return {"connections": str(len(times)), "mean_ms": f"{sum(times) / len(times) * 1000:.1f}"}

    return phase


HOSTS = {
    "idle": {},
    "build": {"configure": configure, "compile": compile, "link": link},
    "db": {"one writer": one_writer, "eight writers": eight_writers, "checkpoints": with_checkpoints},
    "web": {"few clients": visitors(4, 0.05), "many clients": visitors(16, 0), "too many": visitors(64, 0)},
}


def mark(recording, *args):
    subprocess.run(["perfwatch", "mark", "-r", recording, *args], check=True)


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("host", choices=HOSTS)
    options.add_argument("--recording", required=True)
    options.add_argument("--seconds", type=float, default=11, help="length of a phase (%(default)s)")
    args = options.parse_args()
    if args.host == "idle":
        time.sleep(3 * args.seconds)
    for name, phase in HOSTS[args.host].items():
        mark(args.recording, "start", name)
        told = phase(time.monotonic() + args.seconds) or {}
        mark(args.recording, "end", name)
        if told:
            mark(args.recording, "event", f"clients of {name}", *(f"--tag={key}={value}" for key, value in told.items()))
    used = os.times()
    print(used.user + used.children_user)


if __name__ == "__main__":
    main()
