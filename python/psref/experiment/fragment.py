# SPDX-License-Identifier: MIT OR Apache-2.0
"""A result as HTML: its table and where it was measured. Notebooks show it; the report page is made of such pieces."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from psref.experiment import quantity

if TYPE_CHECKING:
    from psref.experiment.result import Result

__all__ = ["fragment", "machine_line", "table"]


def fragment(result: Result) -> str:
    """What a notebook shows for a ``Result``."""
    return f"<div>{table(result)}<p><small>{machine_line(result)}</small></p></div>"


def machine_line(result: Result) -> str:
    """The machine in a sentence, escaped."""
    machine = result.machine
    why = f" ({machine.why_not_rseq})" if machine.why_not_rseq else ""
    host = f"{result.host}: " if result.host else ""
    return escape(
        f"{host}{machine.cpu_model or 'unknown CPU'}, {machine.allowed} of {machine.cpus} CPUs usable, "
        f"{machine.nodes} NUMA "
        f"{'node' if machine.nodes == 1 else 'nodes'}, Linux {machine.kernel}, psref {machine.version} on the "
        f"{machine.backend} "
        f"back end{why}, {machine.date}"
    )


def table(result: Result) -> str:
    """A row for each record."""
    columns, rows = quantity.table(result)
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join(_row(cells, unsafe=not record.safe) for cells, record in zip(rows, result.records))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _row(cells: tuple[str, ...], unsafe: bool) -> str:
    style = ' style="background:#fdd;font-weight:bold"' if unsafe else ""
    return f"<tr{style}>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
