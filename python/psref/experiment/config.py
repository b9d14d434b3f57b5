# SPDX-License-Identifier: MIT OR Apache-2.0
"""What is to be measured. Defaults and limits are the native laboratory's: what is None here is left to it."""

from __future__ import annotations

import dataclasses
import json
import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from psref.errors import ConfigError

__all__ = ["Config"]

_WHOLE = ("rounds", "keys", "hold_ns", "seed", "objects", "object_size", "burst")
_REAL = ("seconds", "zipf", "destroy_rate")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """One experiment. It pickles, so that an executor can carry it to another machine.

    Numbers are checked here only as far as JSON cannot carry them; the native laboratory checks the rest before it
    starts. A single name or number stands for a list of one. Errors: ``ConfigError`` (a ``ValueError``).
    """

    kind: str = "lookup"
    """``"lookup"``: find an object in a table and hold it; ``"pool"``: pop objects from a stock and push them back."""
    strategies: str | Sequence[str] | None = None
    """Names, see ``strategies()``; None: all of the kind."""
    threads: int | Sequence[int] | None = None
    """Thread counts, each measured in turn; None: 1, 2, 4 to the CPUs this process may use, and twice these."""
    seconds: float | None = None
    """Time for each strategy, shared by all its thread counts and rounds; warm-up comes on top."""
    rounds: int | None = None
    """How often each is measured, all strategies taking turns; the spread comes from them."""
    keys: int | None = None
    """Objects in the table."""
    zipf: float | None = None
    """Exponent of the keys' Zipf distribution; 0 is uniform, 1 a few favourites."""
    destroy_rate: float | None = None
    """Objects destroyed and put back a second, by one more thread; 0: none."""
    hold_ns: int | None = None
    """Nanoseconds that a hold lasts, in a calibrated busy loop; 0: no longer than it takes to look at the object."""
    placement: str | None = None
    """``"compact"``: threads pinned to neighbouring CPUs; ``"spread"``: over the NUMA nodes; ``"free"``: not pinned."""
    seed: int | None = None
    """For the keys and the order of strategies in a round."""
    objects: int | None = None
    """Pools: objects in stock."""
    object_size: int | None = None
    """Pools: bytes of an object."""
    burst: int | None = None
    """Pools: objects taken before they are put back."""

    def __post_init__(self) -> None:
        _set(self, "strategies", _listed("strategies", self.strategies, str, _name))
        _set(self, "threads", _listed("threads", self.threads, int, _whole))
        for field in _WHOLE:
            if (value := getattr(self, field)) is not None:
                _set(self, field, _whole(field, value))
        for field in _REAL:
            if (value := getattr(self, field)) is not None:
                _set(self, field, _real(field, value))
        for field in ("kind", "placement"):
            if (value := getattr(self, field)) is not None:
                _name(field, value)

    def to_dict(self) -> dict[str, Any]:
        """What differs from the defaults, under the names of the native laboratory."""
        pairs = ((field.name, getattr(self, field.name)) for field in dataclasses.fields(self))
        return {name: list(value) if isinstance(value, tuple) else value for name, value in pairs if value is not None}

    def to_json(self) -> str:
        """``to_dict()`` as JSON."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Config:
        """The reverse of ``to_dict()``. Unknown fields, of a newer version's report, are left out."""
        known = {field.name for field in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in fields.items() if name in known})

    @classmethod
    def field_names(cls) -> tuple[str, ...]:
        """The names a grid may use."""
        return tuple(field.name for field in dataclasses.fields(cls))


def _set(config: Config, field: str, value: object) -> None:
    # The dataclass is frozen for its users; this is its own construction.
    object.__setattr__(config, field, value)


def _listed(field: str, value: Any, single: type, convert: Any) -> tuple[Any, ...] | None:
    if value is None:
        return None
    if isinstance(value, single) or not isinstance(value, Iterable):
        value = (value,)
    items = tuple(convert(field, item) for item in value)
    if not items:
        raise ConfigError(f"{field}: an empty list, expected at least one (leave {field} out for the default)")
    return items


def _name(field: str, value: object) -> str:
    if not isinstance(value, str):
        raise ConfigError(f"{field}: expected a name, got {value!r}")
    return value


def _whole(field: str, value: object) -> int:
    try:
        if not isinstance(value, bool):
            return operator.index(value)  # type: ignore[arg-type]  # that it may be no number is the point
    except TypeError:
        pass
    raise ConfigError(f"{field}: expected a whole number, got {value!r}")


def _real(field: str, value: object) -> float:
    try:
        number = float(value) if not isinstance(value, (bool, str)) else math.nan  # type: ignore[arg-type]
    except TypeError:
        number = math.nan
    if not math.isfinite(number):
        raise ConfigError(f"{field}: expected a finite number, got {value!r}")
    return number
