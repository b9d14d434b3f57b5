# SPDX-License-Identifier: MIT OR Apache-2.0
"""Figures as people read them, and the table that terminal, notebook and report share."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from psref.experiment.result import Record, Result

__all__ = ["COLUMNS", "count", "nanoseconds", "table"]

COLUMNS = (
    "strategy",
    "threads",
    "ops/s",
    "spread",
    "per thread",
    "look-up p50",
    "look-up p99.9",
    "destroy p50",
    "destroy p99.9",
    "bytes/object",
    "bytes/hold",
    "bytes/CPU",
    "safe",
)


def table(result: Result) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Headings and rows, a row for each record."""
    columns = COLUMNS if result.kind == "lookup" else tuple(column.replace("look-up", "pop") for column in COLUMNS)
    return columns, [_row(record) for record in result.records]


def _row(record: Record) -> tuple[str, ...]:
    lookup, destroy, memory = record.lookup_ns, record.destroy_ns, record.memory
    return (
        record.strategy,
        str(record.threads),
        count(record.ops_per_s),
        f"{count(record.ops_low)}–{count(record.ops_high)}",
        count(record.ops_per_s_per_thread),
        nanoseconds(lookup.p50) if lookup else "-",
        nanoseconds(lookup.p999) if lookup else "-",
        nanoseconds(destroy.p50) if destroy else "-",
        nanoseconds(destroy.p999) if destroy else "-",
        f"{memory.bytes_per_object:g}",
        f"{memory.bytes_per_hold:g}",
        f"{memory.bytes_per_cpu:g}",
        "yes" if record.safe else f"NO ({record.violations})",
    )


def count(value: float) -> str:
    """With three digits and k, M or G."""
    return _scaled(value, ((1e9, " G"), (1e6, " M"), (1e3, " k"), (1, "")))


def nanoseconds(value: float) -> str:
    """A time, in the unit that fits."""
    return _scaled(value, ((1e9, " s"), (1e6, " ms"), (1e3, " µs"), (1, " ns")))


def _scaled(value: float, units: tuple[tuple[float, str], ...]) -> str:
    # 999.7 rounds to 1000: it belongs to the next unit.
    factor, unit = next((pair for pair in units if abs(value) >= 0.9995 * pair[0]), units[-1])
    scaled = value / factor
    digits = 0 if abs(scaled) >= 99.95 else 1 if abs(scaled) >= 9.995 else 2
    return f"{scaled:.{digits}f}{unit}"
