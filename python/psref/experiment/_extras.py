# SPDX-License-Identifier: MIT OR Apache-2.0
"""Imports of what an extra brings, only where it is used."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["need"]


def need(module: str, extra: str, purpose: str) -> Any:
    """The module, or an ``ImportError`` that tells which extra of psref installs it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as missing:
        package = module.partition(".")[0]
        if missing.name is None or missing.name.partition(".")[0] != package:
            raise
        raise ModuleNotFoundError(
            f"{purpose} needs {package}, which is not installed: pip install 'psref[{extra}]'", name=package
        ) from None
