# SPDX-License-Identifier: MIT OR Apache-2.0
"""The pictures of the page: medians, with whiskers to the quartiles. The same figures give the same files."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

from page_data import MEMBARRIER, Figures, Spread
from page_emulated import Emulated, Run, ratio

OURS, PEER, SHOWN = "#1b6ca8", "#b0b0b0", "#e3d5a8"
plt.rcParams.update({"svg.hashsalt": "psref", "svg.fonttype": "none", "font.size": 9})
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})

Bar = tuple[str, Spread, str]


def bars(path: Path, title: str, axis: str, rows: list[Bar], *, log: bool = False, line: float | None = None) -> bool:
    """One bar a row, the first on top. Without rows there is no picture, and an old one goes."""
    if not rows:
        path.unlink(missing_ok=True)
        return False
    names, spreads, colours = zip(*rows, strict=True)
    medians = [s.median for s in spreads]
    whiskers = [[max(s.median - s.q1, 0) for s in spreads], [max(s.q3 - s.median, 0) for s in spreads]]
    figure, axes = plt.subplots(figsize=(8, 0.8 + 0.27 * len(rows)))
    axes.barh(range(len(rows)), medians, xerr=whiskers, color=colours, height=0.7, capsize=3, ecolor="#333333")
    axes.set_yticks(range(len(rows)), names)
    axes.invert_yaxis()
    axes.set_xscale("log" if log else "linear")
    axes.set_xlabel(axis)
    axes.set_title(title, loc="left")
    if line is not None:
        axes.axvline(line, color="#333333", linewidth=0.8, linestyle=":")
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)
    return True


def colour(contestant: dict[str, object]) -> str:
    return OURS if contestant["ours"] else PEER if contestant["counted"] else SHOWN


def job(figures: Figures, name: str, title: str, path: Path) -> bool:
    """All ways of one job, with one thread: by call and inline, ours in a colour of their own."""
    rows = [
        (c["name"], spread, colour(c))
        for inline in (False, True)
        for c in figures.doing(name, inline=inline)
        if (spread := figures.ns(c["name"])) is not None
    ]
    floor = figures.ns("floor")
    return bars(path, title, "ns; dotted: two empty calls", rows, line=floor.median if floor else None)


def threads(figures: Figures, count: int, title: str, path: Path) -> bool:
    """What a way costs with more threads, beside itself with one."""
    rows = [
        (c["name"], ratio, colour(c))
        for c in figures.raw["contestants"]
        if c["jobs"] and (ratio := figures.ratio((c["name"], count), (c["name"], 1))) is not None
    ]
    return bars(path, title, "x one thread, processor time of a pair", rows, log=True, line=1)


def destroy(figures: Figures, others: int, title: str, path: Path) -> bool:
    ours = ("psref", "localcount", "gate", "perform")
    rows = [
        (name, spread.over(1e3), OURS if name.startswith(ours) else PEER)
        for name in (d["name"] for d in figures.raw["destroyers"])
        if (spread := figures.ns(name, 1 + others)) is not None
    ]
    return bars(path, title, "us", rows, log=True)


def emulated(machines: Emulated | None, path: Path) -> bool:
    """A line for every wait, over the possible CPUs: all of them online and used, and only as many as at the left."""
    runs = [run for run in machines.timed() if run["used"] > 1] if machines else []
    if machines is None or not runs:
        path.unlink(missing_ok=True)
        return False
    few = runs[0]["online"]
    kinds: list[tuple[str, list[Run]]] = [
        ("-", [run for run in runs if run["used"] == run["online"] == run["possible"]]),
        (":", [run for run in runs if run["used"] == run["online"] == few]),
    ]
    figure, axes = plt.subplots(figsize=(8, 4.5))
    shades = iter(plt.get_cmap("Blues")([0.95, 0.75, 0.6, 0.45]))
    for marker, name in zip("sovD^x", machines.names(), strict=False):
        ours = not name.startswith(("liburcu", MEMBARRIER))
        tint = next(shades, OURS) if ours else PEER if name != MEMBARRIER else "#333333"
        for style, among in kinds:
            told = [(run["possible"], spread) for run in among if (spread := ratio(run, name, "look"))]
            if not told:
                continue
            medians = [s.median for _, s in told]
            whiskers = [[max(s.median - s.q1, 0) for _, s in told], [max(s.q3 - s.median, 0) for _, s in told]]
            label = name if style == "-" else None
            look = {"fmt": marker + style, "color": tint, "label": label, "capsize": 3}
            axes.errorbar([n for n, _ in told], medians, yerr=whiskers, **look)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    ticks = sorted({run["possible"] for run in runs})
    axes.set_xticks(ticks, [str(n) for n in ticks])
    axes.minorticks_off()
    axes.set_xlabel(f"possible CPUs; dotted: {few} of them online and used, else all")
    axes.set_ylabel("looks")
    axes.set_title("Against CPUs, emulated", loc="left")
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)
    return True
