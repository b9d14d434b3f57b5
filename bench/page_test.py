# SPDX-License-Identifier: MIT OR Apache-2.0
"""The page says what the JSON says, also where parts of it are missing. `bench/page.sh --test` runs this."""

from __future__ import annotations

import copy
import json
import re
import tempfile
import unittest
from pathlib import Path
from typing import Any

import page
from page_data import Figures

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


if __name__ == "__main__":
    unittest.main()
