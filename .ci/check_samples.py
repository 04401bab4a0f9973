"""The recordings in sample-data: nothing in them tells where they were made."""

import re

import pyarrow.parquet as pq

from recorder import REPOSITORY

SAMPLES = REPOSITORY / "sample-data"
HOSTS = {"vm", "idle", "build", "db", "web"}
# Of programs that the loads consist of.
PROCESSES = {"perfwatch", "python3", "sh", "sleep"}
# An address of IPv4, of IPv6, of a network card, a mail address.
ADDRESS = re.compile(r"\b\d{1,3}(\.\d{1,3}){3}\b|\b[0-9a-f]{1,4}::|\b([0-9a-f]{2}:){5}[0-9a-f]{2}\b|\w@\w")
PATH = re.compile(r"(?<![\w.:])/[A-Za-z][^\s\",;)]*")
NEUTRAL_PATH = re.compile(r"/(proc|sys|dev/vda|dev/dri|usr/bin|tmp/perfwatch-sample)(/|$)")


def recordings():
    return sorted(path.parent for path in SAMPLES.rglob("_recording.json"))


def check(tally):
    found = recordings()
    tally.check("there are recordings", len(found) >= 15, found)
    for recording in found:
        name = recording.relative_to(SAMPLES)
        manifest = (recording / "_recording.json").read_text()
        texts = columns(recording)
        hosts = set(re.findall(r'"hostname": "([^"]*)"', manifest))
        tally.check(f"{name}: neutral name", hosts <= HOSTS and hosts, hosts)
        comms = set().union(*(values for column, values in texts.items() if column.endswith("comm")))
        tally.check(f"{name}: only processes of the load", comms <= PROCESSES, comms)
        check_texts(tally, name, set().union({manifest}, *texts.values()))
    for index in SAMPLES.rglob("_runs.json"):
        check_texts(tally, index.relative_to(SAMPLES), {index.read_text()})


def check_texts(tally, name, texts):
    addresses = [found.group() for text in texts for found in ADDRESS.finditer(text)]
    tally.check(f"{name}: no address", not addresses, addresses)
    paths = [path for text in texts for path in PATH.findall(text) if not NEUTRAL_PATH.match(path)]
    tally.check(f"{name}: no path of the machine", not paths, paths)


def columns(recording):
    """table.column → the different texts in it."""
    texts = {}
    for file in sorted(recording.glob("*/*.parquet")):
        table = pq.read_table(file)
        for name in table.column_names:
            # Files of version 0.1.0 have dictionaries.
            if any(kind in str(table.schema.field(name).type) for kind in ("string", "dictionary")):
                known = table[name].unique().drop_null().to_pylist()
                texts.setdefault(f"{file.parent.name}.{name}", set()).update(known)
    return texts
