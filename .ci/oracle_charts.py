"""The charts of a page: the samples that their lines and heat maps draw, and the means in their legends."""

import re

from human import stands_for
from oracle_facts import quoted
from page_parts import distance, lines_of

# A chart has this many units; coordinates are whole numbers.
WIDE, HIGH = 960, 1000
LEVELS = 8
# As many samples as are drawn one by one.
MOST_SAMPLES = 480


def gaps(times, least=2.6):
    """The times without a sample: more than two and a half times as long as those of the series are usually apart.

    Times are drawn to the millisecond, so a gap of about that length may be one or not.
    """
    steps = [after - before for before, after in zip(times, times[1:])]
    usual = sorted(steps)[len(steps) // 2] if steps else 0
    return [(after - step, after) for step, after in zip(steps, times[1:]) if step > least * usual]


class Charts:
    """Those of a table on the page."""

    def __init__(self, tally, on):
        self.tally, self.on = tally, on
        # Of its longest entity.
        self.is_long = max(one["rows"] for one in on.of.values()) > MOST_SAMPLES
        # The entities that have a line of their own, by column.
        self.named = {}
        self.drawn = {}

    def check(self, section):
        for figure in section.figures:
            what = f"page: figure {figure.id}"
            column = (
                "value"
                if self.on.name == "perf" and figure.id != "perf-running_percent"
                else figure.id.removeprefix(f"{self.on.name}-")
            )
            if self.on.name == "metric" and column.isdigit():
                key = self.on.titles.get(next(iter(figure.legend.values()))[0].strip())
                column = self.on.own(key) if key else column
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
                (mean, unit), samples, times = series
                if mean is not None:
                    self.tally.check(
                        f"{what}: {name}: legend", stands_for(value, mean, unit), lambda: f"{value!r} is not {mean} {unit}"
                    )
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
                self.is_drawn(f"{what}: {name}", path, samples, times, low, high, is_area)

    def series_of(self, name, column, is_area):
        """The mean, the samples that the line with this name draws, and the times of all its rows."""
        others = re.fullmatch(r"(\d+) others: (sum|highest)", name)
        if others:
            return (None, ""), *self.combined(column, others[2], int(others[1]))
        if is_area and f"{name}_percent" in self.on.columns:
            name = f"{name}_percent"
        if len(self.on.of) == 1 and name in self.on.columns:
            key, metric = next(iter(self.on.of)), name
        elif name in self.on.titles and column in self.on.columns:
            key, metric = self.on.titles[name], column
            self.named.setdefault(column, []).append(key)
        else:
            return None
        return self.on.mean(key, metric), self.samples(key, metric), [us for us, _ in self.samples(key, metric, True)]

    def covering(self, rows, us):
        """The values of the sample whose interval this time is in; None after a row without a value, and in a gap."""
        n = next((n for n, row in enumerate(rows) if row[0] >= us), None)
        if n is None or n == 0 or rows[n - 1][1] is None:
            return {None}
        times = [us for us, _ in rows]
        is_in = lambda least: any(a < us < b for a, b in gaps(times, least))
        return {None} if is_in(2.6) else {None, rows[n][1]} if is_in(2.4) else {rows[n][1]}

    def samples(self, key, metric, with_nulls=False):
        """Time and drawn value of each row of an entity, if it has one."""
        if metric not in self.drawn:
            value = quoted(metric)
            if self.on.columns[metric]["kind"] == "counter":
                value = f"{quoted('+' + metric)} / nullif({quoted('s' + metric)}, 0)"
            elif self.on.oracle.is_amount(self.on.name, metric):
                value = f"case when elapsed_s > 0 then {value} / elapsed_s end"
            self.drawn[metric] = {}
            for own, us, drawn in self.on.oracle.rows(
                f"select key, us, {value} from {self.on.oracle.growths(self.on.name)} order by o"
            ):
                self.drawn[metric].setdefault(tuple(own), []).append((us, drawn))
        return [(us, v) for us, v in self.drawn[metric].get(key, []) if with_nulls or v is not None]

    def combined(self, column, how, count):
        """The entities that have no line of their own, together; and the times of all their rows."""
        others = [key for key in self.on.of if key not in self.named.get(column, [])]
        at = {}
        for key in others:
            for us, value in self.samples(key, column):
                at[us] = value if us not in at else at[us] + value if how == "sum" else max(at[us], value)
        with_values = [key for key in others if self.samples(key, column)]
        self.tally.check(
            f"page: {self.on.name}-{column}: others", len(with_values) <= count <= len(others), (count, len(others))
        )
        times = sorted({us for key in others for us, _ in self.samples(key, column, True)})
        return sorted(at.items()), times

    def place(self, us, value, low, high):
        x = (us - self.on.start) / max(self.on.end - self.on.start, 1000) * WIDE
        return x, (1 - (value - low) / (high - low)) * HIGH

    def is_drawn(self, what, path, samples, times, low, high, is_area):
        """Each sample is on the line, and the line turns only where there are samples. Times are drawn to the millisecond."""
        lines = lines_of(path["d"]) if path else []
        # Samples of the same millisecond are one.
        shared = {a // 1000 for a, b in zip(times, times[1:]) if a // 1000 == b // 1000}
        points = [self.place(us, value, low, high) for us, value in samples if us // 1000 not in shared]
        late = 1000 / max(self.on.end - self.on.start, 1000) * WIDE
        away = [(p, min(distance(p, line) for line in lines)) for p in points] if lines else []
        worst = max(away, key=lambda found: found[1], default=(None, 0.0))
        self.tally.check(f"{what}: {len(points)} samples", worst[1] <= 0.51 + late and (lines or not points), worst)
        shared = [self.place(1000 * ms, 0, low, high)[0] for ms in shared]
        for gap in gaps(times):
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
                near = near or any(abs(x - a) <= 0.51 + late for a in shared)
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
        self.tally.equal(f"{what}: rows", sorted(names), sorted(self.on.titles))
        most, is_percent = float(figure.plot["data-most"]), self.on.columns[column]["unit"] == "percent"
        cells = {}
        for path in figure.paths:
            for line in lines_of(path["d"]):
                for (ax, y), (bx, _) in zip(line[::2], line[1::2]):
                    cells |= {(x, y): int(path.get("data-l", -1)) for x in range(ax, bx)}
        peak = 0.0
        for y, name in enumerate(names):
            rows_of = self.samples(self.on.titles[name], column, with_nulls=True)
            samples = [(us, v) for us, v in rows_of if v is not None]
            peak = max([peak, *(v for _, v in samples)])
            if self.is_long or not samples:
                continue
            for x in range(columns):
                middle = self.on.start + (x + 0.5) / columns * (self.on.end - self.on.start)
                # To the millisecond, it may also be the interval before or after.
                possible = set().union(*(self.covering(rows_of, middle + more) for more in (-1000, 0, 1000)))
                possible = {-1 if v is None else self.level(v / most) for v in possible}
                found = cells.get((x, y), 0)
                self.tally.check(f"{what}: {name}: cell {x}", found in possible, (found, possible))
        self.tally.close(f"{what}: the highest", most, 100.0 if is_percent else peak)

    @staticmethod
    def level(share):
        return 0 if share <= 0.002 else min(1 + int(share * LEVELS), LEVELS)
