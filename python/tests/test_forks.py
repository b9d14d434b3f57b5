# SPDX-License-Identifier: MIT OR Apache-2.0
"""os.fork and multiprocessing: in Pythons of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import passes

PRELUDE = """
import multiprocessing, os, sys, threading, warnings
import psref
from conftest import elsewhere, Thread, until, is_draining
warnings.simplefilter("ignore", DeprecationWarning)

def in_child(run):
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            run()
            code = 0
        except BaseException:
            import traceback
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
"""


@pytest.mark.parametrize("backend", ["auto", "atomic"])
def test_a_child_goes_on_with_what_its_thread_holds(backend: str) -> None:
    passes(
        PRELUDE + """
target, count, gate = psref.Target(psref.Class("fork")), psref.LocalCount(), psref.Gate()
pool, section = psref.ObjPool(4, 8), psref.ReadSection()
holds = [target.acquire(), count.acquire(), gate.enter()]
obj = pool.pop()
section.__enter__()

def run():
    assert target.held() and count.count == 1 and gate.inside == 1 and psref.ReadSection.depth() == 1
    try:
        target.destroy()
        raise SystemExit("no deadlock noticed")
    except psref.DeadlockError:
        pass
    section.__exit__(None, None, None)
    for hold in holds:
        hold.release()
    memoryview(obj)[0] = 1
    pool.push(obj)
    gate.close(); gate.seal(); count.drain(); target.destroy()
    psref.Pserialize().perform()

in_child(run)
assert target.held() and count.count == 1 and gate.inside == 1 and psref.ReadSection.depth() == 1
section.__exit__(None, None, None)
for hold in holds:
    hold.release()
gate.close(); gate.seal(); count.drain(); target.destroy()
pool.push(obj)
""",
        PSREF_BACKEND=backend,
    )


@pytest.mark.parametrize("backend", ["auto", "atomic"])
def test_a_child_does_not_wait_for_threads_that_did_not_come_along(backend: str) -> None:
    passes(
        PRELUDE + """
target, psz = psref.Target(psref.Class("fork")), psref.Pserialize()
inside, leave = threading.Event(), threading.Event()
kept = []
def other():
    hold = target.acquire()
    kept.append(hold)
    with psref.ReadSection():
        inside.set()
        leave.wait(60)
    hold.release()
thread = Thread(other)
inside.wait(60)

def run():
    assert target.holders() == []
    psz.perform()
    target.destroy()
    kept[0].release()

in_child(run)
leave.set()
thread.end()
target.destroy()
""",
        PSREF_BACKEND=backend,
    )


def test_a_fork_while_another_thread_waits() -> None:
    passes(
        PRELUDE + """
target = psref.Target(psref.Class("fork"))
hold = target.acquire()
drainer = Thread(target.destroy)
until(lambda: is_draining(target))

def run():
    hold.release()
    target.destroy()

for _ in range(20):
    in_child(run)
hold.release()
drainer.end()
""",
    )


def test_a_child_of_a_thread_answers_ctrl_c() -> None:
    passes(
        PRELUDE + """
import signal
target = psref.Target(psref.Class("fork"))

def run():
    hold = elsewhere(target.acquire)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    other = Thread(lambda: (until(lambda: is_draining(target)), os.kill(os.getpid(), signal.SIGINT)))
    try:
        target.destroy()
    except KeyboardInterrupt:
        other.end()
        hold.release()
        return
    raise SystemExit("not interrupted")

elsewhere(lambda: in_child(run))
""",
    )


def test_a_child_ends_as_any_program_does() -> None:
    out = passes(
        PRELUDE + """
target, count = psref.Target(psref.Class("fork")), psref.LocalCount()
hold, held = target.acquire(), count.acquire()
pid = os.fork()
if pid == 0:
    sys.exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
hold.release(); held.release()
target.destroy(); count.drain()
print("both ended")
""",
    )
    assert out == "both ended\n"


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(method: str, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        """
import multiprocessing, sys
import psref

cls = psref.Class("mp")

def work(n):
    target = psref.Target(cls)
    for _ in range(100):
        with target.acquire(), psref.ReadSection():
            pass
    target.destroy()
    psref.Pserialize().perform()
    return n * n

if __name__ == "__main__":
    work(0)
    context = multiprocessing.get_context(sys.argv[1])
    with context.Pool(2) as pool:
        assert pool.map(work, range(8)) == [n * n for n in range(8)]
        pool.close()
        pool.join()
    work(0)
    print("done")
"""
    )
    done = subprocess.run(
        [sys.executable, str(script), method], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
