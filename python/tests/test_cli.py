# SPDX-License-Identifier: MIT OR Apache-2.0
"""The command line: what it prints, what it writes, how it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import experiment_data as data
import pytest

import psref
from psref.cli import main
from psref.experiment import Result, load

Recorder = list[dict[str, Any]]
SHORT = ("--seconds", "0.05", "--rounds", "2", "--threads", "1,2")


@pytest.fixture
def native(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, Any]], Recorder]:
    """Puts a report in the place of a run; gives the configurations that were to be run."""

    def replace(report: dict[str, Any]) -> Recorder:
        seen: Recorder = []

        def run(config: str, progress: Callable[[str], bool]) -> str:
            seen.append(json.loads(config))
            assert progress(json.dumps({"done": 0.5, "strategy": "psref", "threads": 2, "round": 0}))
            return json.dumps(report)

        monkeypatch.setattr(psref._native, "run_experiment", run)
        return seen

    return replace


def run_module(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "psref", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)


def test_options_become_the_configuration(native: Any, capsys: pytest.CaptureFixture[str]) -> None:
    seen = native(data.report())
    assert (
        main(
            ["compare", "--strategies", "psref, atomic", "--threads", "1,8", "--destroy-rate", "2.5", "--hold-ns", "30"]
        )
        == 0
    )
    assert main(["pool", "--objects", "64", "--burst", "2", "--placement", "spread"]) == 0
    assert seen == [
        {"kind": "lookup", "strategies": ["psref", "atomic"], "threads": [1, 8], "destroy_rate": 2.5, "hold_ns": 30},
        {"kind": "pool", "objects": 64, "burst": 2, "placement": "spread"},
    ]


def test_the_table_shows_every_record_with_its_safety(native: Any, capsys: pytest.CaptureFixture[str]) -> None:
    native(data.report())
    assert main(["compare"]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split() for line in lines if line.lstrip().startswith(Result.from_dict(data.report()).strategies)]
    assert len(rows) == 24
    assert all(row[-1] == "yes" for row in rows)
    assert "destroy p99.9" in "".join(lines), "a pipe is wide enough for all columns"


def test_a_narrow_terminal_gets_a_table_that_fits(native: Any, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    native(data.report())
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["compare"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    assert "strategy" in text and "safe" in text and "…" not in text


def test_an_unsafe_run_ends_with_1_and_says_which(native: Any, capsys: pytest.CaptureFixture[str]) -> None:
    native(data.unsafe_report())
    assert main(["compare"]) == 1
    output = capsys.readouterr()
    assert "NO (3)" in output.out
    assert "NOT SAFE: atomic with 2 threads (3 violations)" in output.err


def test_json_goes_to_a_file_beside_the_table_or_alone_to_stdout(native: Any, capsys: Any, tmp_path: Path) -> None:
    native(data.report())
    assert main(["compare", "--json", str(tmp_path / "out.json")]) == 0
    assert "strategy" in capsys.readouterr().out
    assert len(load(tmp_path / "out.json")) == 24
    assert main(["compare", "--json", "-"]) == 0
    assert len(Result.from_json(capsys.readouterr().out)) == 24


def test_a_picture_is_written(native: Any, tmp_path: Path) -> None:
    native(data.report())
    assert main(["compare", "--plot", str(tmp_path / "out.svg"), "--plot-kind", "memory"]) == 0
    assert "<svg" in (tmp_path / "out.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compare", "--plot", "/nowhere/out.png"], "no directory /nowhere"),
        (["compare", "--json", "/nowhere/out.json"], "no directory /nowhere"),
        (["compare", "--plot", "out.xyz"], "no kind of picture ends in '.xyz'"),
        (["report", "-o", "/nowhere/out.html"], "no directory /nowhere"),
        (["report", "--seconds", "1", "earlier.json"], "--seconds is for a new measurement"),
        (["report", "-o", "out.pdf"], "expected a name ending in .html, got '.pdf'"),
    ],
)
def test_what_cannot_be_written_is_said_before_anything_is_measured(
    native: Any, capsys: Any, arguments: list[str], message: str
) -> None:
    seen = native(data.report())
    assert main(arguments) == 2
    assert message in capsys.readouterr().err
    assert seen == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["sleep"], "invalid choice: 'sleep'"),
        (["compare", "--threads", "two"], "expected whole numbers with commas between, such as 1,2,8; saw 'two'"),
        (["compare", "--plot-kind", "pie"], "invalid choice: 'pie'"),
        (["compare", "--sec", "1"], "unrecognized arguments: --sec"),
    ],
)
def test_a_wrong_command_line_ends_with_2(capsys: Any, arguments: list[str], message: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compare", "--threads", "-1"], "threads[0]: saw -1, allowed is a whole number from 1"),
        (
            ["compare", "--strategies", "psref,hope"],
            'strategies[1]: saw "hope", allowed is for kind "lookup" one of serial, lock',
        ),
        (["compare", "--placement", "moon"], "placement: "),
        (["compare", "--seconds", "-2"], "seconds: saw -2, allowed is a number from"),
        (["compare", "--zipf", "nan"], "zipf: expected a finite number, got nan"),
        (["pool", "--strategies", "psref"], 'strategies[0]: saw "psref", allowed is for kind "pool" one of objpool'),
        (["pool", "--object-size", "0"], "object_size: saw 0, allowed is"),
    ],
)
def test_a_wrong_experiment_ends_with_2_and_names_the_mistake(capsys: Any, arguments: list[str], message: str) -> None:
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, wanted in (
        (["--help"], "exit status: 0"),
        (["compare", "--help"], "--destroy-rate HZ"),
        (["report", "--help"], "HTML"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 0
        assert wanted in capsys.readouterr().out


def test_topology_is_shown_and_given_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["topology"]) == 0
    assert f"back end: {psref.backend()}" in capsys.readouterr().out
    assert main(["topology", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["backend"], facts["cpus"]) == (psref.backend(), psref.topology().cpus)


def test_cpus_are_written_as_the_kernel_writes_them() -> None:
    from psref.cli.show import _ranges

    assert _ranges([0, 1, 2, 3, 8, 10, 11]) == "0-3,8,10-11"


def test_torture_that_is_not_installed_is_said(capsys: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["torture"]) == 1
    assert "psref-torture is not installed" in capsys.readouterr().err


def test_torture_that_is_installed_gets_the_arguments_and_its_status_is_ours(tmp_path: Path) -> None:
    program = tmp_path / "psref-torture"
    program.write_text('#!/bin/sh\necho "tortured: $*"\nexit 7\n', encoding="utf-8")
    program.chmod(0o755)
    ended = run_module("torture", "--seconds", "3", env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert (ended.returncode, ended.stdout) == (7, "tortured: --seconds 3\n")


def test_compare_measures_all_strategies_and_shows_no_bar_in_a_pipe(tmp_path: Path) -> None:
    ended = run_module("compare", *SHORT, "--json", "out.json", "--plot", "out.png", cwd=tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    result = load(tmp_path / "out.json")
    names = ["serial", "lock", "hashed", "atomic", "rwlock", "pserialize", "psref", "localcount"]
    assert sorted((r.strategy, r.threads) for r in result) == sorted((name, n) for name in names for n in (1, 2))
    assert all(r.safe and r.ops_per_s > 0 for r in result)
    assert (tmp_path / "out.png").stat().st_size > 10_000


def test_pool_measures_all_pools() -> None:
    ended = run_module("pool", *SHORT, "--json", "-")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert {r.strategy for r in Result.from_json(ended.stdout)} == {
        "objpool",
        "ring",
        "malloc",
        "freelist",
        "arrayqueue",
    }


def test_report_shows_given_files_or_measures(tmp_path: Path) -> None:
    (tmp_path / "earlier.json").write_text(json.dumps(data.report()), encoding="utf-8")
    ended = run_module("report", "earlier.json", "-o", "page.html", cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (0, "page.html\n")
    assert "Example CPU" in (tmp_path / "page.html").read_text(encoding="utf-8")
    ended = run_module("report", *SHORT, cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (0, "psref-report.html\n")
    assert "objpool" in (tmp_path / "psref-report.html").read_text(encoding="utf-8")


def test_ctrl_c_ends_a_run_at_once_and_writes_nothing(tmp_path: Path) -> None:
    # The watcher is called while threads measure: it interrupts the process itself, so nothing here depends on time.
    program = (
        "import os, signal, sys; from psref.experiment import progress; from psref.cli import main; watcher = "
        "progress.watcher\n"
        "progress.watcher = lambda update: lambda text: os.kill(os.getpid(), signal.SIGINT) or watcher(update)(text)\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", program, "compare", "--seconds", "1000", "--json", "out.json"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert (ended.returncode, ended.stderr) == (130, "psref compare: interrupted; nothing was written\n")
    assert not list(tmp_path.iterdir())


def test_a_reader_that_has_enough_is_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "earlier.json").write_text(json.dumps(data.report()), encoding="utf-8")
    program = (
        "import json, sys, psref; from psref.cli import main\n"
        "psref._native.run_experiment = lambda config, progress: open('earlier.json').read()\n"
        "sys.exit(main(['compare', '--json', '-']))"
    )
    reader = subprocess.Popen(["true"], stdin=subprocess.PIPE)
    reader.wait(timeout=60)
    assert reader.stdin is not None
    ended = subprocess.run(
        [sys.executable, "-c", program],
        stdout=reader.stdin,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        cwd=tmp_path,
    )
    reader.stdin.close()
    assert (ended.returncode, ended.stderr) == (1, "")


def test_a_bar_is_shown_on_a_terminal() -> None:
    import pty

    controller, terminal = pty.openpty()
    command = [sys.executable, "-m", "psref", "compare", "--strategies", "psref", *SHORT]
    with subprocess.Popen(
        command, stderr=terminal, stdout=subprocess.DEVNULL, env={**os.environ, "TERM": "xterm"}
    ) as running:
        os.close(terminal)
        shown = b""
        try:
            while chunk := os.read(controller, 65536):
                shown += chunk
        except OSError:
            pass  # EIO: the other side of the terminal is closed
        os.close(controller)
        assert running.wait(timeout=60) == 0
    assert b"measuring lookup" in shown
