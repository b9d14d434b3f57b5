# SPDX-License-Identifier: MIT OR Apache-2.0
"""Who holds what, statistics, and strict mode's switch."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psref
import pytest
from conftest import elsewhere, passes


@pytest.fixture
def strict() -> Iterator[None]:
    psref.set_strict(True)
    yield
    psref.set_strict(False)


def of_class(name: str) -> dict[str, Any]:
    [one] = [one for one in psref.stats()["classes"] if one["name"] == name]
    return dict(one)


def test_holders_are_told(target: psref.Target) -> None:
    with target.acquire(), target.acquire():
        first, second = psref.holders(target)
        assert first.thread == second.thread == threading.get_native_id()
        assert (first.cpu is None) == (psref.backend() == "atomic")
        assert first.name == Path("/proc/self/comm").read_text().rstrip("\n")
        assert first.since is None
        assert repr(first).startswith(f'<psref.Holder thread {first.thread} "{first.name}"')
    assert psref.holders(target) == []
    with pytest.raises(TypeError):
        psref.holders(psref.LocalCount())  # type: ignore[arg-type]


def test_holders_are_told_however_deep_the_sections(target: psref.Target) -> None:
    section, deep = psref.ReadSection(), 0
    with target.acquire():
        try:
            with pytest.raises(psref.ReadSectionError):
                while True:
                    section.__enter__()
                    deep += 1
            [holder] = psref.holders(target)
            assert holder.thread == threading.get_native_id()
            assert target.held() and len(target.holders()) == 1 and f"held by thread {holder.thread}" in repr(target)
            target.acquire().release()
        finally:
            for _ in range(deep):
                section.__exit__(None, None, None)
    assert repr(target).endswith("not held>")


def test_a_holder_that_has_ended_has_no_thread(target: psref.Target) -> None:
    hold = elsewhere(target.acquire)
    [holder] = psref.holders(target)
    while holder.thread is not None:
        [holder] = psref.holders(target)
    assert holder.name == "" and "a thread that has ended" in repr(holder)
    hold.release()


@pytest.mark.usefixtures("strict")
def test_strict_mode_remembers_since_when() -> None:
    target = psref.Target(psref.Class("strict"))
    before = time.monotonic()
    with target.acquire():
        [holder] = psref.holders(target)
        assert holder.since is not None and before <= holder.since <= time.monotonic()
        assert ", since " in repr(holder)
    assert of_class("strict")["strict"]


@pytest.mark.usefixtures("strict")
def test_strict_mode_forbids_waits_inside_read_sections() -> None:
    target = psref.Target(psref.Class("strict"))
    with psref.ReadSection():
        for use in (target.drain, target.destroy, psref.retire_barrier):
            with pytest.raises(psref.ReadSectionError, match="may sleep"):
                use()
        target.acquire().release()
        assert target.poll_drained()
    target.destroy()


def test_the_environment_turns_strict_mode_on() -> None:
    script = "import psref; c = psref.Class('x'); print(psref.stats()['classes'][0]['strict'])"
    assert passes(script, PSREF_STRICT="1") == "True\n"
    assert passes(script, PSREF_STRICT="0") == "False\n"


def test_stats_of_a_class() -> None:
    target = psref.Target(psref.Class('counted "so"'))
    with target.acquire():
        assert of_class('counted "so"')["holds"] == 1
        with pytest.raises(psref.TimeoutError):
            target.drain(0.001)
    target.destroy()
    stats = of_class('counted "so"')
    assert stats["holds"] == 0
    drains = stats["drains"]
    assert (drains["begun"], drains["waited"], drains["gave_up"]) == (2, 1, 1)
    [[least, n]] = drains["histogram"]
    assert n == 1 and least <= drains["ns"] == drains["longest_ns"] < 2 * least


def test_stats_of_the_rest() -> None:
    pool = psref.ObjPool(123, 8)
    obj = pool.pop()
    assert obj is not None
    before = psref.stats()
    [one] = [one for one in before["pools"] if one["objects"] == 123]
    assert (one["out"], one["object_size"]) == (1, 8)
    pool.push(obj)
    psref.Pserialize().perform()
    assert psref.LocalCount().trydrain()
    psref.Target(psref.Class("gone")).retire()
    psref.retire_barrier()
    after = psref.stats()
    assert after["cross_calls"] > before["cross_calls"]
    assert after["pserialize"]["performs"]["begun"] > before["pserialize"]["performs"]["begun"]
    assert after["localcounts"]["tried_well"] > before["localcounts"]["tried_well"]
    assert after["retire"]["ended"] > before["retire"]["ended"]
    assert (after["version"], after["backend"]) == (psref.__version__, psref.backend())
