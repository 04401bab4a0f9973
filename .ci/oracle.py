"""What the numbers of a recording are: computed by DuckDB from the Parquet files alone.

The kinds and weights of columns are those that `perfwatch schema` and the footers declare, the formulas those of
docs/FORMAT.md ("Means and percentiles"). Nothing here comes from the program's own statistics.
"""

import json
from fractions import Fraction
from pathlib import Path

import duckdb

from declared import DUCKDB
from oracle_facts import facts, formula, number_of, quoted, text
from recorder import entities, schema

METRICS = {"counter", "gauge", "interval"}
PERCENTS = ["0.5", "50", "90", "95", "99", "99.9"]
# The scope of all rows, and of those outside of all phases. Other scopes are phases with those inside them.
WHOLE, OUTSIDE = "", "(outside)"
# Elapsed times are multiples of 2^-20 s: in whole numbers nothing is rounded when they are added.
TICKS_PER_S = 2**20
# Twice the precision of the start times of processes.
PRECISION_US = 20_000

# Of EVENTS.md: above, below, and the factor; unit, as reports name it.
RATIOS = {
    "instructions_per_cycle": ("instructions", "cycles", 1.0, ""),
    "cycles_ghz": ("cycles", "cpu-clock", 1e-6, "GHz"),
    "branch_miss_percent": ("branch-misses", "branches", 100.0, "percent"),
    "cache_miss_percent": ("cache-misses", "cache-references", 100.0, "percent"),
    "branch_mpki": ("branch-misses", "instructions", 1000.0, "per 1000 instructions"),
    "cache_mpki": ("cache-misses", "instructions", 1000.0, "per 1000 instructions"),
}
LEAST_RUNNING_PERCENT = 5


def usual_s(folder):
    """The interval of a recording in which samples were taken more often at times; None of any other."""
    sessions = json.loads((folder / "_recording.json").read_text())["sessions"]
    interval_s = round(sessions[-1]["interval_s"] * TICKS_PER_S) / TICKS_PER_S
    return interval_s if any(session.get("bursts") for session in sessions) else None


class Oracle:
    """The tables of a recording, or of a part of its time. `known`: the facts of a recording of this build."""

    def __init__(self, folder, known, since=None, until=None):
        self.folder, self.facts, self.declared = Path(folder), known | facts(folder), schema()
        self.db = duckdb.connect()
        # The tables are small: threads would only wait for each other.
        self.db.sql("set timezone = 'UTC'; set threads = 1")
        self.since = since
        self.usual_s = usual_s(self.folder)
        self.tables = {}
        self.computed = {}
        for path in sorted(self.folder.iterdir()):
            if path.name in self.declared and path.is_dir():
                self.load(path, since, until)
        self.phases = self.listed_phases()

    def load(self, path, since, until):
        files = sorted(path.glob("*.parquet"), key=number_of)
        listed = "[" + ", ".join(text(str(file)) for file in files) + "]"
        source = f"read_parquet({listed}, union_by_name=true, filename=true, file_row_number=true)"
        there = {row[0] for row in self.db.sql(f"describe from {source}").fetchall()}
        # A column that the files of an older build lack is null.
        columns = [
            f"{quoted(c['name']) if c['name'] in there else 'null'}::{DUCKDB[c['type']]} as {quoted(c['name'])}"
            for c in self.declared[path.name]
        ]
        time = " and ".join(
            [f"ts {sign} {text(at)}::timestamptz" for sign, at in ((">=", since), ("<", until)) if at] or ["true"]
        )
        self.db.sql(
            f"create table {quoted(path.name)} as select {', '.join(columns)}, epoch_us(ts) as us,"
            f" row_number() over (order by list_position({listed}, filename), file_row_number) as o from {source} where {time}"
        )
        self.tables[path.name] = self.rows(f"select count(*) from {quoted(path.name)}")[0][0]
        if not self.tables[path.name]:
            del self.tables[path.name]

    def rows(self, sql):
        return self.db.sql(sql).fetchall()

    def columns(self, table):
        return {column["name"]: column for column in self.declared[table]}

    def metrics(self, table):
        return [column for column in self.declared[table] if column["kind"] in METRICS]

    def listed_phases(self):
        """The phases of all rows, in the order in which they came, each with those around it."""
        found = []
        for (path,) in self.rows("select phase from tick where phase is not null group by phase order by min(o)"):
            parts = path.split("/")
            found += [outer for n in range(len(parts)) if (outer := "/".join(parts[: n + 1])) not in found]
        return found

    # What the rows of a table become: one row per entity, metric, tick and scope.

    def key(self, table):
        keys = entities(self.declared[table])
        return f"[{', '.join(f'{quoted(key)}::varchar' for key in keys)}]" if keys else "[]::varchar[]"

    def is_amount(self, table, column):
        """Its values say what happened in the interval."""
        return (self.facts.get((table, column)) or {}).get("amount") == "true"

    def grown(self, table):
        """A query that adds to the rows of a table the growth of each counter, and the seconds in which it grew."""
        columns = self.columns(table)
        counters = [name for name, column in columns.items() if column["kind"] == "counter"]
        keys = entities(self.declared[table])
        flagged = "is_new" in columns and self.rows(f"select count(is_new) from {quoted(table)}")[0][0] > 0
        new, born, seconds = "false", "true", "coalesce(elapsed_s, 0)"
        if flagged:
            # A process that executes another program continues under another name.
            fact = {name: self.facts.get((table, name)) or {} for name in columns}
            began = [name for name in columns if fact[name].get("began") == "true"]
            keys = [key for key in keys if fact[key].get("may_change") != "true"] + began
            new = "coalesce(is_new, false)"
            for name in began:
                # It began in the interval of its first row, or in the part of the time that is looked at.
                earliest = "us - coalesce(elapsed_s, 0) * 1e6"
                earliest = f"least({earliest}, epoch_us({text(self.since)}::timestamptz))" if self.since else earliest
                born = f"{quoted(name)} * 1000 + {PRECISION_US} >= {earliest}"
                seconds = f"case when {new} then greatest({seconds}, (us - {quoted(name)} * 1000) / 1e6) else {seconds} end"
        by = ", ".join(map(quoted, keys)) or "1"
        parts = (
            f"select *, {self.key(table)} as key, {new} as new, {born} as is_born, {not self.since} as is_whole, {seconds} as s,"
            f" count(*) filter (elapsed_s is null) over (partition by {by} order by o) as part from {quoted(table)}"
        )
        clocks = f"select *, sum(s) over (partition by {by} order by o) as clock from ({parts})"
        steps = []
        for name in counters:
            column, within = quoted(name), f"over (partition by {by}, part order by o)"
            before = f"lag({column} ignore nulls) {within}"
            clock = f"lag(case when {column} is not null then clock end ignore nulls) {within}"
            steps.append(
                f"case when new then {column} when {column} < {before} then 0 else {column} - {before} end as {quoted('+' + name)}"
            )
            steps.append(f"case when new then s else clock - {clock} end as {quoted('s' + name)}")
        return f"select {', '.join(['*', *steps])} from ({clocks})"

    def growth(self, table, names):
        """The growth of these counters; None if one of them is not in the files."""
        columns = self.columns(table)
        if not all(columns.get(name, {}).get("kind") == "counter" for name in names):
            return None
        return "(" + " + ".join(f"coalesce({quoted('+' + name)}, 0)" for name in names) + ")"

    def values(self, table, column):
        """Value, weight (in whole numbers) and product of both, as SQL, of a column that is no counter."""
        name, weight = column["name"], column.get("weight")
        value = f"{quoted(name)}::double"
        whole = f"round({{}} * {TICKS_PER_S})::hugeint"
        if weight is None and self.usual_s is None:
            return value, whole.format("1.0"), value
        if weight is None:
            held = f"(case when elapsed_s > 0 then elapsed_s else {self.usual_s}::double end)"
            return value, whole.format(held), f"{value} * {held}"
        if not weight.startswith("growth of "):
            of = f"coalesce({quoted(weight)}, 0)::double"
            return value, whole.format(of), f"{value} * {of}"
        below = self.growth(table, weight.removeprefix("growth of ").split(" + "))
        product = f"{value} * {below}"
        if found := formula(self.facts.get((table, name))):
            factor, above, _, limit = found
            if (of := self.growth(table, above)) is not None:
                # A mean of quotients is the quotient of the sums, of which the files have more digits.
                product = f"{factor}::double * {of}"
                product = f"least({product}, {limit}::double * {below})" if limit else product
        return value, whole.format(below), product

    def compute(self, table):
        """scope → entity → the number of its rows, and of each metric the statistics."""
        if table in self.computed:
            return self.computed[table]
        scopes = ", ".join(f"({text(scope)})" for scope in [WHOLE, OUTSIDE, *self.phases])
        self.db.sql(f"create temp table {self.growths(table)} as {self.grown(table)}")
        self.db.sql(
            f"create or replace temp table scoped as select scope, g.* from {self.growths(table)} g join (values {scopes}) s(scope)"
            f" on scope = {text(WHOLE)} or scope = {text(OUTSIDE)} and phase is null"
            " or phase = scope or starts_with(phase, scope || '/')"
        )
        result = {}
        for scope, key, rows in self.rows("select scope, key, count(*) from scoped group by all"):
            metrics = {column["name"]: None for column in self.metrics(table)}
            result.setdefault(scope, {})[tuple(key)] = {"rows": rows, "metrics": metrics}
        counters = [column["name"] for column in self.metrics(table) if column["kind"] == "counter"]
        levels = [column for column in self.metrics(table) if column["kind"] != "counter"]
        for scope, key, metric, statistics in [*self.counters(counters), *self.levels(table, levels)]:
            result[scope][tuple(key)]["metrics"][metric] = statistics
        self.computed[table] = result
        return result

    def growths(self, table):
        """The name of the rows with their growth, which exist once the table was computed."""
        return quoted(f"growth of {table}")

    def counters(self, names):
        """Of each counter its total growth, and per second."""
        part = (
            "select scope, key, {m} as m, {c}::bigint as c, {known}, case when known then {s} end as step,"
            " case when known then {t} end as passed from scoped"
        )
        # What a process grew by from zero is only known if all of its life is looked at.
        known = f"not new or scope = {text(WHOLE)} and is_whole or is_born as known"
        parts = [
            part.format(m=text(name), c=quoted(name), known=known, s=quoted("+" + name), t=quoted("s" + name))
            for name in names
        ]
        if not parts:
            return
        for scope, key, metric, count, nulls, total, passed in self.rows(
            "select scope, key, m, count(c), count(*) - count(c), sum(step), sum(passed) filter (step is not null)"
            f" from ({' union all '.join(parts)}) group by all"
        ):
            total = None if total is None else int(total)
            rate = total / passed if total is not None and passed else None
            yield scope, key, metric, {"count": count, "nulls": nulls, "total": total, "per_sec": rate}

    def levels(self, table, columns):
        """Count, nulls, mean, range and percentiles of the other metrics."""
        parts, amounts = [], []
        for column in columns:
            name = column["name"]
            value, weight, product = self.values(table, column)
            own = f"select scope, key, {{}} as m, {{}} as x, {weight} as w, {{}} as p from scoped"
            parts.append(own.format(text(name), value, product))
            if self.is_amount(table, name):
                # Per second, it is weighted by the time.
                amounts.append(name)
                rate = f"case when elapsed_s > 0 then {value} / elapsed_s end"
                parts.append(own.format(text(name + "/s"), rate, value))
        if not parts:
            return
        found = {(scope, tuple(key), metric): own for scope, key, metric, own in self.spread(" union all ".join(parts))}
        for name in amounts:
            column = quoted(name)
            for scope, key, total, seconds in self.rows(
                f"select scope, key, sum({column}), sum(elapsed_s) filter ({column} is not null) from scoped group by all"
            ):
                rates = found.pop((scope, tuple(key), name + "/s"))
                found[scope, tuple(key), name] |= {
                    "total": total,
                    "per_sec": total / seconds if total is not None and seconds else None,
                    "rates": rates if rates["count"] else None,
                }
        for (scope, key, metric), statistics in found.items():
            yield scope, key, metric, statistics

    def spread(self, source):
        """Of rows of scope, key, m (metric), x (value), w (weight) and p (their product)."""
        shares = [Fraction(percent) / 100 for percent in PERCENTS]
        percentiles = ", ".join(
            f"min(x) filter (up_to * {share.denominator} >= {share.numerator} * whole)" for share in shares
        )
        query = f"""
            with source as (select * from ({source})),
                 counted as (select scope, key, m, count(x) as n, count(*) - count(x) as nulls from source group by all),
                 valued as (select scope, key, m, x, p, w, sum(w) over (partition by scope, key, m) as all_w
                            from source where x is not null),
                 weighted as (select *, case when all_w > 0 then w else 1 end as own, all_w > 0 as is_weighted from valued),
                 summed as (select *, sum(own) over (partition by scope, key, m order by x) as up_to,
                            sum(own) over (partition by scope, key, m) as whole from weighted)
            select scope, key, m, n, nulls, min(x), max(x),
                   case when bool_and(is_weighted) then least(greatest(fsum(p) / (max(whole)::double / {TICKS_PER_S}), min(x)), max(x))
                   else avg(x) end,
                   {percentiles}
            from counted left join summed using (scope, key, m) group by scope, key, m, n, nulls
        """
        for scope, key, metric, count, nulls, least, most, mean, *found in self.rows(query):
            statistics = {"count": count, "nulls": nulls, "min": least, "max": most, "mean": mean}
            yield scope, key, metric, statistics | {f"p{percent}": v for percent, v in zip(PERCENTS, found)}

    def ratios(self):
        """Ratios of events that were counted for everything together: value and number of intervals, by name."""
        found = {}
        for name, (above, below, factor, _) in RATIOS.items() if "perf" in self.tables else []:
            counted = (
                "select us, value from perf where event = {} and cpu is null and target is null and value is not null"
                f" and coalesce(running_percent, 100) >= {LEAST_RUNNING_PERCENT}"
            )
            a, b = counted.format(text(above)), counted.format(text(below))
            query = f"select sum(a.value), sum(b.value), count(*) from ({a}) a join ({b}) b using (us)"
            [(dividend, divisor, intervals)] = self.rows(query)
            if divisor:
                found[name] = factor * dividend / divisor, intervals
        return found

    def words(self, table, column):
        """How many rows have each value of a text, over all entities."""
        name = quoted(column)
        return dict(self.rows(f"select {name}::varchar, count(*) from {quoted(table)} where {name} is not null group by 1"))

    def event_unit(self, key):
        """The unit of an event, as columns have it."""
        [(unit,)] = self.rows(f"select any_value(unit) from perf where {self.key('perf')} = {self.literal(key)}")
        return {"msec": "ms", None: "count", "": "count"}.get(unit, unit)

    @staticmethod
    def literal(key):
        return "[" + ", ".join("null" if label is None else text(label) for label in key) + "]::varchar[]"

    def ticks(self):
        """Number of ticks, missed ones, and the first and the last time in microseconds."""
        return self.rows("select count(*), sum(missed)::bigint, min(us), max(us) from tick")[0]

    def sessions(self):
        return self.rows("select count(*) filter (elapsed_s is null) from tick")[0][0]

    def holes(self):
        """From one tick to the next: between two sessions, and where ticks were missed. With seconds, and if restarted."""
        return self.rows("""
            with ticks as (select us, elapsed_s, missed, lag(us) over (order by o) as before from tick)
            select before, us,
                   case when elapsed_s is null then (us - before) / 1e6 else elapsed_s * missed / (missed + 1.0) end as seconds,
                   elapsed_s is null
            from ticks where before is not null and (elapsed_s is null or missed > 0) and us > before order by us
        """)

    def seconds_open(self, path):
        """How long a phase was open, from mark to mark, and how often. None if a phase was never ended: the ticks count then."""
        open_, seconds, times = [], 0.0, 0
        for kind, name, ns in self.rows("select kind, name, mono_ns from mark order by o"):
            if kind == "start":
                open_.append((name, ns))
                times += "/".join(n for n, _ in open_) == path
            elif kind == "end":
                names = [own for own, _ in open_]
                at = len(names) - 1 - names[::-1].index(name)
                for depth in range(at, len(open_)):
                    if "/".join(names[: depth + 1]) == path:
                        seconds += (ns - open_[depth][1]) / 1e9
                del open_[at:]
        return None if open_ else (seconds, times)
