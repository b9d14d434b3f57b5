# SPDX-License-Identifier: MIT OR Apache-2.0
"""The subcommands. Each takes its options and gives an exit status."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from pathlib import Path

import psref
from psref.cli import show
from psref.cli.arguments import workload
from psref.errors import ArgumentError, Error
from psref.experiment import Config, Result, load, page, run_config
from psref.experiment._extras import need

__all__ = ["compare", "pool", "report", "topology", "torture"]


def compare(options: argparse.Namespace) -> int:
    """Measures, then shows and writes what was asked for. What would fail then is found before."""
    config = Config.from_dict(workload(options))
    to_stdout = options.json == "-"
    if not to_stdout:
        need(
            "rich",
            "plot",
            "the table (--json FILE does without)" if options.json is None else "the table (--json - does without)",
        )
        _there(options.json)
    if options.plot is not None:
        from psref.experiment.plot import check_suffix

        check_suffix(_there(options.plot))
    result = run_config(config, progress=None)
    if to_stdout:
        print(result.to_json())
    else:
        show.table(result)
    if options.json is not None and not to_stdout:
        Path(options.json).write_text(result.to_json() + "\n", encoding="utf-8")
    if options.plot is not None:
        result.plot(options.plot, options.plot_kind)
    return _verdict([result])


pool = compare


def report(options: argparse.Namespace) -> int:
    """Writes the page of the given or of new results."""
    given = workload(options)
    if options.files and given:
        raise ArgumentError(
            f"--{next(iter(given)).replace('_', '-')} is for a new measurement, but files of earlier ones were given"
        )
    need("matplotlib", "plot", "the report")
    page.check_suffix(_there(options.output))
    if options.files:
        results = [load(name) for name in options.files]
    else:
        results = [run_config(Config(kind=kind, **given), progress=None) for kind in ("lookup", "pool")]
    print(page.report(results, options.output))
    return _verdict(results)


def topology(options: argparse.Namespace) -> int:
    """Shows what psref knows of the machine."""
    known = psref.topology()
    facts = {
        "backend": psref.backend(),
        "why_not_rseq": psref.why_not_rseq(),
        "source": known.source,
        "cpus": known.cpus,
        "nodes": known.nodes,
    }
    if options.json:
        print(json.dumps(facts, indent=1))
    else:
        show.topology(facts)
    return 0


def torture(options: argparse.Namespace) -> int:
    """Becomes psref-torture."""
    program = shutil.which("psref-torture")
    if program is None:
        raise Error(
            "psref-torture is not installed, or not in PATH: it comes with the C library's tests, not with this module"
        )
    sys.stdout.flush()
    os.execv(program, [program, *options.arguments])


def _there(name: str | None) -> Path:
    path = Path(name or ".")
    if not path.parent.is_dir():
        raise ArgumentError(f"{path}: no directory {path.parent}")
    return path


def _verdict(results: list[Result]) -> int:
    unsafe = [
        f"{r.strategy} with {r.threads} threads ({r.violations} violations)"
        for result in results
        for r in result
        if not r.safe
    ]
    if unsafe:
        print(f"psref: NOT SAFE: {'; '.join(unsafe)}", file=sys.stderr)
    return 1 if unsafe else 0
