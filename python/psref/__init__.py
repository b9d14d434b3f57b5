# SPDX-License-Identifier: MIT OR Apache-2.0
"""Hold onto things while other threads destroy them.

| class | holds | for |
|---|---|---|
| ``ReadSection``, ``Pserialize`` | everything you can reach, briefly | look-ups |
| ``Class``, ``Target`` | one object, for a while | many objects, few holds at a time |
| ``LocalCount``, ``Gate`` | one object, any time, any thread | few objects, many holds |
| ``ObjPool`` | one object out of a fixed stock | buffers |

What acquire, enter and pop answer are context managers. Waits let other threads run and answer Ctrl-C; misuse raises an
exception of ``psref.errors``. ``psref.experiment`` measures these ways of holding onto things beside others.
"""

from psref._native import (
    Class,
    Gate,
    Hold,
    Holder,
    LocalCount,
    ObjPool,
    PoolObject,
    Pserialize,
    ReadSection,
    Target,
    Topology,
    __version__,
    backend,
    holders,
    retire_barrier,
    retire_poll,
    set_strict,
    topology,
    why_not_rseq,
)
from psref._stats import stats
from psref.errors import (
    ArgumentError,
    ConfigError,
    DeadlockError,
    DestroyedError,
    DrainingError,
    Error,
    ForeignObjectError,
    MisuseError,
    NoMemoryError,
    ReadSectionError,
    ReleasedError,
    SealedError,
    StoppedError,
    TimeoutError,
)

__all__ = [
    "ArgumentError",
    "Class",
    "ConfigError",
    "DeadlockError",
    "DestroyedError",
    "DrainingError",
    "Error",
    "ForeignObjectError",
    "Gate",
    "Hold",
    "Holder",
    "LocalCount",
    "MisuseError",
    "NoMemoryError",
    "ObjPool",
    "PoolObject",
    "Pserialize",
    "ReadSection",
    "ReadSectionError",
    "ReleasedError",
    "SealedError",
    "StoppedError",
    "Target",
    "TimeoutError",
    "Topology",
    "__version__",
    "backend",
    "holders",
    "retire_barrier",
    "retire_poll",
    "set_strict",
    "stats",
    "topology",
    "why_not_rseq",
]
