"""What the notebooks print, against `perfwatch report` and `perfwatch compare` on the same recordings.

Each function gets what a notebook printed, and yields the name of a fact, the printed number, and the expected one.
"""

import json
import re

from recorder import REPOSITORY, manifest, report, run

SAMPLES = REPOSITORY / "sample-data"
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")


def numbers(text, *labels):
    """The numbers in the first line that has all labels, after the last one, as they are printed."""
    for line in text.splitlines():
        if all(label in line for label in labels):
            return NUMBER.findall(line.split(labels[-1], 1)[1])
    raise LookupError(f"no line with {labels} in:\n{text}")


def means(recording, metric, *args):
    """Entity → mean of one metric."""
    (table,) = report(SAMPLES / recording, "-m", metric, *args)["tables"]
    return {
        tuple(label["value"] for label in entity["labels"]): entity["metrics"][0]["mean"] for entity in table["entities"]
    }


def mean(recording, metric, *args):
    (only,) = means(recording, metric, *args).values()
    return only


def phases(recording):
    return {phase["phase"]: phase["seconds"] for phase in report(SAMPLES / recording)["phases"]}


def analysis(text):
    yield "mean CPU use", numbers(text, "mean CPU use:")[0], mean("varying-load", "cpu.usage_percent")


def benchmark(text):
    run = "job/base/run=001"
    table = text[text.index("elapsed_s") :]
    for phase, seconds in phases(run).items():
        yield f"{phase}: seconds", numbers(text, phase)[0], seconds
        usage = mean(run, "command.usage_percent", "--phase", phase)
        yield f"{phase}: CPU", numbers(table, phase)[4], usage


def compare(text):
    # Status 3: a metric regressed, as it should.
    found = json.loads(run("compare", SAMPLES / "job/base", SAMPLES / "job/new", "--json", status=3))
    (wall,) = [metric for metric in found["metrics"] if metric["metric"] == "command.wall_s"]
    for side in ("base", "new"):
        costs = [manifest(folder)["sessions"][0]["command"]["cost"] for folder in (SAMPLES / "job" / side).glob("run=*")]
        yield f"{side}: wall time", numbers(text, f"{side}:")[0], wall[side]
        yield f"{side}: wall time in the manifests", numbers(text, f"{side}:")[0], sum(c["wall_s"] for c in costs) / len(costs)


def latency(text):
    for phase in phases("fleet/host=db"):
        latencies = mean("fleet/host=db", "disk.write_latency_ms", "--phase", phase)
        yield f"{phase}: latency", numbers(text, f"{phase}:", "mean")[0], latencies
    for phase in phases("fleet/host=web"):
        opens = mean("fleet/host=web", "socket.tcp_passive_opens_per_sec", "--phase", phase)
        yield f"{phase}: connections per second", numbers(text, f"│ {phase} ")[0], opens


def fleet(text):
    for host in ("idle", "build", "db", "web"):
        recording = f"fleet/host={host}"
        yield f"{host}: CPU", numbers(text, f"{host}: mean CPU use")[0], mean(recording, "cpu.usage_percent")
        for phase in phases(recording) if host != "idle" else ():
            usage = mean(recording, "cpu.usage_percent", "--phase", phase)
            yield f"{host}, {phase}: CPU", numbers(text, f" {host} ", f" {phase} ")[1], usage


FACTS = {function.__name__: function for function in (analysis, benchmark, compare, latency, fleet)}
