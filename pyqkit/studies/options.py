"""Options that all commands have which run a study.

A command takes them so::

    @main.command()
    @study_options
    def sweep(run: StudyOptions) -> None:
        run_study(Sweep(), run)
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pyqkit.command_files import Written
from pyqkit.errors import UserError
from pyqkit.studies import EVERY

if TYPE_CHECKING:  # a command line that shows its help loads nothing else
    from pyqkit.studies.json_value import Json
    from pyqkit.studies.runner import Results
    from pyqkit.studies.study import Study

P = TypeVar("P")
Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


@dataclass(frozen=True)
class StudyOptions:
    """How a study is to be run; see `pyqkit.studies.runner.run`."""

    out: Path
    workers: int
    dask: str | None
    resume: bool
    force: bool
    every: float
    as_json: bool


def _options(every: float) -> tuple[Decorator, ...]:
    return (
        click.option(
            "-o", "--out", required=True, type=Written(Path, shared=True), help="Folder of the study."
        ),
        click.option(
            "--workers",
            default=1,
            show_default=True,
            type=click.IntRange(1, 1024),
            help="Processes that work on it.",
        ),
        click.option(
            "--dask", metavar="ADDRESS", help="Scheduler of a Dask cluster that works on it instead."
        ),
        click.option("--resume", is_flag=True, help="Go on with what is in the folder."),
        click.option("--force", is_flag=True, help="Begin anew; what is in the folder is lost."),
        click.option(
            "--every",
            default=every,
            show_default=True,
            type=click.FloatRange(0),
            help="Seconds between checkpoints of a task.",
        ),
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object."),
    )


def study_options(command: Callable[..., Any] | None = None, *, every: float = EVERY) -> Callable[..., Any]:
    """Give a command the options of a study, as one argument ``run`` of type `StudyOptions`.

    Parameters
    ----------
    every : float
        Default of ``--every``: ``@study_options`` takes the usual one, ``@study_options(every=0.0)`` writes a
        checkpoint after every step.
    """
    if command is None:
        return functools.partial(study_options, every=every)

    @functools.wraps(command)
    def wrapped(
        *args: Any,
        out: Path,
        workers: int,
        dask: str | None,
        resume: bool,
        force: bool,
        every: float,
        as_json: bool,
        **others: Any,
    ) -> Any:
        if resume and force:
            raise UserError(
                "one of --resume and --force was expected, but both came; the first goes on, the second "
                "begins anew"
            )
        chosen = StudyOptions(out, workers, dask, resume, force, every, as_json)
        return command(*args, run=chosen, **others)

    decorated: Callable[..., Any] = wrapped
    for option in reversed(_options(every)):
        decorated = option(decorated)
    return decorated


def run_study(study: Study[P], options: StudyOptions) -> Results[P]:
    """Run a study as a command was told to, and print its results."""
    import json

    from pyqkit.studies.runner import run

    results = run(
        study,
        options.out,
        count=options.workers,
        dask=options.dask,
        resume=options.resume,
        force=options.force,
        every=options.every,
    )
    if options.as_json:
        click.echo(json.dumps(results.to_json()))
    else:
        _show(results)
    return results


def _show(results: Results[Any]) -> None:
    """A row a task: its values that are single ones, and its seconds."""
    from pyqkit.tables import show

    values = [_single(outcome.values) for outcome in results.outcomes]
    names = list(dict.fromkeys(name for row in values for name in row))
    rows = [
        {
            "task": outcome.task.name,
            **{name: row.get(name) for name in names},
            "seconds": round(outcome.wall_s, 1),
        }
        for outcome, row in zip(results.outcomes, values)
    ]
    show(f"study {results.definition.study.name}", rows, f"results {results.digest[:16]}")


def _single(values: Json) -> dict[str, Json]:
    if not isinstance(values, dict):
        return {"value": values} if isinstance(values, (int, float, str)) else {}
    return {name: value for name, value in values.items() if isinstance(value, (int, float, str))}
