# SPDX-License-Identifier: MIT OR Apache-2.0
"""Experiments run for real, here and through executors, also a dask cluster of processes."""

from __future__ import annotations

import io
import json
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from typing import Any

import experiment_data as data
import pytest

import psref
from psref import experiment
from psref.experiment import Config, Result, SweepError, run, strategies, sweep
from psref.experiment.progress import bar, wanted

SHORT: dict[str, Any] = {"seconds": 0.02, "rounds": 2}
GRID: dict[str, Any] = {"destroy_rate": [0, 1000], "strategies": ["psref", "atomic"], "threads": [[1, 2]]}
POINTS = [(rate, name, n) for rate in (0, 1000) for name in ("psref", "atomic") for n in (1, 2)]


def points(swept: experiment.Sweep) -> list[tuple[float | None, str, int]]:
    return [(result.config.destroy_rate, r.strategy, r.threads) for result in swept for r in result]


def test_the_strategies_are_those_of_the_talk_and_the_pools() -> None:
    assert [s.name for s in strategies("lookup")] == [
        "serial", "lock", "hashed", "atomic", "rwlock", "pserialize", "psref", "localcount",
    ]  # fmt: skip
    assert {s.name for s in strategies("pool")} == {"objpool", "ring", "malloc", "freelist", "arrayqueue"}
    assert strategies() == strategies("lookup") + strategies("pool")
    assert all(s.says for s in strategies())


def test_a_run_gives_a_safe_record_for_each_strategy_and_thread_count() -> None:
    result = run(["psref", "atomic"], threads=[1, 2], keys=50, destroy_rate=2000, **SHORT)
    assert sorted((r.strategy, r.threads) for r in result) == [("atomic", 1), ("atomic", 2), ("psref", 1), ("psref", 2)]
    assert result.safe and result.config.keys == 50 and result.config.placement == "compact"
    for record in result:
        assert record.ops_low <= record.ops_per_s <= record.ops_high
        assert record.ops_per_s_per_thread == pytest.approx(record.ops_per_s / record.threads)
        assert len(record.samples) == record.rounds == 2
        for sample in record.samples:
            assert sample.ops_per_s == pytest.approx(sample.ops / sample.seconds)
            assert sum(sample.thread_ops) == sample.ops
        assert (
            record.lookup_ns is not None and 0 <= record.lookup_ns.p50 <= record.lookup_ns.p999 <= record.lookup_ns.max
        )
    assert result.machine.backend == psref.backend() and result.machine.version == psref.__version__


def test_a_pool_run_measures_pools() -> None:
    result = run("objpool", 2, kind="pool", objects=64, **SHORT)
    assert (result.kind, result.strategies, result.threads, result.safe) == ("pool", ("objpool",), (2,), True)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"threads": -1}, r"threads\[0\]: saw -1, allowed is a whole number from 1 to"),
        ({"threads": 0}, r"threads\[0\]: saw 0, allowed"),
        ({"threads": [2, 2]}, r"threads\[1\]: saw 2 again"),
        ({"strategies": "hope"}, r'strategies\[0\]: saw "hope", allowed is for kind "lookup" one of serial, lock, '),
        ({"placement": "moon"}, "placement: .*moon.*compact"),
        ({"kind": "zoo"}, "kind: .*zoo.*lookup"),
        ({"seconds": 0}, "seconds: saw 0, allowed"),
        ({"keys": 0}, "keys: saw 0, allowed"),
        ({"zipf": -1}, "zipf: saw -1, allowed"),
        ({"destroy_rate": -0.5}, "destroy_rate: saw -0.5, allowed"),
        ({"hold_ns": -1}, "hold_ns: saw -1, allowed"),
        ({"seed": 2**70}, "seed: "),
        ({"rounds": 0}, "rounds: saw 0, allowed"),
        ({"kind": "pool", "objects": 4, "burst": 5}, "burst: saw 5, allowed is a whole number from 1 to 4"),
    ],
)
def test_a_wrong_experiment_is_a_value_error_that_names_the_field(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(psref.ConfigError, match=message) as caught:
        run(**wrong)
    assert isinstance(caught.value, ValueError) and isinstance(caught.value, psref.Error)


def test_an_exception_in_the_progress_stops_the_run_and_comes_out(monkeypatch: pytest.MonkeyPatch) -> None:
    class Enough(Exception):
        pass

    def watcher(update: object) -> Any:
        def watch(text: str) -> bool:
            raise Enough(text)

        return watch

    monkeypatch.setattr("psref.experiment.progress.watcher", watcher)
    with pytest.raises(Enough):
        run("psref", 1, seconds=1000)


def test_ctrl_c_stops_a_run_that_shows_no_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    def watcher(update: object) -> Any:
        def watch(text: str) -> bool:
            signal.raise_signal(signal.SIGINT)
            return True

        return watch

    monkeypatch.setattr("psref.experiment.progress.watcher", watcher)
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        run("psref", 2, seconds=1000)
    assert threading.active_count() == before
    monkeypatch.undo()
    assert run("psref", 1, **SHORT).safe, "the next run works"


def test_progress_is_told_share_and_strategy(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, Any]] = []

    def watcher(update: object) -> Any:
        def watch(text: str) -> bool:
            seen.append(json.loads(text))
            return True

        return watch

    monkeypatch.setattr("psref.experiment.progress.watcher", watcher)
    run(["psref", "lock"], [1], **SHORT)
    assert {step["strategy"] for step in seen} == {"psref", "lock"}
    shares = [step["done"] for step in seen]
    assert shares == sorted(shares) and 0 <= shares[0] and shares[-1] <= 1


def test_a_pipe_gets_no_bar_and_a_terminal_one(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert not wanted(None) and wanted(True)
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    monkeypatch.setenv("TERM", "xterm")
    assert wanted(None) and not wanted(False)
    with bar(True, "measuring") as update:
        update(0.5, "psref")
    assert "measuring" in terminal.getvalue()


def test_a_sweep_without_executor_runs_the_whole_grid_in_order() -> None:
    swept = sweep(GRID, keys=20, **SHORT)
    assert points(swept) == POINTS
    assert all(result.config.keys == 20 for result in swept) and swept.safe
    frame = swept.to_pandas()
    assert list(frame.destroy_rate) == [rate for rate, _, _ in POINTS] and frame.host.all()


def test_a_sweep_takes_a_list_of_configurations() -> None:
    swept = sweep(
        [Config(strategies="psref", threads=1, **SHORT), Config(kind="pool", strategies="malloc", threads=1, **SHORT)]
    )
    assert [result.kind for result in swept] == ["lookup", "pool"]


@pytest.fixture(params=["threads", "processes"])
def executor(request: pytest.FixtureRequest) -> Iterator[Executor]:
    # Spawned, not forked: pytest has threads.
    made = (
        ThreadPoolExecutor(1) if request.param == "threads" else ProcessPoolExecutor(1, mp_context=get_context("spawn"))
    )
    with made:
        yield made


def test_a_sweep_runs_on_the_executors_of_the_standard_library(executor: Executor) -> None:
    assert points(sweep(GRID, executor, **SHORT)) == POINTS


def test_results_are_handed_out_as_they_come() -> None:
    seen: list[Result] = []
    swept = sweep(GRID, each=seen.append, **SHORT)
    assert tuple(seen) == swept.results


@pytest.mark.parametrize(
    ("grid", "common", "message"),
    [
        ({"thread": [1]}, {}, "thread: no field of a configuration; known are kind, strategies, threads"),
        ({"threads": [1]}, {"key": 5}, "key: no field"),
        ({"threads": [1]}, {"threads": 2}, "threads: both in the grid and fixed"),
        ({"threads": 1}, {}, "threads: expected a list of values, got 1"),
        ({"strategies": "psref"}, {}, "strategies: expected a list of values, got 'psref'"),
        ({"threads": []}, {}, "threads: an empty list"),
        ([Config()], {"keys": 3}, "keys: fixed fields go with a grid"),
    ],
)
def test_a_wrong_grid_is_named_before_anything_runs(grid: Any, common: dict[str, Any], message: str) -> None:
    with pytest.raises(psref.ConfigError, match=message):
        sweep(grid, **common)


def test_what_fails_is_named_and_what_succeeded_is_kept() -> None:
    with pytest.raises(
        SweepError, match=r'1 of 2 runs failed, the first, .*"keys": 0.*ConfigError: keys: saw 0'
    ) as caught:
        sweep({"keys": [0, 5]}, strategies="psref", threads=1, **SHORT)
    assert [result.config.keys for result in caught.value.done] == [5]
    assert [config.keys for config, _ in caught.value.failures] == [0]


def test_results_keep_the_order_of_the_grid_however_they_come() -> None:
    class Backwards(Executor):
        """Ends its tasks in the reverse order, all at the third."""

        def __init__(self) -> None:
            self.tasks: list[tuple[Future[Any], Config]] = []

        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            self.tasks.append((Future(), args[0]))
            if len(self.tasks) == 3:
                for future, config in reversed(self.tasks):
                    report = data.report()
                    report["config"]["keys"] = config.keys
                    future.set_result(Result.from_dict(report))
            return self.tasks[-1][0]

    order: list[int | None] = []
    swept = sweep({"keys": [1, 2, 3]}, Backwards(), each=lambda result: order.append(result.config.keys))
    assert [result.config.keys for result in swept] == [1, 2, 3]
    assert sorted(order, key=str) == [1, 2, 3]


def test_ctrl_c_cancels_what_has_not_begun() -> None:
    class Lazy(Executor):
        """Ends its first task when asked, and begins no other."""

        def __init__(self) -> None:
            self.futures: list[Future[Any]] = []

        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            self.futures.append(Future())
            if len(self.futures) == 1:
                self.futures[0].set_result(Result.from_dict(data.report()))
            return self.futures[-1]

    def interrupt(result: Result) -> None:
        raise KeyboardInterrupt

    lazy = Lazy()
    with pytest.raises(KeyboardInterrupt):
        sweep({"keys": [1, 2, 3]}, lazy, each=interrupt)
    assert [future.cancelled() for future in lazy.futures] == [False, True, True]


def test_a_sweep_runs_on_a_dask_cluster_of_processes() -> None:
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        workers = client.run(_pid)
        assert len(set(workers.values())) == 2
        assert points(sweep(GRID, client.get_executor(), **SHORT)) == POINTS


def _pid() -> int:
    import os

    return os.getpid()
