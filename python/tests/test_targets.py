# SPDX-License-Identifier: MIT OR Apache-2.0
"""Passive references: Class, Target, Hold."""

from __future__ import annotations

import builtins
import copy
import pickle
import threading
from typing import Any

import psref
import pytest
from conftest import Thread, elsewhere, is_draining, until


def test_a_class_shows_its_name() -> None:
    cls = psref.Class("route")
    assert cls.name == "route"
    assert repr(cls) == '<psref.Class "route">'


def test_the_first_48_bytes_of_a_long_name_show() -> None:
    assert psref.Class("ä" * 30).name == "ä" * 24


def test_a_name_with_nul_is_refused() -> None:
    with pytest.raises(psref.ArgumentError, match="expected text without NUL"):
        psref.Class("a\0b")


def test_a_target_knows_its_class(cls: psref.Class, target: psref.Target) -> None:
    assert target.cls is cls
    with pytest.raises(TypeError):
        psref.Target("route")  # type: ignore[arg-type]


def test_a_hold_is_a_context_manager(target: psref.Target) -> None:
    with target.acquire() as hold:
        assert isinstance(hold, psref.Hold)
        assert hold.of is target
        assert not hold.released
        assert target.held()
    assert hold.released
    assert not target.held()


def test_a_hold_is_released_when_the_block_raises(target: psref.Target) -> None:
    with pytest.raises(KeyError), target.acquire():
        raise KeyError
    assert not target.held()


def test_held_is_about_the_calling_thread(target: psref.Target) -> None:
    with target.acquire():
        assert target.held()
        assert elsewhere(target.held) is False


def test_holders_name_threads_and_cpus(target: psref.Target) -> None:
    with target.acquire(), target.acquire():
        me = threading.get_native_id()
        assert [thread for thread, _ in target.holders()] == [me, me]
        assert all(cpu is None or cpu < psref.topology().cpus for _, cpu in target.holders())
    assert target.holders() == []


def test_a_hold_of_a_thread_that_ended_has_no_thread(target: psref.Target) -> None:
    hold = elsewhere(target.acquire)
    until(lambda: [thread for thread, _ in target.holders()] == [None])
    hold.release()


def test_a_hold_may_be_released_in_another_thread(target: psref.Target) -> None:
    hold = target.acquire()
    elsewhere(hold.release)
    assert hold.released
    target.destroy()


def test_many_holds_at_once(target: psref.Target) -> None:
    holds = [target.acquire() for _ in range(1000)]
    assert len(target.holders()) == 1000
    for hold in holds:
        hold.release()


def test_a_second_release_is_misuse(target: psref.Target) -> None:
    hold = target.acquire()
    hold.release()
    with pytest.raises(psref.ReleasedError, match='"test".* released twice, expected one release'):
        hold.release()
    with pytest.raises(psref.ReleasedError, match="entered after its release"), hold:
        pass


def test_a_release_inside_the_block_is_misuse_at_its_end(target: psref.Target) -> None:
    with pytest.raises(psref.ReleasedError), target.acquire() as hold:
        hold.release()
    # ... but does not hide what the block raised.
    with pytest.raises(KeyError), target.acquire() as hold:
        hold.release()
        raise KeyError


def test_of_two_releases_at_once_one_is_told(target: psref.Target) -> None:
    for _ in range(100):
        hold, start, told = target.acquire(), threading.Barrier(2), []

        def release(hold: psref.Hold = hold, start: threading.Barrier = start, told: list[int] = told) -> None:
            start.wait()
            try:
                hold.release()
            except psref.ReleasedError:
                told.append(1)

        both = [Thread(release), Thread(release)]
        for thread in both:
            thread.end()
        assert told == [1]


def test_drain_of_what_nobody_holds(target: psref.Target) -> None:
    target.drain()
    with pytest.raises(psref.DrainingError, match='"test" is draining'):
        target.acquire()
    target.drain()
    target.drain(0)


def test_drain_waits_for_a_hold_of_another_thread(target: psref.Target) -> None:
    hold = target.acquire()
    ended = threading.Event()

    def drain() -> None:
        target.drain()
        ended.set()

    drainer = Thread(drain)
    until(lambda: is_draining(target))
    assert not ended.is_set()
    hold.release()
    drainer.end()


def test_the_interpreter_runs_on_while_a_thread_drains(target: psref.Target) -> None:
    # Would never get here if drain kept the interpreter's lock.
    hold = elsewhere(target.acquire)
    drainer = Thread(target.destroy)
    until(lambda: is_draining(target))
    hold.release()
    drainer.end()
    assert "destroyed" in repr(target)


@pytest.mark.parametrize("timeout", [0, 0.05])
def test_drain_gives_up_and_may_be_called_again(target: psref.Target, timeout: float) -> None:
    hold = elsewhere(target.acquire)
    with pytest.raises(psref.TimeoutError, match="is still held after .* s by .*thread.*; it stays draining") as raised:
        target.drain(timeout)
    assert isinstance(raised.value, builtins.TimeoutError)
    assert "draining" in repr(target)
    with pytest.raises(psref.DrainingError):
        target.acquire()
    hold.release()
    target.drain()
    target.destroy()


@pytest.mark.parametrize("timeout", [-1, -0.001, float("-inf"), float("nan")])
def test_a_timeout_that_is_none_is_refused_and_nothing_done(target: psref.Target, timeout: float) -> None:
    with pytest.raises(ValueError, match="timeout is .*, expected seconds of 0 or more"):
        target.drain(timeout)
    target.acquire().release()


@pytest.mark.parametrize("timeout", [float("inf"), 1e300, 1e10, None])
def test_a_timeout_may_be_as_long_as_it_likes(target: psref.Target, timeout: float | None) -> None:
    target.drain(timeout)


def test_a_wait_for_oneself_is_told_at_once_and_nothing_done(target: psref.Target) -> None:
    with target.acquire():
        with pytest.raises(psref.DeadlockError, match="drain of target.*would wait for itself; expected release"):
            target.drain()
        with pytest.raises(psref.DeadlockError, match="destroy of target"):
            target.destroy()
        target.acquire().release()
        with pytest.raises(psref.TimeoutError):
            target.drain(0.01)
    target.destroy()


def test_a_destroyed_target_is_no_target() -> None:
    target = psref.Target(psref.Class("gone"))
    target.destroy()
    for use in (target.acquire, target.held, target.drain, target.destroy):
        with pytest.raises(psref.DestroyedError, match='"gone" used after destroy'):
            use()
    assert repr(target) == '<psref.Target of "gone" destroyed>'


def test_of_two_destroys_at_once_one_is_told() -> None:
    cls = psref.Class("twice")
    for _ in range(50):
        target, hold = psref.Target(cls), None
        hold = target.acquire()
        told: list[int] = []

        def destroy(target: psref.Target = target, told: list[int] = told) -> None:
            try:
                target.destroy()
            except psref.DestroyedError:
                told.append(1)

        both = [Thread(destroy), Thread(destroy)]
        until(lambda target=target: is_draining(target))  # type: ignore[misc]
        hold.release()
        for thread in both:
            thread.end()
        assert told == [1]


def test_repr_tells_state_and_holders(target: psref.Target) -> None:
    assert repr(target) == '<psref.Target of "test" live, not held>'
    hold = target.acquire()
    me = threading.get_native_id()
    # Without restartable sequences nobody knows the CPU.
    where = " (acquired on CPU " if psref.backend() == "rseq" else ">"
    assert repr(target).startswith(f'<psref.Target of "test" live, held by thread {me}{where}')
    assert repr(hold).startswith('<psref.Hold of <psref.Target of "test" live')
    more = [target.acquire() for _ in range(9)]
    assert '"test" live, 10 holds: ' in repr(target)
    assert repr(target).endswith("6 more>")
    for one in (hold, *more):
        one.release()
    assert repr(hold).startswith("<psref.Hold released, of")
    target.drain()
    assert repr(target) == '<psref.Target of "test" drained, not held>'


def test_a_target_can_be_subclassed(cls: psref.Class) -> None:
    class Session(psref.Target):
        user: str

        def __new__(cls, cls_: psref.Class, user: str) -> Session:
            self = super().__new__(cls, cls_)
            self.user = user
            return self

    session = Session(cls, "alice")
    with session.acquire() as hold:
        assert isinstance(hold.of, Session)
        assert hold.of.user == "alice"
    session.destroy()


@pytest.mark.parametrize("thing", [psref.LocalCount(), psref.ReadSection(), psref.ObjPool(1, 1), psref.Gate()])
def test_nothing_can_be_pickled_or_copied(thing: Any) -> None:
    with pytest.raises(TypeError, match="cannot pickle"):
        pickle.dumps(thing)
    with pytest.raises(TypeError, match="cannot pickle"):
        copy.copy(thing)


def test_what_cannot_be_made_from_python() -> None:
    for made in (psref.Hold, psref.PoolObject, psref.Topology):
        with pytest.raises(TypeError):
            made()


@pytest.mark.parametrize("timeout", [None, float("inf"), 1e300])
def test_a_wait_for_itself_without_end_is_told(target: psref.Target, timeout: float | None) -> None:
    with target.acquire(), pytest.raises(psref.DeadlockError):
        target.drain(timeout)
