# SPDX-License-Identifier: MIT OR Apache-2.0
"""Drains that are awaited: no thread waits, and nothing is left behind."""

from __future__ import annotations

import asyncio
import os
import select
import threading
from collections.abc import Coroutine
from typing import Any

import psref
import pytest
from conftest import PATIENCE, Thread, passes


def descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    """Runs it in a loop, after which there are as many descriptors as before."""

    async def limited() -> None:
        async with asyncio.timeout(PATIENCE):
            await coroutine

    before = descriptors()
    asyncio.run(limited())
    assert descriptors() == before


def readers() -> int:
    """Descriptors that the running loop watches, but its own."""
    selector = asyncio.get_running_loop()._selector  # type: ignore[attr-defined]
    return len(selector.get_map()) - 1


def test_of_what_nobody_holds(target: psref.Target) -> None:
    async def main() -> None:
        await target.drain_async()
        await target.drain_async()
        assert readers() == 0

    run(main())
    with pytest.raises(psref.DrainingError):
        target.acquire()
    target.destroy()


def test_the_loop_runs_on_until_another_task_releases(target: psref.Target) -> None:
    async def main() -> None:
        first, second = target.acquire(), target.acquire()
        draining = asyncio.create_task(target.drain_async())
        for hold in (first, second):
            for _ in range(5):
                await asyncio.sleep(0.001)
                assert not draining.done()
            hold.release()
        await draining
        assert readers() == 0
        assert threading.active_count() == 1

    run(main())
    assert repr(target) == '<psref.Target of "test" drained, not held>'


def test_another_thread_releases(target: psref.Target) -> None:
    async def main() -> None:
        hold, go = target.acquire(), threading.Event()

        def release() -> None:
            go.wait(PATIENCE)
            hold.release()

        releaser = Thread(release)
        asyncio.get_running_loop().call_later(0.02, go.set)
        await target.drain_async()
        releaser.end()

    run(main())


def test_many_drains_at_once(cls: psref.Class) -> None:
    async def main() -> None:
        targets = [psref.Target(cls) for _ in range(50)]
        holds = [target.acquire() for target in targets]
        draining = [asyncio.create_task(target.drain_async()) for target in targets for _ in range(2)]
        await asyncio.sleep(0.01)
        assert readers() == len(draining)
        for hold in holds:
            hold.release()
            await asyncio.sleep(0)
        await asyncio.gather(*draining)
        assert readers() == 0

    run(main())


@pytest.mark.parametrize("how", ["cancel", "timeout"])
def test_a_cancelled_drain_leaves_a_draining_target_and_nothing_else(target: psref.Target, how: str) -> None:
    async def main() -> None:
        hold, before = target.acquire(), descriptors()
        draining = asyncio.create_task(target.drain_async())
        if how == "cancel":
            await asyncio.sleep(0.01)
            assert readers() == 1
            draining.cancel()
            with pytest.raises(asyncio.CancelledError):
                await draining
        else:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(draining, 0.01)
        assert readers() == 0
        # The library's own goes when the target has drained.
        assert len(descriptors() - before) == 1
        with pytest.raises(psref.DrainingError):
            target.acquire()
        hold.release()
        await target.drain_async()
        assert descriptors() == before

    run(main())


def test_a_target_that_is_retired_meanwhile_is_told(cls: psref.Class) -> None:
    async def main() -> None:
        target = psref.Target(cls)
        hold = target.acquire()
        draining = asyncio.create_task(target.drain_async())
        await asyncio.sleep(0.01)
        target.retire()
        hold.release()
        with pytest.raises(psref.DestroyedError, match="after retire"):
            await draining
        psref.retire_barrier(PATIENCE)

    run(main())


def test_outside_of_a_loop_it_is_a_coroutine_like_any(target: psref.Target) -> None:
    coroutine = target.drain_async()
    with pytest.raises(RuntimeError, match="no running event loop"):
        coroutine.send(None)
    target.acquire().release()


def test_a_loop_of_one_s_own_by_descriptor_and_poll(target: psref.Target) -> None:
    hold = target.acquire()
    fd = target.drain_fd()
    assert not os.get_inheritable(fd)
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    assert not target.poll_drained()
    assert poller.poll(0) == []
    hold.release()
    assert poller.poll(1000 * PATIENCE) == [(fd, select.POLLIN)]
    assert target.poll_drained()
    os.close(fd)


def test_no_descriptor_is_told_and_nothing_done() -> None:
    passes(
        """
import resource, psref
target = psref.Target(psref.Class("full"))
resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
try:
    target.drain_fd()
except OSError as error:
    assert error.errno == 24
    target.acquire().release()
    print("told")
"""
    )
