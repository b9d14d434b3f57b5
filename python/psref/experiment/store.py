# SPDX-License-Identifier: MIT OR Apache-2.0
"""Results in files. JSON is the report itself; Parquet adds columns for others and keeps the report in its metadata."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from psref.errors import ArgumentError
from psref.experiment._extras import need
from psref.experiment.frame import record_rows
from psref.experiment.result import ReportError, Result

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["load", "save", "write_whole"]

_KEY = b"psref.report"


def save(result: Result, path: str | Path) -> Path:
    """Writes ``result``; the file appears whole or not at all. Errors: ``ArgumentError`` for a suffix, ``OSError``."""
    path = Path(path)
    match path.suffix:
        case ".json":
            write_whole(path, lambda part: part.write_text(result.to_json() + "\n", encoding="utf-8"))
        case ".parquet":
            _save_parquet(result, path)
        case suffix:
            raise ArgumentError(f"{path}: expected a name ending in .json or .parquet, got {suffix!r}")
    return path


def load(path: str | Path) -> Result:
    """Reads what ``save()`` or ``psref-lab --json`` wrote. Errors: ``ReportError``, ``ArgumentError``, ``OSError``."""
    path = Path(path)
    match path.suffix:
        case ".json":
            text = path.read_bytes()
        case ".parquet":
            parquet = need("pyarrow.parquet", "lab", "reading Parquet")
            metadata: dict[bytes, bytes] = parquet.read_schema(path).metadata or {}
            if _KEY not in metadata:
                raise ReportError(f"{path}: Parquet, but not written by psref (no {_KEY.decode()} in its metadata)")
            text = metadata[_KEY]
        case suffix:
            raise ArgumentError(f"{path}: expected a name ending in .json or .parquet, got {suffix!r}")
    try:
        return Result.from_json(text.decode())
    except ValueError as error:
        raise ReportError(f"{path}: {error}") from error


def _save_parquet(result: Result, path: Path) -> None:
    arrow = need("pyarrow", "lab", "writing Parquet")
    parquet = need("pyarrow.parquet", "lab", "writing Parquet")
    table = arrow.Table.from_pylist(record_rows([result]))
    table = table.replace_schema_metadata({_KEY: result.to_json().encode()})
    write_whole(path, lambda part: parquet.write_table(table, part))


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Lets ``write`` fill a file beside ``path`` and moves it there, so that nobody sees half of it."""
    part = path.with_name(f".{path.stem}-{uuid.uuid4().hex}{path.suffix}")
    try:
        write(part)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
