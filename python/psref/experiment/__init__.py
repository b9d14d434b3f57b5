# SPDX-License-Identifier: MIT OR Apache-2.0
"""A laboratory for holding onto things: every strategy of the 2017 talk, and pools, measured natively.

>>> from psref import experiment
>>> result = experiment.run(["psref", "atomic"], threads=[1, 2], seconds=0.1)
>>> [(record.strategy, record.threads, record.safe) for record in result]
[('psref', 1, True), ('psref', 2, True), ('atomic', 1, True), ('atomic', 2, True)]

``result.to_pandas()`` is a frame, ``result.plot("scaling.png")`` a picture, ``result.save("result.json")`` a file that
``load()`` reads. ``sweep()`` runs a grid of experiments on any ``concurrent.futures.Executor``.
"""

from psref.experiment.config import Config
from psref.experiment.grid import Sweep, SweepError, sweep
from psref.experiment.page import report
from psref.experiment.result import Latency, Machine, Memory, PlotKind, Record, ReportError, Result, Sample
from psref.experiment.runner import Strategy, run, run_config, strategies
from psref.experiment.store import load

__all__ = [
    "Config",
    "Latency",
    "Machine",
    "Memory",
    "PlotKind",
    "Record",
    "ReportError",
    "Result",
    "Sample",
    "Strategy",
    "Sweep",
    "SweepError",
    "load",
    "report",
    "run",
    "run_config",
    "strategies",
    "sweep",
]
