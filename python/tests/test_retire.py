# SPDX-License-Identifier: MIT OR Apache-2.0
"""Retiring: what is called at a target's end, by whom, and what misuse is told."""

from __future__ import annotations

import threading
import weakref
from typing import Any

import psref
import pytest
from conftest import PATIENCE, Thread, child, elsewhere, passes, until


def test_the_callback_gets_the_target_after_the_last_hold(cls: psref.Class) -> None:
    target, got = psref.Target(cls), []
    first, second = target.acquire(), target.acquire()
    target.retire(got.append)
    assert repr(target) == '<psref.Target of "test" retired>'
    first.release()
    with pytest.raises(psref.TimeoutError, match="has not come to its end after 0.02 s; it goes on"):
        psref.retire_barrier(0.02)
    assert got == []
    second.release()
    psref.retire_barrier(PATIENCE)
    assert got == [target]


def test_the_callback_waits_for_read_sections_too(cls: psref.Class) -> None:
    target, ended = psref.Target(cls), threading.Event()
    with psref.ReadSection():
        target.retire(lambda _: ended.set())
        with pytest.raises(psref.DeadlockError, match="inside a read section"):
            psref.retire_barrier()
        assert not ended.wait(0.02)
    assert ended.wait(PATIENCE)


def test_without_a_callback(cls: psref.Class) -> None:
    target = psref.Target(cls)
    gone = weakref.ref(target)
    target.retire()
    del target
    psref.retire_barrier(PATIENCE)
    assert gone() is None


def test_a_hold_may_be_lost_by_the_last_reference(cls: psref.Class) -> None:
    ended = threading.Event()
    hold = psref.Target(cls).acquire()
    hold.of.retire(lambda _: ended.set())  # type: ignore[union-attr]
    assert not ended.wait(0.02)
    hold.release()
    assert ended.wait(PATIENCE)
    assert hold.released


def test_the_callback_runs_in_a_thread_of_the_library_s(cls: psref.Class) -> None:
    target, where = psref.Target(cls), []
    target.retire(lambda _: where.append(threading.get_ident()))
    psref.retire_barrier(PATIENCE)
    assert where != [threading.get_ident()]


def test_what_is_retired_is_no_target_any_more(cls: psref.Class) -> None:
    target = psref.Target(cls)
    hold = target.acquire()
    target.retire()
    for ended in (False, True):
        if ended:
            hold.release()
            psref.retire_barrier(PATIENCE)
        uses = (target.acquire, target.held, target.drain, target.destroy, target.retire, target.poll_drained, target.drain_fd)
        for use in uses:
            with pytest.raises(psref.DestroyedError, match='"test" used after retire'):
                use()
        assert target.holders() == psref.holders(target) == []
        assert "retired" in repr(target)


def test_after_destroy_it_cannot_be_retired(cls: psref.Class) -> None:
    target = psref.Target(cls)
    target.destroy()
    with pytest.raises(psref.DestroyedError, match='"test" used after destroy'):
        target.retire()


def test_a_target_whose_drain_gave_up_can_be_retired(cls: psref.Class) -> None:
    target, ended = psref.Target(cls), threading.Event()
    hold = target.acquire()
    with pytest.raises(psref.TimeoutError):
        target.drain(0)
    target.retire(lambda _: ended.set())
    hold.release()
    assert ended.wait(PATIENCE)


def test_who_waits_in_a_drain_is_not_left_behind(cls: psref.Class) -> None:
    target = psref.Target(cls)
    hold = target.acquire()
    drainer = Thread(target.drain)
    until(lambda: "draining" in repr(target))
    with pytest.raises(psref.DeadlockError, match="while another thread waits in its drain"):
        target.retire()
    hold.release()
    drainer.end()
    target.retire()


@pytest.mark.parametrize("callback", [1, "text", object()])
def test_a_callback_that_is_none_is_told(cls: psref.Class, callback: Any) -> None:
    target = psref.Target(cls)
    with pytest.raises(psref.ArgumentError, match="expected a function"):
        target.retire(callback)
    target.acquire().release()


def test_what_the_callback_raises_goes_to_the_unraisable_hook(cls: psref.Class, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    monkeypatch.setattr("sys.unraisablehook", told.append)

    def fails(target: psref.Target) -> None:
        raise KeyError(target.cls.name)

    psref.Target(cls).retire(fails)
    psref.retire_barrier(PATIENCE)
    [one] = told
    assert one.exc_type is KeyError and one.exc_value.args == ("test",) and one.object is fails
    told.clear()


def test_a_barrier_in_a_callback_is_told(cls: psref.Class) -> None:
    told = []

    def waits(_: psref.Target) -> None:
        with pytest.raises(psref.DeadlockError, match="called by what was retired"):
            psref.retire_barrier()
        told.append(psref.retire_poll())

    psref.Target(cls).retire(waits)
    psref.retire_barrier(PATIENCE)
    assert told == [1]


def test_a_barrier_by_a_holder_is_told(cls: psref.Class) -> None:
    target, other, kept = psref.Target(cls), psref.Target(cls), psref.Target(cls)
    elsewheres, mine, unretired = elsewhere(other.acquire), target.acquire(), kept.acquire()
    target.retire()
    other.retire()
    for timeout in (None, float("inf")):
        with pytest.raises(psref.DeadlockError, match="a thread that holds something that was retired"):
            psref.retire_barrier(timeout)
    with pytest.raises(psref.TimeoutError):
        psref.retire_barrier(0.02)
    # Others do not wait for themselves, nor for what nobody retired.
    waiter = Thread(psref.retire_barrier)
    mine.release()
    with pytest.raises(psref.TimeoutError):
        psref.retire_barrier(0.02)
    Thread(elsewheres.release)
    psref.retire_barrier()
    waiter.end()
    unretired.release()


def test_a_callback_may_retire_others(cls: psref.Class) -> None:
    seen = []

    def another(target: psref.Target) -> None:
        seen.append(target)
        if len(seen) < 100:
            psref.Target(cls).retire(another)

    psref.Target(cls).retire(another)
    until(lambda: len(seen) == 100)


def test_the_interpreter_runs_on_while_a_thread_is_in_a_barrier(cls: psref.Class) -> None:
    # Would never get here if the barrier kept the interpreter's lock.
    target = psref.Target(cls)
    hold = target.acquire()
    target.retire()
    waiter = Thread(psref.retire_barrier)
    elsewhere(hold.release)
    waiter.end()


def test_too_many_are_refused_and_nothing_done(cls: psref.Class) -> None:
    keeper = psref.Target(cls)
    with psref.ReadSection():  # nothing comes to its end
        targets = []
        with pytest.raises(psref.NoMemoryError, match="131072 things wait for their end"):
            while True:
                targets.append(psref.Target(cls))
                targets[-1].retire()
        refused = targets.pop()
        refused.acquire().release()
        keeper.acquire().release()
    psref.retire_barrier(PATIENCE)
    refused.retire()
    psref.retire_barrier(PATIENCE)


def test_ctrl_c_ends_a_barrier() -> None:
    passes(
        """
import os, signal, threading, psref
from conftest import PATIENCE, elsewhere
target = psref.Target(psref.Class("stuck"))
hold = elsewhere(target.acquire)
target.retire()
threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    psref.retire_barrier()
except KeyboardInterrupt:
    hold.release()
    psref.retire_barrier(PATIENCE)
    print("ended")
"""
    )


def test_a_program_that_polls_has_no_thread() -> None:
    said = passes(
        """
import threading, os, psref
assert psref.retire_poll() == 0
target, where = psref.Target(psref.Class("polled")), []
hold = target.acquire()
target.retire(lambda _: where.append(threading.get_ident()))
assert len(os.listdir("/proc/self/task")) == 1
assert psref.retire_poll() == 1
hold.release()
while psref.retire_poll():
    pass
assert where == [threading.get_ident()]
psref.Target(target.cls).retire(lambda _: where.append(2))
psref.retire_barrier()
assert where[1:] == [2]
print("polled")
"""
    )
    assert said == "polled\n"


ENDS = {
    "held for ever": "hold = target.acquire(); target.retire(called)",
    "just retired": "[psref.Target(target.cls).retire(called) for _ in range(20000)]",
    "called at the moment": """
def slow(target):
    begun.set()
    time.sleep(0.3)
    print("over", flush=True)
begun = threading.Event()
target.retire(slow)
begun.wait()
""",
    "in a daemon thread": """
def storm():
    while True:
        psref.Target(target.cls).retire(called)
threading.Thread(target=storm, daemon=True).start()
time.sleep(0.05)
""",
    "inside a read section": "psref.ReadSection().__enter__(); target.retire(called)",
    "by sys.exit in a callback": "target.retire(lambda _: sys.exit(3)); psref.retire_barrier()",
}


@pytest.mark.parametrize("how", ENDS)
def test_the_interpreter_ends_whatever_was_retired(how: str) -> None:
    script = f"""
import sys, threading, time, warnings, psref
warnings.simplefilter("ignore")
sys.unraisablehook = lambda told: None
target = psref.Target(psref.Class("end"))
def called(_):
    threading.current_thread()
{ENDS[how]}
print("end", flush=True)
"""
    for _ in range(3):
        said = passes(script, PSREF_DRAIN_WARN="3600")
        assert "end" in said
        assert how != "called at the moment" or "over" in said


def test_ctrl_c_does_not_end_the_interpreter_under_a_callback() -> None:
    script = """
import os, signal, threading, time, psref
begun, cls = threading.Event(), psref.Class("end")
def slow(_):
    begun.set()
    threading.main_thread().join()  # the interpreter's end has begun
    for _ in range(3):
        time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.5)
    for _ in range(100):
        threading.current_thread()
    print("over", flush=True)
psref.Target(cls).retire(slow)
begun.wait()
for _ in range(1000):
    psref.Target(cls).retire(lambda _: print("late", flush=True))
print("end", flush=True)
"""
    for _ in range(3):
        done = child(script)
        assert (done.returncode, done.stdout) == (0, "end\nover\n"), done.stderr
        assert done.stderr.count("KeyboardInterrupt") == 1


#: What runs at the interpreter's end, and what it prints.
AT_EXIT = {
    "what is retired then is called": (
        "target.retire(called); psref.retire_barrier(30)",
        "end\ncalled\n",
    ),
    "what is called then is waited for": (
        "target.retire(slow); begun.wait(30)",
        "end\nover\n",
    ),
}


@pytest.mark.parametrize("first", ["", "psref.Target(target.cls).retire(); psref.retire_barrier(30)"], ids=["first", "later"])
@pytest.mark.parametrize("what", AT_EXIT)
def test_functions_of_atexit_may_retire(what: str, first: str) -> None:
    run, prints = AT_EXIT[what]
    script = f"""
import atexit, threading, time, psref
target, begun = psref.Target(psref.Class("end")), threading.Event()
def called(_):
    print("called", flush=True)
def slow(_):
    begun.set()
    time.sleep(0.3)
    print("over", flush=True)
@atexit.register
def last():
    {run}
{first}
print("end", flush=True)
"""
    assert passes(script) == prints


def test_nothing_is_called_where_the_interpreter_s_end_would_not_wait() -> None:
    # Registered too late, the module's own function of atexit is not called.
    script = """
import atexit, threading
@atexit.register
def last():
    import psref
    target = psref.Target(psref.Class("end"))
    target.retire(lambda _: print("called", flush=True))
    psref.retire_barrier(30)
    print("last", flush=True)
print("end", flush=True)
"""
    assert passes(script) == "end\nlast\n"


@pytest.mark.parametrize("where", ["late = Late()", "late = Late(); late.me = late; del late"], ids=["global", "cycle"])
def test_nothing_is_called_that_is_retired_while_the_interpreter_goes(where: str) -> None:
    script = f"""
import sys, time, psref
class Late:
    target = psref.Target(psref.Class("end"))
    def __del__(self, print=print, sleep=time.sleep, late=sys.is_finalizing):
        self.target.retire(lambda _: print("called", flush=True))
        print("retired", late(), flush=True)
        sleep(0.3)
{where}
print("end", flush=True)
"""
    for _ in range(3):
        assert passes(script) == "end\nretired True\n"


def test_a_thread_that_outlives_the_main_one_may_import_and_retire() -> None:
    script = """
import threading
def body():
    threading.main_thread().join()
    import psref
    psref.Target(psref.Class("end")).retire(lambda _: print("called", flush=True))
    psref.retire_barrier(30)
threading.Thread(target=body).start()
print("end", flush=True)
"""
    assert passes(script) == "end\ncalled\n"


def test_a_forked_child_has_what_was_retired() -> None:
    passes(
        """
import os, threading, time, warnings, psref
warnings.simplefilter("ignore")
begun, seen = threading.Event(), []
cls = psref.Class("forked")
def slow(_):
    begun.set()
    time.sleep(0.3)
psref.Target(cls).retire(slow)
begun.wait()
target = psref.Target(cls)
hold = target.acquire()
target.retire(seen.append)
child = os.fork()  # the thread in the callback does not come along
hold.release()
psref.retire_barrier(30)
assert seen == [target]
if child:
    assert os.waitpid(child, 0)[1] == 0
"""
    )
