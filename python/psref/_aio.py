# SPDX-License-Identifier: MIT OR Apache-2.0
"""Drains in asyncio: by the eventfd, so no thread waits. Readiness is a hint; whoever gets it polls."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from psref._native import Target


def _wake(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


async def drain(target: Target) -> None:
    """What ``Target.drain_async()`` answers."""
    loop = asyncio.get_running_loop()
    fd = target.drain_fd()
    try:
        while not target.poll_drained():
            ready: asyncio.Future[None] = loop.create_future()
            loop.add_reader(fd, _wake, ready)
            try:
                await ready
            finally:
                loop.remove_reader(fd)
    finally:
        os.close(fd)
