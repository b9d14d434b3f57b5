# SPDX-License-Identifier: MIT OR Apache-2.0
"""Ctrl-C, and other signals, in every wait. In Pythons of their own: signals are the main thread's."""

from __future__ import annotations

import textwrap

import pytest
from conftest import passes

#: `wait` is stuck; `begun()` says that it has begun; `after()` that the state is right, and ends the wait's cause.
WAITS = {
    "destroy": """
        target = psref.Target(psref.Class("stuck"))
        hold = elsewhere(target.acquire)
        wait = target.destroy
        begun = lambda: is_draining(target)
        def after():
            assert "draining" in repr(target) and is_draining(target)
            hold.release()
            target.destroy()
            assert "destroyed" in repr(target)
    """,
    "drain": """
        target = psref.Target(psref.Class("stuck"))
        hold = elsewhere(target.acquire)
        wait = lambda: target.drain(timeout=1000)
        begun = lambda: is_draining(target)
        def after():
            assert is_draining(target)
            hold.release()
            target.drain()
    """,
    "count": """
        count = psref.LocalCount()
        hold = elsewhere(count.acquire)
        wait = count.drain
        begun = lambda: is_draining(count)
        def after():
            assert is_draining(count) and count.count == 1
            hold.release()
            count.drain()
    """,
    "perform": """
        leave, psz = threading.Event(), psref.Pserialize()
        def read():
            with psref.ReadSection():
                inside.set()
                leave.wait(60)
        inside = threading.Event()
        reader = Thread(read)
        inside.wait(60)
        ready, main = threading.Event(), threading.get_native_id()
        def wait():
            ready.set()
            psz.perform()
        begun = lambda: ready.is_set() and sleeps(main)
        def after():
            leave.set()
            reader.end()
            psz.perform()
            elsewhere(psz.perform)
    """,
    "acquire": """
        gate = psref.Gate()
        elsewhere(gate.close)
        wait = gate.acquire
        begun = lambda: gate.inside == 1
        def after():
            assert gate.inside == 0
            gate.seal()
    """,
    "close": """
        gate = psref.Gate()
        elsewhere(gate.close)
        wait = gate.close
        begun = lambda: gate.inside == 1
        def after():
            assert gate.inside == 0
            gate.seal()
    """,
    "seal": """
        gate = psref.Gate()
        inside = elsewhere(gate.enter)
        gate.close()
        wait = gate.seal
        begun = lambda: "sealed" in repr(gate)
        def after():
            inside.release()
            gate.seal()
    """,
}

PRELUDE = """
import faulthandler, os, signal, threading
from pathlib import Path
import psref
from conftest import Thread, elsewhere, is_draining, until
faulthandler.dump_traceback_later(50, exit=True)
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in what a shell runs in the background

def sleeps(tid):
    return Path(f"/proc/self/task/{tid}/stat").read_text().rpartition(")")[2].split()[0] == "S"
"""


def stuck(name: str) -> str:
    return PRELUDE + textwrap.dedent(WAITS[name])


@pytest.mark.parametrize("backend", ["auto", "atomic"])
@pytest.mark.parametrize("name", WAITS)
def test_ctrl_c_ends_the_wait_and_what_was_begun_stays_begun(name: str, backend: str) -> None:
    script = stuck(name) + """
def interrupt():
    until(begun)
    os.kill(os.getpid(), signal.SIGINT)

other = Thread(interrupt)
try:
    wait()
except KeyboardInterrupt:
    print("interrupted")
other.end()
after()
"""
    assert passes(script, PSREF_BACKEND=backend) == "interrupted\n"


@pytest.mark.parametrize("name", WAITS)
def test_a_handler_that_returns_lets_the_wait_go_on(name: str) -> None:
    script = stuck(name) + """
handled = 0
def on_alarm(number, frame):
    global handled
    handled += 1
    if handled == 3:
        raise ZeroDivisionError

signal.signal(signal.SIGALRM, on_alarm)
def interrupt():
    until(begun)
    for n in (1, 2, 3):
        os.kill(os.getpid(), signal.SIGALRM)
        until(lambda: handled == n)

other = Thread(interrupt)
try:
    wait()
except ZeroDivisionError:
    print("raised after", handled)
other.end()
after()
"""
    assert passes(script) == "raised after 3\n"


def test_a_handler_may_end_the_wait_s_cause() -> None:
    script = stuck("destroy") + """
signal.signal(signal.SIGALRM, lambda *_: hold.release())
def interrupt():
    until(begun)
    os.kill(os.getpid(), signal.SIGALRM)
other = Thread(interrupt)
wait()
other.end()
print(target)
"""
    assert passes(script) == '<psref.Target of "stuck" destroyed>\n'


def test_a_handler_may_wait_for_something_else() -> None:
    script = stuck("destroy") + """
another = psref.Target(target.cls)
def on_alarm(*_):
    another.destroy()
    psref.Pserialize().perform()
    psref.LocalCount().drain()
    hold.release()
signal.signal(signal.SIGALRM, on_alarm)
def interrupt():
    until(begun)
    os.kill(os.getpid(), signal.SIGALRM)
other = Thread(interrupt)
wait()
other.end()
print(another)
"""
    assert passes(script) == '<psref.Target of "stuck" destroyed>\n'


def test_a_handler_that_performs_inside_perform_is_told() -> None:
    script = stuck("perform") + """
told = False
def on_alarm(*_):
    global told
    if told:  # an alarm that comes late would perform outside of any
        return
    try:
        psz.perform()
    except psref.MisuseError:
        told = True
        signal.setitimer(signal.ITIMER_REAL, 0)
        raise
signal.signal(signal.SIGALRM, on_alarm)
signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
try:
    wait()
except psref.MisuseError as misuse:
    print(misuse)
after()
"""
    assert passes(script).startswith("perform called by a signal handler that interrupted a perform")


def test_a_signal_that_was_there_before_the_wait_ends_it() -> None:
    script = stuck("destroy") + """
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
os.kill(os.getpid(), signal.SIGINT)
try:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    wait()
except KeyboardInterrupt:
    print("interrupted")
"""
    assert passes(script) == "interrupted\n"


def test_a_signal_that_another_thread_gets_ends_the_main_thread_s_wait() -> None:
    """No system call of the main thread is interrupted: it has to ask by itself."""
    script = stuck("destroy") + """
def interrupt():
    until(begun)
    signal.pthread_kill(threading.get_ident(), signal.SIGINT)
other = Thread(interrupt)
try:
    wait()
except KeyboardInterrupt:
    print("interrupted")
other.end()
after()
"""
    # Nor by a report that is due.
    assert passes(script, PSREF_DRAIN_WARN="1000") == "interrupted\n"


def test_a_long_drain_is_reported_while_it_asks_for_signals() -> None:
    script = stuck("destroy") + """
import sys
read, write = os.pipe()
os.dup2(write, 2)
def watch():
    assert b"has waited" in os.read(read, 4096)
    hold.release()
other = Thread(watch)
wait()
other.end()
print("reported")
"""
    assert passes(script, PSREF_DRAIN_WARN="0.2") == "reported\n"


PENDING = """
import collections, ctypes, functools, operator, signal
import psref

# No Python code in between: the signal is still to be handled when the second one begins.
interrupt = functools.partial(ctypes.CDLL(None)["raise"], int(signal.SIGINT))

def is_interrupted(wait):
    try:
        collections.deque(map(operator.call, [interrupt, wait]), maxlen=0)
    except KeyboardInterrupt:
        return True
    return False

gate, target, count = psref.Gate(), psref.Target(psref.Class("c")), psref.LocalCount()
gate.close()
assert is_interrupted(gate.seal) and "closed" in repr(gate)
try:
    gate.acquire()
except psref.DeadlockError:
    gate.seal()
assert is_interrupted(target.drain) and "live" in repr(target)
target.acquire().release()
assert is_interrupted(count.drain) and "open" in repr(count)
count.acquire().release()
"""


def test_an_interrupt_that_comes_before_a_wait_leaves_things_as_they_were() -> None:
    passes(PENDING)
