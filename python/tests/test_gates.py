# SPDX-License-Identifier: MIT OR Apache-2.0
"""Gate."""

from __future__ import annotations

import psref
import pytest
from conftest import Thread, elsewhere, until


@pytest.fixture
def gate() -> psref.Gate:
    return psref.Gate()


def test_an_open_gate_is_passed(gate: psref.Gate) -> None:
    with gate.enter() as one, gate.acquire():
        assert gate.inside == 2
        assert one.of is gate
        assert repr(gate) == "<psref.Gate open, 2 inside>"
    assert gate.inside == 0


def test_a_closed_gate_turns_acquire_away_once_it_is_sealed(gate: psref.Gate) -> None:
    gate.close("detach")
    late = Thread(gate.acquire)
    until(lambda: gate.inside == 1)
    assert late.is_alive()
    with gate.enter():
        pass
    gate.seal()
    with pytest.raises(psref.SealedError, match="what was behind it is gone"):
        late.end()
    with pytest.raises(psref.SealedError):
        gate.acquire()
    with pytest.raises(psref.SealedError):
        gate.close()
    with gate.enter():
        assert repr(gate) == "<psref.Gate sealed, 1 inside>"


def test_seal_waits_for_whoever_is_inside(gate: psref.Gate) -> None:
    inside = elsewhere(gate.enter)
    gate.close()
    with pytest.raises(psref.TimeoutError, match="1 are still inside after 0.01 s; the gate is sealed"):
        gate.seal(0.01)
    sealer = Thread(gate.seal)
    assert sealer.is_alive() or gate.inside == 0
    inside.release()
    sealer.end()
    gate.seal()


def test_acquire_at_a_closed_gate_gives_up(gate: psref.Gate) -> None:
    gate.close()
    with pytest.raises(psref.TimeoutError, match="closed and still not sealed after 0.01 s"):
        elsewhere(lambda: gate.acquire(0.01))
    assert gate.inside == 0
    gate.seal()


def test_closing_what_another_closed_waits_for_its_seal(gate: psref.Gate) -> None:
    gate.close("first")
    with pytest.raises(psref.TimeoutError):
        elsewhere(lambda: gate.close("second", 0.01))
    second = Thread(lambda: gate.close("second"))
    until(lambda: gate.inside == 1)
    gate.seal()
    with pytest.raises(psref.SealedError):
        second.end()


def test_a_gate_may_be_sealed_by_another_thread(gate: psref.Gate) -> None:
    gate.close()
    elsewhere(gate.seal)
    gate.seal()


def test_sealing_an_open_gate_is_misuse(gate: psref.Gate) -> None:
    with pytest.raises(psref.MisuseError, match="seal of an open gate, expected close"):
        gate.seal()
    gate.acquire().release()


def test_waits_for_oneself_are_told_at_once_and_nothing_done(gate: psref.Gate) -> None:
    inside = gate.enter()
    gate.close()
    with pytest.raises(psref.DeadlockError, match="entered 1 time.s. and has not left"):
        gate.seal()
    with pytest.raises(psref.DeadlockError, match="acquire of a gate that this very thread has closed"):
        gate.acquire()
    with pytest.raises(psref.DeadlockError, match="close of a gate that this very thread has closed"):
        gate.close()
    assert "closed" in repr(gate)
    elsewhere(inside.release)
    gate.seal()
