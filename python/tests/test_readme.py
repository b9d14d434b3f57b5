# SPDX-License-Identifier: MIT OR Apache-2.0
"""The programs of the README print what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import passes

README = (Path(__file__).parent.parent / "README.md").read_text()
PROGRAMS = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", README, re.DOTALL)


def test_every_program_has_its_output() -> None:
    assert len(PROGRAMS) == README.count("```python") > 0


@pytest.mark.parametrize(("program", "output"), PROGRAMS)
def test_it_prints_what_the_readme_says(program: str, output: str) -> None:
    assert passes(program, "-Werror") == output
