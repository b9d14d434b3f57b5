# SPDX-License-Identifier: MIT OR Apache-2.0
"""LocalCount."""

from __future__ import annotations

import threading

import psref
import pytest
from conftest import Thread, elsewhere, is_draining, until


def test_acquire_and_release(count: psref.LocalCount) -> None:
    with count.acquire() as hold:
        assert count.count == 1
        assert hold.of is count
    assert count.count == 0


def test_holds_go_from_thread_to_thread(count: psref.LocalCount) -> None:
    holds = [elsewhere(count.acquire) for _ in range(10)]
    assert count.count == 10
    for hold in holds:
        elsewhere(hold.release)
    count.drain()


def test_drain_waits_and_is_final(count: psref.LocalCount) -> None:
    hold = count.acquire()
    drainer = Thread(count.drain)
    until(lambda: is_draining(count))
    assert drainer.is_alive()
    assert "draining, held 1 time(s)" in repr(count)
    hold.release()
    drainer.end()
    assert repr(count) == "<psref.LocalCount drained>"
    with pytest.raises(psref.DrainingError, match="has drained"):
        count.acquire()
    count.drain()


def test_drain_gives_up_and_may_be_called_again(count: psref.LocalCount) -> None:
    hold = elsewhere(count.acquire)
    with pytest.raises(psref.TimeoutError, match="held 1 time.s. after 0.01 s; it stays draining"):
        count.drain(0.01)
    hold.release()
    count.drain(0)


def test_a_wait_for_oneself_is_told_at_once_and_nothing_done(count: psref.LocalCount) -> None:
    with count.acquire(), count.acquire():
        with pytest.raises(psref.DeadlockError, match="acquired 2 hold"):
            count.drain()
        count.acquire().release()
    count.drain()


def test_holds_that_another_thread_released_are_not_waited_for(count: psref.LocalCount) -> None:
    hold = count.acquire()
    elsewhere(hold.release)
    count.drain()


def test_holds_of_many_counts_are_kept_apart() -> None:
    counts = [psref.LocalCount() for _ in range(300)]
    holds = [count.acquire() for count in counts]
    holds[7].release()
    counts[7].drain()
    for i in (0, 6, 8, 299):
        with pytest.raises(psref.DeadlockError):
            counts[i].drain()
    for hold in holds[:7] + holds[8:]:
        hold.release()
    for count in counts:
        count.drain()


def test_trydrain_tells_and_changes_nothing(count: psref.LocalCount) -> None:
    hold = count.acquire()
    assert count.trydrain() is False
    count.acquire().release()
    hold.release()
    assert count.trydrain() is True
    with pytest.raises(psref.DrainingError):
        count.acquire()
    assert count.trydrain() is True


def test_trydrain_while_it_drains(count: psref.LocalCount) -> None:
    hold = count.acquire()
    with pytest.raises(psref.TimeoutError):
        count.drain(0)
    assert count.trydrain() is False
    hold.release()
    assert count.trydrain() is True


def test_trydrain_beside_threads_that_acquire() -> None:
    """A count that trydrain drained is held by nobody, whoever acquires at the same time."""
    for _ in range(200):
        count, start = psref.LocalCount(), threading.Barrier(2)

        def acquire(count: psref.LocalCount = count, start: threading.Barrier = start) -> psref.Hold | None:
            start.wait()
            try:
                return count.acquire()
            except psref.DrainingError:
                return None

        other = Thread(acquire)
        start.wait()
        drained = count.trydrain()
        hold = other.end()
        assert drained is (hold is None)
        if hold is not None:
            hold.release()
