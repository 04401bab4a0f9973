"""`report --html`: the numbers in its tables, legends and sentences, and the samples that its charts draw, against DuckDB.

Not compared: the small lines in tables, shares of columns that combine several samples, and what the page says about the
command and the machine, which is not in the Parquet files.
"""

import re

from human import per_sec, stands_for
from oracle import RATIOS, WHOLE
from oracle_charts import Charts
from oracle_glance import glance
from page_parts import Page
from recorder import entities, run, title

# Beside each number of a table.
SIX_DIGITS = 5.1e-6


def check(tally, oracle):
    page = Page(run("report", oracle.folder, "--html", "-"))
    lead(tally, oracle, page)
    if "t-mark" in page.sections and oracle.phases:
        phases(tally, oracle, page.sections["t-mark"])
    for name in oracle.tables:
        section = page.sections.get(f"t-{name}")
        if not tally.check(f"page: {name}: a section", section is not None or name == "mark"):
            continue
        if name != "mark":
            checked = TableOnPage(tally, oracle, page, name)
            checked.tables(section)
            Charts(tally, checked).check(section)
            checked.words(section)
    glance(tally, oracle, page.sections["glance"])


def lead(tally, oracle, page):
    ticks, _, start, end = oracle.ticks()
    found = next(
        (re.search(r"Recorded for (.*?) in (\d+) ticks", note) for note in page.sections[""].notes if "Recorded" in note),
        None,
    )
    tally.check("page: ticks", found and int(found[2]) == ticks, found and found[0])
    tally.check("page: duration", found and stands_for(found[1], (end - start) / 1e6, "s"), found and found[0])
    tally.equal("page: time", (int(page.main["data-from"]), int(page.main["data-to"])), (start, end))


def phases(tally, oracle, section):
    rows = {row[0].text: row for row in section.tables[0][1:]}
    tally.equal("page: phases", sorted(rows), sorted(oracle.phases))
    for phase, row in rows.items():
        seconds, times = oracle.seconds_open(phase) or (None, None)
        if times is None:
            continue
        tally.equal(f"page: times of {phase}", (row[1].value, row[1].text), (float(times), str(times)))
        number(tally, f"page: seconds of {phase}", row[2], seconds, "s")


def number(tally, what, cell, value, unit):
    """A number of a table: six digits beside it, and as it is written."""
    if value is None:
        tally.equal(what, (cell.value, cell.text), (None, ""))
        return
    tally.close(f"{what}: six digits", cell.value, value, relative=SIX_DIGITS)
    tally.check(what, stands_for(cell.text, value, unit), lambda: f"{cell.text!r} is not {value} {unit}")


class TableOnPage:
    def __init__(self, tally, oracle, page, name):
        self.tally, self.oracle, self.name = tally, oracle, name
        self.of = oracle.compute(name)[WHOLE]
        self.columns = oracle.columns(name)
        self.keys = entities(oracle.declared[name])
        self.titles = {title(key): key for key in self.of}
        self.start, self.end = int(page.main["data-from"]), int(page.main["data-to"])

    def tables(self, section):
        for table in section.tables:
            heads = [cell.text for cell in table[0]]
            if heads[0] == "number":
                self.numbers(heads, table[1:])
            elif heads[0] == "metric":
                self.statistics(heads, table[1:])
            elif heads[0] == "event":
                self.events(heads, table[1:])
            elif heads[: len(self.keys)] == self.keys and self.keys:
                self.means(heads, table[1:])
            elif self.tally.check(f"page: {self.name}: a known table", heads[0] == "ratio", heads):
                self.ratios(table[1:])

    def unit(self, key, metric, is_rate):
        unit = self.oracle.event_unit(key) if self.oracle.is_amount(self.name, metric) else self.columns[metric]["unit"]
        return per_sec(unit) if is_rate else unit

    def mean(self, key, metric):
        """The mean as the page shows it, and its unit: of counters and amounts per second."""
        own = self.of[key]["metrics"][metric]
        is_rate = self.columns[metric]["kind"] == "counter" or self.oracle.is_amount(self.name, metric)
        return own["per_sec"] if is_rate else own.get("mean"), self.unit(key, metric, is_rate)

    def statistics(self, heads, rows):
        key = next(iter(self.of))
        for row in rows:
            if len(row) == 1:
                key = self.titles.get(row[0].text)
                self.tally.check(f"page: {self.name}: an entity", key is not None, row[0].text)
                continue
            metric = row[0].text
            what = f"page: {self.name} {key} {metric}"
            own = self.of[key]["metrics"][metric]
            cells = dict(zip(heads, row))
            number(self.tally, f"{what}: mean", cells["mean"], *self.mean(key, metric))
            rates = own.get("rates")
            for name in ["p50", "p95", "p99", "max"]:
                value = (rates or own).get(name)
                number(self.tally, f"{what}: {name}", cells[name], value, self.unit(key, metric, bool(rates)))
            number(self.tally, f"{what}: total", cells["total"], own.get("total"), self.unit(key, metric, False))

    def events(self, heads, rows):
        self.tally.equal("page: perf: events", sorted(row[0].text for row in rows), sorted(self.titles))
        for row in rows:
            key = self.titles[row[0].text]
            own, cells = self.of[key]["metrics"]["value"], dict(zip(heads, row))
            rates, unit = own["rates"] or {}, self.unit(key, "value", False)
            expected = {"total": (own["total"], unit), "per second": (own["per_sec"], per_sec(unit))}
            expected |= {name: (rates.get(name), per_sec(unit)) for name in ["p50", "p95", "p99", "max"]}
            expected["counted"] = self.of[key]["metrics"]["running_percent"]["mean"], "percent"
            for name, (value, unit) in expected.items():
                number(self.tally, f"page: perf {row[0].text}: {name}", cells[name], value, unit)

    def own(self, key):
        """The column by which a number of the program is shown: the level of a gauge, the rate of a counter."""
        metrics = self.of[key]["metrics"]
        return next((name for name in ["value", "total_per_sec"] if metrics[name]["count"] > 0), None)

    def numbers(self, heads, rows):
        shown = sorted(title for title, key in self.titles.items() if self.own(key))
        self.tally.equal("page: numbers", sorted(row[0].text for row in rows), shown)
        for row in rows:
            key = self.titles[row[0].text]
            own, cells = self.of[key]["metrics"][self.own(key)], dict(zip(heads, row))
            for name in ["mean", "p50", "p95", "p99", "max"]:
                number(self.tally, f"page: {row[0].text}: {name}", cells[name], own[name], self.columns[self.own(key)]["unit"])

    def ratios(self, rows):
        listed = {row[0].text: row[2] for row in rows if not row[1].text and row[0].text in RATIOS}
        expected = self.oracle.ratios()
        self.tally.equal("page: ratios", sorted(listed), sorted(expected))
        for name, (value, _) in expected.items():
            number, _, unit = listed[name].text.partition(" ")
            self.tally.close(f"page: {name}: six digits", listed[name].value, value, relative=SIX_DIGITS)
            self.tally.check(
                f"page: {name}",
                stands_for(number, value, "") and unit.replace("%", "percent") == RATIOS[name][3],
                listed[name],
            )

    def means(self, heads, rows):
        for row in rows:
            key = tuple(cell.text or None for cell in row[: len(self.keys)])
            if not self.tally.check(f"page: {self.name}: an entity", key in self.of, key):
                continue
            first = None
            for head, cell in list(zip(heads, row))[len(self.keys) + 1 :]:
                what = f"page: {self.name} {key} {head} (means)"
                if head == "max":
                    value = self.of[key]["metrics"][first].get("max")
                    number(self.tally, what, cell, value, self.unit(key, first, False))
                else:
                    first = first or head
                    number(self.tally, what, cell, *self.mean(key, head))

    def words(self, section):
        for note in section.notes:
            found = re.fullmatch(r"(\w+) \(rows\): (.*)", note)
            if found and found[1] in self.columns:
                expected = self.oracle.words(self.name, found[1])
                listed = re.findall(r"(?:^|, )(.*?) \((\d+)\)(?=, |$)", found[2])
                self.tally.equal(
                    f"page: {self.name}: {note}",
                    {word: expected.get(word) for word, _ in listed},
                    {w: int(n) for w, n in listed},
                )
