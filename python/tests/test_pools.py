# SPDX-License-Identifier: MIT OR Apache-2.0
"""ObjPool and its objects."""

from __future__ import annotations

import gc
import threading
from typing import Any

import numpy as np
import psref
import pytest
from conftest import Thread


def popped(pool: psref.ObjPool) -> psref.PoolObject:
    obj = pool.pop()
    assert obj is not None
    return obj


def test_every_object_comes_once_and_then_none() -> None:
    pool = psref.ObjPool(100, 16)
    objects = [popped(pool) for _ in range(100)]
    assert pool.pop() is None
    for number, obj in enumerate(objects):
        memoryview(obj)[0] = number
    assert [memoryview(obj)[0] for obj in objects] == list(range(100))
    for obj in objects:
        pool.push(obj)
    assert pool.stats()["out"] == 0


def test_an_object_is_a_writable_buffer_of_its_size() -> None:
    pool = psref.ObjPool(1, 100)
    obj = popped(pool)
    with memoryview(obj) as view:
        assert (view.nbytes, view.format, view.readonly, view.contiguous) == (100, "B", False, True)
        assert bytes(view) == bytes(100)
        view[-1] = 255
    assert len(obj) == obj.nbytes == 100
    assert bytes(obj)[-1] == 255
    pool.push(obj)


def test_numpy_sees_it_without_a_copy() -> None:
    pool = psref.ObjPool(1, 64)
    obj = popped(pool)
    floats = np.frombuffer(obj, dtype=np.float64)
    raw = np.asarray(memoryview(obj))
    floats[:] = np.arange(8)
    assert raw.nbytes == 64
    assert raw.view(np.float64)[7] == 7.0
    assert np.shares_memory(floats, raw)
    address = int(floats.__array_interface__["data"][0])
    assert address % 8 == 0
    del floats, raw
    pool.push(obj)
    again = popped(pool)
    assert np.frombuffer(again, dtype=np.float64)[7] == 7.0  # as it was left
    assert np.frombuffer(again, dtype=np.uint8).__array_interface__["data"][0] == address
    gc.collect()
    pool.push(again)


def test_an_object_in_use_is_not_pushed() -> None:
    pool = psref.ObjPool(1, 8)
    obj = popped(pool)
    view, array = memoryview(obj), np.frombuffer(obj, dtype=np.uint8)
    with pytest.raises(BufferError, match=r"while 2 buffer\(s\) of it are in use, expected none"):
        pool.push(obj)
    view[0] = 1
    assert array[0] == 1
    view.release()
    with pytest.raises(BufferError, match="while 1 buffer"):
        pool.push(obj)
    del array
    pool.push(obj)


def test_a_pushed_object_has_no_memory() -> None:
    pool = psref.ObjPool(1, 8)
    obj = popped(pool)
    pool.push(obj)
    with pytest.raises(BufferError, match="after its push"):
        memoryview(obj)
    with pytest.raises(psref.ReleasedError, match="after its push"):
        len(obj)
    with pytest.raises(psref.ReleasedError, match="pushed twice, expected one push for each pop"):
        pool.push(obj)
    assert repr(obj) == "<psref.PoolObject pushed>"


def test_a_foreign_object_is_refused() -> None:
    pool, other = psref.ObjPool(1, 8), psref.ObjPool(1, 8)
    theirs = popped(other)
    with pytest.raises(psref.ForeignObjectError, match="of another pool, expected one that pop"):
        pool.push(theirs)
    for foreign in (bytearray(8), memoryview(b"12345678"), None, 0):
        foreign_object: Any = foreign
        with pytest.raises(psref.ForeignObjectError, match="expected an object that pop"):
            pool.push(foreign_object)
    other.push(theirs)
    assert pool.stats()["out"] == other.stats()["out"] == 0


def test_leaving_the_block_pushes() -> None:
    pool = psref.ObjPool(1, 8)
    with popped(pool) as obj:
        assert pool.pop() is None
        assert "8 bytes at 0x" in repr(obj)
    with pytest.raises(KeyError), popped(pool):
        raise KeyError
    with pytest.raises(BufferError), popped(pool) as obj:
        view = memoryview(obj)
    view.release()
    pool.push(obj)
    assert pool.stats()["out"] == 0


@pytest.mark.parametrize(
    ("nr_objs", "object_size", "message"),
    [
        (-1, 8, "nr_objs is -1, expected 1 to 16777216"),
        (0, 8, "nr_objs is 0,"),
        (2**24 + 1, 8, "nr_objs is 16777217,"),
        (2**80, 8, "nr_objs is 1208925819614629174706176,"),
        (8, -1, "object_size is -1, expected 1 to 65536"),
        (8, 0, "object_size is 0,"),
        (8, 65537, "object_size is 65537,"),
    ],
)
def test_sizes_out_of_range_are_refused(nr_objs: int, object_size: int, message: str) -> None:
    with pytest.raises(psref.ArgumentError, match=message) as raised:
        psref.ObjPool(nr_objs, object_size)
    assert isinstance(raised.value, ValueError)


def test_sizes_that_are_no_numbers_are_type_errors() -> None:
    for wrong in (1.5, "8", None):
        size: Any = wrong
        with pytest.raises(TypeError):
            psref.ObjPool(8, size)


def test_stats_count_and_repr_tells() -> None:
    pool = psref.ObjPool(3, 24)
    objects = [popped(pool), popped(pool)]
    assert pool.stats()["nr_objs"] == 3
    assert pool.stats()["object_size"] == 24
    assert pool.stats()["out"] == 2
    assert repr(pool) == "<psref.ObjPool of 3 objects of 24 bytes, 2 out>"
    objects.append(popped(pool))
    failures = pool.stats()["failures"]
    assert pool.pop() is None
    assert pool.stats()["failures"] == failures + 1
    for obj in objects:
        pool.push(obj)


def test_a_pool_lives_as_long_as_its_objects() -> None:
    obj = popped(psref.ObjPool(1, 4096))
    gc.collect()
    view = memoryview(obj)
    view[:] = b"x" * 4096
    assert bytes(view[4090:]) == b"xxxxxx"
    view.release()
    with obj:
        pass


def test_an_object_has_one_owner_at_a_time() -> None:
    """Each thread writes its mark into what it popped, lets others run, and finds the mark unchanged."""
    pool, stop = psref.ObjPool(8, 8), threading.Event()

    def own(mark: int) -> int:
        rounds = 0
        while not stop.is_set():
            obj = pool.pop()
            if obj is None:
                continue
            with obj, memoryview(obj) as view:
                view[:] = bytes([mark]) * 8
                threading.Event().wait(0)
                assert bytes(view) == bytes([mark]) * 8
            rounds += 1
        return rounds

    owners = [Thread(lambda mark=mark: own(mark)) for mark in range(1, 13)]  # type: ignore[misc]
    threading.Event().wait(0.5)
    stop.set()
    assert sum(owner.end() for owner in owners) > 0
    assert pool.stats()["out"] == 0
