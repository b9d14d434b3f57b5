# SPDX-License-Identifier: MIT OR Apache-2.0
"""page.py JSON DIRECTORY: from what `bench --json` wrote, DIRECTORY/benchmarks.md and pictures beside it.
page.py --emulated DIRECTORY: only the section and picture of DIRECTORY/benchmarks/emulated.json.

Every figure and every judgement on the page comes from there; `bench/page.sh` runs this with what it needs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import page_emulated
from page_data import FLOOR, MEMBARRIER, NOTHING, Figures, Spread, number, show, spread_of, table
from page_emulated import Emulated

# What the contestants' jobs are called, and what is said of each that no figure says.
JOBS = {
    "look": ("Looking", "Everything that can be reached is kept, for a moment: read sections, epochs, guards."),
    "hold": ("Holding", "One object is held: references, counts, hazard pointers."),
    "take": ("Taking one object", "An object is taken from a stock and given back."),
    "take 8": ("Taking eight", "Eight are taken, then eight given back; told by the object."),
    "bulk": ("Taking eight at once", "One call takes eight, another gives them back; told by the object."),
}


COMMANDS = """\
## Once more

```sh
make bench                                          # measures, and writes this page
bench/run.sh build/stage --json build/bench.json    # only measures
bench/page.sh build/bench.json docs                 # only writes the page
make scaling                                        # measures on emulated machines, and writes their section
```
""".split("\n")


def count_of(n: int, thing: str) -> str:
    return f"{n} {thing}" + ("" if n == 1 else "s")


def standing(ratio: Spread) -> int:
    """Of a peer beside ours: 1 where ours is ahead, -1 where the peer is, 0 where the quartiles hold 1."""
    return (ratio.q1 > 1) - (ratio.q3 < 1)


def machine(figures: Figures) -> list[str]:
    facts = figures.facts
    rows: list[list[object]] = [
        ["psref", f"{facts['psref']}, back end {facts['backend']}"],
        ["processor", f"{facts['cpu']}; CPUs {facts['cpus']}, hardware threads of the first core: {facts['siblings']}"],
        ["governor", f"{facts['governor']}; threads {'pinned' if facts['pinned'] else 'NOT pinned'}"],
        ["system", f"Linux {facts['kernel']}, glibc {facts['glibc']}"],
        ["load of the machine", f"{show(facts['load_before'])} before, {show(facts['load_after'])} after"],
        ["date", facts["date"]],
        ["rounds", figures.rounds()],
        ["others", facts["peers"]],
    ]
    lines = [line.replace("---:", "---") for line in table(["what", "which"], rows)]
    for left in figures.raw["left_out"]:
        lines.append(f"* Left out: {left['name']} (needs {left['needs']}).")
    return [*lines, ""] if figures.raw["left_out"] else lines


def versus(figures: Figures, job: str, inline: bool) -> list[str]:
    """Every peer beside every one of ours: what it costs, times what ours costs."""
    ours = figures.doing(job, inline=inline, ours=True)
    peers = figures.doing(job, inline=inline, ours=False)
    if not ours or not peers:
        return []
    seen: dict[int, list[str]] = {-1: [], 0: [], 1: []}
    rows = []
    for peer in peers:
        cells: list[object] = [peer["name"] + ("" if peer["counted"] else " (shown, not counted)")]
        for our in ours:
            ratio = figures.ratio((peer["name"], 1), (our["name"], 1))
            behind = ratio is not None and standing(ratio) < 0
            cells.append(f"**{ratio}**" if behind else ratio)
            if ratio is not None and peer["counted"]:
                seen[standing(ratio)].append(f"{peer['name']} before {our['name']}")
        rows.append(cells)
    how = "inline" if inline else "by call"
    lines = [f"One thread, {how}: the peer's cost, times ours. Bold: the peer is ahead.", ""]
    lines += table([how, *(f"/ {our['name']}" for our in ours)], rows)
    total = sum(map(len, seen.values()))
    text = f"Of {count_of(total, 'comparison')} ours is ahead in {len(seen[1])}"
    text += f", level (the quartiles hold 1) in {len(seen[0])}, behind in {len(seen[-1])}"
    return [*lines, text + (": " + "; ".join(seen[-1]) if seen[-1] else "") + ".", ""]


def job_section(figures: Figures, job: str, pictures: set[str]) -> list[str]:
    title, words = JOBS[job]
    lines = [f"## {title}", "", words, ""]
    many = figures.many_threads()
    for inline in (False, True):
        ways = figures.doing(job, inline=inline)
        if not ways:
            continue
        rows: list[list[object]] = []
        for c in ways:
            name = c["name"]
            floor = figures.ratio((name, 1), (FLOOR, 1))
            rows.append([f"**{name}**" if c["ours"] else name, figures.ns(name), floor])
            rows[-1] += [figures.ns(name, 2), figures.ns(name, many)]
        how = "inline" if inline else "by call"
        lines += table([how, "ns, 1 thread", "x floor", "ns, 2 threads", f"ns, {many} threads"], rows)
    for inline in (False, True):
        lines += versus(figures, job, inline)
    picture = job.replace(" ", "-") + ".svg"
    return [*lines, f"![{title}](benchmarks/{picture})", ""] if picture in pictures else lines


def thread_section(figures: Figures, pictures: set[str]) -> list[str]:
    many = figures.many_threads()
    words = f"A pair with two threads, each on its CPU, and with {many} on the CPUs in use; beside one thread."
    lines = ["## Threads", "", words, ""]
    rows: list[list[object]] = []
    for c in figures.raw["contestants"]:
        name = c["name"]
        ratios = [figures.ratio((name, n), (name, 1)) for n in (2, many)]
        if c["jobs"] and any(ratios):
            rows.append([f"**{name}**" if c["ours"] else name, *ratios])
    lines += table(["way", "2 threads / 1", f"{many} threads / 1"], rows)
    lines += [f"![{n} threads](benchmarks/threads-{n}.svg)" for n in (2, many) if f"threads-{n}.svg" in pictures]
    return [*lines, ""]


def handed_section(figures: Figures) -> list[str]:
    rows = [
        [h["name"], figures.ns(h["name"], 2), figures.ns(h["both_ways"], 2)]
        for h in figures.raw["handers"]
        if figures.ns(h["name"], 2) is not None
    ]
    if not rows:
        return []
    words = "Nanoseconds on the wall an object: taken on one CPU, given back on another; and both ways at once."
    return ["## Handed from CPU to CPU", "", words, ""] + table(["stock", "one way", "both ways"], rows)


def destroy_section(figures: Figures, pictures: set[str]) -> list[str]:
    words = "Microseconds until nobody holds; nobody does. Others hold and let go of something else all the time."
    lines = ["## Destroying", "", words, ""]
    crowds = figures.crowds()
    quiet = [n for n in crowds if n <= 1]
    names = [d["name"] for d in figures.raw["destroyers"] if any(figures.ns(d["name"], 1 + n) for n in crowds)]
    head = ["call"]
    for n in quiet:
        head += [f"us, {n} busy", f"x membarrier, {n} busy"]
    rows: list[list[object]] = []
    for name in names:
        rows.append([name])
        for n in quiet:
            ns = figures.ns(name, 1 + n)
            rows[-1] += [ns.over(1e3) if ns else None, figures.ratio((name, 1 + n), (MEMBARRIER, 1 + n))]
    lines += table(head, rows)
    for n in [n for n in crowds if n > 1]:
        rows = []
        for name in names:
            ns, calls = figures.ns(name, 1 + n), figures.samples(name, 1 + n)
            if ns is None:
                continue
            tail = [figures.quantile(name, 1 + n, which) for which in ("p90_ns", "p99_ns", "max_ns")]
            slept = f"{100 * figures.samples(f'{name}, waited', 1 + n) / calls:.1f} %" if calls else None
            rows.append([name, ns.over(1e3), *(None if t is None else t / 1e3 for t in tail), slept, calls])
        if rows:
            lines += table([f"us, {n} busy", "median", "90 %", "99 %", "longest", "slept", "calls"], rows)
    lines += [f"![{n} busy](benchmarks/destroy-{n}.svg)" for n in crowds if f"destroy-{n}.svg" in pictures]
    return [*lines, ""]


def scaling_section(figures: Figures) -> list[str]:
    scaling = figures.raw["scaling"]
    holds = sorted({s["holds"] for s in scaling})
    named = {(s["what"], s["holds"]): s["series"] for s in scaling}
    rows: list[list[object]] = []
    for what in dict.fromkeys(s["what"] for s in scaling):
        spreads = [figures.ns(named.get((what, n), "")) for n in holds]
        rows.append([what, *(s.over(1e3) if s else None for s in spreads)])
    words = "Microseconds of a wait while so many holds of other targets lie in the same class; nobody runs."
    return ["## Others' holds in the way", "", words, ""] + table(["call", *(f"{n} held" for n in holds)], rows)


def memory_section(figures: Figures) -> list[str]:
    used, many = figures.raw["cpus_used"], figures.raw["many_cpus"]
    bytes_of = ["caller", "once", "per_cpu", "computed", "measured", "many", "linux_many"]
    rows = [
        [row["what"], *(NOTHING if not row[key] else f"{row[key]:,.0f}" for key in bytes_of)]
        for row in figures.raw["memory"]
    ]
    head = ["bytes", "in its user's structures", "once", "a CPU that uses it", f"computed, {used} CPUs"]
    head += [f"seen, {used} CPUs", f"computed, {many} CPUs", f"Linux's, computed, {many} CPUs"]
    words = "Computed from the library's constants; seen in the size of the process, where many can be made."
    words += " A CPU that does not use a thing costs nothing."
    return ["## Memory", "", words, "", *table(head, rows)]


def target_section(figures: Figures) -> list[str]:
    rows: list[list[object]] = []
    for target in figures.raw["targets"]:
        least = "at_least" in target
        limit, median = target["at_least" if least else "limit"], target["seen"]["median"]
        if median is None:
            rows.append([target["name"], None, number(limit), None])
            continue
        meets = median >= limit if least else median <= limit
        seen = spread_of(target["seen"]) or number(median)
        wanted = ("at least " if least else "") + number(limit)
        rows.append([target["name"], seen, wanted, "meets" if meets else "**misses**"])
    return ["## Targets", "", *table(["target", "seen", "limit", ""], rows)]


def text_of(figures: Figures, pictures: set[str], emulated: Emulated | None = None) -> str:
    lines = [
        "<!-- SPDX-License-Identifier: MIT OR Apache-2.0 -->",
        "<!-- Written by `make bench` from what it measured; not by hand. -->",
        "# Benchmarks",
        "",
        "`make bench` measured this and wrote this page. What is measured, and how, is told in",
        "[bench/README.md](../bench/README.md); why each path costs what it costs in [performance.md](performance.md).",
        "",
        "A figure is a median [lower quartile, upper quartile]. A ratio is taken within each round of the run, in which",
        "every series has its turn in a new order; *the floor* is two calls of an empty function in a shared library.",
        "`–`: not measured. Ours are bold. A processor goes on with what lies between two calls while it makes them: where",
        "calls are dear, many ways cost what the calls cost, and only the inline ones differ.",
        "",
        *machine(figures),
    ]
    for job in JOBS:
        lines += job_section(figures, job, pictures)
    lines += thread_section(figures, pictures) + handed_section(figures) + destroy_section(figures, pictures)
    lines += scaling_section(figures) + page_emulated.section(emulated, pictures)
    lines += memory_section(figures) + target_section(figures)
    lines += COMMANDS
    text = "\n".join(lines)
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    return text


def draw(figures: Figures, directory: Path, emulated: Emulated | None = None) -> set[str]:
    """The names of the pictures that there are now."""
    import page_charts

    directory.mkdir(parents=True, exist_ok=True)
    drawn = {}
    for job, (title, _) in JOBS.items():
        name = job.replace(" ", "-") + ".svg"
        drawn[name] = page_charts.job(figures, job, f"{title}, one thread", directory / name)
    for n in (2, figures.many_threads()):
        name = f"threads-{n}.svg"
        drawn[name] = page_charts.threads(figures, n, f"{n} threads", directory / name)
    for n in figures.crowds():
        name = f"destroy-{n}.svg"
        drawn[name] = page_charts.destroy(figures, n, f"Destroying, {n} busy", directory / name)
    drawn[page_emulated.PICTURE] = page_charts.emulated(emulated, directory / page_emulated.PICTURE)
    return {name for name, there in drawn.items() if there}


def write_emulated(directory: Path) -> None:
    """Only their section: the others' figures need not be at hand."""
    import page_charts

    emulated = Emulated.read(directory / "benchmarks/emulated.json")
    there = page_charts.emulated(emulated, directory / "benchmarks" / page_emulated.PICTURE)
    page = directory / "benchmarks.md"
    lines = page_emulated.section(emulated, {page_emulated.PICTURE} if there else set())
    page.write_text(page_emulated.replaced(page.read_text(encoding="utf-8"), lines), encoding="utf-8")
    print(f"{page}: what was measured on emulated machines")


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Writes benchmarks.md and its pictures from bench's JSON.")
    parser.add_argument("json", type=Path, nargs="?")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--emulated", action="store_true", help="only the section about emulated machines")
    arguments = parser.parse_args(words)
    if arguments.emulated == bool(arguments.json):
        parser.error("either JSON or --emulated")
    if arguments.emulated:
        write_emulated(arguments.directory)
        return
    figures = Figures.read(arguments.json)
    emulated = Emulated.read(arguments.directory / "benchmarks/emulated.json")
    pictures = draw(figures, arguments.directory / "benchmarks", emulated)
    page = arguments.directory / "benchmarks.md"
    page.write_text(text_of(figures, pictures, emulated), encoding="utf-8")
    print(f"{page}, and {count_of(len(pictures), 'picture')} beside it")


if __name__ == "__main__":
    main()
