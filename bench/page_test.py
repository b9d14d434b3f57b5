# SPDX-License-Identifier: MIT OR Apache-2.0
"""The page says what the JSON says, also where parts of it are missing. `bench/page.sh --test` runs this."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import re
import tempfile
import unittest
from pathlib import Path
from typing import Any

import page
import page_emulated
from page_data import Figures
from page_emulated import Emulated

RECORDED = json.loads((Path(__file__).parent / "tests/recorded.json").read_text(encoding="utf-8"))


class PageTest(unittest.TestCase):
    def setUp(self) -> None:
        self.raw: dict[str, Any] = copy.deepcopy(RECORDED)

    def series(self, name: str, threads: int = 1) -> dict[str, Any]:
        return next(s for s in self.raw["series"] if (s["name"], s["threads"]) == (name, threads))

    def text(self) -> str:
        return page.text_of(Figures(self.raw), set())

    def row(self, begin: str) -> str:
        return next(line for line in self.text().splitlines() if line.startswith(begin))

    def test_a_figure_is_told_with_its_quartiles(self) -> None:
        self.series("psref pair")["ns"] = {"q1": 11.25, "median": 12.5, "q3": 17.75}
        self.assertIn("| **psref pair** | 12.5 [11.2, 17.8] |", self.text())

    def test_a_ratio_is_taken_round_by_round(self) -> None:
        # Medians of 3 and 2 would make 1.5; within the rounds the one costs half of the other, but for one round.
        self.series("ck_hp")["rounds_ns"] = [1.0, 2.0, 50.0, None]
        self.series("psref pair")["rounds_ns"] = [2.0, 4.0, 2.0, 1.0]
        self.assertIn("| ck_hp | 0.50 [0.50, 12.8] |", self.text())

    def test_who_is_ahead_is_told_by_the_quartiles(self) -> None:
        self.series("psref pair")["rounds_ns"] = [4.0, 4.0, 4.0, 4.0]
        self.series("Arc, clone + drop")["rounds_ns"] = [8.0, 8.0, 8.0, 8.0]
        for rounds, ahead, level, behind in (
            ([2.0, 2.0, 2.0, 2.0], 1, 0, "1: ck_hp before psref pair."),
            ([2.0, 4.5, 4.5, 6.0], 1, 1, "0."),
            ([6.0, 6.0, 6.0, 6.0], 2, 0, "0."),
        ):
            self.series("ck_hp")["rounds_ns"] = rounds
            told = f"ours is ahead in {ahead}, level (the quartiles hold 1) in {level}, behind in {behind}"
            self.assertIn(f"Of 2 comparisons {told}", self.text())

    def test_a_peer_that_is_shown_does_not_count(self) -> None:
        self.series("read section")["rounds_ns"] = [4.0, 4.0, 4.0, 4.0]
        self.series("liburcu qsbr, announcing")["rounds_ns"] = [1.0, 1.0, 1.0, 1.0]
        text = self.text().partition("## Looking")[2].partition("## Holding")[0]
        self.assertIn("| liburcu qsbr, announcing (shown, not counted) | **0.25 [0.25, 0.25]** |", text)
        self.assertIn("Of 1 comparison ours is ahead in 1,", text)

    def test_a_spread_that_is_missing_is_a_dash(self) -> None:
        self.series("psref pair", 2)["ns"] = {"q1": None, "median": 5.0, "q3": None}
        cells = self.row("| **psref pair** | ").split(" | ")
        self.assertEqual(cells[3], "–")

    def test_a_peer_that_was_left_out_is_named_and_in_no_table(self) -> None:
        self.raw["series"] = [s for s in self.raw["series"] if s["name"] != "ck_hp"]
        self.raw["left_out"].append({"name": "ck_hp", "needs": "libck-dev"})
        text = self.text()
        self.assertIn("* Left out: ck_hp (needs libck-dev).", text)
        self.assertNotIn("| ck_hp", text)

    def test_a_machine_with_one_cpu_has_no_figures_for_two_threads(self) -> None:
        self.raw["series"] = [s for s in self.raw["series"] if s["threads"] != 2]
        self.assertIn("| **psref pair** |", self.text())

    def test_a_target_that_was_missed_says_so(self) -> None:
        target = next(t for t in self.raw["targets"] if t["name"] == "psref pair / floor")
        target.update(limit=2.0, seen={"q1": 2.25, "median": 2.5, "q3": 2.75})
        self.assertIn("| psref pair / floor | 2.50 [2.25, 2.75] | 2.00 | **misses** |", self.text())
        target["seen"] = {"q1": None, "median": None, "q3": None}
        self.assertIn("| psref pair / floor | – | 2.00 | – |", self.text())

    def test_no_figure_is_the_scripts_own(self) -> None:
        # Other figures in, no old one out: every number with a fraction on the page came from the JSON.
        self.raw["facts"].update(peers="", glibc="", kernel="", psref="")
        before = set(re.findall(r"\d+\.\d\d\b", self.text()))
        for series in self.raw["series"]:
            series["rounds_ns"] = [float("inf") if r is not None else None for r in series["rounds_ns"]]
            for key in ("ns", "x_floor"):
                series[key] = dict.fromkeys(series[key], float("inf"))
            series.update(p90_ns=float("inf"), p99_ns=float("inf"), max_ns=float("inf"))
        for target in self.raw["targets"]:
            target["seen"] = dict.fromkeys(target["seen"], float("inf"))
        after = set(re.findall(r"\d+\.\d\d\b", self.text()))
        limits = {f"{t.get('limit', t.get('at_least')):.2f}" for t in self.raw["targets"]}
        loads = {f"{self.raw['facts'][which]:.2f}" for which in ("load_before", "load_after")}
        self.assertGreater(len(before), 50)
        self.assertLessEqual(after, limits | loads)

    def test_pictures_are_drawn_of_what_there_is_and_old_ones_go(self) -> None:
        self.raw["series"] = [s for s in self.raw["series"] if s["name"] not in ("jemalloc", "psref pair")]
        with tempfile.TemporaryDirectory() as name:
            directory = Path(name)
            (directory / "bulk.svg").write_text("of an older run")
            drawn = page.draw(Figures(self.raw), directory)
            self.assertEqual(drawn, {file.name for file in directory.iterdir()})
            self.assertIn("hold.svg", drawn)
            self.assertNotIn("bulk.svg", drawn)
            picture = (directory / "hold.svg").read_text(encoding="utf-8")
            self.assertIn("ck_hp", picture)
            self.assertNotIn("psref pair<", picture)
            again = page.draw(Figures(self.raw), directory)
            self.assertEqual((drawn, picture), (again, (directory / "hold.svg").read_text(encoding="utf-8")))


def run(online: int, possible: int, used: int, clock: str = "time", **waits: list[float]) -> dict[str, Any]:
    """As the program writes it: a look is 2 ns and a far look 10, unless told otherwise."""
    rounds = {"look": [2.0, 2.0], "far_look": [10.0, 10.0], **waits}
    paper = {"cpu_places": 0, "cpu_bytes": 0, "thread_places": 0, "thread_bytes": 0}
    told = [{"name": name.replace("_", " "), **paper, "rounds_ns": ns} for name, ns in rounds.items()]
    facts = {"psref": "0.1.0", "backend": "rseq", "kernel": "6.1.0-1", "many_cpus": 256, "date": "2026-01-01"}
    return {**facts, "clock": clock, "online": online, "possible": possible, "used": used, "waits": told}


class EmulatedTest(unittest.TestCase):
    def setUp(self) -> None:
        self.runs = [
            run(1, 1, 1, "instructions", membarrier=[400.0, 400.0], psref_drain=[1000.0, 1000.0]),
            run(1, 11, 1, "instructions", membarrier=[400.0, 400.0], psref_drain=[7000.0, 7000.0]),
            run(2, 2, 1, membarrier=[100.0, 100.0], psref_drain=[290.0, 290.0]),
            run(2, 2, 2, membarrier=[100.0, 200.0], psref_drain=[300.0, 400.0]),
            run(2, 10, 2, membarrier=[100.0, 200.0], psref_drain=[460.0, 560.0]),
            run(10, 10, 2, membarrier=[148.0, 248.0], psref_drain=[556.0, 656.0]),
            run(10, 10, 10, membarrier=[148.0, 248.0], psref_drain=[556.0, 656.0]),
        ]

    def lines(self) -> list[str]:
        return page_emulated.section(Emulated({"qemu": "7.2", "runs": self.runs}), {"emulated.svg"})

    def cells(self, begin: str) -> list[str]:
        return next(line for line in self.lines() if line.startswith(begin)).strip("| ").split(" | ")

    def test_a_wait_is_told_beside_the_membarrier_of_its_own_round(self) -> None:
        # 3 and 2 of the rounds; medians would make 2.33.
        self.assertEqual(self.cells("| 2 | 2 | 2 |")[3:], ["5.00 [5.00, 5.00]", "75.0 [62.5, 87.5]", "2.50 [2.25, 2.75]"])

    def test_what_a_cpu_adds_is_the_difference_of_two_machines_by_their_cpus(self) -> None:
        wait = self.runs[0]["waits"][-1]
        wait.update(cpu_places=32, cpu_bytes=512)
        cells = self.cells("| psref drain | 32")
        # 6000 instructions by 10; 160 ns by 8 possible CPUs, in far looks of 10 ns and looks of 2; 96 ns by 8 online.
        self.assertEqual(cells[1], "32 in 512 bytes")
        self.assertEqual([cell.partition(" ")[0] for cell in cells[2:6]], ["600.0", "2.00", "10.0", "6.00"])
        self.assertEqual(cells[8], "2,048")

    def test_straight_lines_lead_to_many_cpus(self) -> None:
        # 350 + 254 * (20 + 12) beside 150 + 254 * 6, without what a CPU that used it adds: 0.
        self.assertEqual(self.cells("| psref drain | 0")[9], f"{(350 + 254 * 32) / (150 + 254 * 6):.2f}")

    def test_what_was_not_measured_is_a_dash(self) -> None:
        self.runs = [r for r in self.runs if r["online"] < 10]
        self.assertEqual(self.cells("| psref drain | 0")[5:], ["–", "0", "–", "0", "–"])
        self.runs = [r for r in self.runs if r["clock"] == "time"]
        self.assertEqual(self.cells("| psref drain | 0")[2], "–")

    def test_the_barrier_made_twice_is_told_of_old_kernels_alone(self) -> None:
        self.assertIn("issues each of its membarriers twice", "\n".join(self.lines()))
        for r in self.runs:
            r["kernel"] = "6.18.3"
        self.assertNotIn("issues each of its membarriers twice", "\n".join(self.lines()))

    def test_the_section_outlives_a_new_page_and_a_page_outlives_a_new_section(self) -> None:
        emulated = Emulated({"qemu": "7.2", "runs": self.runs})
        with_it = page.text_of(Figures(copy.deepcopy(RECORDED)), {"emulated.svg"}, emulated)
        without = page.text_of(Figures(copy.deepcopy(RECORDED)), set())
        self.assertIn("\n## Against CPUs, emulated\n", with_it)
        self.assertNotIn("emulated.svg", without)
        self.assertEqual(page_emulated.replaced(without, self.lines()), with_it)
        self.assertEqual(page_emulated.replaced(with_it, self.lines()), with_it)
        self.assertEqual(page_emulated.replaced(with_it, []), without)

    def test_on_paper_is_what_was_counted(self) -> None:
        # The page's own figures: a wait that looks at nothing of a possible CPU takes no instruction more for it.
        kept = Emulated.read(Path(__file__).parent.parent / "docs/benchmarks/emulated.json")
        assert kept is not None
        for wait in kept.counted()[0]["waits"]:
            step = page_emulated.slope(page_emulated.counted_ends(kept), wait["name"])
            assert step is not None
            if wait["name"] not in page_emulated.UNITS and wait["cpu_places"] >= 0:
                self.assertGreaterEqual(step.median, wait["cpu_places"], wait["name"])
                self.assertLess(step.median, 50 * wait["cpu_places"] + 1, wait["name"])

    def test_both_ways_to_the_page_read_the_file_beside_it(self) -> None:
        with tempfile.TemporaryDirectory() as name, contextlib.redirect_stdout(io.StringIO()):
            docs = Path(name)
            (docs / "benchmarks").mkdir()
            raw = {"qemu": "7.2", "runs": self.runs}
            (docs / "benchmarks/emulated.json").write_text(json.dumps(raw))
            recorded = Path(__file__).parent / "tests/recorded.json"
            page.main([str(recorded), str(docs)])
            whole = (docs / "benchmarks.md").read_text(encoding="utf-8")
            self.assertIn("\n".join(self.lines()), whole)
            picture = (docs / "benchmarks/emulated.svg").read_text(encoding="utf-8")
            self.assertIn("psref drain", picture)
            page.main(["--emulated", str(docs)])
            self.assertEqual((docs / "benchmarks.md").read_text(encoding="utf-8"), whole)
            self.assertEqual((docs / "benchmarks/emulated.svg").read_text(encoding="utf-8"), picture)


if __name__ == "__main__":
    unittest.main()
