# SPDX-License-Identifier: MIT OR Apache-2.0
"""Results as pandas frames: tidy, one row an observation, every column one quantity in the unit of its name."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from psref.experiment._extras import need
from psref.experiment.result import Record, Result

if TYPE_CHECKING:
    import pandas

__all__ = ["record_frame", "record_rows", "sample_frame"]

# What a sweep varies besides strategy and threads, which every row has already.
_WORKLOAD = ("keys", "zipf", "destroy_rate", "hold_ns", "placement", "seed", "objects", "object_size", "burst")
_PERCENTILES = ("p50", "p90", "p99", "p999", "max")


def record_rows(results: Iterable[Result]) -> list[dict[str, Any]]:
    """One flat mapping for each record."""
    return [{**_whence(result), **_flat(record)} for result in results for record in result.records]


def record_frame(results: Iterable[Result]) -> pandas.DataFrame:
    """One row for each record."""
    frame: pandas.DataFrame = need("pandas", "plot", "to_pandas()").DataFrame(record_rows(results))
    return frame


def sample_frame(results: Iterable[Result]) -> pandas.DataFrame:
    """One row for each round of each record."""
    rows = [
        {
            **_whence(result),
            "strategy": record.strategy,
            "threads": record.threads,
            **dataclasses.asdict(sample),
        }
        for result in results
        for record in result.records
        for sample in record.samples
    ]
    frame: pandas.DataFrame = need("pandas", "plot", "to_pandas()").DataFrame(rows)
    return frame


def _whence(result: Result) -> dict[str, Any]:
    return {
        "host": result.host,
        "backend": result.machine.backend,
        "kind": result.kind,
        **{name: getattr(result.config, name) for name in _WORKLOAD},
    }


def _flat(record: Record) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        if field.name == "samples":
            continue
        if field.name in ("lookup_ns", "destroy_ns"):
            # The columns exist also where nothing was destroyed, so that frames of several runs fit together.
            row.update({f"{field.name}_{name}": getattr(value, name, None) for name in _PERCENTILES})
        elif field.name == "memory":
            row.update(dataclasses.asdict(value))
        else:
            row[field.name] = value
    return row
