# SPDX-License-Identifier: MIT OR Apache-2.0
"""What was measured: typed records over the report of the native laboratory, which is kept as it came."""

from __future__ import annotations

import dataclasses
import json
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from psref.errors import Error
from psref.experiment.config import Config
from psref.experiment.decode import decode, require

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

__all__ = ["Latency", "Machine", "Memory", "PlotKind", "Record", "ReportError", "Result", "Sample"]

SCHEMA = 1

PlotKind = Literal["scaling", "per_thread", "latency", "destroy", "memory"]


class ReportError(Error, ValueError):
    """A report that is not one, or of a version that this module does not read."""


@dataclasses.dataclass(frozen=True, slots=True)
class Latency:
    """Percentiles in nanoseconds."""

    p50: float
    p90: float
    p99: float
    p999: float
    max: float


@dataclasses.dataclass(frozen=True, slots=True)
class Memory:
    """Bytes that a strategy spends on holding, apart from the objects themselves."""

    bytes_per_object: float
    bytes_per_hold: float
    bytes_per_cpu: float


@dataclasses.dataclass(frozen=True, slots=True)
class Sample:
    """One round."""

    round: int
    ops: int
    seconds: float
    ops_per_s: float
    """Of all threads together."""
    thread_ops: tuple[int, ...]
    """Operations of each thread: how fair it was."""
    misses: int
    """Look-ups that came while the object was being replaced; pops that found the pool empty."""
    destroys: int
    violations: int


@dataclasses.dataclass(frozen=True, slots=True)
class Record:
    """One strategy with one number of threads, all rounds together.

    An operation is one look-up with hold and release, or one object popped and pushed back. ``ops_per_s`` is the
    median of the rounds, of all threads together; ``ops_low`` and ``ops_high`` are their quartiles. ``lookup_ns`` is
    sampled, so that the clock is not what is measured. ``destroy_ns`` is the time from unlinking an object until it is
    safe to reuse.
    """

    strategy: str
    threads: int
    ops_per_s: float
    ops_per_s_per_thread: float
    ops_low: float
    ops_high: float
    memory: Memory
    safe: bool
    violations: int
    rounds: int
    seconds: float
    samples: tuple[Sample, ...]
    lookup_ns: Latency | None = None
    destroy_ns: Latency | None = None
    destroys: int = 0
    destroys_per_s: float = 0.0


@dataclasses.dataclass(frozen=True, slots=True)
class Machine:
    """Where it was measured."""

    cpu_model: str
    cpus: int
    allowed: int
    nodes: int
    kernel: str
    backend: str
    version: str
    date: str
    why_not_rseq: str | None = None


@dataclasses.dataclass(frozen=True)
class Result:
    """An experiment's outcome: ``records``, one for each strategy and thread count, and where they come from."""

    report: Mapping[str, Any]
    """The native report as it came; what ``save()`` writes."""
    config: Config
    machine: Machine
    records: tuple[Record, ...]
    host: str
    """The machine's node name; empty where the report does not say."""

    @classmethod
    def from_dict(cls, report: Mapping[str, Any]) -> Result:
        """Reads a report of a run, of ``psref-lab --json``, or of ``save()``. Errors: ``ReportError``."""
        try:
            schema = require(report, "schema", "report")
            if schema != SCHEMA:
                raise ValueError(
                    f"report: schema {schema!r} seen, {SCHEMA} expected (a report of another version of psref)"
                )
            rows = require(report, "records", "report")
            return cls(
                report=report,
                config=Config.from_dict(require(report, "config", "report")),
                machine=decode(Machine, require(report, "machine", "report"), "machine"),
                records=tuple(decode(Record, row, f"records[{index}]") for index, row in enumerate(rows)),
                host=str(report.get("host", "")),
            )
        except (ValueError, TypeError) as error:
            raise ReportError(str(error)) from error

    @classmethod
    def from_json(cls, text: str) -> Result:
        """``from_dict()`` of JSON text."""
        try:
            report = json.loads(text)
        except ValueError as error:
            raise ReportError(f"report: not JSON: {error}") from error
        if not isinstance(report, dict):
            raise ReportError(f"report: a JSON object expected, {type(report).__name__} seen")
        return cls.from_dict(report)

    @classmethod
    def from_native(cls, text: str) -> Result:
        """A report of a run on this machine, whose name is added: over a fleet it tells which machine it was."""
        return cls.from_dict({**json.loads(text), "host": platform.node()})

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)

    def __len__(self) -> int:
        return len(self.records)

    @property
    def kind(self) -> str:
        """``"lookup"`` or ``"pool"``."""
        return self.config.kind

    @property
    def safe(self) -> bool:
        """Whether no record saw a held object change or a pool's object with two owners."""
        return all(record.safe for record in self.records)

    @property
    def strategies(self) -> tuple[str, ...]:
        """The names measured, in the order of the report."""
        return tuple(dict.fromkeys(record.strategy for record in self.records))

    @property
    def threads(self) -> tuple[int, ...]:
        """The thread counts measured, ascending."""
        return tuple(sorted({record.threads for record in self.records}))

    @property
    def busy(self) -> int:
        """The highest thread count that leaves a CPU for each thread, else the lowest: what latencies are shown for.

        With more threads than CPUs a latency mostly tells how long a thread was not running.
        """
        return max((count for count in self.threads if count <= self.machine.allowed), default=self.threads[0])

    def of(self, strategy: str) -> tuple[Record, ...]:
        """The records of a strategy by ascending number of threads. Errors: ``KeyError``."""
        found = sorted(
            (record for record in self.records if record.strategy == strategy), key=lambda record: record.threads
        )
        if not found:
            raise KeyError(f"strategy {strategy!r} was not measured; measured were {', '.join(self.strategies)}")
        return tuple(found)

    def to_json(self) -> str:
        """The whole report; ``from_json()`` reads it."""
        return json.dumps(self.report, indent=1)

    def to_pandas(self, samples: bool = False) -> pandas.DataFrame:
        """A row for each record, or with ``samples`` for each round; columns name units. Needs the extra ``plot``."""
        from psref.experiment.frame import record_frame, sample_frame

        return sample_frame([self]) if samples else record_frame([self])

    def plot(self, path: str | Path | None = None, kind: PlotKind = "scaling") -> Figure:
        """A picture, also written to ``path`` (its suffix says how: .png, .svg, .pdf). Needs the extra ``plot``.

        Kinds: ``scaling`` and ``per_thread`` (operations a second against threads, spread of the rounds), ``latency``
        and ``destroy`` (percentiles at ``busy`` threads), ``memory``. Errors: ``ArgumentError``.
        """
        from psref.experiment.plot import plot

        return plot(self, path, kind)

    def save(self, path: str | Path) -> Path:
        """Writes JSON or, for ``.parquet``, Parquet (extra ``lab``): a row for each record, the whole report beside."""
        from psref.experiment.store import save

        return save(self, path)

    def _repr_html_(self) -> str:
        from psref.experiment.fragment import fragment

        return fragment(self)
