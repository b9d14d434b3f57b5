# SPDX-License-Identifier: MIT OR Apache-2.0
"""From the command line to an exit status. Messages go to standard error, results to standard output."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from psref.cli.arguments import parser
from psref.errors import ArgumentError, Error

__all__ = ["main"]

_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line, by default ``sys.argv``; gives the exit status. ``SystemExit``: --help and bad options."""
    from psref.cli import commands

    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["torture"] and given[1:] not in (["-h"], ["--help"]):
        options = argparse.Namespace(command="torture", arguments=given[1:])
    else:
        options = parser().parse_args(given)
    run = getattr(commands, options.command)
    try:
        status: int = run(options)
        sys.stdout.flush()
        return status
    except ArgumentError as error:
        return _complain(options, error, 2)
    except (Error, OSError, ImportError) as error:
        if isinstance(error, BrokenPipeError):
            # Whoever read has enough. The interpreter must not flush into the closed pipe again at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        return _complain(options, error, 1)
    except KeyboardInterrupt:
        return _complain(options, "interrupted; nothing was written", _INTERRUPTED)


def _complain(options: argparse.Namespace, what: object, status: int) -> int:
    print(f"psref {options.command}: {what}", file=sys.stderr)
    return status
