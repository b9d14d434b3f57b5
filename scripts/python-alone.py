# SPDX-License-Identifier: MIT OR Apache-2.0
"""Uses an installed wheel, and looks where its hwloc came from."""

import os
import pathlib
import sys

import psref

assert pathlib.Path(psref.__file__).is_relative_to(sys.prefix), psref.__file__
target = psref.Target(psref.Class("wheel"))
with psref.ReadSection(), target.acquire():
    assert target.held()
target.destroy()
pool = psref.ObjPool(1, 8)
with pool.pop() as obj:
    memoryview(obj)[0] = 1
assert psref.topology().cpus >= (os.cpu_count() or 1)

maps = pathlib.Path("/proc/self/maps").read_text().splitlines()
hwloc = {line.split(maxsplit=5)[5] for line in maps if "hwloc" in line}
assert hwloc and all(pathlib.Path(path).is_relative_to(sys.prefix) for path in hwloc), f"hwloc is {hwloc}"
print(f"psref {psref.__version__} ({psref.backend()}) with {', '.join(pathlib.Path(path).name for path in hwloc)}")
