"""Draws verdicts.svg: three comparisons, with the runs of both sides and the interval of the change (Welch's t test on
logarithms, as in COMPARING.md). Needs matplotlib and SciPy.

    python docs/pictures/verdicts.py
"""

from pathlib import Path

import matplotlib
import numpy as np
from scipy import stats

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "verdicts"
matplotlib.rcParams["svg.fonttype"] = "none"
matplotlib.rcParams["font.family"] = "sans-serif"
import matplotlib.pyplot as plt

BASE = np.array([0.652, 0.671, 0.640, 0.664, 0.658])
CASES = [
    ("regressed", np.array([0.742, 0.719, 0.733, 0.760, 0.725]), "slower by more than 5 %, and not by chance"),
    ("unchanged", np.array([0.661, 0.648, 0.669, 0.655, 0.666]), "the 90 % interval lies within ±5 %"),
    ("inconclusive", np.array([0.655, 0.748, 0.641, 0.731, 0.668]), "this spread allows both: more runs are needed"),
]
MATTERS = 5

figure, axes = plt.subplots(len(CASES), 2, figsize=(9, 4.6), sharex="col", gridspec_kw={"wspace": 0.08})
for row, (verdict, new, why) in zip(axes, CASES):
    runs, change = row
    for at, name, values, colour in [(1, "base", BASE, "#777777"), (0, "new", new, "#1f6fb4")]:
        runs.plot(values, np.full(len(values), at), "o", color=colour, alpha=0.7)
        runs.plot(values.mean(), at, "|", color=colour, markersize=18)
    runs.set_yticks([1, 0], ["base", "new"])
    runs.set_ylim(-0.6, 1.6)
    runs.grid(axis="x", alpha=0.3)

    test = stats.ttest_ind(np.log(new), np.log(BASE), equal_var=False)
    percent = lambda log: (np.exp(log) - 1) * 100
    difference = percent(np.log(new).mean() - np.log(BASE).mean())
    change.axvspan(-MATTERS, MATTERS, color="#999999", alpha=0.18, lw=0)
    change.axvline(0, color="black", lw=0.7)
    # The thin line has a confidence of 95 %, the thick one of 90 %.
    for confidence, width in [(0.95, 1.2), (0.90, 4)]:
        interval = test.confidence_interval(confidence)
        change.plot([percent(interval.low), percent(interval.high)], [0, 0], color="#1f6fb4", lw=width, solid_capstyle="butt")
    change.plot(difference, 0, "o", color="#1f6fb4")
    change.set_ylim(-1, 1.2)
    change.set_yticks([])
    change.text(-13.5, 0.62, verdict, fontweight="bold")
    change.text(-13.5, -0.85, why, fontsize=9)
axes[0][0].set_title("the runs, their mean", fontsize=10)
axes[0][1].set_title("the change, its 90 % and 95 % intervals; grey: does not matter", fontsize=10)
axes[-1][0].set_xlabel("wall time, s")
axes[-1][1].set_xlabel("change, %")
axes[-1][1].set_xlim(-14, 20)
target = Path(__file__).with_suffix(".svg")
figure.savefig(target, bbox_inches="tight", facecolor="white", metadata={"Date": None})
