"""A fleet of recordings and a folder of runs, read as one table by every engine: the same values and the same types.

Each engine has a Python environment of its own below target/ci/engines, because no environment holds all of them.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from recorder import PERFWATCH
from tally import Tally

ENVIRONMENTS = Path("target/ci/engines").resolve()

# What every engine is asked, by host: rows, the exact sum of whole numbers, the last time, a time-weighted mean, and text.
ENGINES = {}


def engine(name, *packages, java=False):
    def add(text):
        ENGINES[name] = (packages, java, text)

    return add


HEAD = """
import json, sys
root = sys.argv[1]
def show(rows):
    rows = sorted([str(host), int(n), int(mono), str(last)[:19], round(float(mean), 9), sorted(map(str, phases))]
                  for host, n, mono, last, mean, phases in rows)
    print("RESULT " + json.dumps(rows))
"""

BY_PANDAS = HEAD + """
import glob
import pandas as pd
def rows():
    for folder in sorted(glob.glob(f"{root}/host=*")):
        tick = pd.read_parquet(f"{folder}/tick", **OPTIONS)
        cpu = pd.read_parquet(f"{folder}/cpu", **OPTIONS)
        # These fail on categories.
        phases = (cpu["phase"].fillna("none") + "_x").str.upper()
        assert max(phases) == phases.max()
        assert str(tick["ts"].dt.tz) in ("UTC", "+00:00"), tick["ts"].dtype
        known = cpu.dropna(subset=["usage_percent", "elapsed_s"])
        mean = (known["usage_percent"] * known["elapsed_s"]).sum() / known["elapsed_s"].sum()
        yield (folder.split("host=")[1], len(tick), tick["mono_ns"].sum(), tick["ts"].max(), mean,
               set(phases))
show(rows())
"""
engine("pandas 2", "pandas~=2.2", "pyarrow")(BY_PANDAS.replace("**OPTIONS", ""))
engine("pandas 2, pyarrow strings", "pandas~=2.2", "pyarrow")(BY_PANDAS.replace("**OPTIONS", 'dtype_backend="pyarrow"'))
engine("pandas 3", "pandas~=3.0", "pyarrow")(BY_PANDAS.replace("**OPTIONS", ""))
engine("pandas 3, python strings", "pandas~=3.0", "pyarrow")(
    BY_PANDAS.replace("**OPTIONS", "").replace("import pandas as pd\n", 'import pandas as pd\npd.set_option("mode.string_storage", "python")\n')
)
engine("fastparquet", "pandas~=2.2", "fastparquet")(
    BY_PANDAS.replace("**OPTIONS", 'engine="fastparquet"')
    .replace('assert str(tick["ts"].dt.tz)', 'tick["ts"] = tick["ts"].dt.tz_localize("UTC") if tick["ts"].dt.tz is None else tick["ts"]\n        assert str(tick["ts"].dt.tz)')
)

SQL = """
select t.host, t.n, t.mono, t.last, c.mean, c.phases from
 (select host, count(*) n, sum(mono_ns) mono, max(ts) last from TICK group by host) t join
 (select host, sum(usage_percent * elapsed_s) / sum(case when usage_percent is not null then elapsed_s end) mean,
         COLLECT(distinct concat(upper(coalesce(phase, 'none')), '_X')) phases from CPU group by host) c
 on t.host = c.host
"""
engine("duckdb", "duckdb", "pytz")(
    HEAD + "import duckdb\nduckdb.sql(\"set timezone='UTC'\")\n" + f'sql = """{SQL}"""'
    + """
for table in ("tick", "cpu"):
    sql = sql.replace(table.upper(), f"read_parquet('{root}/host=*/{table}/*.parquet', hive_partitioning=true)")
show(duckdb.sql(sql.replace("COLLECT", "array_agg")).fetchall())
"""
)
engine("polars", "polars")(
    HEAD
    + """
import polars as pl
def scan(table):
    return pl.scan_parquet(f"{root}/host=*/{table}/*.parquet", hive_partitioning=True)
tick = scan("tick").group_by("host").agg(n=pl.len(), mono=pl.col("mono_ns").sum(), last=pl.col("ts").max())
known = pl.col("elapsed_s").filter(pl.col("usage_percent").is_not_null())
cpu = scan("cpu").group_by("host").agg(
    mean=(pl.col("usage_percent") * pl.col("elapsed_s")).sum() / known.sum(),
    phases=(pl.col("phase").fill_null("none").str.to_uppercase() + "_X").unique())
show(tick.join(cpu, on="host").collect().select("host", "n", "mono", "last", "mean", "phases").iter_rows())
"""
)
engine("chdb", "chdb")(
    HEAD + "import chdb\n" + f'sql = """{SQL}"""'
    + """
# Of the path: older releases do not read partitions.
host = "extract(_path, 'host=([^/]+)')"
for table in ("tick", "cpu"):
    sql = sql.replace("from " + table.upper(), f"from (select *, {host} host from file('{root}/host=*/{table}/*.parquet'))")
sql = sql.replace("COLLECT(distinct ", "groupUniqArray(").replace("max(ts)", "toTimeZone(max(ts), 'UTC')")
rows = json.loads(str(chdb.query(sql, "JSONCompact")))["data"]
show(rows)
"""
)
BY_SPARK = (
    HEAD + f'sql = """{SQL}"""'
    + """
from pyspark.sql import SparkSession
spark = (SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
         .config("spark.sql.session.timeZone", "UTC").config("spark.sql.shuffle.partitions", "2").getOrCreate())
for table in ("tick", "cpu"):
    parts = [f"{root}/{host}/{table}" for host in HOSTS]
    spark.read.option("basePath", root).parquet(*parts).createOrReplaceTempView(table)
rows = spark.sql(sql.replace("TICK", "tick").replace("CPU", "cpu").replace("COLLECT(distinct ", "collect_set(")
                 .replace("max(ts)", "date_format(max(ts), 'yyyy-MM-dd HH:mm:ss')")).collect()
show(rows)
"""
).replace("HOSTS", 'sorted(__import__("os").listdir(root))')
engine("spark 3.5", "pyspark~=3.5.0", "setuptools", java=True)(BY_SPARK)
engine("spark 4", "pyspark~=4.0", java=True)(BY_SPARK)


def main():
    tally = Tally()
    with tempfile.TemporaryDirectory() as scratch:
        fleet = Path(scratch) / "fleet"
        for host in ("alpha", "7"):
            record(fleet / f"host={host}")
        expected = ask("duckdb", fleet)
        tally.check("duckdb: both hosts", expected is not None and len(expected) == 2, expected)
        for name in ENGINES:
            found = ask(name, fleet)
            if found is None:
                print(f"skipped: {name} (cannot be installed)")
            else:
                tally.equal(f"{name}: a fleet", found, expected)
    print(f"{tally.passed} passed, {tally.failed} failed")
    sys.exit(tally.failed > 0)


def record(folder):
    """Two sessions, so that each table has two files."""
    folder.parent.mkdir(exist_ok=True)
    marks = f"{PERFWATCH} mark start load; sleep 2; {PERFWATCH} mark end load; sleep 1"
    for more in ([], ["--append"]):
        command = [PERFWATCH, "record", "-qq", "--interval", "50ms", "-o", folder, *more, "--", "sh", "-c", marks]
        subprocess.run(command, check=True)


def ask(name, fleet):
    """The rows that an engine finds; None if it cannot be installed."""
    packages, java, text = ENGINES[name]
    if java and not shutil.which("java"):
        return None
    environment = ENVIRONMENTS / "-".join(packages).replace("~=", "")
    python = environment / "bin/python"
    if not (environment / "ready").exists():
        shutil.rmtree(environment, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
        installed = subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-compile", *packages])
        if installed.returncode != 0:
            return None
        (environment / "ready").touch()
    ran = subprocess.run([python, "-c", text, fleet], capture_output=True, text=True, env={**os.environ, "TZ": "UTC"})
    results = [line for line in ran.stdout.splitlines() if line.startswith("RESULT ")]
    return json.loads(results[0].removeprefix("RESULT ")) if results else f"{ran.stdout}\n{ran.stderr}"[-2000:]


if __name__ == "__main__":
    main()
