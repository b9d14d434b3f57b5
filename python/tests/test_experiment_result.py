# SPDX-License-Identifier: MIT OR Apache-2.0
"""Reports become records, frames and files, and come back from files as they were."""

from __future__ import annotations

import json
import math
import pickle
import sys
from pathlib import Path
from typing import Any

import experiment_data as data
import pytest

import psref
from psref.experiment import Config, ReportError, Result, load


@pytest.fixture
def result() -> Result:
    return Result.from_dict(data.report())


def test_there_is_one_record_for_each_strategy_and_thread_count(result: Result) -> None:
    assert len(result) == 24
    assert {(r.strategy, r.threads) for r in result} == {(s, t) for s in result.strategies for t in (1, 2, 8)}


def test_a_record_says_what_the_report_said(result: Result) -> None:
    raw = next(r for r in data.report()["records"] if r["strategy"] == "psref" and r["threads"] == 8)
    record = result.of("psref")[-1]
    assert record.ops_per_s == raw["ops_per_s"]
    assert (record.ops_low, record.ops_high) == (raw["ops_low"], raw["ops_high"])
    assert record.lookup_ns is not None and record.lookup_ns.p999 == raw["lookup_ns"]["p999"]
    assert record.memory.bytes_per_cpu == 512
    assert [sample.ops for sample in record.samples] == [sample["ops"] for sample in raw["samples"]]


def test_the_strategy_that_was_not_measured_is_named(result: Result) -> None:
    with pytest.raises(KeyError, match="'objpool' was not measured; measured were serial, "):
        result.of("objpool")


def test_one_unsafe_record_makes_the_result_unsafe(result: Result) -> None:
    assert result.safe
    assert not Result.from_dict(data.unsafe_report()).safe


def test_fields_of_a_newer_version_do_not_hurt() -> None:
    newer = data.report()
    newer["records"][0]["energy_nj"] = 7
    newer["config"]["moon"] = "full"
    assert Result.from_dict(newer).records[0].threads == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.update(schema=2), "schema 2 seen, 1 expected"),
        (lambda r: r.pop("machine"), "report: no field 'machine'"),
        (lambda r: r["records"][3].pop("ops_low"), r"records\[3\]: no field 'ops_low'"),
        (lambda r: r["records"][3].update(threads="two"), r"records\[3\].threads: int expected, 'two' seen"),
        (lambda r: r["records"][3].update(threads=True), r"records\[3\].threads: int expected, True seen"),
        (lambda r: r["records"][3].update(safe=1), r"records\[3\].safe: bool expected, 1 seen"),
        (lambda r: r["records"][3]["samples"][1].pop("ops"), r"records\[3\].samples\[1\]: no field 'ops'"),
    ],
)
def test_a_broken_report_is_refused_by_the_place_that_is_broken(change: Any, message: str) -> None:
    broken = data.report()
    change(broken)
    with pytest.raises(ReportError, match=message):
        Result.from_dict(broken)


def test_text_that_is_no_report_is_refused() -> None:
    with pytest.raises(ReportError, match="not JSON"):
        Result.from_json("{")
    with pytest.raises(ReportError, match="a JSON object expected, list seen"):
        Result.from_json("[]")


def test_a_frame_has_a_row_a_record_and_units_in_its_names(result: Result) -> None:
    frame = result.to_pandas()
    assert len(frame) == 24
    row = frame[(frame.strategy == "localcount") & (frame.threads == 8)].iloc[0]
    record = result.of("localcount")[-1]
    assert record.lookup_ns is not None and record.destroy_ns is not None
    assert row.lookup_ns_p99 == record.lookup_ns.p99
    assert row.destroy_ns_max == record.destroy_ns.max
    assert (row.ops_low, row.ops_per_s, row.ops_high) == (record.ops_low, record.ops_per_s, record.ops_high)
    assert (row.bytes_per_object, row["keys"], row.destroy_rate) == (40, 1000, 100)


def test_where_nothing_was_destroyed_the_columns_are_empty_but_there() -> None:
    frame = Result.from_dict(data.pool_report()).to_pandas()
    assert frame.destroy_ns_p50.map(lambda value: value is None or math.isnan(value)).all()


def test_a_frame_of_samples_has_a_row_a_round(result: Result) -> None:
    frame = result.to_pandas(samples=True)
    assert len(frame) == 24 * 3
    assert (frame.ops_per_s - frame.ops / frame.seconds).abs().max() < 1e-6 * frame.ops_per_s.max()


@pytest.mark.parametrize("name", ["saved.json", "saved.parquet"])
def test_what_is_saved_is_loaded_again(result: Result, tmp_path: Path, name: str) -> None:
    path = result.save(tmp_path / name)
    assert load(path) == result
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_parquet_is_a_table_for_everybody_else_too(result: Result, tmp_path: Path) -> None:
    import pandas

    frame = pandas.read_parquet(result.save(tmp_path / "saved.parquet"))
    assert list(frame.ops_per_s) == [record.ops_per_s for record in result]


def test_parquet_of_somebody_else_is_refused(tmp_path: Path) -> None:
    import pandas

    pandas.DataFrame({"a": [1]}).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(ReportError, match="not written by psref"):
        load(tmp_path / "other.parquet")


def test_a_suffix_that_means_nothing_is_refused(result: Result, tmp_path: Path) -> None:
    with pytest.raises(psref.ArgumentError, match="ending in .json or .parquet, got '.txt'"):
        result.save(tmp_path / "saved.txt")
    with pytest.raises(psref.ArgumentError, match="ending in .json or .parquet, got ''"):
        load(tmp_path / "saved")


def test_a_save_that_fails_leaves_the_old_file(result: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = result.save(tmp_path / "saved.json")

    def full(*arguments: object, **named: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="no space left"):
        result.save(path)
    monkeypatch.undo()
    assert load(path) == result
    assert len(list(tmp_path.iterdir())) == 1


def test_a_notebook_shows_all_records_and_marks_the_unsafe() -> None:
    html = Result.from_dict(data.unsafe_report())._repr_html_()
    assert html.count("<tr") == 1 + 24
    assert html.count("NO (3)") == 1
    assert html.count("background:#fdd") == 1


def test_html_in_names_stays_text() -> None:
    hostile = data.report()
    hostile["machine"]["cpu_model"] = "<script>alert(1)</script>"
    assert "<script" not in Result.from_dict(hostile)._repr_html_()


def test_results_pickle(result: Result) -> None:
    assert pickle.loads(pickle.dumps(result)) == result


def test_a_missing_package_is_named_with_its_extra(
    result: Result, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for module in [name for name in sys.modules if name.partition(".")[0] in ("matplotlib", "pyarrow", "pandas")]:
        monkeypatch.delitem(sys.modules, module)

    class Nothing:
        def find_spec(self, name: str, *_: object) -> None:
            if name.partition(".")[0] in ("matplotlib", "pyarrow", "pandas"):
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(sys, "meta_path", [Nothing(), *sys.meta_path])
    with pytest.raises(ModuleNotFoundError, match=r"needs pandas.*pip install 'psref\[plot\]'"):
        result.to_pandas()
    with pytest.raises(ModuleNotFoundError, match=r"needs pyarrow.*pip install 'psref\[lab\]'"):
        result.save(tmp_path / "saved.parquet")


def test_a_report_of_this_host_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.node", lambda: "node17")
    result = Result.from_native(json.dumps(data.report()))
    assert result.host == "node17"
    assert Result.from_json(result.to_json()).host == "node17"


class TestConfig:
    def test_what_is_not_given_is_left_to_the_native_laboratory(self) -> None:
        assert Config().to_dict() == {"kind": "lookup"}
        assert Config(keys=5, zipf=1).to_dict() == {"kind": "lookup", "keys": 5, "zipf": 1.0}

    def test_one_stands_for_a_list_of_one(self) -> None:
        config = Config(strategies="psref", threads=4)
        assert (config.strategies, config.threads) == (("psref",), (4,))
        assert Config(strategies=["psref"], threads=[4]) == config

    def test_numbers_of_numpy_are_numbers(self) -> None:
        import numpy

        numbers: Any = {"threads": numpy.array([1, 2]), "seconds": numpy.float64(0.5), "keys": numpy.int64(7)}
        config = Config(**numbers)
        assert json.loads(config.to_json()) == {"kind": "lookup", "threads": [1, 2], "seconds": 0.5, "keys": 7}

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"threads": ["two"]}, "threads: expected a whole number, got 'two'"),
            ({"threads": 1.5}, "threads: expected a whole number, got 1.5"),
            ({"threads": True}, "threads: expected a whole number, got True"),
            ({"threads": []}, "threads: an empty list"),
            ({"strategies": [3]}, "strategies: expected a name, got 3"),
            ({"strategies": []}, "strategies: an empty list"),
            ({"keys": 10.0}, "keys: expected a whole number, got 10.0"),
            ({"seconds": float("nan")}, "seconds: expected a finite number, got nan"),
            ({"seconds": float("inf")}, "seconds: expected a finite number, got inf"),
            ({"zipf": "1"}, "zipf: expected a finite number, got '1'"),
            ({"placement": 3}, "placement: expected a name, got 3"),
        ],
    )
    def test_what_json_cannot_carry_is_refused_by_name(self, fields: dict[str, Any], message: str) -> None:
        with pytest.raises(psref.ConfigError, match=message.replace("[", r"\[")):
            Config(**fields)

    def test_it_pickles(self) -> None:
        config = Config(strategies=["psref"], threads=[1, 2], seconds=0.1)
        assert pickle.loads(pickle.dumps(config)) == config

    def test_the_report_gives_its_config_back(self) -> None:
        config = Result.from_dict(data.report()).config
        assert (config.threads, config.placement, config.rounds) == ((1, 2, 8), "compact", 3)
