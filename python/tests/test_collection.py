# SPDX-License-Identifier: MIT OR Apache-2.0
"""What is collected while it is held, in whatever order; and the interpreter's end."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import weakref
from collections.abc import Iterator

import psref
import pytest
from conftest import HERE, PATIENCE, Thread, child, passes


def test_a_lost_hold_is_released_and_told(target: psref.Target) -> None:
    hold = target.acquire()
    with pytest.warns(ResourceWarning, match="a hold of a target was collected without release"):
        del hold
    assert target.holders() == []


def test_a_lost_hold_of_a_count_and_of_a_gate(count: psref.LocalCount) -> None:
    gate = psref.Gate()
    holds = [count.acquire(), gate.enter()]
    with pytest.warns(ResourceWarning) as told:
        holds.clear()
    assert sorted(str(one.message).split(" was ")[0] for one in told) == ["a hold of a gate", "a hold of a local count"]
    assert gate.inside == 0
    count.drain()


def test_a_lost_object_is_pushed_and_told() -> None:
    pool = psref.ObjPool(1, 8)
    obj = pool.pop()
    with pytest.warns(ResourceWarning, match="without push"):
        del obj
    assert pool.stats()["out"] == 0


def test_a_view_keeps_its_object_out_of_the_pool() -> None:
    pool = psref.ObjPool(1, 8)
    obj = pool.pop()
    assert obj is not None
    view = memoryview(obj)
    del obj
    gc.collect()
    assert pool.pop() is None
    view[0] = 1
    with pytest.warns(ResourceWarning):
        del view
    assert pool.stats()["out"] == 0


def test_released_holds_are_collected_in_silence(target: psref.Target) -> None:
    with target.acquire() as hold:
        pass
    del hold
    gc.collect()


def test_a_hold_keeps_its_target(cls: psref.Class) -> None:
    target = psref.Target(cls)
    gone, hold = weakref.ref(target), target.acquire()
    del target
    gc.collect()
    assert gone() is hold.of
    hold.release()
    del hold
    assert gone() is None


def test_a_cycle_of_a_target_and_its_hold_is_collected(cls: psref.Class) -> None:
    class Cycle(psref.Target):
        mine: psref.Hold

    for _ in range(100):
        target = Cycle(cls)
        target.mine = target.acquire()
        gone = weakref.ref(target)
        with pytest.warns(ResourceWarning, match="a hold of a target"):
            del target
            gc.collect()
        assert gone() is None
    psref.Target(cls).destroy()


def test_a_lost_section_is_left_and_told() -> None:
    section = psref.ReadSection()
    section.__enter__()
    section.__enter__()
    with pytest.warns(ResourceWarning, match="collected inside; it is left now"):
        del section
    assert psref.ReadSection.depth() == 0
    psref.Pserialize().perform(10)


def test_a_section_that_another_thread_loses_is_told() -> None:
    """The thread that entered stays inside: nobody can leave for it."""
    script = """
import threading, warnings
import psref
from conftest import elsewhere
sections = [psref.ReadSection()]
sections[0].__enter__()
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    elsewhere(sections.clear)
print(told[0].message)
assert psref.ReadSection.depth() == 1
"""
    assert "which stays inside: perform() will wait for it" in passes(script)


def test_a_destructor_keeps_the_exception_that_is_on_its_way(target: psref.Target) -> None:
    def some() -> Iterator[psref.Hold]:
        yield target.acquire()
        raise KeyError("mine")

    # list() drops what it has with the exception set.
    with pytest.warns(ResourceWarning), pytest.raises(KeyError, match="mine"):
        list(some())


def test_warnings_as_errors_do_no_harm() -> None:
    done = child(
        """
import psref
target = psref.Target(psref.Class("c"))
hold = target.acquire()
del hold
target.destroy()
print("alive")
""",
        "-Werror",
    )
    assert (done.returncode, done.stdout) == (0, "alive\n")
    assert "ResourceWarning: a hold of a target was collected" in done.stderr


@pytest.mark.parametrize("left", ["hold", "section", "object", "view", "drainer", "waiter", "daemon holds"])
def test_the_interpreter_ends_whatever_is_left(left: str) -> None:
    script = """
import sys, threading
import psref
from conftest import is_draining, until
left = sys.argv[1]
target = psref.Target(psref.Class("left"))
gate = psref.Gate()
if left == "hold":
    hold = target.acquire()
elif left == "section":
    section = psref.ReadSection()
    section.__enter__()
elif left == "object":
    obj = psref.ObjPool(1, 8).pop()
elif left == "view":
    view = memoryview(psref.ObjPool(1, 8).pop())
elif left == "drainer":
    hold = target.acquire()
    threading.Thread(target=target.destroy, daemon=True).start()
    until(lambda: is_draining(target))
elif left == "waiter":
    gate.close()
    threading.Thread(target=gate.acquire, daemon=True).start()
    until(lambda: gate.inside == 1)
elif left == "daemon holds":
    def loop():
        while True:
            with target.acquire(), gate.enter(), psref.ReadSection():
                pass
    for _ in range(4):
        threading.Thread(target=loop, daemon=True).start()
print("end")
"""
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-Wignore", "-c", script, left],
            env={**os.environ, "PYTHONPATH": str(HERE)},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert (done.returncode, done.stdout) == (0, "end\n"), done.stderr


def test_threads_that_end_inside_leave_nothing(target: psref.Target) -> None:
    def run() -> None:
        _hold = target.acquire()
        psref.ReadSection().__enter__()

    with pytest.warns(ResourceWarning):
        for _ in range(50):
            Thread(run).end()
        gc.collect()
    assert target.holders() == []
    psref.Pserialize().perform(10)
