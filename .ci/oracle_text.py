"""`report` as text, at several widths: every number in its tables, to the digits that are printed, and the lines above them."""

import re

from human import per_sec, stands_for
from oracle import RATIOS, WHOLE
from oracle_facts import formula
from recorder import entities, run
from recorder import title as title_of

STATISTICS = {
    "count",
    "nulls",
    "min",
    "mean",
    "p50",
    "p95",
    "p99",
    "max",
    "total",
    "per sec",
    "running",
    "lowest",
    "highest",
    "of",
}
COLUMN = re.compile(r"per sec|\S+")
NOTE = re.compile(r"(always 0|0|unchanged|no value|did not count): (.*)|(all always 0|all 0)")
MANY = 8


def check(tally, oracle):
    for width, more in [(80, []), (160, []), (160, ["--all"])]:
        one(tally, oracle, width, more)


def one(tally, oracle, width, more):
    text = run("report", oracle.folder, "--width", width, *more)
    what = " ".join(["report", f"--width {width}", *more])
    blocks = text.split("\n\n")
    heading(tally, what, oracle, " ".join(blocks[0].split()))
    shown = {}
    for block in blocks[1:]:
        section = Section(oracle, block.rstrip("\n").split("\n"))
        section.check(tally, what)
        shown[section.table] = section
    tally.equal(f"{what}: tables", sorted(shown), sorted(oracle.tables))
    for name, (value, _) in oracle.ratios().items():
        found = re.search(rf"\b{name} ([\d.e-]+)(?: (%|GHz))?", text)
        unit = {"percent": "%"}.get(RATIOS[name][3], RATIOS[name][3])
        is_same = found and stands_for(found[1], value, "") and (found[2] or "") == (unit if unit in ("%", "GHz") else "")
        tally.check(f"{what}: {name}", is_same, (found and found[0], value))
    for section in shown.values():
        section.is_complete(tally, what, is_all=bool(more))


def heading(tally, what, oracle, line):
    ticks, _, start, end = oracle.ticks()
    found = re.search(r" UTC \(([^)]*)\).*?, (\d+) ticks", line)
    tally.equal(f"{what}: ticks", found and int(found[2]), ticks)
    tally.check(f"{what}: duration", found and stands_for(found[1], (end - start) / 1e6, "s"), line)
    holes = oracle.holes()
    if holes:
        found = re.search(r"nothing was recorded for ([\d.]+ \S+?)(?:,| in|:)", line)
        tally.check(f"{what}: holes", found and stands_for(found[1], sum(hole[2] for hole in holes), "s"), line)
    for phase in oracle.phases:
        open_ = oracle.seconds_open(phase)
        if open_ is None:
            continue
        found = re.search(re.escape(phase) + r" \((?:(\d+) times, )?([\d.]+ \S+?)\)", line)
        tally.check(
            f"{what}: phase {phase}", found and int(found[1] or 1) == open_[1] and stands_for(found[2], open_[0], "s"), line
        )


class Section:
    """A table of the report: rows with their cells, and lists of metrics that never changed."""

    def __init__(self, oracle, lines):
        self.oracle = oracle
        self.table = lines[0].split("  ")[0].strip()
        self.of = oracle.compute(self.table)[WHOLE]
        self.columns = oracle.columns(self.table)
        self.is_perf = self.table == "perf"
        # The program's own numbers: a row per number.
        self.own = {title_of(key): key for key in self.of} if self.table == "metric" else {}
        self.edges = self.read_edges(lines[0])
        self.rows, self.notes = [], []
        title = ""
        for line in lines[1:]:
            indent = len(line) - len(line.lstrip())
            name = line.strip().split("  ")[0]
            if self.edges and self.is_row(name, line):
                self.rows.append((title, name, self.cells(line)))
            elif NOTE.fullmatch(line.strip()):
                self.notes.append([title, line.strip(), indent])
            elif self.notes and indent > self.notes[-1][2]:
                self.notes[-1][1] += " " + line.strip()
            elif indent == 2:
                title = line.strip()
                self.notes.append([title, "", 99])

    def read_edges(self, head):
        """The right edge of each column."""
        found, at = [], len(head) - len(head.split("  ", 1)[-1].lstrip()) if "  " in head else len(head)
        for word in COLUMN.finditer(head, at):
            if word[0] not in STATISTICS:
                break
            found.append((word[0], word.end()))
        return found

    def is_row(self, name, line):
        known = {key[0] for key in self.of} if self.is_perf else set(self.own or self.columns)
        return re.sub(r" \([\d.]+ %\)$", "", name) in known and len(line) > len(name) + 4 and "  " in line.strip()

    def cells(self, line):
        cells, begin = {}, None
        for name, edge in self.edges:
            cell = (
                line[begin:edge]
                if begin
                else re.split(r"\s{2,}", line[:edge].rstrip("\n"))[-1]
                if line[edge - 1 : edge].strip()
                else ""
            )
            cells[name] = cell.strip()
            begin = edge
        return cells

    def entity(self, title, event=None):
        """The entity with this title: its labels that have a value, separated by spaces."""
        for key, one in self.of.items():
            labels = [label for label in key if label is not None]
            if self.is_perf:
                names = entities(self.oracle.declared[self.table])[1:]
                around = [f"{n} {v}" if v.isdigit() else v for n, v in zip(names, key[1:]) if v is not None]
                if key[0] == event and " ".join(around) == title:
                    return key, one
            elif title_of(labels) == title:
                return key, one
        return None, None

    def check(self, tally, what):
        for title, name, cells in self.rows:
            where = f"{what}: {self.table} {title} {name}"
            if "lowest" in cells:
                self.check_spread(tally, where, name, cells)
                continue
            if self.own:
                title, one = name, self.of[self.own[name]]
                name = next(column for column in ["value", "total_per_sec"] if one["metrics"][column]["count"] > 0)
            event = re.sub(r" \([\d.]+ %\)$", "", name) if self.is_perf else None
            key, one = self.entity(title, event)
            if not tally.check(f"{where}: an entity", one is not None, title):
                continue
            expected = self.expected_event(key, one) if self.is_perf else self.expected(one, name)
            for column, cell in cells.items():
                value, unit = expected.get(column, (None, "count"))
                tally.check(f"{where}: {column}", stands_for(cell, value, unit), lambda: f"{cell!r} is not {value} {unit}")
        for title, note, _ in self.notes:
            self.check_note(tally, f"{what}: {self.table} {title}", title, note)

    def expected(self, one, name):
        column, statistics = self.columns[name], one["metrics"][name]
        unit = column["unit"]
        found = {key: (statistics.get(key), unit) for key in ["min", "p50", "p95", "p99", "max"]}
        found |= {key: (statistics[key], "count") for key in ["count", "nulls"]}
        total = statistics.get("total"), unit
        if column["kind"] == "counter":
            found["mean"] = statistics["per_sec"], per_sec(unit)
        else:
            found["mean"] = statistics["mean"], unit
            counter = self.counter_of(name)
            if counter:
                total = one["metrics"][counter]["total"], self.columns[counter]["unit"]
        # Zero is left out.
        found["total"] = (total[0] or None, total[1])
        return found

    def counter_of(self, name):
        """The counter of which a column is the growth per second."""
        found = formula(self.oracle.facts.get((self.table, name)))
        if found and found[0] == 1 and len(found[1]) == 1 and found[2] == "elapsed_s" and not found[3]:
            counter = found[1][0]
            return counter if self.columns.get(counter, {}).get("kind") == "counter" else None
        return None

    def expected_event(self, key, one):
        value, unit = one["metrics"]["value"], self.oracle.event_unit(key)
        found = {key: (value[key], "count") for key in ["count", "nulls"]}
        found |= {"total": (value["total"], unit), "per sec": (value["per_sec"], per_sec(unit))}
        rates = value["rates"] or {}
        found |= {key: (rates.get(key), per_sec(unit)) for key in ["min", "p50", "p95", "p99", "max"]}
        return found | {"running": (one["metrics"]["running_percent"]["mean"], "percent")}

    def check_spread(self, tally, where, name, cells):
        is_counter = self.columns[name]["kind"] == "counter"
        unit = per_sec(self.columns[name]["unit"]) if is_counter else self.columns[name]["unit"]
        means = [one["metrics"][name]["per_sec" if is_counter else "mean"] for one in self.of.values()]
        means = [mean for mean in means if mean is not None]
        most = [one["metrics"][name]["max"] for one in self.of.values() if not is_counter and one["metrics"][name]["count"]]
        expected = {
            "lowest": min(means),
            "mean": sum(means) / len(means),
            "highest": max(means),
            "max": max(most, default=None),
        }
        for column, value in expected.items():
            tally.check(
                f"{where}: {column}",
                stands_for(cells[column], value, unit),
                lambda: f"{cells[column]!r} is not {value} {unit}",
            )
        if cells["of"]:
            _, one = self.entity(cells["of"])
            mean = one and one["metrics"][name]["per_sec" if is_counter else "mean"]
            tally.equal(f"{where}: of", mean, max(means))

    def check_note(self, tally, where, title, note):
        found = NOTE.fullmatch(note)
        if not found:
            return
        kind, names = found[1] or found[3], found[2]
        if kind in ("always 0", "0", "unchanged"):
            ones = [self.entity(title)[1]] if self.entity(title)[1] else list(self.of.values())
            for item in names.split(", "):
                name, _, value = item.partition(" ")
                for one in ones:
                    own = one["metrics"].get(name)
                    if not tally.check(f"{where}: {kind}: {item}", own is not None, "no such metric"):
                        continue
                    if own["count"] == 0:
                        continue
                    if kind == "unchanged":
                        is_same = own["min"] == own["max"] and stands_for(value, own["max"], self.columns[name]["unit"])
                        tally.check(f"{where}: unchanged: {item}", is_same, own)
                    else:
                        tally.check(f"{where}: {kind}: {name}", not own.get("max") and not own.get("total"), own)
        elif kind == "no value":
            for name in names.split(", "):
                tally.check(
                    f"{where}: no value: {name}", any(not self.has_value(one, name) for one in self.of.values()), name
                )
        elif kind.startswith("all"):
            _, one = self.entity(title)
            is_zero = one and all(not own.get("max") and not own.get("total") for own in one["metrics"].values())
            tally.check(f"{where}: {kind}", is_zero, one)

    def has_value(self, one, name):
        own = one["metrics"][name]
        return own["count"] > 0 and (self.columns[name]["kind"] != "counter" or own["total"] is not None)

    def is_complete(self, tally, what, is_all):
        """With --all, no metric of any entity is missing."""
        if not is_all:
            return
        has_value = lambda one: any(one["metrics"][name]["count"] > 0 for name in ["value", "total_per_sec"])
        if self.own:
            tally.equal(f"{what}: {self.table}: rows", len(self.rows), sum(map(has_value, self.of.values())))
            return
        wanted = len(self.of) if self.is_perf else sum(len(one["metrics"]) for one in self.of.values())
        tally.equal(f"{what}: {self.table}: rows", len(self.rows), wanted)
