# SPDX-License-Identifier: MIT OR Apache-2.0
"""A stock of buffers that numpy fills without a copy. Needs numpy."""

from __future__ import annotations

import numpy as np
import psref


def main() -> None:
    pool = psref.ObjPool(nr_objs=16, object_size=8 * 1024)
    total = 0.0
    for number in range(100):
        buffer = pool.pop()
        if buffer is None:
            raise SystemExit("all 16 are in use")
        with buffer:
            samples = np.frombuffer(memoryview(buffer), dtype=np.float64)
            samples[:] = number
            total += float(samples.mean())
            del samples  # the pool takes no object back while somebody sees its memory
    print(f"{total:.0f} from {pool.stats()['nr_objs']} buffers, {pool.stats()['out']} of them out")


if __name__ == "__main__":
    main()
