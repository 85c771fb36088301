"""What a study shows while it runs: a bar on a terminal, nothing elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Show = Callable[[int, int], None]
"""Called with the numbers of steps and of tasks that are done."""


@contextmanager
def progress(study: str, steps: int, tasks: int) -> Iterator[Show]:
    """A bar of `steps` on stderr, if that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda done, finished: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn(
            "{task.completed} of {task.total} steps, {task.fields[finished]} of {task.fields[tasks]} tasks",
            markup=False,
        ),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        bar = bars.add_task(study, total=steps, finished=0, tasks=tasks)
        yield lambda done, finished: bars.update(bar, completed=done, finished=finished)
