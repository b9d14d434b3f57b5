# SPDX-License-Identifier: MIT OR Apache-2.0
"""The native laboratory as psref.experiment gets it: JSON in, JSON out."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import psref
import pytest
from conftest import Thread, passes, until
from psref import _native


def run(progress: Any = None, /, **config: Any) -> dict[str, Any]:
    report = json.loads(_native.run_experiment(json.dumps(config), progress))
    assert isinstance(report, dict)
    return report


def native_threads() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


def test_a_report_has_a_record_for_each_strategy_and_thread_count() -> None:
    report = run(strategies=["psref", "atomic"], threads=[1, 2], seconds=0.1, rounds=2, keys=16)
    assert [(record["strategy"], record["threads"]) for record in report["records"]] == [
        ("psref", 1),
        ("psref", 2),
        ("atomic", 1),
        ("atomic", 2),
    ]
    assert all(record["safe"] and record["ops_per_s"] > 0 for record in report["records"])
    assert report["machine"]["backend"] == psref.backend()
    assert report["machine"]["version"] == psref.__version__


def test_strategies_are_described() -> None:
    described = json.loads(_native.strategies())
    assert {"psref", "localcount", "pserialize", "objpool"} <= {one["name"] for one in described}
    assert all(one["kind"] in ("lookup", "pool") and one["says"] for one in described)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"threads": [-1]}, "threads.*-1"),
        ({"strategies": ["nonesuch"]}, 'strategies.*"nonesuch".*localcount'),
        ({"seconds": -1}, "seconds.*-1"),
        ({"placement": "sideways"}, "placement.*sideways.*compact"),
        ({"nonesuch": 1}, "nonesuch"),
    ],
)
def test_what_cannot_be_run_is_refused(config: dict[str, Any], message: str) -> None:
    with pytest.raises(psref.ConfigError, match=message) as raised:
        run(**config)
    assert isinstance(raised.value, ValueError)


def test_progress_is_told_and_stops_the_run() -> None:
    seen: list[dict[str, Any]] = []

    def progress(text: str) -> bool:
        seen.append(json.loads(text))
        return len(seen) < 3

    before = native_threads()
    with pytest.raises(psref.StoppedError, match="progress answered False"):
        run(progress, strategies=["psref"], threads=[2], seconds=1000)
    until(lambda: native_threads() <= before)
    assert set(seen[0]) == {"done", "strategy", "threads", "round"}
    assert 0 <= seen[0]["done"] <= seen[-1]["done"] < 1


def test_what_progress_raises_comes_out() -> None:
    def progress(text: str) -> bool:
        raise ZeroDivisionError

    before = native_threads()
    with pytest.raises(ZeroDivisionError):
        run(progress, strategies=["atomic"], threads=[2], seconds=1000)
    until(lambda: native_threads() <= before)


def test_other_threads_run_meanwhile() -> None:
    # The run ends only once another thread has had its turn.
    turn = threading.Event()
    other = Thread(lambda: run(lambda text: not turn.is_set(), strategies=["psref"], threads=[1], seconds=1000))
    turn.set()
    with pytest.raises(psref.StoppedError):
        other.end()


def test_ctrl_c_ends_a_run_without_progress() -> None:
    script = """
import os, signal, threading
from conftest import Thread, until
from psref import _native
signal.signal(signal.SIGINT, signal.default_int_handler)
tasks = lambda: len(os.listdir("/proc/self/task"))
def interrupt():
    until(lambda: tasks() >= 4)
    os.kill(os.getpid(), signal.SIGINT)
other = Thread(interrupt)
try:
    _native.run_experiment('{"seconds": 1000, "threads": [2]}')
except KeyboardInterrupt:
    print("interrupted")
other.end()
until(lambda: tasks() == 1)
"""
    assert passes(script) == "interrupted\n"
