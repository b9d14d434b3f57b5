# SPDX-License-Identifier: MIT OR Apache-2.0
"""The figures that `bench --json` wrote: series by name and number of threads, spreads, ratios taken round by round.

A figure that is not there (a series that was left out, a round without it, a spread that is null) is None everywhere,
and "–" on the page.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FLOOR = "floor"
MEMBARRIER = "membarrier"
NOTHING = "–"


@dataclass(frozen=True)
class Spread:
    """A median between its quartiles."""

    q1: float
    median: float
    q3: float

    def over(self, unit: float) -> Spread:
        return Spread(self.q1 / unit, self.median / unit, self.q3 / unit)

    def __str__(self) -> str:
        return f"{number(self.median)} [{number(self.q1)}, {number(self.q3)}]"


def number(value: float) -> str:
    """Three digits or more, and two places at most."""
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}" if abs(value) < 1000 else f"{value:,.0f}"


def show(value: object) -> str:
    if value is None:
        return NOTHING
    return number(value) if isinstance(value, float) else str(value)


def table(head: list[str], rows: Iterable[list[object]]) -> list[str]:
    lines = ["| " + " | ".join(head) + " |", "|---" + "|---:" * (len(head) - 1) + "|"]
    return [*lines, *("| " + " | ".join(show(cell) for cell in row) + " |" for row in rows), ""]


def spread_of(raw: dict[str, float | None] | None) -> Spread | None:
    """Of the JSON's own; None if any part of it is missing."""
    if raw is None:
        return None
    parts = [raw.get(part) for part in ("q1", "median", "q3")]
    if any(part is None for part in parts):
        return None
    return Spread(*(float(part) for part in parts if part is not None))


def spread_over(values: list[float]) -> Spread | None:
    if not values:
        return None
    if len(values) == 1:
        return Spread(values[0], values[0], values[0])
    q1, median, q3 = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(q1, median, q3)


class Figures:
    """One run."""

    def __init__(self, raw: dict[str, Any]) -> None:
        self.raw = raw
        self.facts: dict[str, Any] = raw["facts"]
        self._series = {(s["name"], s["threads"]): s for s in raw["series"]}

    @classmethod
    def read(cls, path: Path) -> Figures:
        with path.open(encoding="utf-8") as file:
            return cls(json.load(file))

    def series(self, name: str, threads: int = 1) -> dict[str, Any] | None:
        return self._series.get((name, threads))

    def ns(self, name: str, threads: int = 1) -> Spread | None:
        series = self.series(name, threads)
        return spread_of(series.get("ns")) if series else None

    def quantile(self, name: str, threads: int, which: str) -> float | None:
        series = self.series(name, threads)
        value = series.get(which) if series else None
        return None if value is None else float(value)

    def samples(self, name: str, threads: int) -> int:
        series = self.series(name, threads)
        return int(series.get("samples", 0)) if series else 0

    def ratio(self, over: tuple[str, int], under: tuple[str, int]) -> Spread | None:
        """Within each round: what slowed all of it down is in neither."""
        a, b = self.series(*over), self.series(*under)
        if a is None or b is None:
            return None
        rounds = zip(a.get("rounds_ns", []), b.get("rounds_ns", []), strict=False)
        return spread_over([x / y for x, y in rounds if x is not None and y])

    def rounds(self) -> int:
        return max((len(s.get("rounds_ns", [])) for s in self.raw["series"]), default=0)

    def many_threads(self) -> int:
        """More than CPUs: the most that any way of holding was measured with."""
        names = {c["name"] for c in self.raw["contestants"]}
        return max((threads for name, threads in self._series if name in names), default=1)

    def doing(self, job: str, *, inline: bool, ours: bool | None = None) -> list[dict[str, Any]]:
        """Ways of one job that were measured, in the order of the benchmark's own table."""
        return [
            c
            for c in self.raw["contestants"]
            if job in c["jobs"] and c["inline"] == inline and ours in (None, c["ours"]) and self.ns(c["name"])
        ]

    def crowds(self) -> list[int]:
        """How many others ran while something was destroyed."""
        names = {d["name"] for d in self.raw["destroyers"]}
        return sorted({threads - 1 for name, threads in self._series if name in names})
