"""Recordings of many machines as one table: `fleet/host=NAME/…`."""

import duckdb
import polars as pl
import pandas as pd
import shutil


def check(tally, recordings, scratch):
    fleet = scratch / "fleet"
    for name, folder in recordings.items():
        shutil.copytree(folder, fleet / f"host={name}")
    expected = {name: len(pd.read_parquet(folder / "cpu")) for name, folder in recordings.items()}
    pattern = f"{fleet}/host=*/cpu/*.parquet"
    found = duckdb.sql(f"select host, count(*) from read_parquet('{pattern}', hive_partitioning = true) group by 1")
    tally.equal("fleet: rows of each host in DuckDB", dict(found.fetchall()), expected)
    scanned = pl.scan_parquet(pattern, hive_partitioning=True)
    found = scanned.group_by("host").agg(pl.len()).collect()
    tally.equal("fleet: rows of each host in polars", dict(found.iter_rows()), expected)
    found = pd.read_parquet(sorted(fleet.glob("host=*/cpu/*.parquet")))
    tally.equal("fleet: rows in pandas", len(found), sum(expected.values()))
