# SPDX-License-Identifier: MIT OR Apache-2.0
"""Many threads at once. Two seconds of it; PSREF_TEST_SECONDS=10 is the long form."""

from __future__ import annotations

import gc
import os
import random
import threading
import tracemalloc
from collections.abc import Callable

import psref
from conftest import Thread

THREADS = 32
SECONDS = float(os.environ.get("PSREF_TEST_SECONDS", "2"))


def for_a_while(body: Callable[[int], None]) -> int:
    """Runs body(number) over and over in all threads; how often."""
    stop = threading.Event()

    def run(number: int) -> int:
        rounds = 0
        while not stop.is_set():
            body(number)
            rounds += 1
        return rounds

    threads = [Thread(lambda number=number: run(number)) for number in range(THREADS)]  # type: ignore[misc]
    stop.wait(SECONDS)
    stop.set()
    return sum(thread.end() for thread in threads)


def mapped() -> int:
    """Bytes of anonymous memory of this process."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def test_holding_and_releasing_leaves_nothing_behind() -> None:
    cls = psref.Class("threads")
    targets = [psref.Target(cls) for _ in range(8)]
    count, gate, pool = psref.LocalCount(), psref.Gate(), psref.ObjPool(64, 64)

    def body(number: int) -> None:
        target = random.choice(targets)
        with psref.ReadSection(), target.acquire() as hold, count.acquire(), gate.enter(), gate.acquire():
            assert hold.of is target
            assert target.held()
        obj = pool.pop()
        if obj is not None:
            with obj, memoryview(obj) as view:
                view[0] = number

    for number in range(THREADS):
        body(number)
    tracemalloc.start(8)
    try:
        for_a_while(body)  # what threads cost the first time
        gc.collect()
        before, resident = tracemalloc.take_snapshot(), mapped()
        rounds = for_a_while(body)
        gc.collect()
        after = tracemalloc.take_snapshot()
    finally:
        tracemalloc.stop()
    ours = [tracemalloc.Filter(False, tracemalloc.__file__)]
    grown = sum(stat.size_diff for stat in after.filter_traces(ours).compare_to(before.filter_traces(ours), "filename"))
    assert rounds > 100
    assert grown < 100_000, f"{grown} bytes after {rounds} rounds"
    assert mapped() - resident < 16 << 20
    assert [target.holders() for target in targets] == [[]] * 8
    assert (count.count, gate.inside, pool.stats()["out"]) == (0, 0, 0)
    assert psref.ReadSection.depth() == 0
    # Nobody holds: none of these waits.
    for target in targets:
        target.drain(0)
        target.destroy()
    count.drain(0)
    gate.close()
    gate.seal(0)
    psref.Pserialize().perform(10)


def test_what_is_held_is_never_destroyed() -> None:
    """Looked up in a table, held past the look-up, while a destroyer takes entries out and destroys them."""
    cls, psz = psref.Class("table"), psref.Pserialize()

    class Entry(psref.Target):
        alive = True

    table: dict[int, Entry] = {key: Entry(cls) for key in range(16)}
    missed, destroyed = [0] * THREADS, [0]

    def body(number: int) -> None:
        key = random.randrange(16)
        if number == 0:
            entry = table.pop(key)
            psz.perform()
            entry.destroy()
            entry.alive = False
            destroyed[0] += 1
            table[key] = Entry(cls)
            return
        with psref.ReadSection():
            found = table.get(key)
            try:
                hold = found.acquire() if found is not None else None
            except psref.DrainingError:
                hold = None
        if hold is None or found is None:
            missed[number] += 1
            return
        assert found.alive
        threading.Event().wait(0)
        assert found.alive
        hold.release()

    rounds = for_a_while(body)
    assert rounds > 100
    assert destroyed[0] > 0
    for entry in table.values():
        entry.drain(0)


def test_counts_that_move_from_thread_to_thread() -> None:
    count = psref.LocalCount()
    handed: list[psref.Hold] = []

    def body(number: int) -> None:
        if number % 2:
            handed.append(count.acquire())
        else:
            try:
                handed.pop().release()
            except IndexError:
                threading.Event().wait(0)

    for_a_while(body)
    assert count.count == len(handed)
    for hold in handed:
        hold.release()
    count.drain()
