# SPDX-License-Identifier: MIT OR Apache-2.0
"""How each strategy looks, the same in every picture: the colour-blind-safe colours of Okabe and Ito, and a marker.

Strategies whose users write no shared memory have full lines, the others dashed ones.
"""

from __future__ import annotations

import zlib
from typing import NamedTuple

__all__ = ["Look", "look"]


class Look(NamedTuple):
    """Of a line."""

    colour: str
    marker: str
    line: str


_LOOKS = {
    "serial": Look("#7f7f7f", "x", "--"),
    "lock": Look("#000000", "s", "--"),
    "hashed": Look("#8c510a", "D", "--"),
    "atomic": Look("#e69f00", "^", "--"),
    "rwlock": Look("#cc79a7", "v", "--"),
    "pserialize": Look("#009e73", "P", "-"),
    "psref": Look("#0072b2", "o", "-"),
    "localcount": Look("#d55e00", "*", "-"),
    "objpool": Look("#0072b2", "o", "-"),
    "ring": Look("#d55e00", "s", "-"),
    "malloc": Look("#7f7f7f", "x", "--"),
    "freelist": Look("#e69f00", "^", "--"),
    "arrayqueue": Look("#cc79a7", "v", "--"),
}
_OTHERS = [Look(colour, marker, ":") for colour in ("#56b4e9", "#5e3c99", "#1b7837") for marker in ("<", ">", "h", "p")]


def look(strategy: str) -> Look:
    """A look for any name, also for one of a newer version's report."""
    return _LOOKS.get(strategy) or _OTHERS[zlib.crc32(strategy.encode()) % len(_OTHERS)]
