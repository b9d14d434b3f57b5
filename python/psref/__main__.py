# SPDX-License-Identifier: MIT OR Apache-2.0
"""``python -m psref``."""

import sys

from psref.cli import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
