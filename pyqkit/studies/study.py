"""What a study is: named tasks, and steps from one state to the next."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np

from pyqkit.digest import digest
from pyqkit.errors import UserError, brief
from pyqkit.names import is_label
from pyqkit.studies.json_value import Json, canonical, plain

P = TypeVar("P")
LAYOUT = 2  # of the files of a study; files of another layout are not read


@dataclass(frozen=True)
class Task(Generic[P]):
    """One piece of work; its result depends on parameters and seed, and on nothing else.

    Attributes
    ----------
    name : str
        ASCII letters, digits and ``_.+-``: it names files.
    parameters : frozen dataclass of plain data
    seed : int
        Not negative.
    """

    name: str
    parameters: P
    seed: int

    def to_json(self) -> dict[str, Json]:
        """Name, parameters and seed as plain data."""
        if not is_dataclass(self.parameters) or isinstance(self.parameters, type):
            raise TypeError(f"a dataclass was expected as parameters, but {brief(self.parameters)} came")
        return {"name": self.name, "parameters": plain(asdict(self.parameters)), "seed": self.seed}


@dataclass(frozen=True)
class State:
    """All that one step leaves to the next, and the last one as a result.

    What it is made of is copied to the form in which files keep it, so that a step cannot tell whether its
    state comes from the step before or from a file.

    Attributes
    ----------
    values : Json
        Plain data; tuples become lists.
    arrays : mapping
        Arrays of bool, int, uint or float of at most 64 bits, by name; they become C-contiguous, and names
        are sorted.
    point : mapping
        Point of the learning curve that the step adds; empty for none. Numbers that are not finite become
        None.
    """

    values: Json = None
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    point: Mapping[str, float | int | str | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", plain(self.values))
        object.__setattr__(self, "arrays", {n: _kept(n, a) for n, a in sorted(self.arrays.items())})
        object.__setattr__(self, "point", plain({k: _finite(v) for k, v in self.point.items()}))


def _kept(name: str, array: np.ndarray) -> np.ndarray:
    """A copy in native byte order, C-contiguous."""
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise TypeError(f"an array of plain numbers was expected for {name}, but {brief(array)} came")
    return np.array(array, array.dtype.newbyteorder("="), order="C", copy=True)


def _finite(value: float | int | str | None) -> float | int | str | None:
    return None if isinstance(value, float) and not np.isfinite(value) else value


class Study(ABC, Generic[P]):
    """Tasks of one kind.

    A subclass is a module's own class, and its fields are plain data: instances travel to other processes. A
    step draws from `stream` and from no global generator; all that it knows are task, index and state. So
    the result is the same for any number of workers, any order, and any interruption.

    Attributes
    ----------
    name : str
        Of the study; a label.
    version : int
        To be raised when the meaning of a parameter or the work of a step changes: results of another
        version are not mixed.
    threads : int
        Of BLAS and torch while a step runs. Part of the definition, because the order of sums depends on it.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    threads: ClassVar[int] = 1

    @abstractmethod
    def tasks(self) -> Sequence[Task[P]]:
        """All tasks, in the order in which they are begun and listed."""

    def steps(self, task: Task[P]) -> int:
        """How many steps a task has."""
        return 1

    def begin(self, task: Task[P]) -> State:
        """The state before the first step."""
        return State()

    @abstractmethod
    def step(self, task: Task[P], index: int, state: State) -> State:
        """The state after step `index` of a task, the first being 0."""

    def result(self, task: Task[P], state: State) -> State:
        """What is kept of the last state; all of it by default."""
        return state


def stream(task: Task[Any], *key: int) -> np.random.Generator:
    """Random numbers of a task's seed, others for each key: ``stream(task, index)`` in a step.

    Tasks with one seed draw the same numbers, so that what is compared differs in its parameters alone.
    """
    return np.random.default_rng(np.random.SeedSequence(task.seed, spawn_key=key))


@dataclass(frozen=True)
class Definition(Generic[P]):
    """What decides the results of a study; two with one digest have the same results.

    Parameters
    ----------
    study : Study

    Raises
    ------
    UserError
        If tasks have equal names, names that are no labels, or negative seeds, or if there are none.
    """

    study: Study[P]
    tasks: tuple[Task[P], ...] = ()

    def __post_init__(self) -> None:
        tasks = tuple(self.study.tasks())
        names = [task.name for task in tasks]
        for name in (self.study.name, *names):
            if not is_label(name):
                raise UserError(
                    "a name of letters, digits and _.+- was expected for a study and its tasks, but "
                    f"{brief(name)} came; choose another"
                )
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice or not tasks:
            raise UserError(
                "one or more tasks of different names were expected, but "
                f"{f'{twice[0]} is there twice' if twice else 'there are none'}; choose other parameters"
            )
        for task in tasks:
            if not 0 <= task.seed < 2**63:
                raise UserError(
                    f"a seed of 0 to 2**63 - 1 was expected, but {task.seed} came; choose another"
                )
        object.__setattr__(self, "tasks", tasks)

    def to_json(self) -> dict[str, Json]:
        """As it stands in ``study.json``."""
        return {
            "layout": LAYOUT,
            "study": self.study.name,
            "version": self.study.version,
            "threads": self.study.threads,
            "tasks": [task.to_json() for task in self.tasks],
        }

    @property
    def digest(self) -> str:
        """SHA-256 of the above."""
        return digest(canonical(self.to_json()).encode())
