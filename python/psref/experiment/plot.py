# SPDX-License-Identifier: MIT OR Apache-2.0
"""Pictures of results. matplotlib's figures without pyplot: no global state, so any thread and any program may draw."""

from __future__ import annotations

import functools
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from psref.errors import ArgumentError
from psref.experiment._extras import need
from psref.experiment.frame import record_rows
from psref.experiment.palette import look
from psref.experiment.result import Latency, PlotKind, Record, Result
from psref.experiment.store import write_whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["check_suffix", "plot", "plot_sweep", "to_svg"]

_PERCENTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}
_UNITS = {"ops_per_s": "operations per second", "ops_per_s_per_thread": "operations per second and thread"}


def plot(result: Result, path: str | Path | None, kind: PlotKind) -> Figure:
    """See ``Result.plot``."""
    drawers: dict[str, Callable[[Axes, Result], None]] = {
        "scaling": _scaling,
        "per_thread": _per_thread,
        "latency": lambda axes, of: _percentiles(axes, of, "lookup_ns"),
        "destroy": lambda axes, of: _percentiles(axes, of, "destroy_ns"),
        "memory": _memory,
    }
    if kind not in drawers:
        raise ArgumentError(f"kind: saw {kind!r}, allowed is one of {', '.join(get_args(PlotKind))}")
    figure, axes = _canvas()
    drawers[kind](axes, result)
    _footnote(figure, result)
    return _finish(figure, path)


def plot_sweep(results: Sequence[Result], path: str | Path | None, x: str, y: str) -> Figure:
    """See ``Sweep.plot``. Runs that differ in something else than ``x`` are lines of their own."""
    rows = record_rows(results)
    for name in (x, y):
        if not rows or name not in rows[0]:
            raise ArgumentError(f"{name!r} is no column of the results; there are {', '.join(rows[0] if rows else ())}")
    most = max(row["threads"] for row in rows)
    figure, axes = _canvas()
    lines: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for row in rows:
        if (row["threads"] == most or x == "threads") and row[y] is not None:
            lines.setdefault((row["strategy"], row["host"]), []).append((row[x], row[y]))
    several = len({host for _, host in lines}) > 1
    for (strategy, host), points in lines.items():
        style = look(strategy)
        label = f"{strategy} on {host}" if several else strategy
        xs, ys = zip(*sorted(points))
        axes.plot(xs, ys, color=style.colour, marker=style.marker, linestyle=style.line, label=label)
    axes.set_xlabel(x.replace("_", " "))
    axes.set_ylabel(_UNITS.get(y, y.replace("_", " ")))
    axes.set_ylim(bottom=0)
    axes.set_title(f"{axes.get_ylabel()} by {axes.get_xlabel()}" + ("" if x == "threads" else f", {most} threads"))
    _legend(axes)
    return _finish(figure, path)


def to_svg(figure: Figure) -> bytes:
    """The figure as an SVG document, the same bytes for the same figure."""
    picture = io.BytesIO()
    with need("matplotlib", "plot", "to_svg()").rc_context({"svg.hashsalt": "psref"}):
        figure.savefig(picture, format="svg", bbox_inches="tight", metadata={"Date": None})
    return picture.getvalue()


@functools.cache
def _picture() -> type[Figure]:
    base: type[Figure] = need("matplotlib.figure", "plot", "plot()").Figure

    class Picture(base):  # type: ignore[valid-type, misc]  # its base is imported lazily
        """A figure that a notebook shows without pyplot."""

        def _repr_png_(self) -> bytes:
            picture = io.BytesIO()
            self.savefig(picture, format="png", bbox_inches="tight")
            return picture.getvalue()

    return Picture


def _canvas() -> tuple[Figure, Axes]:
    figure = _picture()(figsize=(9, 5.2), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    axes.grid(True, which="major", color="#dddddd")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _finish(figure: Figure, path: str | Path | None) -> Figure:
    if path is not None:
        path = check_suffix(Path(path))
        write_whole(path, lambda part: figure.savefig(part, bbox_inches="tight"))
    return figure


def check_suffix(path: Path) -> Path:
    """``path``, or an ``ArgumentError`` where matplotlib knows no picture of that suffix."""
    known: dict[str, str] = need("matplotlib.backend_bases", "plot", "plot()").FigureCanvasBase.filetypes
    if path.suffix[1:] not in known:
        raise ArgumentError(
            f"{path}: no kind of picture ends in {path.suffix!r}; known are .{', .'.join(sorted(known))}"
        )
    return path


def _scaling(axes: Axes, result: Result) -> None:
    _against_threads(axes, result, lambda record: (record.ops_low, record.ops_per_s, record.ops_high))
    axes.set_ylabel(f"{_operation(result)} per second, all threads")
    axes.set_title(f"{_operation(result)} per second by number of threads (median and quartiles of the rounds)")


def _per_thread(axes: Axes, result: Result) -> None:
    def of_one(record: Record) -> tuple[float, float, float]:
        return record.ops_low / record.threads, record.ops_per_s_per_thread, record.ops_high / record.threads

    _against_threads(axes, result, of_one)
    axes.set_ylabel(f"{_operation(result)} per second and thread")
    axes.set_title(
        f"{_operation(result)} per second and thread (median and quartiles of the rounds); flat is perfect scaling"
    )


def _against_threads(axes: Axes, result: Result, spread: Callable[[Record], tuple[float, float, float]]) -> None:
    threads = result.threads
    axes.set_yscale("log")
    names = result.strategies
    for place, name in enumerate(names):
        style = look(name)
        records = result.of(name)
        # Beside each other, or error bars of the same thread count hide one another.
        shift = 2 ** (0.16 * ((place + 0.5) / len(names) - 0.5)) if len(threads) > 1 else 1.0 + place
        xs = [record.threads * shift if len(threads) > 1 else shift for record in records]
        low, middle, high = zip(*map(spread, records))
        bars = [[m - a for m, a in zip(middle, low)], [b - m for m, b in zip(middle, high)]]
        axes.errorbar(
            xs, middle, yerr=bars, color=style.colour, marker=style.marker, linestyle=style.line,
            markersize=8 if style.marker == "*" else 5, linewidth=1.6, capsize=5, elinewidth=1.4, label=name,
        )  # fmt: skip
    if len(threads) > 1:
        axes.set_xscale("log", base=2)
        axes.set_xticks(threads, [str(count) for count in threads])
        axes.minorticks_off()
        _cpus_line(axes, result)
        axes.set_xlabel("threads")
    else:
        axes.set_xticks(range(1, len(names) + 1), list(names))
        axes.set_xlabel(f"strategy, with {threads[0]} {'thread' if threads[0] == 1 else 'threads'}")
    ticker = need("matplotlib.ticker", "plot", "plot()")
    # Results often lie within one decade: the decades alone would leave an axis without numbers.
    bottom, top = axes.get_ylim()
    axes.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 1.5, 2, 3, 5, 7) if top < 20 * bottom else (1, 2, 5)))
    axes.yaxis.set_minor_locator(ticker.NullLocator())
    axes.yaxis.set_major_formatter(_engineering())
    _legend(axes)


def _cpus_line(axes: Axes, result: Result) -> None:
    cpus = result.machine.allowed
    if min(result.threads) <= cpus < max(result.threads):
        axes.axvline(cpus, color="#999999", linewidth=1, linestyle=":")
        axes.annotate(
            f"{cpus} CPUs",
            (cpus, 1),
            xycoords=("data", "axes fraction"),
            xytext=(4, -10),
            textcoords="offset points",
            color="#777777",
        )


def _percentiles(axes: Axes, result: Result, field: str) -> None:
    what = "look-up" if result.kind == "lookup" else "pop"
    what = what if field == "lookup_ns" else "destroy"
    most = result.busy
    measured = False
    for record in (record for record in result if record.threads == most):
        name = record.strategy
        latency: Latency | None = getattr(record, field)
        if latency is None:
            continue
        measured = True
        style = look(name)
        # The share of slower operations: on a log scale each nine of the percentile takes the same room.
        # Clocks tick in nanoseconds and coarser: a log scale would hide a 0.
        xs = [max(1.0, getattr(latency, percentile)) for percentile in _PERCENTILES]
        ys = [1 - share for share in _PERCENTILES.values()]
        axes.plot(xs, ys, color=style.colour, marker=style.marker, linestyle=style.line, label=name)
        axes.plot(
            [latency.max], [min(ys) / 4], color=style.colour, marker=style.marker, linestyle="none", fillstyle="none"
        )
    axes.set_xlabel(f"{what} latency, nanoseconds (hollow: the slowest)")
    axes.set_ylabel(f"percentile of {what}s")
    axes.set_title(f"{what.capitalize()} latency with {most} {'thread' if most == 1 else 'threads'}")
    if not measured:
        axes.text(0.5, 0.5, f"no {what} was measured", transform=axes.transAxes, ha="center")
        return
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(1, 1.5e-4)
    axes.set_yticks([0.5, 0.1, 0.01, 0.001, 0.00025], ["50 %", "90 %", "99 %", "99.9 %", "slowest"])
    axes.minorticks_off()
    axes.xaxis.set_major_formatter(_engineering())
    _legend(axes)


def _memory(axes: Axes, result: Result) -> None:
    names = result.strategies
    columns = {"bytes_per_object": "an object", "bytes_per_hold": "a hold", "bytes_per_cpu": "a CPU"}
    shades = ("#0072b2", "#e69f00", "#009e73")
    hatches = ("", "//", "..")
    width = 0.8 / len(columns)
    for place, (column, label) in enumerate(columns.items()):
        heights = [getattr(result.of(name)[-1].memory, column) for name in names]
        xs = [index + (place - 1) * width for index in range(len(names))]
        bars = axes.bar(
            xs,
            heights,
            width * 0.95,
            color=shades[place],
            hatch=hatches[place],
            edgecolor="white",
            label=f"for {label}",
        )
        axes.bar_label(bars, [f"{height:g}" for height in heights], fontsize=7, padding=1)
    axes.set_yscale("symlog", base=2, linthresh=8)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_xticks(range(len(names)), list(names))
    axes.margins(y=0.1)
    axes.grid(False, axis="x")
    axes.set_xlabel("strategy")
    axes.set_ylabel("bytes")
    axes.set_title("Memory that holding takes, apart from the objects")
    _legend(axes)


def _operation(result: Result) -> str:
    return "Look-ups" if result.kind == "lookup" else "Pops and pushes"


def _engineering() -> Any:
    return need("matplotlib.ticker", "plot", "plot()").EngFormatter(sep="\N{NARROW NO-BREAK SPACE}")


def _legend(axes: Axes) -> None:
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)


def _footnote(figure: Figure, result: Result) -> None:
    config, machine = result.config, result.machine
    parts = [
        f"{machine.cpu_model or 'unknown CPU'}, {machine.allowed} CPUs",
        f"Linux {machine.kernel}",
        f"{machine.backend} back end",
    ]
    if result.kind == "lookup":
        parts += [
            f"{config.keys} keys, Zipf {config.zipf or 0:g}",
            f"{config.destroy_rate or 0:g} destroys/s",
            f"hold {config.hold_ns} ns",
        ]
    else:
        parts += [f"{config.objects} objects of {config.object_size} bytes", f"burst {config.burst}"]
    parts += [f"placement {config.placement}", f"psref {machine.version}"]
    figure.supxlabel("; ".join(parts), fontsize=7, color="#777777")
