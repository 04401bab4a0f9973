"""A fleet of recordings and a folder of runs, read as one table by every engine: the same values and the same types.

pandas 3, DuckDB and polars are those of the environment that runs this; the other engines have one together, below
target/ci. Spark 3.5 needs one of its own and is only asked if PERFWATCH_SPARK_35 is set.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from recorder import PERFWATCH, run
from tally import Tally

ENVIRONMENTS = Path("target/ci/engines").resolve()
OTHERS = ["pandas~=2.2", "pyarrow", "fastparquet", "chdb", "pyspark~=4.0"]
SPARK_35 = ["pyspark~=3.5.0", "setuptools"]

# What each engine makes of the folders `run=001`: docs/FORMAT.md says it.
RUN_IS = {
    "duckdb": "VARCHAR 001",
    "polars": "Int64 1",
    "chdb": "Int64 1",
    "spark 4": "int 1",
    "spark 3.5": "int 1",
    "pandas 2": "category 1",
    "pandas 2, pyarrow strings": "dictionary",
    "pandas 3": "category 1",
    "pandas 3, python strings": "category 1",
}
ENGINES = {}


def engine(name, environment=None, package=None):
    """`environment`: packages; None: the one that runs this. `package`: the one that must be there."""

    def add(text):
        ENGINES[name] = (environment, package, text)

    return add


# What every engine is asked, by host or run: rows, the exact sum of whole numbers, the last time, a mean weighted by time,
# and texts. Each script answers for the fleet and for the runs, so that it starts once.
HEAD = """
import json, sys
FOLDERS = {"host": sys.argv[1], "run": sys.argv[2]}
def plain(by, value):
    return int(value) if by == "run" else str(value)
def show(answers, kind):
    found = {by: sorted([plain(by, key), int(n), int(mono), str(last)[:19], round(float(mean), 9), sorted(map(str, phases))]
                        for key, n, mono, last, mean, phases in rows) for by, rows in answers.items()}
    print("RESULT " + json.dumps(found | {"type": kind}))
"""

BY_PANDAS = (
    HEAD
    + """
import glob
import pandas as pd
def rows(by):
    for folder in sorted(glob.glob(f"{FOLDERS[by]}/{by}=*")):
        tick = pd.read_parquet(f"{folder}/tick", **OPTIONS)
        cpu = pd.read_parquet(f"{folder}/cpu", **OPTIONS)
        # These fail on categories.
        phases = (cpu["phase"].fillna("none") + "_x").str.upper()
        assert max(phases) == phases.max()
        assert str(tick["ts"].dt.tz) in ("UTC", "+00:00"), tick["ts"].dtype
        known = cpu.dropna(subset=["usage_percent", "elapsed_s"])
        mean = (known["usage_percent"] * known["elapsed_s"]).sum() / known["elapsed_s"].sum()
        yield (folder.split("=")[1], len(tick), tick["mono_ns"].sum(), tick["ts"].max(), mean, set(phases))
kind = None
if KIND:
    whole = pd.read_parquet(sorted(glob.glob(f"{FOLDERS['run']}/run=*/cpu/*.parquet")), **OPTIONS)
    assert whole.groupby("run", observed=True).size().tolist() == [len(pd.read_parquet(f"{FOLDERS['run']}/run=00{n}/cpu")) for n in (1, 2, 3)]
    kind = f"{whole['run'].dtype} {whole['run'].astype(int).min()}".split("<")[0]
show({by: rows(by) for by in FOLDERS}, kind)
"""
)


def by_pandas(options="", kind=True, before=""):
    return before + BY_PANDAS.replace("**OPTIONS", options).replace("if KIND", f"if {kind}")


engine("pandas 3")(by_pandas())
engine("pandas 3, python strings")(by_pandas(before='import pandas as pd\npd.set_option("mode.string_storage", "python")\n'))
engine("pandas 2", OTHERS, "pandas")(by_pandas())
engine("pandas 2, pyarrow strings", OTHERS, "pandas")(by_pandas('dtype_backend="pyarrow"'))
# It does not read names of folders that are above the one it opens.
engine("fastparquet", OTHERS, "fastparquet")(
    by_pandas('engine="fastparquet"', kind=False).replace(
        'assert str(tick["ts"].dt.tz)',
        'tick["ts"] = tick["ts"].dt.tz_localize("UTC") if tick["ts"].dt.tz is None else tick["ts"]\n        assert str(tick["ts"].dt.tz)',
    )
)

SQL = '''
query = """
select t.KEY, t.n, t.mono, t.last, c.mean, c.phases from
 (select KEY, count(*) n, sum(mono_ns) mono, LAST last from TICK group by KEY) t join
 (select KEY, sum(usage_percent * elapsed_s) / sum(case when usage_percent is not null then elapsed_s end) mean,
         COLLECT(distinct concat(upper(coalesce(phase, 'none')), '_X')) phases from CPU group by KEY) c
 on t.KEY = c.KEY
"""
def written(by, last, collect, tick, cpu):
    for word, text in [("KEY", by), ("LAST", last), ("COLLECT(distinct ", collect), ("TICK", tick), ("CPU", cpu)]:
        query_of[by] = query_of.get(by, query).replace(word, text)
    return query_of[by]
query_of = {}
'''
engine("duckdb")(
    HEAD
    + SQL
    + """
import duckdb
duckdb.sql("set timezone='UTC'")
def rows(by):
    of = lambda table: f"read_parquet('{FOLDERS[by]}/{by}=*/{table}/*.parquet', hive_partitioning=true)"
    return duckdb.sql(written(by, "max(ts)::varchar", "array_agg(distinct ", of("tick"), of("cpu"))).fetchall()
[(kind, least)] = duckdb.sql(f"select typeof(run), min(run) from '{FOLDERS['run']}/run=*/cpu/*.parquet' group by 1").fetchall()
show({by: rows(by) for by in FOLDERS}, f"{kind} {least}")
"""
)
engine("polars")(
    HEAD
    + """
import polars as pl
def rows(by):
    scan = lambda table: pl.scan_parquet(f"{FOLDERS[by]}/{by}=*/{table}/*.parquet", hive_partitioning=True)
    tick = scan("tick").group_by(by).agg(n=pl.len(), mono=pl.col("mono_ns").sum(), last=pl.col("ts").max())
    known = pl.col("elapsed_s").filter(pl.col("usage_percent").is_not_null())
    cpu = scan("cpu").group_by(by).agg(
        mean=(pl.col("usage_percent") * pl.col("elapsed_s")).sum() / known.sum(),
        phases=(pl.col("phase").fill_null("none").str.to_uppercase() + "_X").unique())
    return tick.join(cpu, on=by).collect().select(by, "n", "mono", "last", "mean", "phases").iter_rows()
run = pl.scan_parquet(f"{FOLDERS['run']}/run=*/cpu/*.parquet", hive_partitioning=True).select("run").collect()["run"]
show({by: rows(by) for by in FOLDERS}, f"{run.dtype} {run.min()}")
"""
)
engine("chdb", OTHERS, "chdb")(
    HEAD
    + SQL
    + """
import chdb
def ask(sql):
    return json.loads(str(chdb.query(sql, "JSONCompact")))["data"]
def rows(by):
    of = lambda table: f"file('{FOLDERS[by]}/{by}=*/{table}/*.parquet')"
    return ask(written(by, "toTimeZone(max(ts), 'UTC')", "groupUniqArray(", of("tick"), of("cpu")))
[(kind, least)] = ask(f"select toTypeName(run), min(run) from file('{FOLDERS['run']}/run=*/cpu/*.parquet') group by 1")
show({by: rows(by) for by in FOLDERS}, f"{kind} {least}")
"""
)
# A short job: no time for optimising compilers, and one process.
JAVA = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
BY_SPARK = (
    HEAD
    + SQL
    + f"""
import os
plain_sql = ["spark.sql.codegen.wholeStage=false", "spark.sql.adaptive.enabled=false", "spark.ui.enabled=false",
             "spark.sql.session.timeZone=UTC", "spark.sql.shuffle.partitions=1"]
os.environ["PYSPARK_SUBMIT_ARGS"] = " ".join(
    ["--master local[1] --driver-java-options '{JAVA}'"] + [f"--conf {{fact}}" for fact in plain_sql] + ["pyspark-shell"])
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
def read(by, table):
    return spark.read.option("basePath", FOLDERS[by]).parquet(f"{{FOLDERS[by]}}/{{by}}=*/{{table}}")
def rows(by):
    for table in ("tick", "cpu"):
        read(by, table).createOrReplaceTempView(f"{{by}}_{{table}}")
    last = "date_format(max(ts), 'yyyy-MM-dd HH:mm:ss')"
    return spark.sql(written(by, last, "collect_set(", f"{{by}}_tick", f"{{by}}_cpu")).collect()
answers = {{by: rows(by) for by in FOLDERS}}
kind = read("run", "cpu").schema["run"].dataType.simpleString()
show(answers, f"{{kind}} {{min(row[0] for row in answers['run'])}}")
"""
)
engine("spark 4", OTHERS, "pyspark")(BY_SPARK)
engine("spark 3.5", SPARK_35, "pyspark")(BY_SPARK)


def main():
    tally = Tally()
    wanted = [packages for packages in [OTHERS, SPARK_35] if packages == OTHERS or os.environ.get("PERFWATCH_SPARK_35")]
    installing = threading.Thread(target=lambda: [install(packages) for packages in wanted])
    installing.start()
    with tempfile.TemporaryDirectory() as scratch:
        fleet, runs = Path(scratch) / "fleet", Path(scratch) / "runs"
        record_hosts([fleet / f"host={host}" for host in ("alpha", "7")])
        command = [
            "sh",
            "-c",
            f"{PERFWATCH} mark start load; seq 300000 | sort > {scratch}/sorted; {PERFWATCH} mark end load; sleep 0.2",
        ]
        run("record", "-qq", "--interval", "50ms", "--runs", "3", "--warmup-runs", "1", "-o", runs, "--", *command)
        expected = ask("duckdb", fleet, runs)
        tally.check("duckdb: both hosts", isinstance(expected, dict) and len(expected["host"]) == 2, expected)
        tally.check(
            "duckdb: the runs that count",
            isinstance(expected, dict) and [row[0] for row in expected["run"]] == [1, 2, 3],
            expected,
        )
        installing.join()
        for name, (environment, package, _) in ENGINES.items():
            began = time.monotonic()
            if environment == SPARK_35 and environment not in wanted:
                print(f"skipped: {name} (set PERFWATCH_SPARK_35=1 to ask it as well)")
                continue
            if package == "pyspark" and not shutil.which("java"):
                print(f"skipped: {name} (no java)")
                continue
            if environment and not (at(environment) / f"{package}.ready").exists():
                print(f"skipped: {name} (cannot be installed)")
                continue
            found = ask(name, fleet, runs)
            if tally.check(f"{name}: answers", isinstance(found, dict), found):
                tally.equal(f"{name}: a fleet", found["host"], expected["host"])
                tally.equal(f"{name}: a folder of runs", found["run"], expected["run"])
                tally.equal(f"{name}: the column run", found["type"], RUN_IS.get(name))
            print(f"{name}: {time.monotonic() - began:.1f} s", flush=True)
    tally.finish()


def record_hosts(folders):
    """Two sessions each, so that each table has two files."""
    folders[0].parent.mkdir()
    marks = f"{PERFWATCH} mark start load; sleep 1; {PERFWATCH} mark end load; sleep 0.5"
    for more in ([], ["--append"]):
        options = ["record", "-qq", "--interval", "50ms", *more]
        recorders = [subprocess.Popen([PERFWATCH, *options, "-o", folder, "--", "sh", "-c", marks]) for folder in folders]
        if any([recorder.wait() for recorder in recorders]):
            raise RuntimeError("a recorder failed")


def at(packages):
    return ENVIRONMENTS / "-".join(packages).replace("~=", "")


def install(packages):
    """An environment with these packages, as far as they can be installed; each that is there has a file NAME.ready."""
    folder = at(packages)
    names = {package: package.partition("~")[0] for package in packages}
    if all((folder / f"{name}.ready").exists() for name in names.values()):
        return
    shutil.rmtree(folder, ignore_errors=True)
    pip = [folder / "bin/python", "-m", "pip", "install", "--quiet", "--no-compile"]
    if subprocess.run([sys.executable, "-m", "venv", folder], capture_output=True).returncode:
        return
    # All at once is faster; one by one, a package that is not there does not keep out the others.
    attempts = [packages] if not subprocess.run([*pip, *packages], capture_output=True).returncode else []
    if not attempts:
        attempts = [[package] for package in packages if not subprocess.run([*pip, package], capture_output=True).returncode]
    for package in sum(attempts, []):
        (folder / f"{names[package]}.ready").touch()


def ask(name, fleet, runs):
    """What an engine finds; the text of its failure if it finds nothing."""
    packages, _, text = ENGINES[name]
    python = at(packages) / "bin/python" if packages else sys.executable
    ran = subprocess.run([python, "-c", text, fleet, runs], capture_output=True, text=True, env={**os.environ, "TZ": "UTC"})
    results = [line for line in ran.stdout.splitlines() if line.startswith("RESULT ")]
    return json.loads(results[0].removeprefix("RESULT ")) if results else f"{ran.stdout}\n{ran.stderr}"[-2000:]


if __name__ == "__main__":
    main()
