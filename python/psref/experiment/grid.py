# SPDX-License-Identifier: MIT OR Apache-2.0
"""Many experiments, here or over a fleet.

Measurements disturb each other: give an executor one worker a machine. See docs/experiments.md for dask and MPI.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, as_completed
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psref.errors import ConfigError, Error
from psref.experiment import progress as _progress
from psref.experiment.config import Config
from psref.experiment.result import Result
from psref.experiment.runner import run_config

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

__all__ = ["Sweep", "SweepError", "grid_configs", "sweep"]

Outcome = Result | BaseException


@dataclasses.dataclass(frozen=True)
class Sweep:
    """The results of a sweep, in the order of its configurations."""

    results: tuple[Result, ...]

    def __iter__(self) -> Iterator[Result]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)

    def __getitem__(self, index: int) -> Result:
        return self.results[index]

    @property
    def safe(self) -> bool:
        """Whether every run was."""
        return all(result.safe for result in self.results)

    def to_pandas(self, samples: bool = False) -> pandas.DataFrame:
        """All results in one frame; the workload's columns and ``host`` tell them apart. Needs the extra ``plot``."""
        from psref.experiment.frame import record_frame, sample_frame

        return sample_frame(self.results) if samples else record_frame(self.results)

    def plot(self, path: str | Path | None = None, *, x: str, y: str = "ops_per_s") -> Figure:
        """``y`` against ``x``, columns of ``to_pandas()``; a line for each strategy, at the highest number of threads.

        Needs the extra ``plot``. Errors: ``ArgumentError`` for a column that there is not.
        """
        from psref.experiment.plot import plot_sweep

        return plot_sweep(self.results, path, x, y)


class SweepError(Error):
    """Some runs of a sweep failed. ``done`` has the others' results, ``failures`` what failed and why."""

    def __init__(self, done: Sweep, failures: Sequence[tuple[Config, BaseException]]) -> None:
        self.done = done
        self.failures = tuple(failures)
        config, why = self.failures[0]
        super().__init__(
            f"{len(self.failures)} of {len(done) + len(self.failures)} runs failed, the first, {config.to_json()}, by "
            f"{type(why).__name__}: {why}"
        )

    def __reduce__(self) -> tuple[type[SweepError], tuple[Any, ...]]:
        return SweepError, (self.done, self.failures)


def grid_configs(grid: Mapping[str, Iterable[Any]], **common: Any) -> tuple[Config, ...]:
    """The configurations of a grid: every combination of its values, over ``common``. Errors: ``ConfigError``."""
    known = Config.field_names()
    for field in (*grid, *common):
        if field not in known:
            raise ConfigError(f"{field}: no field of a configuration; known are {', '.join(known)}")
    if twice := sorted(set(grid) & set(common)):
        raise ConfigError(f"{twice[0]}: both in the grid and fixed")
    values: list[tuple[Any, ...]] = []
    for field, column in grid.items():
        if isinstance(column, str) or not isinstance(column, Iterable):
            raise ConfigError(f"{field}: expected a list of values, got {column!r}")
        values.append(tuple(column))
        if not values[-1]:
            raise ConfigError(f"{field}: an empty list, so there is nothing to run")
    return tuple(Config(**common, **dict(zip(grid, point))) for point in itertools.product(*values))


def sweep(
    grid: Mapping[str, Iterable[Any]] | Iterable[Config],
    executor: Executor | None = None,
    *,
    each: Callable[[Result], object] | None = None,
    progress: bool | None = None,
    **common: Any,
) -> Sweep:
    """Runs every combination of a grid's values, such as ``{"destroy_rate": [0, 100], "threads": [1, 2, [1, 2]]}``.

    ``grid`` maps fields of ``Config`` to lists of values; ``common`` fixes others. Or it is a sequence of ``Config``.
    ``executor``: any ``concurrent.futures.Executor``; None runs one after the other in this process. Results keep the
    grid's order.

    ``each`` is called here with every result as it comes, in any order: to save it, so that a long sweep loses nothing.

    Ctrl-C cancels what has not begun. Errors: ``ConfigError`` for the grid; ``SweepError`` once all have ended and
    some failed.
    """
    if isinstance(grid, Mapping):
        configs = grid_configs(grid, **common)
    elif common:
        raise ConfigError(f"{next(iter(common))}: fixed fields go with a grid, not with a list of configurations")
    else:
        configs = tuple(grid)
    with _progress.bar(_progress.wanted(progress), "sweep") as update:
        ended = 0

        def one_more(outcome: Outcome) -> None:
            nonlocal ended
            ended += 1
            update(ended / len(configs), f"{ended} of {len(configs)} runs")
            if each is not None and isinstance(outcome, Result):
                each(outcome)

        outcomes = _here(configs, one_more) if executor is None else _there(configs, executor, one_more)
    done = Sweep(tuple(outcome for outcome in outcomes if isinstance(outcome, Result)))
    failures = [(config, outcome) for config, outcome in zip(configs, outcomes) if not isinstance(outcome, Result)]
    if failures:
        raise SweepError(done, failures) from failures[0][1]
    return done


def _here(configs: Sequence[Config], ended: Callable[[Outcome], None]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for config in configs:
        try:
            outcomes.append(run_config(config))
        except Exception as error:
            outcomes.append(error)
        ended(outcomes[-1])
    return outcomes


def _there(configs: Sequence[Config], executor: Executor, ended: Callable[[Outcome], None]) -> list[Outcome]:
    futures: list[Future[Result]] = []
    try:
        futures.extend(executor.submit(run_config, config) for config in configs)
        for future in as_completed(futures):
            ended(_outcome(future))
    except BaseException:
        for future in futures:
            future.cancel()
        raise
    return [_outcome(future) for future in futures]


def _outcome(future: Future[Result]) -> Outcome:
    return future.exception() or future.result()
