# SPDX-License-Identifier: MIT OR Apache-2.0
"""What the tests of the primitives share."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psref
import pytest

HERE = Path(__file__).parent
# Shells ignore it in what they run in the background, and children inherit that: then Ctrl-C would stop nothing here.
signal.signal(signal.SIGINT, signal.default_int_handler)
#: Nothing here takes that long; what hangs fails.
PATIENCE = 60.0


def until(condition: Callable[[], bool]) -> None:
    """Waits for what another thread is about to do."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.001)


def is_draining(thing: psref.Target | psref.LocalCount) -> bool:
    try:
        thing.acquire().release()
    except psref.DrainingError:
        return True
    return False


class Thread(threading.Thread):
    """A thread whose end is waited for, and which hands over what it raised or returned."""

    def __init__(self, run: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._body = run
        self._answer: Any = None
        self._raised: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._answer = self._body()
        except BaseException as raised:
            self._raised = raised

    def end(self) -> Any:
        self.join(PATIENCE)
        assert not self.is_alive(), "the thread hangs"
        if self._raised is not None:
            raise self._raised
        return self._answer


def elsewhere(run: Callable[[], Any]) -> Any:
    """Runs in another thread."""
    return Thread(run).end()


def child(script: str, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a script in a Python of its own, which sees this directory's helpers."""
    return subprocess.run(
        [sys.executable, *options, "-c", script],
        env={**os.environ, "PYTHONPATH": str(HERE), **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def passes(script: str, *options: str, **environment: str) -> str:
    """The same, for scripts that end well; what it printed."""
    done = child(script, *options, **environment)
    assert done.returncode == 0, f"exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture
def cls() -> psref.Class:
    return psref.Class("test")


@pytest.fixture
def target(cls: psref.Class) -> Iterator[psref.Target]:
    target = psref.Target(cls)
    yield target
    assert target.holders() == []


@pytest.fixture
def count() -> Iterator[psref.LocalCount]:
    count = psref.LocalCount()
    yield count
    assert count.count == 0
