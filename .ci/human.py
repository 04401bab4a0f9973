"""Numbers as perfwatch prints them for people, such as `8.65 MiB/s`: which values they may stand for."""

import re

# Of what a printed unit is a multiple, and of which.
SIZES = {"B": 0, "KiB": 1, "MiB": 2, "GiB": 3, "TiB": 4, "PiB": 5}
PREFIXES = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}
TIMES = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
OTHERS = {"%": 1.0, "°C": 1.0, "MHz": 1.0, "GHz": 1e3, "mW": 1e-3, "W": 1.0, "kW": 1e3,
          "mV": 1e-3, "V": 1.0, "kV": 1e3, "mA": 1e-3, "A": 1.0, "kA": 1e3, "Wh": 1.0, "rpm": 1.0, "J": 1.0, "kJ": 1e3, "MJ": 1e6}

# What the units of columns are multiples of.
UNITS = {
    "bytes": ("size", 1.0),
    "KiB": ("size", 1024.0),
    "s": ("time", 1.0),
    "ms": ("time", 1e-3),
    "us": ("time", 1e-6),
    "ns": ("time", 1e-9),
    "percent": ("%", 1.0),
    "celsius": ("°C", 1.0),
    "MHz": ("MHz", 1.0),
    "W": ("W", 1.0),
    "uW": ("W", 1e-6),
    "V": ("V", 1.0),
    "A": ("A", 1.0),
    "Wh": ("Wh", 1.0),
    "rpm": ("rpm", 1.0),
    "uJ": ("J", 1e-6),
    "count": ("count", 1.0),
    "pages": ("count", 1.0),
    "": ("count", 1.0),
}

PRINTED = re.compile(r"([+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?)(?:[ \u00a0]?([^\d\s]\S*))?")


def per_sec(unit):
    """The unit of the growth per second of a column."""
    return (unit or "count") + "/s"


def stands_for(text, value, unit):
    """May this text have been printed for this value in this unit? To within half of its last digit."""
    if text == "" or value is None:
        return text == "" and value is None
    number, factor = parsed(text, unit)
    if number is None:
        return False
    digits, _, exponent = number.partition("e")
    decimals = len(digits.partition(".")[2])
    # Fewer than three digits mean that nothing was rounded away.
    is_whole = not decimals and not exponent and abs(float(number)) < 99
    half = 0.0 if is_whole else 0.5 * 10.0 ** (int(exponent or 0) - decimals) * factor
    return abs(float(number) * factor - value) <= half * (1 + 1e-9) + 1e-12 * abs(value)


def parsed(text, unit):
    """The number in a text, and what to multiply it with for the unit of the column; None if the units differ."""
    found = PRINTED.fullmatch(text)
    if not found:
        return None, None
    number, suffix = found[1], found[2] or ""
    base, is_rate = unit.removesuffix("/s"), unit.endswith("/s")
    if is_rate:
        if not suffix.endswith("/s"):
            return None, None
        suffix = suffix.removesuffix("/s")
    if base not in UNITS:
        # The unit of an event, as it is.
        return (number, 1.0) if suffix == base else (None, None)
    kind, multiple = UNITS[base]
    known = {
        "size": {name: 1024.0**power for name, power in SIZES.items()},
        "time": TIMES,
        "count": PREFIXES,
    }.get(kind, OTHERS)
    return (number, known[suffix] / multiple) if suffix in known else (None, None)
