# SPDX-License-Identifier: MIT OR Apache-2.0
"""The section about emulated machines, from what `bench/emulated.sh` wrote: what waits cost against the number of CPUs.

A run is one process on one machine, with the median of every round. Ratios and differences are taken round by round.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from page_data import MEMBARRIER, Spread, spread_over, table

HEADING = "## Against CPUs, emulated"
PICTURE = "emulated.svg"
UNITS = ("look", "far look")
LINE = 64

Run = dict[str, Any]


class Emulated:
    """The runs of all machines."""

    def __init__(self, raw: dict[str, Any]) -> None:
        self.raw = raw
        self.runs: list[Run] = raw["runs"]
        self.many: int = max((run["many_cpus"] for run in self.runs), default=0)

    @classmethod
    def read(cls, path: Path) -> Emulated | None:
        """None where nothing was ever measured."""
        return cls(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None

    def timed(self) -> list[Run]:
        runs = [run for run in self.runs if run["clock"] == "time"]
        return sorted(runs, key=lambda run: (run["online"], run["possible"], run["used"]))

    def counted(self) -> list[Run]:
        return sorted((run for run in self.runs if run["clock"] == "instructions"), key=lambda run: run["possible"])

    def names(self) -> list[str]:
        """What waits, in the program's order."""
        names = dict.fromkeys(wait["name"] for run in self.runs for wait in run["waits"])
        return [name for name in names if name not in UNITS]

    def find(self, online: int, possible: int, used: int) -> Run | None:
        wanted = (online, possible, used)
        return next((run for run in self.timed() if (run["online"], run["possible"], run["used"]) == wanted), None)

    def ends(self) -> dict[str, tuple[Run, Run, int] | None]:
        """Two runs whose difference is what so many CPUs cost: possible ones, those online, those that used it."""
        timed = self.timed()
        shared = [run for run in timed if run["used"] > 1]
        if not shared:
            return dict.fromkeys(("possible", "online", "used"))
        few, most = shared[0]["online"], max(run["online"] for run in timed)
        widest = max(run["possible"] for run in timed if run["online"] == few)
        pairs = {
            "possible": (self.find(few, few, few), self.find(few, widest, few), widest - few),
            "online": (self.find(few, most, few), self.find(most, most, few), most - few),
            "used": (self.find(most, most, few), self.find(most, most, most), most - few),
        }
        return {axis: (a, b, n) if a and b and n else None for axis, (a, b, n) in pairs.items()}


def wait_of(run: Run | None, name: str) -> dict[str, Any] | None:
    return next((wait for wait in run["waits"] if wait["name"] == name), None) if run else None


def rounds(run: Run | None, name: str) -> list[float]:
    wait = wait_of(run, name)
    return list(wait["rounds_ns"]) if wait else []


def ratio(run: Run | None, name: str, unit: str) -> Spread | None:
    """Within each round."""
    return spread_over([a / b for a, b in zip(rounds(run, name), rounds(run, unit), strict=False) if b])


def slope(ends: tuple[Run, Run, int] | None, name: str, unit: str | None = None) -> Spread | None:
    """What one CPU adds, in units of the machine that has more of them; None: the clock's."""
    if ends is None:
        return None
    few, many, count = ends
    ones = rounds(many, unit) if unit else [1.0] * len(rounds(many, name))
    steps = zip(rounds(few, name), rounds(many, name), ones, strict=False)
    return spread_over([(b - a) / count / one for a, b, one in steps if one])


def counted_ends(emulated: Emulated) -> tuple[Run, Run, int] | None:
    runs = emulated.counted()
    return (runs[0], runs[-1], runs[-1]["possible"] - runs[0]["possible"]) if len(runs) > 1 else None


def on_paper(wait: dict[str, Any], many: int) -> tuple[str | None, str | None, str | None]:
    """Of a possible CPU, of a thread; and the lines that `many` of both are."""
    if wait["cpu_places"] < 0:
        return None, None, None
    cells = []
    lines = 0
    for what in ("cpu", "thread"):
        places, size = wait[f"{what}_places"], wait[f"{what}_bytes"]
        cells.append(f"{places} in {size} bytes" if places else "0")
        lines += min(places, -(-size // LINE))
    return cells[0], cells[1], f"{lines * many:,}"


def at_many(emulated: Emulated, name: str) -> float | None:
    """Beside the membarrier where many CPUs are possible, online and used it: as far as straight lines go."""
    ends = emulated.ends()
    total = []
    for what in (name, MEMBARRIER):
        base = spread_over(rounds(ends["possible"][0], what)) if ends["possible"] else None
        steps = [slope(pair, what) for pair in ends.values()]
        if base is None or any(step is None for step in steps):
            return None
        few = ends["possible"][0]["online"]
        total.append(base.median + (emulated.many - few) * sum(step.median for step in steps if step))
    return total[0] / total[1]


def words(emulated: Emulated) -> list[str]:
    run = emulated.runs[0]
    dates = " and ".join(sorted({run["date"] for run in emulated.runs}))
    kernel = tuple(int(part) for part in run["kernel"].split(".")[:2])
    lines = [
        f"qemu {emulated.raw['qemu']} without KVM, Linux {run['kernel']}, psref {run['psref']}, back end {run['backend']};",
        f"measured {dates} by `make scaling`, which keeps it in [emulated.json](benchmarks/emulated.json).",
        "",
        "Nobody holds, and the other CPUs are idle, so nobody is interrupted: seen is what a wait looks at, the kernel",
        "included. **An emulated nanosecond is not a processor's.** There are no caches, and every access to a page that",
        "qemu's table has lost is dear. So a wait is told as a multiple of the bare membarrier of the same process and round,",
        "and what a CPU adds in *looks*: one look loads a line of memory and compares it, in a loop of nothing else; for a",
        "*far look* every line has a page of its own, as far apart as the library's memory of two CPUs, and as many as there",
        "are possible CPUs. *Possible* are those that the kernel has room for, present or not. The quartiles are of one",
        "process. Two processes differ by more, as their pages fall into qemu's table: the bare membarrier of one machine shows",
        "by how much, and differences within that say nothing.",
    ]
    if runs := emulated.counted():
        looks = [spread_over(rounds(runs[-1], unit)) for unit in UNITS]
        if all(looks):
            told = ", a far look ".join(f"{look.median:.0f}" for look in looks if look)
            lines += [f"A look is {told} instructions here."]
    if kernel < (6, 18):
        lines += ["This kernel is older than 6.18, so the library issues each of its membarriers twice."]
    return [*lines, ""]


def machines(emulated: Emulated, names: list[str]) -> tuple[list[str], list[list[object]]]:
    head = ["CPUs online", "possible", "used on", "far look, looks", f"{MEMBARRIER}, looks"]
    head += [f"{name} / {MEMBARRIER}" for name in names if name != MEMBARRIER]
    rows = []
    for run in emulated.timed():
        row: list[object] = [run["online"], run["possible"], run["used"]]
        row += [ratio(run, "far look", "look"), ratio(run, MEMBARRIER, "look")]
        rows.append(row + [ratio(run, name, MEMBARRIER) for name in names if name != MEMBARRIER])
    return head, rows


def slopes(emulated: Emulated, names: list[str]) -> tuple[list[str], list[list[object]]]:
    ends, counted = emulated.ends(), counted_ends(emulated)
    head = ["what one adds", "on paper, a possible CPU", "instructions counted, a possible CPU"]
    head += ["far looks, a possible CPU", "looks, a possible CPU", "looks, a CPU online"]
    head += ["on paper, a thread", "looks, a CPU that used it"]
    head += [f"on paper, lines at {emulated.many} CPUs", f"/ {MEMBARRIER} at {emulated.many} CPUs"]
    rows: list[list[object]] = []
    for name in names:
        wait = next(w for run in emulated.runs for w in run["waits"] if w["name"] == name)
        cpu, thread, lines = on_paper(wait, emulated.many)
        rows.append([name, cpu, slope(counted, name), slope(ends["possible"], name, "far look")])
        rows[-1] += [slope(ends["possible"], name, "look"), slope(ends["online"], name, "look"), thread]
        rows[-1] += [slope(ends["used"], name, "look"), lines, at_many(emulated, name)]
    return head, rows


def explain(emulated: Emulated) -> list[str]:
    """Which machines the second table compares."""
    ends, counted = emulated.ends(), counted_ends(emulated)
    lines = ["What one CPU more adds is the difference of two machines or runs:", ""]
    if ends["possible"]:
        few, many, _ = ends["possible"]
        lines.append(f"* *a possible CPU*: {few['online']} online of {many['possible']}, less of {few['possible']};")
    if ends["online"]:
        few, many, _ = ends["online"]
        which = f"{many['online']} online of {many['possible']}, less {few['online']} of {few['possible']}"
        lines.append(f"* *a CPU online*: {which}; used on {few['used']};")
    if ends["used"]:
        few, many, _ = ends["used"]
        which = f"{many['used']} of {many['online']}, less {few['used']}"
        lines.append(f"* *a CPU that used it*, by a thread of its own: {which};")
    if counted:
        few, many, _ = counted
        which = f"1 online of {many['possible']}, less of {few['possible']}"
        lines.append(f"* *instructions*: {which}, by qemu's count of them.")
    return [
        *lines,
        "",
        f"On paper: the places that a wait looks at, by the library's constants, and the lines of {LINE} bytes that they lie",
        "in; a thread is one that ever entered a read section. What that is elsewhere depends on what a load costs there: a",
        "line that another CPU wrote last comes out of that CPU's cache. The last column is straight lines drawn on to",
        f"{emulated.many} CPUs that are all online and used it; and as here the membarrier interrupts nobody.",
        "",
    ]


def section(emulated: Emulated | None, pictures: Iterable[str]) -> list[str]:
    if emulated is None or not emulated.runs:
        return []
    names = emulated.names()
    lines = [HEADING, "", *words(emulated), *table(*machines(emulated, names))]
    lines += [*explain(emulated), *table(*slopes(emulated, names))]
    return [*lines, f"![Against CPUs](benchmarks/{PICTURE})", ""] if PICTURE in pictures else lines


def replaced(page: str, lines: list[str]) -> str:
    """The page with this section instead of the one it has, or before the one about memory. All else stays."""
    before, found, rest = page.partition(HEADING + "\n")
    if found:
        _, found, rest = rest.partition("\n## ")
        rest = found.lstrip("\n") + rest
    else:
        before, found, rest = page.partition("## Memory\n")
        rest = found + rest
    return before + "".join(line + "\n" for line in lines) + rest
