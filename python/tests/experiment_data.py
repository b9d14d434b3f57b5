# SPDX-License-Identifier: MIT OR Apache-2.0
"""Reports for tests: a recorded one with figures made up to be told apart, and copies with one thing changed."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).parent / "data" / "lookup.json"


def report() -> dict[str, Any]:
    """A fresh copy."""
    loaded: dict[str, Any] = json.loads(RECORDED.read_text(encoding="utf-8"))
    return loaded


def unsafe_report() -> dict[str, Any]:
    """The same, but ``atomic`` with 2 threads saw held objects change."""
    changed = report()
    record = next(r for r in changed["records"] if r["strategy"] == "atomic" and r["threads"] == 2)
    record.update(safe=False, violations=3)
    return changed


def pool_report() -> dict[str, Any]:
    """The figures under the names of pools, where nothing is destroyed."""
    changed = report()
    changed["config"].update(kind="pool", strategies=["objpool", "malloc"])
    kept = [copy.deepcopy(r) for r in changed["records"] if r["strategy"] in ("psref", "lock")]
    for record in kept:
        record.update(strategy={"psref": "objpool", "lock": "malloc"}[record["strategy"]], destroy_ns=None, destroys=0)
    changed["records"] = kept
    return changed
