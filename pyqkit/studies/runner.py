"""Runs a study, or goes on with one, and gives its results."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from pyqkit.digest import digest
from pyqkit.errors import UserError, listed, plain
from pyqkit.studies import EVERY
from pyqkit.studies.checkpoint import Checkpoint, Point
from pyqkit.studies.folder import Folder, opened, results_digest
from pyqkit.studies.json_value import Json
from pyqkit.studies.progress import Show, progress
from pyqkit.studies.provenance import Clock, provenance
from pyqkit.studies.slices import advance
from pyqkit.studies.study import Definition, Study, Task
from pyqkit.studies.workers import WorkerLostError, Workers, is_lost, workers

P = TypeVar("P")


class TaskError(UserError):
    """Tasks raised exceptions; the first is the cause of this one."""

    exit_code = 1


@dataclass(frozen=True)
class Outcome(Generic[P]):
    """What a task has found.

    Attributes
    ----------
    task : Task
    values : Json
    arrays : mapping
    curve : tuple of mapping
        Points of the learning curve, each with its number ``step``.
    wall_s, cpu_s : float
        Seconds, in all runs together.
    run : int
        Number of the run that finished it.
    """

    task: Task[P]
    values: Json
    arrays: Mapping[str, np.ndarray]
    curve: tuple[Point, ...]
    wall_s: float
    cpu_s: float
    run: int

    def to_json(self) -> dict[str, Json]:
        """What does not depend on machine and time; arrays by their SHA-256."""
        arrays = {name: digest(array.tobytes()) for name, array in self.arrays.items()}
        return {**self.task.to_json(), "values": self.values, "arrays": arrays, "curve": list(self.curve)}


@dataclass(frozen=True)
class Results(Generic[P]):
    """Results of all tasks of a study, in its order, and the runs that they are from."""

    definition: Definition[P]
    outcomes: tuple[Outcome[P], ...]
    runs: tuple[Json, ...]

    def of(self, task: str) -> Outcome[P]:
        """Of one task; KeyError if there is none."""
        return {outcome.task.name: outcome for outcome in self.outcomes}[task]

    @property
    def digest(self) -> str:
        """Equal for equal results, whatever workers and interruptions they took."""
        return results_digest([outcome.to_json() for outcome in self.outcomes])

    def to_json(self) -> dict[str, Json]:
        """As it stands in ``results.json``; arrays are in the checkpoints."""
        return {
            "study": self.definition.study.name,
            "version": self.definition.study.version,
            "definition": self.definition.digest,
            "results": [outcome.to_json() for outcome in self.outcomes],
            "digest": self.digest,
            "seconds": {
                o.task.name: {"wall": round(o.wall_s, 2), "cpu": round(o.cpu_s, 2), "run": o.run}
                for o in self.outcomes
            },
            "provenance": list(self.runs),
        }


def run(
    study: Study[P],
    path: Path,
    *,
    count: int = 1,
    dask: str | None = None,
    resume: bool = False,
    force: bool = False,
    every: float = EVERY,
) -> Results[P]:
    """Do all tasks of a study that are not done yet.

    Parameters
    ----------
    path : Path
        Folder of the study; see `pyqkit.studies.folder`.
    count : int
        Worker processes; 1 is this process.
    dask : str or None
        Address of the scheduler of a cluster that takes the place of worker processes.
    resume : bool
        Go on with what is in the folder, if there is any.
    force : bool
        Begin anew where a folder of a study is.
    every : float
        Seconds between the checkpoints of a task.

    Raises
    ------
    UserError
        If the folder cannot be taken, a worker is lost (`WorkerLostError`) or tasks raise (`TaskError`); what
        is done is kept.
    """
    definition = Definition(study)
    arguments = {"workers": count, "dask": dask is not None, "resume": resume}
    with opened(path, definition, resume, force) as folder, _recorded(folder, arguments) as number:
        job = _Job(definition, folder, number)
        with (
            workers(count, dask, study.threads) as crew,
            job.kept_on_interrupt(),
            progress(study.name, job.total, len(definition.tasks)) as show,
        ):
            job.work(crew, every, show)
        job.raise_failures()
    results = collect(folder)
    folder.write_results(results.to_json())
    return results


def collect(folder: Folder, partial: bool = False) -> Results[Any]:
    """Results of a study that has finished; with `partial` those of one that has not, as far as they are."""
    outcomes = []
    for task in folder.definition.tasks:
        found = folder.checkpoint(task.name)
        if found is None or not found.finished:
            if partial:
                continue
            raise UserError(
                f"the result of every task was expected in {folder.path}, but that of {task.name} is not "
                "there; go on with --resume"
            )
        state = found.state
        outcomes.append(
            Outcome(task, state.values, state.arrays, found.curve, found.wall_s, found.cpu_s, found.run)
        )
    return Results(folder.definition, tuple(outcomes), tuple(folder.runs()))


class _Job:
    """One run's view of the tasks: what is done, what waits, what a worker has."""

    def __init__(self, definition: Definition[Any], folder: Folder, number: int) -> None:
        self.study, self.folder, self.number = definition.study, folder, number
        self.steps = {task.name: self.study.steps(task) for task in definition.tasks}
        self.done = dict.fromkeys(self.steps, 0)
        self.finished: set[str] = set()
        self.waiting: deque[Task[Any]] = deque()
        self.running: dict[Future[Checkpoint], Task[Any]] = {}
        self.failures: dict[str, Exception] = {}
        self.digest = definition.digest
        for task in definition.tasks:
            found = folder.checkpoint(task.name)
            if found is not None:
                self.done[task.name] = found.steps
            if found is not None and found.finished:
                self.finished.add(task.name)
            else:
                self.waiting.append(task)
        for name, reason in folder.damaged.items():
            _say(f"note: the checkpoint of {name} does not count ({reason}); the task begins anew")

    @property
    def total(self) -> int:
        """Steps of all tasks."""
        return sum(self.steps.values())

    def work(self, crew: Workers, every: float, show: Show) -> None:
        """Hand out slices until nothing is left; a task that has begun goes on before another begins."""
        show(sum(self.done.values()), len(self.finished))
        while self.waiting or self.running:
            while self.waiting and len(self.running) < crew.count:
                task = self.waiting.popleft()
                last = self.folder.checkpoint(task.name) or self.digest
                self.running[crew.executor.submit(advance, self.study, task, last, every)] = task
            for future in wait(self.running, return_when=FIRST_COMPLETED).done:
                self._take(future)
            show(sum(self.done.values()), len(self.finished))

    def _take(self, future: Future[Checkpoint]) -> None:
        """Keep what a slice has found, and let its task go on."""
        task = self.running.pop(future)
        try:
            found = future.result()
        except Exception as error:
            if is_lost(error):
                raise WorkerLostError(
                    f"a result of {task.name} was expected, but its worker process has ended, perhaps for "
                    "want of memory; what is done is kept, go on with --resume and fewer workers"
                ) from error
            self.failures[task.name] = error
            return
        self.folder.keep(replace(found, run=self.number))
        self.done[task.name] = found.steps
        if found.finished:
            self.finished.add(task.name)
        else:
            self.waiting.appendleft(task)

    @contextmanager
    def kept_on_interrupt(self) -> Iterator[None]:
        """Whatever ends the run: keep the slices that have come back, and say how to go on."""
        try:
            yield
        except BaseException as error:
            for future in [f for f in self.running if f.done() and not f.cancelled()]:
                with suppress(Exception):
                    self._take(future)
            if not isinstance(error, Exception):
                _say(
                    f"{len(self.finished)} of {len(self.steps)} tasks and {sum(self.done.values())} of "
                    f"{self.total} steps are kept in {self.folder.path}; go on with --resume"
                )
            raise

    def raise_failures(self) -> None:
        """Raise what tasks have raised, all in one sentence."""
        if not self.failures:
            return
        first = next(iter(self.failures.values()))
        reasons = listed((f"{name}: {type(e).__name__}: {e}" for name, e in self.failures.items()), 3)
        raise TaskError(
            f"{len(self.steps)} results were expected, but {len(self.failures)} tasks failed ({reasons}); "
            "what is done is kept, go on with --resume when the reason is gone"
        ) from first


@contextmanager
def _recorded(folder: Folder, arguments: Mapping[str, object]) -> Iterator[int]:
    """Write the provenance of a run when it begins, for those that are killed, and again when it ends."""
    clock, number = Clock(), folder.next_run()
    seeds = _distinct(task.seed for task in folder.definition.tasks)

    def write() -> None:
        found = provenance(sys.argv[0], arguments, clock, seeds)
        folder.write_run(number, {"run": number, **found.to_json()})

    write()
    try:
        yield number
    finally:
        write()


def _distinct(values: Iterable[int]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(values))


def _say(sentence: str) -> None:
    with suppress(OSError):
        print(plain(sentence), file=sys.stderr, flush=True)
