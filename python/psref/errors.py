# SPDX-License-Identifier: MIT OR Apache-2.0
"""What psref raises. Every message names the mistake, what was seen and what was expected.

| class | raised when | also a |
|---|---|---|
| ``Error`` | base of all | |
| ``DrainingError`` | acquire once a drain has begun | |
| ``SealedError`` | a gate is sealed | |
| ``TimeoutError`` | a wait's time was over; what was begun goes on and may be waited for again | ``builtins.TimeoutError`` |
| ``NoMemoryError`` | no memory; nothing is half done | ``MemoryError`` |
| ``ArgumentError`` | an argument out of its range | ``ValueError`` |
| ``ConfigError`` | an experiment that cannot be run | ``ArgumentError`` |
| ``StoppedError`` | an experiment whose progress callback said stop | |
| ``MisuseError`` | a bug of the caller's; base of those that follow | |
| ``DestroyedError`` | use of what was destroyed | |
| ``ReleasedError`` | a hold or an object that was given back already | |
| ``ForeignObjectError`` | an object that is not the pool's | |
| ``ReadSectionError`` | a read section left in another thread, or twice | |
| ``DeadlockError`` | a wait for the waiting thread itself | |
"""

from __future__ import annotations

import builtins

__all__ = [
    "ArgumentError",
    "ConfigError",
    "DeadlockError",
    "DestroyedError",
    "DrainingError",
    "Error",
    "ForeignObjectError",
    "MisuseError",
    "NoMemoryError",
    "ReadSectionError",
    "ReleasedError",
    "SealedError",
    "StoppedError",
    "TimeoutError",
]


class Error(Exception):
    """Base of all that psref raises by itself."""


class DrainingError(Error):
    """Acquired once a drain had begun: look elsewhere, the object is going away."""


class SealedError(Error):
    """The gate is sealed: what was behind it is gone."""


class TimeoutError(Error, builtins.TimeoutError):
    """The time was over. A drain or seal that was begun stays begun, and may be waited for again."""


class NoMemoryError(Error, MemoryError):
    """No memory; nothing is half done."""


class ArgumentError(Error, ValueError):
    """An argument out of its range."""


class ConfigError(ArgumentError):
    """An experiment that cannot be run as it was described."""


class StoppedError(Error):
    """The progress callback of an experiment answered False."""


class MisuseError(Error):
    """A bug of the caller's."""


class DestroyedError(MisuseError):
    """Use of what was destroyed."""


class ReleasedError(MisuseError):
    """A hold or an object that was given back already."""


class ForeignObjectError(MisuseError):
    """An object that is not the pool's."""


class ReadSectionError(MisuseError):
    """A read section that was left in another thread, or twice; in strict mode, something that may sleep inside of one."""


class DeadlockError(MisuseError):
    """A wait for the waiting thread itself: it would never end."""
