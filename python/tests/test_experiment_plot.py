# SPDX-License-Identifier: MIT OR Apache-2.0
"""Pictures show every strategy, the spread, and the right numbers in the right unit."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any, get_args

import experiment_data as data
import pytest

import psref
from psref.experiment import PlotKind, Result, Sweep, report
from psref.experiment.palette import look
from psref.experiment.quantity import count, nanoseconds
from psref.experiment.runner import strategies

KINDS: tuple[PlotKind, ...] = get_args(PlotKind)


@pytest.fixture
def result() -> Result:
    return Result.from_dict(data.report())


def names_in_legend(figure: Any) -> list[str]:
    return [text.get_text() for text in figure.axes[0].get_legend().get_texts()]


@pytest.mark.parametrize("kind", KINDS)
def test_every_picture_has_labelled_axes_and_says_where_it_was_measured(
    result: Result, kind: PlotKind, tmp_path: Path
) -> None:
    figure = result.plot(tmp_path / "out.png", kind)
    axes = figure.axes[0]
    assert axes.get_xlabel() and axes.get_ylabel() and axes.get_title()
    assert "Example CPU @ 3 GHz, 4 CPUs" in figure.get_supxlabel()
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("kind", ["scaling", "per_thread", "latency", "destroy"])
def test_every_strategy_is_in_the_legend(result: Result, kind: PlotKind) -> None:
    assert names_in_legend(result.plot(kind=kind)) == list(result.strategies)


def test_no_two_strategies_of_a_kind_look_alike() -> None:
    for kind in ("lookup", "pool"):
        looks = [look(strategy.name) for strategy in strategies(kind)]
        assert len({(one.colour, one.marker) for one in looks}) == len(looks)
        assert len({one.colour for one in looks}) == len(looks)
        assert not any(one.line == ":" for one in looks), "a strategy without a look of its own"


def test_the_scaling_curve_is_at_the_median_with_bars_over_the_quartiles(result: Result) -> None:
    axes: Any = result.plot(kind="scaling").axes[0]
    assert len(axes.containers) == len(result.strategies)
    for name, container in zip(result.strategies, axes.containers):
        line, _, (bars,) = container
        assert list(line.get_ydata()) == [record.ops_per_s for record in result.of(name)]
        ends = [tuple(segment[:, 1]) for segment in bars.get_segments()]
        assert ends == [pytest.approx((record.ops_low, record.ops_high)) for record in result.of(name)]


def test_the_curve_per_thread_divides_by_the_threads_and_so_do_its_bars(result: Result) -> None:
    axes: Any = result.plot(kind="per_thread").axes[0]
    line, _, (bars,) = axes.containers[0]
    records = result.of(result.strategies[0])
    assert list(line.get_ydata()) == pytest.approx([record.ops_per_s / record.threads for record in records])
    assert bars.get_segments()[-1][1, 1] == pytest.approx(records[-1].ops_high / 8)


def test_points_lie_nearer_to_their_thread_count_than_to_another(result: Result) -> None:
    axes: Any = result.plot(kind="scaling").axes[0]
    for container in axes.containers:
        assert list(container[0].get_xdata()) == pytest.approx([1, 2, 8], rel=0.06)


def test_latency_is_drawn_in_nanoseconds_where_each_thread_has_a_cpu(result: Result) -> None:
    axes: Any = result.plot(kind="latency").axes[0]
    assert "nanoseconds" in axes.get_xlabel()
    lines = {line.get_label(): line for line in axes.lines}
    assert (result.threads, result.machine.allowed) == ((1, 2, 8), 4)
    assert axes.get_title() == "Look-up latency with 2 threads"
    latency = result.of("psref")[1].lookup_ns
    assert latency is not None
    assert list(lines["psref"].get_xdata()) == [latency.p50, latency.p90, latency.p99, latency.p999]


def test_latency_where_nothing_was_destroyed_says_so() -> None:
    axes: Any = Result.from_dict(data.pool_report()).plot(kind="destroy").axes[0]
    assert [text.get_text() for text in axes.texts] == ["no destroy was measured"]


def test_memory_bars_carry_their_bytes(result: Result) -> None:
    axes: Any = result.plot(kind="memory").axes[0]
    heights = [[bar.get_height() for bar in container] for container in axes.containers]
    at = result.strategies.index("psref")
    assert [column[at] for column in heights] == [16, 40, 512]


def test_one_thread_count_is_drawn_strategy_by_strategy() -> None:
    single = data.report()
    single["records"] = [record for record in single["records"] if record["threads"] == 2]
    axes: Any = Result.from_dict(single).plot().axes[0]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == [r["strategy"] for r in single["records"]]
    assert axes.get_xlabel() == "strategy, with 2 threads"


def test_wrong_kinds_and_suffixes_are_named(result: Result, tmp_path: Path) -> None:
    with pytest.raises(psref.ArgumentError, match="kind: saw 'pie', allowed is one of scaling, "):
        result.plot(kind="pie")  # type: ignore[arg-type]
    with pytest.raises(psref.ArgumentError, match="no kind of picture ends in '.xyz'"):
        result.plot(tmp_path / "out.xyz")
    assert not list(tmp_path.iterdir())


def test_a_notebook_shows_a_figure_without_pyplot(result: Result) -> None:
    figure: Any = result.plot()
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_a_sweep_is_drawn_against_what_it_varied(tmp_path: Path) -> None:
    several = []
    for rate in (1000.0, 10.0):
        changed = data.report()
        changed["config"]["destroy_rate"] = rate
        several.append(Result.from_dict(changed))
    sweep = Sweep(tuple(several))
    axes: Any = sweep.plot(tmp_path / "out.svg", x="destroy_rate").axes[0]
    assert len(axes.lines) == 8
    assert list(axes.lines[0].get_xdata()) == [10, 1000]
    assert list(axes.lines[0].get_ydata()) == [several[0].of("serial")[-1].ops_per_s] * 2
    with pytest.raises(psref.ArgumentError, match="'colour' is no column of the results; there are host, "):
        sweep.plot(x="colour")


def test_the_report_is_one_file_with_all_curves_and_their_meaning(tmp_path: Path) -> None:
    results = [Result.from_dict(data.report()), Result.from_dict(data.pool_report())]
    page = report(results, tmp_path / "report.html").read_text(encoding="utf-8")
    pictures = re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', page)
    assert len(pictures) == 5 + 4
    assert all(b"<svg" in base64.b64decode(picture) for picture in pictures)
    assert not re.search(r'(src|href)="(?!data:)', page), "it must not need another file"
    assert page.count("<tr") == 1 + 24 + 1 + 6
    assert "Does it scale?" in page and "Every run was safe." in page
    assert re.search(r'<script type="application/json" id="report-0">(.*?)</script>', page, re.S)


def test_the_report_says_what_was_not_safe(tmp_path: Path) -> None:
    page = report(Result.from_dict(data.unsafe_report()), tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Not safe: atomic." in page and "Every run was safe" not in page


def test_a_report_needs_a_name_and_something_to_show(result: Result, tmp_path: Path) -> None:
    with pytest.raises(psref.ArgumentError, match="ending in .html, got '.pdf'"):
        report(result, tmp_path / "report.pdf")
    with pytest.raises(psref.ArgumentError, match="an empty list"):
        report([], tmp_path / "report.html")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0.00"), (12.34, "12.3"), (999.7, "1.00 k"), (1234, "1.23 k"), (56.78e6, "56.8 M"), (999.96e6, "1.00 G")],
)
def test_counts_have_three_digits_and_a_prefix(value: float, text: str) -> None:
    assert count(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(7, "7.00 ns"), (850, "850 ns"), (1500, "1.50 µs"), (2.5e6, "2.50 ms"), (3e9, "3.00 s")]
)
def test_times_come_in_the_unit_that_fits(value: float, text: str) -> None:
    assert nanoseconds(value) == text
