# SPDX-License-Identifier: MIT OR Apache-2.0
"""A bar on a terminal, nothing in a pipe."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator

__all__ = ["Watcher", "bar", "wanted"]

Watcher = Callable[[str], bool]
"""Called by the native laboratory with JSON; an exception in it, so Ctrl-C too, stops the run."""


def wanted(progress: bool | None) -> bool:
    """``progress`` itself, or where it is None: whether standard error is a terminal or this is a notebook."""
    if progress is not None:
        return progress
    return sys.stderr.isatty() or "ipykernel" in sys.modules


@contextlib.contextmanager
def bar(show: bool, title: str) -> Iterator[Callable[[float, str], None]]:
    """Gives a function that takes how much is done (0 to 1) and what is being done. Without rich there is no bar."""
    if show:
        try:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
        except ModuleNotFoundError:
            show = False
    if not show:
        yield lambda share, doing: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[doing]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as display:
        task = display.add_task(title, total=1.0, doing="")
        yield lambda share, doing: display.update(task, completed=share, doing=doing)


def watcher(update: Callable[[float, str], None]) -> Watcher:
    """What the native laboratory calls, over what ``bar()`` gave."""

    def watch(text: str) -> bool:
        step = json.loads(text)
        update(step["done"], f"{step['strategy']}, {step['threads']} threads")
        return True

    return watch
