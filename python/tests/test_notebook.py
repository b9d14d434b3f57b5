# SPDX-License-Identifier: MIT OR Apache-2.0
"""The notebook that retells the talk runs from top to bottom, and is committed without outputs.

Without, because its figures are those of one machine on one day: outputs would say little to a reader elsewhere and
make every diff unreadable.
"""

from __future__ import annotations

from pathlib import Path

import pytest

nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")

NOTEBOOK = Path(__file__).parents[2] / "examples" / "hold-onto-things.ipynb"


def test_the_notebook_has_no_outputs() -> None:
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        assert not cell.get("outputs") and cell.get("execution_count") is None


@pytest.mark.filterwarnings("default")  # of Jupyter's own packages
def test_the_notebook_runs_and_draws_its_pictures() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) == 8
    tables = [output for output in outputs if "safe" in output.get("data", {}).get("text/html", "")]
    assert len(tables) == 2
    printed = "".join(output.text for output in outputs if output.output_type == "stream" and output.name == "stdout")
    assert "DeadlockError - " in printed and "can be freed" in printed and "drained" in printed
    assert not [output for output in outputs if output.output_type == "stream" and output.name == "stderr"]
