# SPDX-License-Identifier: MIT OR Apache-2.0
"""What may be said on the command line, and the help that teaches it."""

from __future__ import annotations

import argparse
import textwrap
from typing import Any, get_args

from psref import __version__
from psref.experiment import Config, PlotKind, strategies

__all__ = ["WORKLOAD", "parser", "workload"]

_ABOUT = """\
Hold onto things while other threads destroy them, and measure what that costs.

A thread that looks up an object in a shared table must keep it from being destroyed while it uses it. Locks and atomic
counts do that, and all threads then fight for one cache line. psref's ways write only memory of the own CPU or
thread."""

_EXAMPLES = """\
examples:
  psref compare                             all strategies, a second each
  psref compare --seconds 2 --plot out.png  the curves as a picture
  psref compare --strategies psref,atomic --threads 1,2,4 --zipf 1
                                            a few favourite objects: what contention does to an atomic count
  psref pool --json - | jq .records         pools, as data
  psref report                              everything in one HTML file, with explanations

exit status: 0 all well; 1 a strategy was unsafe, or something failed; 2 the command line was wrong; 130 interrupted"""

_COMPARE = """\
Measures ways of looking up objects in a table and holding them while another thread destroys and replaces them,
natively and in interleaved rounds. Every run watches its own safety: the column "safe" says whether a held object ever
changed, and how often.

"ops/s" is the median of the rounds for all threads together, "spread" their quartiles. "look-up" is the time
until the object is held, "destroy" the time from unlinking an object until it may be reused."""

_POOL = """\
Measures stocks of objects that threads pop from and push back to. Every run watches that no object has two owners."""

_REPORT = """\
Writes one HTML file that needs no other: the curves of all strategies, what they mean, the machine and all figures.
With FILEs (written by compare or pool with --json) it shows these; without, it measures look-ups and pools now."""

_TOPOLOGY = """\
Shows the CPUs and NUMA nodes as psref sees them, and the back end: "rseq" (restartable sequences, no atomics), or
"atomic" where the kernel, the C library or PSREF_BACKEND does not give it, with the reason."""

_TORTURE = """\
Runs psref-torture, the long test of the C library, with the arguments that follow. It is installed with the C
library's tests, not with this module."""

# Field of Config: metavar, help. One list for compare, pool and report.
_LOOKUP = {
    "keys": ("N", "objects in the table"),
    "zipf": ("S", "exponent of the keys' popularity: 0 all alike, 1 a few favourites"),
    "destroy_rate": ("HZ", "objects destroyed and replaced a second, by one more thread; 0: none"),
    "hold_ns": ("NS", "nanoseconds that a hold lasts; 0: as long as looking at the object takes"),
}
_STOCK = {
    "objects": ("N", "objects in the pool"),
    "object_size": ("BYTES", "bytes of an object"),
    "burst": ("N", "objects that a thread pops before it pushes them back"),
}
_REALS = ("zipf", "destroy_rate")
WORKLOAD = Config.field_names()


def parser() -> argparse.ArgumentParser:
    """The command line; every subcommand's ``command`` attribute is its name."""
    top = _Parser("psref", _ABOUT, _EXAMPLES)
    top.add_argument("--version", action="version", version=f"psref {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_Parser)
    commands.add_parser("topology", help="show CPUs, NUMA nodes and back end", description=_TOPOLOGY).add_argument(
        "--json", action="store_true", help="as JSON"
    )
    compare = commands.add_parser(
        "compare", help="measure ways of looking up and holding", description=_COMPARE, epilog=_known("lookup")
    )
    _measuring(compare, "lookup", _LOOKUP)
    pool = commands.add_parser("pool", help="measure pools of objects", description=_POOL, epilog=_known("pool"))
    _measuring(pool, "pool", _STOCK)
    report = commands.add_parser("report", help="write curves and explanations as one HTML file", description=_REPORT)
    report.add_argument("files", metavar="FILE", nargs="*", help="results to show (.json or .parquet)")
    report.add_argument(
        "-o", "--output", metavar="FILE", default="psref-report.html", help="the page (default: %(default)s)"
    )
    _common(report)
    torture = commands.add_parser(
        "torture", help="run the C library's long test, where it is installed", description=_TORTURE
    )
    # Only for the help: main() hands over what follows, for argparse would take the options for its own.
    torture.add_argument("arguments", nargs="*", help="for psref-torture")
    return top


def workload(options: argparse.Namespace) -> dict[str, Any]:
    """The fields of ``Config`` that were given."""
    return {field: value for field in WORKLOAD if (value := getattr(options, field, None)) is not None}


class _Help(argparse.HelpFormatter):
    """Fills each paragraph of its own; indented lines, such as examples, stay as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        paragraphs = (
            part if "\n " in part else textwrap.fill(part, width, initial_indent=indent, subsequent_indent=indent)
            for part in text.split("\n\n")
        )
        return "\n\n".join(paragraphs)


class _Parser(argparse.ArgumentParser):
    """Takes no abbreviations: scripts must not break when an option is added."""

    def __init__(self, prog: str, description: str, epilog: str | None = None, **others: Any) -> None:
        super().__init__(
            prog=prog,
            description=description,
            epilog=epilog,
            formatter_class=_Help,
            allow_abbrev=False,
            **others,
        )


def _known(kind: str) -> str:
    return "strategies:\n" + "\n".join(f"  {one.name:11} {one.says}" for one in strategies(kind))


def _measuring(command: argparse.ArgumentParser, kind: str, own: dict[str, tuple[str, str]]) -> None:
    command.set_defaults(kind=kind)
    command.add_argument("--strategies", metavar="NAME[,NAME...]", type=_names, help="which; all if left out")
    _common(command)
    for field, (metavar, meaning) in own.items():
        command.add_argument(
            f"--{field.replace('_', '-')}", metavar=metavar, type=float if field in _REALS else int, help=meaning
        )
    command.add_argument("--json", metavar="FILE", help='write the whole report; "-": to standard output, and no table')
    command.add_argument("--plot", metavar="FILE", help="write a picture; the suffix says which kind: .png, .svg, .pdf")
    command.add_argument(
        "--plot-kind", choices=get_args(PlotKind), default="scaling", metavar="KIND",
        help=f"what it shows: {', '.join(get_args(PlotKind))} (default: %(default)s)",
    )  # fmt: skip


def _common(command: argparse.ArgumentParser) -> None:
    command.add_argument("--threads", metavar="N[,N...]", type=_counts, help="thread counts; 1, 2, 4, ... if left out")
    command.add_argument("--seconds", metavar="S", type=float, help="for each strategy, all its thread counts together")
    command.add_argument(
        "--rounds", metavar="N", type=int, help="measure each so often, in turns; the spread comes from them"
    )
    command.add_argument(
        "--placement", metavar="HOW", help="compact: pinned to near CPUs; spread: over the NUMA nodes; free: not pinned"
    )
    command.add_argument("--seed", metavar="N", type=int, help="of the keys, and of the order of strategies in a round")


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]


def _counts(text: str) -> list[int]:
    try:
        return [int(item) for item in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected whole numbers with commas between, such as 1,2,8; saw {text!r}"
        ) from None
