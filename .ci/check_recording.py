#!/usr/bin/env python3
"""Makes recordings with the binary under test and reads them as users do."""

import tempfile
from pathlib import Path

import check_compact
import check_files
import check_kill
import check_marks
import check_samples
import check_values
import oracle_json
import oracle_rows
from oracle import Oracle
from oracle_facts import facts
from recorder import REPOSITORY, Recording
from tally import Tally


def against_oracle(tally, folder, known):
    """What programs read; check_oracle.py does the same with text and pages."""
    oracle = Oracle(folder, known)
    oracle_json.check(tally, oracle)
    oracle_rows.check(tally, oracle)


def main():
    tally = Tally()
    if check_files.fastparquet is None:
        print("skipped: fastparquet (not installed)")
    with tempfile.TemporaryDirectory(prefix="recordings-", dir=REPOSITORY / "target") as scratch:
        scratch = Path(scratch)
        fresh = Recording(scratch / "fresh", "--duration", "6s", load_seconds=5)
        with tally.group("a fresh recording"):
            tally.equal("record: exit status", fresh.wait(), 0)
            check_files.check(tally, fresh.folder)
            check_values.check(tally, fresh.folder)
        long = check_kill.LongRecording(scratch)
        known = facts(fresh.folder)
        with tally.group("report against DuckDB"):
            against_oracle(tally, fresh.folder, known)
        with tally.group("live, killed, recovered"):
            states = check_kill.check_states(tally, scratch)
            check_values.check(tally, states)
        with tally.group("marks and phases"):
            check_marks.check(tally, scratch / "marks")
            check_files.check(tally, scratch / "marks")
            check_values.check(tally, scratch / "marks")
            against_oracle(tally, scratch / "marks", known)
        with tally.group("repeated kill -9"):
            kills = check_kill.check_kills(tally, scratch)
            check_files.check(tally, kills)
            against_oracle(tally, kills, known)
        with tally.group("hours merged into days"):
            check_compact.check(tally, kills, scratch)
        with tally.group("sealed files while recording"):
            rotated = long.check(tally)
            check_files.check(tally, rotated)
            check_values.check(tally, rotated)
            against_oracle(tally, rotated, known)
        with tally.group("sample-data"):
            check_samples.check(tally)
            for name in ("varying-load", "fleet/host=web"):
                sample = check_samples.SAMPLES / name
                check_files.check(tally, sample, of_this_build=False)
                check_values.check(tally, sample)
    tally.finish()


if __name__ == "__main__":
    main()
