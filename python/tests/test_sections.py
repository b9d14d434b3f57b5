# SPDX-License-Identifier: MIT OR Apache-2.0
"""ReadSection and Pserialize."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import psref
import pytest
from conftest import PATIENCE, Thread, elsewhere


@pytest.fixture
def psz() -> Iterator[psref.Pserialize]:
    yield psref.Pserialize()
    assert psref.ReadSection.depth() == 0


def test_sections_nest(psz: psref.Pserialize) -> None:
    assert psref.ReadSection.depth() == 0
    section = psref.ReadSection()
    with section, psref.ReadSection(), section:
        assert psref.ReadSection.depth() == 3
        assert "inside, 2 deep" in repr(section)
    assert psref.ReadSection.depth() == 0
    assert repr(section) == "<psref.ReadSection outside>"
    psz.perform()


def test_perform_inside_a_section_is_told_at_once(psz: psref.Pserialize) -> None:
    with psref.ReadSection():
        for timeout in (None, 0, 1):
            with pytest.raises(psref.DeadlockError, match="inside a read section of this very thread.*expected outside"):
                psz.perform(timeout)
    psz.perform()


def test_perform_waits_for_a_section_of_another_thread(psz: psref.Pserialize) -> None:
    inside, leave = threading.Event(), threading.Event()

    def read() -> None:
        with psref.ReadSection():
            inside.set()
            assert leave.wait(PATIENCE)

    reader = Thread(read)
    assert inside.wait(PATIENCE)
    with pytest.raises(psref.TimeoutError, match="still open after 0.01 s"):
        psz.perform(0.01)
    performer = Thread(psz.perform)
    leave.set()
    performer.end()
    reader.end()


def test_what_was_unpublished_before_perform_is_seen_by_nobody_after_it(psz: psref.Pserialize) -> None:
    table = {"key": ["alive"]}
    stop = threading.Event()

    def read() -> int:
        looked = 0
        while not stop.is_set():
            with psref.ReadSection():
                found = table.get("key")
                if found is not None:
                    assert found[0] == "alive"
            looked += 1
        return looked

    readers = [Thread(read) for _ in range(4)]
    for _ in range(300):
        old = table.pop("key")
        psz.perform()
        old[0] = "dead"
        table["key"] = ["alive"]
    stop.set()
    assert all(reader.end() > 0 for reader in readers)


def test_leaving_in_another_thread_is_misuse() -> None:
    section = psref.ReadSection()
    section.__enter__()
    with pytest.raises(psref.ReadSectionError, match=r"left in thread \d+, entered in thread \d+, expected the thread"):
        elsewhere(lambda: section.__exit__(None, None, None))
    with pytest.raises(psref.ReadSectionError, match="expected an object for each thread"):
        elsewhere(section.__enter__)
    section.__exit__(None, None, None)


def test_leaving_twice_is_misuse() -> None:
    section = psref.ReadSection()
    with section:
        pass
    with pytest.raises(psref.ReadSectionError, match="nobody is inside"):
        section.__exit__(None, None, None)


def test_too_many_sections_are_refused_and_those_that_are_open_stay() -> None:
    section = psref.ReadSection()
    for _ in range(65535):
        section.__enter__()
    with pytest.raises(psref.ReadSectionError, match="65535 read sections are open"):
        section.__enter__()
    for _ in range(65535):
        section.__exit__(None, None, None)
    assert psref.ReadSection.depth() == 0


def test_performs_at_the_same_time(psz: psref.Pserialize) -> None:
    def perform() -> None:
        for _ in range(50):
            psz.perform()

    for performer in [Thread(perform) for _ in range(8)]:
        performer.end()


STRICTLY = """
import psref

class_, count, gate, doomed = psref.Class("c"), psref.LocalCount(), psref.Gate(), psref.ObjPool(1, 8)
target, lost = psref.Target(class_), psref.Target(class_)
sleeping = [
    lambda: psref.Class("d"),
    psref.LocalCount,
    lambda: psref.ObjPool(1, 8),
    lambda: target.drain(0),
    target.destroy,
    lambda: count.drain(0),
    count.trydrain,
    gate.close,
    gate.seal,
]
with psref.ReadSection():
    for call in sleeping:
        try:
            call()
        except psref.ReadSectionError as raised:
            assert "may sleep" in str(raised) and "expected outside" in str(raised)
        else:
            raise AssertionError(call)
    del doomed, lost  # what is collected inside a section does not wait
    for held in target.acquire(), count.acquire(), gate.acquire():
        held.release()
target.destroy()
assert count.trydrain()
gate.close()
gate.seal()
print("alive")
"""


def test_what_may_sleep_raises_inside_a_section_in_strict_mode() -> None:
    run = subprocess.run(
        [sys.executable, "-c", STRICTLY],
        env={**os.environ, "PSREF_STRICT": "1"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert (run.stdout, run.stderr, run.returncode) == ("alive\n", "", 0)
