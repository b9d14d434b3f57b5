# SPDX-License-Identifier: MIT OR Apache-2.0
"""One experiment, here and now."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

from psref import _native
from psref.experiment import progress as _progress
from psref.experiment.config import Config
from psref.experiment.result import Result

__all__ = ["Strategy", "run", "run_config", "strategies"]


class Strategy(NamedTuple):
    """A way of holding onto things, or of keeping a stock, that can be measured."""

    name: str
    kind: str
    says: str


def strategies(kind: str | None = None) -> tuple[Strategy, ...]:
    """All that can be measured, in the order of the talk; of one kind (``"lookup"``, ``"pool"``) or of all."""
    known = (Strategy(item["name"], item["kind"], item["says"]) for item in json.loads(_native.strategies()))
    return tuple(strategy for strategy in known if kind is None or strategy.kind == kind)


def run(
    strategies: str | Sequence[str] | None = None,
    threads: int | Sequence[int] | None = None,
    seconds: float | None = None,
    *,
    kind: str = "lookup",
    rounds: int | None = None,
    keys: int | None = None,
    zipf: float | None = None,
    destroy_rate: float | None = None,
    hold_ns: int | None = None,
    placement: str | None = None,
    seed: int | None = None,
    objects: int | None = None,
    object_size: int | None = None,
    burst: int | None = None,
    progress: bool | None = None,
) -> Result:
    """Measures strategies natively, with no Python in the loop, and returns one record for each and each thread count.

    Arguments as in ``Config``; what is left out has the native default, which the result's ``config`` shows.
    ``seconds`` is for each strategy, all its thread counts together. ``progress``: a bar or none; None shows one on a
    terminal and in a notebook.

    The GIL is released meanwhile. Ctrl-C stops all threads of the run and raises ``KeyboardInterrupt``; nothing is
    kept. Errors: ``ConfigError`` (a ``ValueError``) names the field, what was seen and what is allowed, before
    anything ran.
    """
    config = Config(
        kind=kind,
        strategies=strategies,
        threads=threads,
        seconds=seconds,
        rounds=rounds,
        keys=keys,
        zipf=zipf,
        destroy_rate=destroy_rate,
        hold_ns=hold_ns,
        placement=placement,
        seed=seed,
        objects=objects,
        object_size=object_size,
        burst=burst,
    )
    return run_config(config, progress)


def run_config(config: Config, progress: bool | None = False) -> Result:
    """``run()`` of a ``Config``: a function of the module, so that an executor can send it elsewhere."""
    with _progress.bar(_progress.wanted(progress), f"measuring {config.kind}") as update:
        return Result.from_native(_native.run_experiment(config.to_json(), _progress.watcher(update)))
