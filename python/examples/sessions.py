# SPDX-License-Identifier: MIT OR Apache-2.0
"""A table of sessions: look one up, hold it past the look-up, and log somebody out while others use it."""

from __future__ import annotations

import threading

import psref

SESSIONS = psref.Class("session")
UNLINKED = psref.Pserialize()


class Session(psref.Target):
    user: str
    open: bool

    def __new__(cls, user: str) -> Session:
        self = super().__new__(cls, SESSIONS)
        self.user, self.open = user, True
        return self


table: dict[int, Session] = {number: Session(f"user{number}") for number in range(8)}


def look_up(number: int) -> psref.Hold | None:
    """A hold of a session, or None. In the section nothing that is found goes away; after it the hold alone keeps it."""
    with psref.ReadSection():
        session = table.get(number)
        try:
            return session.acquire() if session is not None else None
        except psref.DrainingError:
            return None


def log_out(number: int) -> None:
    """Unlink, wait for look-ups under way, wait for those who hold, and only then close."""
    session = table.pop(number)
    UNLINKED.perform()
    session.destroy()
    session.open = False


def serve(requests: int, served: list[int]) -> None:
    count = 0
    for request in range(requests):
        hold = look_up(request % 8)
        if hold is None:
            continue
        with hold:
            assert isinstance(hold.of, Session)
            assert hold.of.open, "closed while held"
            count += 1
    served.append(count)


def main() -> None:
    served: list[int] = []
    servers = [threading.Thread(target=serve, args=(20_000, served)) for _ in range(4)]
    for server in servers:
        server.start()
    for number in (3, 5):
        log_out(number)
    for server in servers:
        server.join()
    print(f"{sum(served)} of {4 * 20_000} requests served, sessions left: {sorted(table)}")


if __name__ == "__main__":
    main()
