#!/usr/bin/env python3
"""Every number that perfwatch shows of a recording agrees with DuckDB over the recording's Parquet files (oracle.py).

.ci/check_oracle.py               recordings that it makes, and sample-data
.ci/check_oracle.py FOLDER...     and these recordings
"""

import random
import re
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import oracle_json
import oracle_page
import oracle_rows
import oracle_text
import recorder
from oracle import Oracle
from oracle_facts import facts
from recorder import PERFWATCH, REPOSITORY, run
from renamed import events_renamed
from tally import Tally


# Where the numbers of an output are, for the test of the test.
NUMBERS = {
    "report --json": r'"(?:mean|p50|p99|max|total|per_sec)": (\d[\d.]*)',
    "report --format csv": r",(\d+\.\d+)",
    "export -f csv": r",(\d+)",
    "export -f jsonl": r":(\d+)",
    "info --json": r'"(?:rows|ticks|bytes)": (\d+)',
    "report": r"  (\d[\d.]*)(?: [%kM]|\n)",
    "page": r"data-v=\d+(?:\.\d+)?>(\d+)",
    "page, beside it": r"data-v=(\d+)",
    "page, a chart": r'class="m"[^>]* d="M\d+ (\d+)',
}

# Software events in the place of hardware events.
NAMES = {"page-faults": "instructions", "context-switches": "cycles", "cpu-migrations": "branch-misses"}


def check(tally, oracle, parts):
    """The outputs of a recording."""
    for part in parts:
        began = time.monotonic()
        before = tally.passed
        part(tally, oracle)
        name = part.__module__.removeprefix("oracle_")
        print(f"  {name}: {tally.passed - before} numbers and rows, {time.monotonic() - began:.1f} s", flush=True)


def busy(scratch):
    """A command with nested and repeated phases, names with quotes and brackets, its processes, its own numbers,
    and perf events."""
    folder, script = scratch / "busy", scratch / "work.sh"
    script.write_text(f"""
        perfwatch() {{ {PERFWATCH} "$@"; }}
        perfwatch mark start load
        head -c 20000000 /dev/zero | sort > {scratch}/sorted
        perfwatch mark start 'in <b>"&'
        sleep 0.5; sh -c 'head -c 3000000 /dev/urandom | md5sum' > /dev/null; sleep 0.3
        perfwatch mark end 'in <b>"&'
        perfwatch mark end load
        perfwatch mark event 'a "quoted", <i> 💥'
        for n in 3 5 11; do
            perfwatch mark value "qps=100.$n" 'p99_ms{{path="/a b",m="<i>"}}='$n
            printf '# TYPE n counter\\nn{{code="200"}} %d\\n# TYPE level gauge\\nlevel 0.%d\\nodd NaN\\n' $((n * n)) $n > {scratch}/new
            mv {scratch}/new {scratch}/numbers.prom
            sleep 1.1
        done
        sleep 0.4
        perfwatch mark start load
        dd if=/dev/zero of={scratch}/blob bs=1M count=30 conv=fsync 2> /dev/null; rm {scratch}/blob
        perfwatch mark end load
        sleep 0.3
    """)
    run("record", "-qq", "-i", "100ms", "-o", folder, "--all-interfaces", "--processes", "top=12",
        "--metrics", scratch / "numbers.prom", "--", "sh", script)
    return folder


def continued(scratch):
    """Two sessions, with nothing between them: each table has two files."""
    folder = scratch / "continued"
    for more in [[], ["--append"]]:
        run("record", "-qq", "-i", "50ms", "-d", "1700ms", "-o", folder, "--processes", "top=5", *more)
        time.sleep(1.2)
    return folder


def quick(scratch):
    """More ticks than a chart draws one by one."""
    folder = scratch / "quick"
    run("record", "-qq", "-i", "10ms", "-d", "6500ms", "-o", folder, "--collectors", "cpu,memory,disk,network")
    return folder


def uneven(scratch):
    """A first interval as usual, then some collectors at a quarter of it: a burst that lasts."""
    folder = scratch / "uneven"
    rule = "cpu.usage_percent>=0: 50ms for 400ms of cpu,memory,pressure"
    run("record", "-qq", "-i", "200ms", "-d", "2s", "-o", folder, "--burst", rule)
    return folder


class Altered:
    """The output of the program, in which one number has another digit."""

    def __init__(self, pattern, seed):
        self.pattern, self.random = re.compile(pattern), random.Random(seed)

    def text(self, text):
        found = self.random.choice(list(self.pattern.finditer(text)))
        digit = found[1][0]
        return text[: found.start(1)] + str(int(digit) % 9 + 1) + text[found.start(1) + 1 :]

    def run(self, *args):
        said = run(*args)
        if "-o" in args or "--csv" in args:
            folder = Path(args[-1])
            file = folder / f"cpu{'.jsonl' if 'jsonl' in args else '.csv'}"
            file.write_text(self.text(file.read_text()))
            return said
        return self.text(said)


def can_fail(tally, oracle):
    """One other digit in one number of each output is found."""
    checks = {
        "report --json": (recorder, oracle_json.whole),
        "report --format csv": (oracle_json, lambda t, o: oracle_json.as_csv(t, o, "50,95,99")),
        "export -f csv": (oracle_rows, lambda t, o: oracle_rows.exported(t, o, "csv")),
        "export -f jsonl": (oracle_rows, lambda t, o: oracle_rows.exported(t, o, "jsonl")),
        "info --json": (oracle_json, oracle_json.info),
        "report": (oracle_text, lambda t, o: oracle_text.one(t, o, 160, [])),
        "page": (oracle_page, oracle_page.check),
        "page, beside it": (oracle_page, oracle_page.check),
        "page, a chart": (oracle_page, oracle_page.check),
    }
    for seed, (name, (module, part)) in enumerate(checks.items()):
        scrap, module.run = Tally(), Altered(NUMBERS[name], seed).run
        with redirect_stdout(StringIO()):
            part(scrap, oracle)
        module.run = run
        tally.check(f"another digit in {name} is found", scrap.failed > 0 and scrap.passed > 0)


ALL = [oracle_json.check, oracle_rows.check, oracle_text.check, oracle_page.check]


def recordings(scratch):
    """Recordings, and which parts of the oracle see them."""
    with ThreadPoolExecutor() as at_once:
        made, long, twice, bursts = (at_once.submit(make, scratch) for make in (busy, quick, continued, uneven))
    yield made.result(), ALL
    yield twice.result(), ALL
    yield bursts.result(), ALL
    yield REPOSITORY / "sample-data/varying-load", ALL
    yield long.result(), [oracle_json.whole, oracle_page.check]
    counted = events_renamed(REPOSITORY / "sample-data/varying-load", scratch / "counted", NAMES)
    yield counted, [oracle_json.whole, oracle_json.both_as_csv, oracle_text.check, oracle_page.check]


def main():
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="oracle-", dir=REPOSITORY / "target") as scratch:
        known = None
        for folder, parts in recordings(Path(scratch)):
            # Those of the first one, which has the most tables.
            known = known or facts(folder)
            with tally.group(f"{folder.name} against DuckDB"):
                oracle = Oracle(folder, known)
                check(tally, oracle, parts)
        with tally.group("errors are found"):
            can_fail(tally, oracle)
        for folder in map(Path, sys.argv[1:]):
            with tally.group(f"{folder} against DuckDB"):
                check(tally, Oracle(folder, known), ALL)
    tally.finish()


if __name__ == "__main__":
    main()
