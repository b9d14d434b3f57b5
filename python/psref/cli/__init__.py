# SPDX-License-Identifier: MIT OR Apache-2.0
"""The command line: ``psref`` and ``python -m psref``."""

from psref.cli.main import main

__all__ = ["main"]
