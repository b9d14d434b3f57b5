# SPDX-License-Identifier: MIT OR Apache-2.0
"""What the process runs on, and what the package says of itself."""

from __future__ import annotations

import builtins
import importlib.metadata
import os
import sys
from typing import Any

import psref
import psref.errors
import pytest
from conftest import child, passes


def test_the_version_is_the_package_s() -> None:
    assert psref.__version__ == importlib.metadata.version("psref")


def test_a_back_end_and_why() -> None:
    assert psref.backend() in ("rseq", "atomic")
    assert (psref.why_not_rseq() is None) == (psref.backend() == "rseq")


def test_the_environment_chooses_the_back_end() -> None:
    script = "import psref; print(psref.backend(), psref.why_not_rseq())"
    backend, _, why = passes(script, PSREF_BACKEND="atomic").strip().partition(" ")
    assert backend == "atomic"
    assert why and why != "None"


def test_topology() -> None:
    topology = psref.topology()
    assert topology.source in ("hwloc", "sysfs", "single")
    assert topology.cpus >= (os.cpu_count() or 1)
    for node, cpus in topology.nodes.items():
        for cpu in cpus:
            assert topology.node_of(cpu) == node == topology.nodes_near(cpu)[0]
    near = topology.cpus_near(0)
    assert sorted([0, *near]) == list(range(topology.cpus))
    assert f"of {topology.cpus} possible CPUs" in repr(topology)


@pytest.mark.parametrize("cpu", [-1, 1 << 20, 1 << 70])
def test_a_cpu_that_is_none(cpu: int) -> None:
    topology = psref.topology()
    for ask in (topology.node_of, topology.nodes_near, topology.cpus_near):
        with pytest.raises(psref.ArgumentError, match=f"cpu is {cpu}, expected 0 to {topology.cpus - 1}"):
            ask(cpu)


def test_exceptions_have_one_base() -> None:
    for name in psref.errors.__all__:
        assert issubclass(getattr(psref.errors, name), psref.Error)
        assert getattr(psref, name) is getattr(psref.errors, name)
    assert issubclass(psref.TimeoutError, builtins.TimeoutError)
    assert issubclass(psref.ArgumentError, ValueError)
    assert issubclass(psref.NoMemoryError, MemoryError)


def test_everything_has_words() -> None:
    for name in psref.__all__:
        thing: Any = getattr(psref, name)
        if name != "__version__":
            assert thing.__doc__, name
            for method in [one for one in vars(thing) if not one.startswith("_")] if isinstance(thing, type) else []:
                assert getattr(thing, method).__doc__, f"{name}.{method}"


def test_importing_does_not_load_what_experiments_need() -> None:
    passes("import psref, sys; assert not {'numpy', 'pandas', 'matplotlib', 'rich'} & set(sys.modules)")


def test_the_library_exports_only_its_module() -> None:
    """A second copy of psref in the process is not disturbed."""
    from pathlib import Path

    assert psref._native.__file__ is not None
    library = Path(psref._native.__file__).read_bytes()
    assert library.count(b"psref_acquire\0") == 0


def test_an_import_in_a_subinterpreter_is_refused_or_works() -> None:
    if sys.version_info < (3, 13):
        pytest.skip("needs _interpreters of 3.13")
    done = child("import _interpreters as i; x = i.create(); print(i.run_string(x, 'import psref'))")
    assert done.returncode == 0, done.stderr
