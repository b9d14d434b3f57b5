# SPDX-License-Identifier: MIT OR Apache-2.0
"""A driver that is unloaded: its users count, its interrupt handlers pass a gate."""

from __future__ import annotations

import threading

import psref


class Driver:
    def __init__(self) -> None:
        self.users = psref.LocalCount()
        self.gate = psref.Gate()
        self.loaded = True

    def interrupt(self) -> None:
        """Can neither wait nor fail."""
        with self.gate.enter():
            assert self.loaded

    def read(self) -> bytes | None:
        """None: it is going away."""
        try:
            with self.users.acquire(), self.gate.acquire():
                assert self.loaded
                return b"data"
        except (psref.DrainingError, psref.SealedError):
            return None

    def unload(self) -> None:
        """Close, unhook the handlers, seal; then wait for the users."""
        self.gate.close("unload")
        handlers.clear()
        self.gate.seal()
        self.users.drain()
        self.loaded = False


driver = Driver()
handlers = [driver.interrupt]


def use(reads: list[int]) -> None:
    count = 0
    while driver.read() is not None:
        for handler in handlers[:]:
            handler()
        count += 1
        if count == 1000:
            enough.set()
    reads.append(count)


enough = threading.Event()


def main() -> None:
    reads: list[int] = []
    users = [threading.Thread(target=use, args=(reads,)) for _ in range(4)]
    for user in users:
        user.start()
    enough.wait()
    driver.unload()
    for user in users:
        user.join()
    print(f"{len(reads)} users have read, nobody is inside: {driver.gate.inside == driver.users.count == 0}")


if __name__ == "__main__":
    main()
