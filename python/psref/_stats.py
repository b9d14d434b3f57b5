# SPDX-License-Identifier: MIT OR Apache-2.0
"""Statistics as a dict."""

from __future__ import annotations

import json
from typing import Any

from psref import _native


def stats() -> dict[str, Any]:
    """What is held, what took the slow path, what was drained and how long that was waited for; of the whole process.

    ``classes`` and ``pools`` are lists, the rest is of all things together; psref_stats(3) has all keys. Times are in nanoseconds, a histogram
    is a list of pairs: from how many on, up to the double, how many waits. Numbers of one moment need not go together.
    """
    counted: dict[str, Any] = json.loads(_native.stats_json())
    return counted
