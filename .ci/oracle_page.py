"""`report --html`: the numbers in its tables, legends and sentences, and the samples that its charts draw, against DuckDB.

Not compared: the small lines in tables, shares of columns that combine several samples, and what the page says about the command and the machine, which is not in the
Parquet files.
"""

import re

from human import per_sec, stands_for
from oracle import RATIOS, WHOLE, quoted
from page_parts import Page, distance, lines_of
from recorder import entities, run

# A chart has this many units; coordinates are whole numbers.
WIDE, HIGH = 960, 1000
LEVELS = 8
# As many samples as are drawn one by one.
MOST_SAMPLES = 480
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
            checked.figures(section)
            checked.words(section)
    glance(tally, oracle, page.sections["glance"])


def gaps(oracle, table):
    """The times without a sample: more than two and a half times as long as samples are usually apart."""
    rows = oracle.rows(f"select us, us - lag(us) over (order by us) as step from (select distinct us from {quoted(table)})")
    steps = sorted(step for _, step in rows if step is not None)
    return [(us - step, us) for us, step in rows if step is not None and step > 2.5 * steps[len(steps) // 2]]


def lead(tally, oracle, page):
    ticks, _, start, end = oracle.ticks()
    found = next((re.search(r"Recorded for (.*?) in (\d+) ticks", note) for note in page.sections[""].notes if "Recorded" in note), None)
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
        self.titles = {" ".join(label for label in key if label is not None): key for key in self.of}
        self.start, self.end = int(page.main["data-from"]), int(page.main["data-to"])
        self.gaps = gaps(oracle, name)
        # The entities that have a line of their own, by column.
        self.named = {}
        # Of its longest entity.
        self.is_long = max(one["rows"] for one in self.of.values()) > MOST_SAMPLES
        self.drawn = {}

    # Tables.

    def tables(self, section):
        for table in section.tables:
            heads = [cell.text for cell in table[0]]
            if heads[0] == "metric":
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

    def ratios(self, rows):
        listed = {row[0].text: row[2] for row in rows if not row[1].text and row[0].text in RATIOS}
        expected = self.oracle.ratios()
        self.tally.equal("page: ratios", sorted(listed), sorted(expected))
        for name, (value, _) in expected.items():
            number, _, unit = listed[name].text.partition(" ")
            self.tally.close(f"page: {name}: six digits", listed[name].value, value, relative=SIX_DIGITS)
            self.tally.check(f"page: {name}", stands_for(number, value, "") and unit.replace("%", "percent") == RATIOS[name][3], listed[name])

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
                self.tally.equal(f"page: {self.name}: {note}", {word: expected.get(word) for word, _ in listed}, {w: int(n) for w, n in listed})

    # Charts.

    def figures(self, section):
        for figure in section.figures:
            what = f"page: figure {figure.id}"
            column = "value" if self.name == "perf" and figure.id != "perf-running_percent" else figure.id.removeprefix(f"{self.name}-")
            if "data-most" in figure.plot:
                self.heat(what, figure, column)
                continue
            low, high = float(figure.plot["data-low"]), float(figure.plot["data-high"])
            below = {}
            for k, (name, value) in figure.legend.items():
                name = name.strip()
                series = self.series_of(name, column, is_area=any(p.get("class") == "a" for p in figure.paths))
                if not self.tally.check(f"{what}: {name}: is known", series is not None, figure.legend):
                    continue
                (mean, unit), samples = series
                if mean is not None:
                    self.tally.check(f"{what}: {name}: legend", stands_for(value, mean, unit), lambda: f"{value!r} is not {mean} {unit}")
                if self.is_long:
                    self.is_summed_up(f"{what}: {name}", figure, k, samples, low, high)
                    continue
                path = next((p for p in figure.paths if p.get("data-k") == k and p.get("class") in ("m", "a")), None)
                if not self.tally.check(f"{what}: {name}: is drawn", path is not None or not samples):
                    continue
                is_area = path and path["class"] == "a"
                if is_area:
                    # Each share is above those before it.
                    below = {us: below.get(us, 0.0) + value for us, value in samples}
                    samples = list(below.items())
                self.is_drawn(f"{what}: {name}", path, samples, low, high, is_area)

    def series_of(self, name, column, is_area):
        """The mean and the samples that the line with this name draws."""
        others = re.fullmatch(r"(\d+) others: (sum|highest)", name)
        if others:
            return (None, ""), self.combined(column, others[2], int(others[1]))
        if is_area and f"{name}_percent" in self.columns:
            name = f"{name}_percent"
        if len(self.of) == 1 and name in self.columns:
            key, metric = next(iter(self.of)), name
        elif name in self.titles and column in self.columns:
            key, metric = self.titles[name], column
            self.named.setdefault(column, []).append(key)
        else:
            return None
        return self.mean(key, metric), self.samples(key, metric)

    def covering(self, rows, us):
        """The value of the sample whose interval this time is in; None after a row without a value, and in a gap."""
        n = next((n for n, row in enumerate(rows) if row[0] >= us), None)
        if n is None or n == 0 or rows[n - 1][1] is None or any(a < us < b for a, b in self.gaps):
            return None
        return rows[n][1]

    def samples(self, key, metric, with_nulls=False):
        """Time and drawn value of each row of an entity, if it has one."""
        if metric not in self.drawn:
            value = quoted(metric)
            if self.columns[metric]["kind"] == "counter":
                value = f"{quoted('+' + metric)} / nullif({quoted('s' + metric)}, 0)"
            elif self.oracle.is_amount(self.name, metric):
                value = f"case when elapsed_s > 0 then {value} / elapsed_s end"
            self.drawn[metric] = {}
            for own, us, drawn in self.oracle.rows(f"select key, us, {value} from {self.oracle.growths(self.name)} order by o"):
                self.drawn[metric].setdefault(tuple(own), []).append((us, drawn))
        return [(us, v) for us, v in self.drawn[metric].get(key, []) if with_nulls or v is not None]

    def combined(self, column, how, count):
        """The entities that have no line of their own, together."""
        others = [key for key in self.of if key not in self.named.get(column, [])]
        at = {}
        for key in others:
            for us, value in self.samples(key, column):
                at[us] = value if us not in at else at[us] + value if how == "sum" else max(at[us], value)
        with_values = [key for key in others if self.samples(key, column)]
        self.tally.check(f"page: {self.name}-{column}: others", len(with_values) <= count <= len(others), (count, len(others)))
        return sorted(at.items())

    def place(self, us, value, low, high):
        x = (us - self.start) / max(self.end - self.start, 1000) * WIDE
        return x, (1 - (value - low) / (high - low)) * HIGH

    def is_drawn(self, what, path, samples, low, high, is_area):
        """Each sample is on the line, and the line turns only where there are samples. Times are drawn to the millisecond."""
        lines = lines_of(path["d"]) if path else []
        points = [self.place(us, value, low, high) for us, value in samples]
        late = 1000 / max(self.end - self.start, 1000) * WIDE
        away = [(p, min(distance(p, line) for line in lines)) for p in points] if lines else []
        worst = max(away, key=lambda found: found[1], default=(None, 0.0))
        self.tally.check(f"{what}: {len(points)} samples", worst[1] <= 0.51 + late and (lines or not points), worst)
        for gap in self.gaps:
            x, _ = self.place(sum(gap) / 2, 0, low, high)
            joined = [line for line in lines if min(p[0] for p in line) < x < max(p[0] for p in line)]
            self.tally.check(f"{what}: a gap is a gap", not joined, joined)
        if is_area:
            return
        for line in lines:
            # A sample without neighbours is drawn as a short line.
            ends = line[:1] if len(line) == 2 and line[1][0] - line[0][0] <= 2 and line[0][1] == line[1][1] else line
            for x, y in ends:
                near = any(abs(x - a) <= 0.51 + late and abs(y - b) <= 0.51 for a, b in points)
                self.tally.check(f"{what}: a turn", near, (x, y))

    def is_summed_up(self, what, figure, k, samples, low, high):
        """Columns of several samples: a line between their lowest and highest, in a band that reaches the extremes of all."""
        paths = {path["class"]: path for path in figure.paths if path.get("data-k") == k}
        if "m" not in paths:
            return
        points = [self.place(us, value, low, high) for us, value in samples]
        reached = [y for path in paths.values() for line in lines_of(path["d"]) for _, y in line]
        # Growth per second is that of the whole column.
        for name, of in [("highest", min), ("lowest", max)] if "b" in paths else []:
            self.tally.close(f"{what}: the {name} sample", of(reached), of(y for _, y in points), relative=0, absolute=0.51)
        # Wider than two columns.
        reach = 2 * WIDE / (MOST_SAMPLES / 2)
        for x, y in (point for line in lines_of(paths["m"]["d"]) for point in line):
            near = [b for a, b in points if abs(x - a) <= reach]
            self.tally.check(f"{what}: the mean at {x}", near and min(near) - 0.51 <= y <= max(near) + 0.51, (x, y))

    def heat(self, what, figure, column):
        """Each cell has the level of the sample whose interval its middle is in."""
        columns, rows = (int(n) for n in figure.plot["viewbox"].split()[2:])
        names = figure.plot["data-names"].split("|")
        self.tally.equal(f"{what}: rows", sorted(names), sorted(self.titles))
        most, is_percent = float(figure.plot["data-most"]), self.columns[column]["unit"] == "percent"
        cells = {}
        for path in figure.paths:
            for line in lines_of(path["d"]):
                for (ax, y), (bx, _) in zip(line[::2], line[1::2]):
                    cells |= {(x, y): int(path.get("data-l", -1)) for x in range(ax, bx)}
        peak = 0.0
        for y, name in enumerate(names):
            rows_of = self.samples(self.titles[name], column, with_nulls=True)
            samples = [(us, v) for us, v in rows_of if v is not None]
            peak = max([peak, *(v for _, v in samples)])
            if self.is_long or not samples:
                continue
            for x in range(columns):
                middle = self.start + (x + 0.5) / columns * (self.end - self.start)
                # To the millisecond, it may also be the interval before or after.
                possible = {self.covering(rows_of, middle + more) for more in (-1000, 0, 1000)}
                possible = {-1 if v is None else self.level(v / most) for v in possible}
                found = cells.get((x, y), 0)
                self.tally.check(f"{what}: {name}: cell {x}", found in possible, (found, possible))
        self.tally.close(f"{what}: the highest", most, 100.0 if is_percent else peak)

    @staticmethod
    def level(share):
        return 0 if share <= 0.002 else min(1 + int(share * LEVELS), LEVELS)


def glance(tally, oracle, section):
    """The sentences about each resource."""
    of = lambda table, metric, statistic="mean": [
        one["metrics"][metric][statistic] for one in oracle.compute(table)[WHOLE].values() if one["metrics"][metric][statistic] is not None
    ]
    first = lambda *names: of(*names)[0]
    states = lambda *names: sum(first("cpu", f"{name}_percent") for name in names)
    pressure = lambda resource: oracle.compute("pressure")[WHOLE][(resource,)]["metrics"]["some_percent"]["mean"]
    busiest = lambda: max(oracle.compute("disk")[WHOLE].values(), key=lambda one: one["metrics"]["util_percent"]["mean"] or 0)
    known = [
        (r"(\S+ %) busy, at most (\S+ %)", lambda: (first("cpu", "usage_percent"), first("cpu", "usage_percent", "max")), "percent"),
        (r"(\S+ %) in user mode, (\S+ %) in the kernel", lambda: (states("user", "nice"), states("system", "irq", "softirq")), "percent"),
        (r"tasks waited for a CPU (\S+ %) of the time", lambda: (pressure("cpu"),), "percent"),
        (r"tasks waited for I/O (\S+ %) of the time", lambda: (pressure("io"),), "percent"),
        (r"tasks waited for memory (\S+ %) of the time", lambda: (pressure("memory"),), "percent"),
        (r"(\S+ %) used, at most (\S+ %)", lambda: (first("memory", "usage_percent"), first("memory", "usage_percent", "max")), "percent"),
        (r"used, at most .*\((\S+ \S+)\)", lambda: (first("memory", "used_bytes", "max"),), "bytes"),
        (r"(\S+ \S+/s) read, (\S+ \S+/s) written", lambda: (sum(of("disk", "read_bytes_per_sec")), sum(of("disk", "write_bytes_per_sec"))), "bytes/s"),
        (r"busy (\S+ %) of the time, p95 (\S+ %)", lambda: tuple(busiest()["metrics"]["util_percent"][s] for s in ("mean", "p95")), "percent"),
        (r"(\S+ \S+/s) received, (\S+ \S+/s) sent", lambda: (sum(of("network", "bytes_recv_per_sec")), sum(of("network", "bytes_sent_per_sec"))), "bytes/s"),
        (r"(\S+ %) of CPU time stolen by other tenants, at most (\S+ %)", lambda: (first("cpu", "steal_percent"), first("cpu", "steal_percent", "max")), "percent"),
        (r"CPUs idle with I/O pending (\S+ %)", lambda: (first("cpu", "iowait_percent"),), "percent"),
        (r"CPU \S+ alone was (\S+ %) busy", lambda: (max(of("cpu_core", "usage_percent")),), "percent"),
        (r"the command used about one CPU \((\S+ %)\)", lambda: (first("command", "usage_percent"),), "percent"),
        (r"swap I/O (\S+ \S+/s)", lambda: (first("paging", "swap_io_bytes_per_sec"),), "bytes/s"),
        (r"retransmits (\S+/s)", lambda: (first("socket", "tcp_retransmits_per_sec"),), "count/s"),
    ]
    rows = section.tables[0][1:]
    tally.equal("page: at a glance: resources", len(rows), 5)
    for row in rows:
        for sentence in row[3].text.split("; "):
            matching = [(found, values(), unit) for form, values, unit in known if (found := re.search(form, sentence))]
            tally.check("page: at a glance: a known sentence", bool(matching), sentence)
            for found, values, unit in matching:
                for shown, value in zip(found.groups(), values):
                    tally.check(f"page: at a glance: {sentence}", stands_for(shown, value, unit), lambda: f"{shown!r} is not {value}")
