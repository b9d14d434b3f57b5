# SPDX-License-Identifier: MIT OR Apache-2.0
"""The report: one HTML file that needs no other, with the curves, what they mean, and the figures behind them."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from psref.errors import ArgumentError
from psref.experiment.fragment import machine_line, table
from psref.experiment.quantity import count
from psref.experiment.store import write_whole

if TYPE_CHECKING:
    from psref.experiment.result import PlotKind, Result

__all__ = ["check_suffix", "report"]

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 66rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
figure { margin: 1.5rem 0 } figure img { width: 100%; height: auto } figcaption { color: #444 }
div.wide { overflow-x: auto } table { border-collapse: collapse; font-size: .8rem }
td, th { padding: .2rem .5rem; text-align: right; border-bottom: 1px solid #ddd; white-space: nowrap }
td:first-child, th:first-child { text-align: left } .unsafe { color: #b00; font-weight: bold }
"""

_FIGURES: dict[str, tuple[tuple[PlotKind, str, str], ...]] = {
    "lookup": (
        (
            "scaling",
            "Does it scale?",
            "Operations of all threads together; higher is better. A line that rises with the threads scales. One "
            "that is flat or falls is a cache line, or a lock, that all threads write: more CPUs only wait for each "
            "other. Right of the dotted line there are more threads than CPUs, so nothing can rise much further.",
        ),
        (
            "per_thread",
            "What is left for each thread?",
            "The same, divided by the number of threads. A strategy whose users write nothing shared stays level "
            "until the CPUs run out.",
        ),
        (
            "latency",
            "How long does a look-up take, and how long does a bad one?",
            "From the beginning of a look-up until the object is held; further left is better. The median is at the "
            "bottom, the slowest that was sampled at the top. Long tails come from waiting for a lock whose owner was "
            "preempted. Shown with as many threads as have a CPU each: with more, one sees the time without a CPU.",
        ),
        (
            "destroy",
            "What does destroying cost?",
            "From unlinking an object until its memory may be used again; further left is better. Here the bill is "
            "paid: pserialize, psref and localcount interrupt every CPU and look, so that those who look objects up "
            "need not write anything shared.",
        ),
        (
            "memory",
            "What does it take in memory?",
            "Beside the objects and the table. A localcount pays for every object on every CPU, so it is for dozens "
            "of objects; a passive reference pays for every CPU and every hold, so it is for tens of thousands.",
        ),
    ),
    "pool": (
        (
            "scaling",
            "Does it scale?",
            "Objects popped and pushed back a second by all threads; higher is better. A pool with a stock for each "
            "CPU rises with the threads, one list or ring that all write does not.",
        ),
        (
            "per_thread",
            "What is left for each thread?",
            "The same, divided by the number of threads; level is perfect.",
        ),
        ("latency", "How long does a pop take?", "Further left is better; the median is at the bottom."),
        ("memory", "What does it take in memory?", "Beside the objects themselves."),
    ),
}


def report(results: Result | Sequence[Result], path: str | Path) -> Path:
    """Writes one HTML file with curves, explanations, table, machine and raw figures of one or more results.

    Needs the extra ``plot``. Errors: ``ArgumentError`` for a name that does not end in .html, ``OSError``.
    """
    path = check_suffix(Path(path))
    several = [results] if not isinstance(results, Sequence) else list(results)
    if not several:
        raise ArgumentError("results: an empty list, expected at least one result")
    sections = "".join(_section(result, number) for number, result in enumerate(several))
    page = (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Holding onto things</title>'
        f"<style>{_STYLE}</style></head><body><h1>Holding onto things</h1>"
        "<p>A thread that found an object in a shared table has to keep it from being destroyed while it uses it. "
        "There are many ways to "
        "do that. Each was measured here doing the whole job: look up, hold, let go, while another thread destroys "
        "and replaces objects. "
        "Meanwhile each was watched: a held object must never change.</p>"
        f"{sections}</body></html>\n"
    )
    write_whole(path, lambda part: part.write_text(page, encoding="utf-8"))
    return path


def check_suffix(path: Path) -> Path:
    """``path``, or an ``ArgumentError`` where it is no name of a page."""
    if path.suffix not in (".html", ".htm"):
        raise ArgumentError(f"{path}: expected a name ending in .html, got {path.suffix!r}")
    return path


def _section(result: Result, number: int) -> str:
    from psref.experiment.plot import to_svg

    title = "Looking up and holding" if result.kind == "lookup" else "Taking from a stock and giving back"
    figures = ""
    for kind, heading, meaning in _FIGURES[result.kind]:
        # As images, not as elements: two SVGs in one page would share their ids.
        data = base64.b64encode(to_svg(result.plot(kind=kind))).decode()
        figures += (
            f'<h3>{escape(heading)}</h3><figure><img alt="{escape(heading)} {kind} by strategy; figures below" '
            f'src="data:image/svg+xml;base64,{data}"><figcaption>{escape(meaning)}</figcaption></figure>'
        )
    # In a script element only "</" could end the data early.
    raw = json.dumps(result.report).replace("</", "<\\/")
    return (
        f"<h2>{title}</h2><p>{_verdict(result)}</p><p>{machine_line(result)}</p>{figures}"
        f'<h3>All figures</h3><div class="wide">{table(result)}</div>'
        "<p>Operations are of all threads; the spread is that of the rounds, from the lower to the upper quartile.</p>"
        f'<script type="application/json" id="report-{number}">{raw}</script>'
    )


def _verdict(result: Result) -> str:
    most = result.busy
    ranked = sorted((record for record in result if record.threads == most), key=lambda record: -record.ops_per_s)
    best, worst = ranked[0], ranked[-1]
    threads = "1 thread" if most == 1 else f"{most} threads"
    text = f"With {threads}, {escape(best.strategy)} came first with {count(best.ops_per_s)} operations a second"
    if worst is not best:
        text += f", {best.ops_per_s / worst.ops_per_s:.1f} times as many as {escape(worst.strategy)}"
    if result.safe:
        return f"{text}. Every run was safe."
    names = ", ".join(dict.fromkeys(escape(record.strategy) for record in result if not record.safe))
    return f'{text}. <span class="unsafe">Not safe: {names}.</span> What is unsafe must not be compared.'
