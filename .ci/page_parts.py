"""The parts of a report's page: its sections, with their tables, figures and notes."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

TOKEN = re.compile(r"([MmLlHhVvz])|(-?\d+)")


@dataclass
class Cell:
    text: str = ""
    value: float | None = None


@dataclass
class Figure:
    id: str
    title: str = ""
    # k → name and value, as printed.
    legend: dict = field(default_factory=dict)
    plot: dict = field(default_factory=dict)
    # Attributes of each path of the data.
    paths: list = field(default_factory=list)


@dataclass
class Section:
    id: str
    heading: str = ""
    # Each a list of rows of cells; the first row are the heads. A row that begins a group has one cell.
    tables: list = field(default_factory=list)
    figures: list = field(default_factory=list)
    notes: list = field(default_factory=list)


class Page(HTMLParser):
    """Sections by id; what is before the first one is in the section ''."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.main, self.sections = {}, {"": Section("")}
        self.section, self.figure, self.cell, self.text, self.k = self.sections[""], None, None, None, None
        self.in_plot = self.in_bold = 0
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "main":
            self.main = attributes
        elif tag == "section":
            self.section = self.sections.setdefault(attributes.get("id"), Section(attributes.get("id")))
        elif tag == "table":
            self.section.tables.append([])
        elif tag == "tr":
            self.section.tables[-1].append([])
        elif tag in ("td", "th"):
            value = attributes.get("data-v")
            self.cell = Cell(value=None if value is None else float(value))
            self.section.tables[-1][-1].append(self.cell)
        elif tag == "figure":
            self.figure = Figure(attributes["id"])
            self.section.figures.append(self.figure)
        elif tag == "span" and self.figure and "data-k" in attributes:
            self.k = attributes["data-k"]
            self.figure.legend[self.k] = ["", ""]
        elif tag == "b":
            self.in_bold = 1
        elif tag == "p":
            self.text = []
        elif tag == "svg" and self.figure and attributes.get("class") == "plot":
            self.figure.plot, self.in_plot = attributes, 1
        elif tag == "svg" and self.in_plot:
            self.in_plot += 1
        elif tag == "path" and self.in_plot:
            self.figure.paths.append(attributes)

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.cell = None
        elif tag == "figure":
            self.figure = None
        elif tag == "span":
            self.k = None
        elif tag == "b":
            self.in_bold = 0
        elif tag == "p" and self.text is not None:
            self.section.notes.append("".join(self.text))
            self.text = None
        elif tag == "svg" and self.in_plot:
            self.in_plot -= 1

    def handle_data(self, data):
        if self.cell is not None:
            self.cell.text += data.replace("\u00a0", " ")
        elif self.figure is not None and self.k is not None:
            own = self.figure.legend[self.k]
            own[1 if self.in_bold else 0] += data.replace("\u00a0", " ")
        elif self.figure is not None and self.in_bold:
            self.figure.title += data
        if self.text is not None:
            self.text.append(data.replace("\u00a0", " "))


def lines_of(d):
    """The connected lines of the `d` of a path: lists of points."""
    found, command, numbers, at = [], "", [], (0, 0)

    def draw(command, n):
        nonlocal at
        x, y = at
        at = {
            "M": lambda: (n[0], n[1]),
            "m": lambda: (x + n[0], y + n[1]),
            "l": lambda: (x + n[0], y + n[1]),
            "L": lambda: (n[0], n[1]),
            "h": lambda: (x + n[0], y),
            "H": lambda: (n[0], y),
            "v": lambda: (x, y + n[0]),
            "V": lambda: (x, n[0]),
        }[command]()
        if command in "Mm":
            found.append([at])
        else:
            found[-1].append(at)

    for letter, number in TOKEN.findall(d):
        if letter:
            command, numbers = letter, []
            continue
        numbers.append(int(number))
        if len(numbers) == (2 if command in "MmLl" else 1):
            draw(command, numbers)
            numbers = []
            # Further pairs after a move are lines.
            command = {"M": "L", "m": "l"}.get(command, command)
    return found


def distance(point, line):
    """From a point to a line of several points."""
    x, y = point
    least = min(max(abs(x - a), abs(y - b)) for a, b in line)
    for (ax, ay), (bx, by) in zip(line, line[1:]):
        length = (bx - ax) ** 2 + (by - ay) ** 2
        if length:
            share = min(1.0, max(0.0, ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length))
            least = min(least, max(abs(x - ax - share * (bx - ax)), abs(y - ay - share * (by - ay))))
    return least
