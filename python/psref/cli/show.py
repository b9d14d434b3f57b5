# SPDX-License-Identifier: MIT OR Apache-2.0
"""What a terminal shows. A pipe gets the same, as wide as it needs, without colours."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from psref.experiment import quantity

if TYPE_CHECKING:
    from psref.experiment import Result

__all__ = ["table", "topology"]

# What fits into 80 columns and answers most questions.
_NARROW = ("strategy", "threads", "ops/s", "spread", "look-up p99.9", "pop p99.9", "destroy p50", "safe")
_WIDE_FROM = 140
_PIPE = 200


def table(result: Result) -> None:
    """The result's records; on a narrow terminal only the most wanted columns."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    columns, rows = quantity.table(result)
    # A user's COLUMNS counts also in a pipe.
    console = Console() if sys.stdout.isatty() or os.environ.get("COLUMNS") else Console(width=_PIPE)
    shown = [index for index, name in enumerate(columns) if console.width >= _WIDE_FROM or name in _NARROW]
    view = Table(
        box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, caption=_where(result), caption_justify="left"
    )
    for index in shown:
        view.add_column(columns[index], justify="left" if index == 0 else "right", no_wrap=True)
    previous = None
    for cells, record in zip(rows, result.records):
        if previous not in (None, record.strategy):
            view.add_section()
        previous = record.strategy
        view.add_row(*(cells[index] for index in shown), style=None if record.safe else "bold red")
    console.print(view)


def topology(facts: dict[str, Any]) -> None:
    """Plain lines: nothing has to be installed for them."""
    why = f" ({facts['why_not_rseq']})" if facts["why_not_rseq"] else ""
    print(f"back end: {facts['backend']}{why}")
    print(f"CPUs:     {facts['cpus']} possible")
    for node, cpus in sorted(facts["nodes"].items()):
        print(f"node {node}:   CPUs {_ranges(cpus)}")
    print(f"source:   {facts['source']}")


def _ranges(numbers: list[int]) -> str:
    # As the kernel writes them: 0-3,8.
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def _where(result: Result) -> str:
    machine, config = result.machine, result.config
    return (
        f"{machine.cpu_model or 'unknown CPU'}, {machine.allowed} CPUs, Linux {machine.kernel}, {machine.backend} "
        "back end; "
        f"{config.rounds} rounds, placement {config.placement}, seed {config.seed}"
    )
