# SPDX-License-Identifier: MIT OR Apache-2.0
"""The stubs are what the module is, and the examples agree with them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
EXAMPLES = sorted((HERE.parent / "examples").glob("*.py"))


def run(*command: str) -> None:
    done = subprocess.run(
        [sys.executable, *command], cwd=HERE, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_stubs_are_what_the_module_is() -> None:
    allowed = HERE / "stubtest-allowlist.txt"
    run("-m", "mypy.stubtest", "psref._native", "psref.errors", "--allowlist", str(allowed), "--ignore-unused-allowlist")


def test_mypy_accepts_stubs_and_examples() -> None:
    assert EXAMPLES
    config = ("--config-file", str(HERE.parent / "pyproject.toml"))
    run("-m", "mypy", *config, "--strict", "-p", "psref")
    run("-m", "mypy", *config, "--strict", *map(str, EXAMPLES))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_the_example_runs(example: Path) -> None:
    run("-Werror", str(example))
