"""Searches as studies: for networks of several sizes, and for one that is smaller than a given one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pyqkit.studies.formats_search import search
from pyqkit.studies.formats_search.search import Found, front
from pyqkit.studies.formats_search.space import FormatSpace
from pyqkit.studies.formats_search.study import Goal, space, subject
from pyqkit.studies.formats_search.subject import Genome
from pyqkit.studies.genetic import Evolution, Population
from pyqkit.studies.lpq.problem import Source, array_digest
from pyqkit.studies.study import State, Study, Task, stream


@dataclass(frozen=True)
class Size:
    """A search.

    Attributes
    ----------
    goal : Goal
    position : float
        Of its limit of LUTs, from 0 for those of the smallest network among the seeds to 1 for the most
        accurate one that fits, in equal factors.
    evolution : Evolution
    prune : bool
    alone : str
        Digest of the errors alone.
    """

    goal: Goal
    position: float
    evolution: Evolution
    prune: bool
    alone: str


@dataclass(frozen=True)
class Searches(Study[Size]):
    """The most accurate network of each of several sizes."""

    name: ClassVar[str] = "formats-search"
    source: Source
    goal: Goal
    alone: tuple[tuple[float, ...], ...]
    sizes: int
    evolution: Evolution
    seed: int = 0
    prune: bool = True

    def tasks(self) -> Sequence[Task[Size]]:
        digest = _digest(self.alone)
        positions = [(i + 1) / self.sizes for i in range(self.sizes)]
        return [
            Task(f"size-{i + 1}", Size(self.goal, position, self.evolution, self.prune, digest), self.seed)
            for i, position in enumerate(positions)
        ]

    def steps(self, task: Task[Size]) -> int:
        return task.parameters.evolution.steps

    def step(self, task: Task[Size], index: int, state: State) -> State:
        size, random = task.parameters, stream(task, index)
        whole = space(self.source, self.goal, self.alone)
        error = subject(self.source, self.goal).error
        if index == 0:
            return _begun(whole.within(_limit(whole, size.position)), size.evolution, error, random)
        return _advanced(whole, size.evolution, index - 1, state, error, random, size.prune)


@dataclass(frozen=True)
class Start:
    """A search from a network downwards.

    Attributes
    ----------
    goal : Goal
    genome : tuple of str
        Of that network.
    evolution : Evolution
    alone : str
        Digest of the errors alone.
    """

    goal: Goal
    genome: Genome
    evolution: Evolution
    alone: str


@dataclass(frozen=True)
class Below(Study[Start]):
    """The most accurate network that is smaller than a given one."""

    name: ClassVar[str] = "formats-below"
    source: Source
    goal: Goal
    alone: tuple[tuple[float, ...], ...]
    genome: Genome
    evolution: Evolution
    seed: int = 0

    def tasks(self) -> Sequence[Task[Start]]:
        digest = _digest(self.alone)
        return [Task("below", Start(self.goal, self.genome, self.evolution, digest), self.seed)]

    def steps(self, task: Task[Start]) -> int:
        return task.parameters.evolution.steps

    def step(self, task: Task[Start], index: int, state: State) -> State:
        start, random = task.parameters, stream(task, index)
        whole = space(self.source, self.goal, self.alone)
        error = subject(self.source, self.goal).error
        if index == 0:
            limited = whole.below(start.genome)
            if not any(limited.fits(seed.genome) for seed in limited.seeds):
                return State({"limit": limited.luts, "front": []})  # none is smaller
            return _begun(limited, start.evolution, error, random)
        if not _found(state):
            return state
        return _advanced(whole, start.evolution, index - 1, state, error, random)


def _digest(alone: Sequence[Sequence[float]]) -> str:
    """Of the errors alone."""
    return array_digest(np.concatenate([np.array(errors) for errors in alone]))


def _begun(
    limited: FormatSpace, evolution: Evolution, error: search.Error, random: np.random.Generator
) -> State:
    population, run = search.begin(limited, evolution, error, random)
    return _state(limited, population, run, [], 0)


def _advanced(
    whole: FormatSpace,
    evolution: Evolution,
    cycle: int,
    state: State,
    error: search.Error,
    random: np.random.Generator,
    prune: bool = True,
) -> State:
    values: Any = state.values
    limited = whole.within(values["limit"])
    population = Population.from_json(limited, values["population"])
    population, run = search.advance(limited, evolution, cycle, population, error, random, prune)
    return _state(limited, population, run, _found(state), values["evaluations"], values["skipped"])


def _found(state: State) -> list[Found]:
    """What is on the front of a search."""
    values: Any = state.values
    return [Found.from_json(each) for each in values["front"]]


def _limit(whole: FormatSpace, position: float) -> float:
    fitting = [seed for seed in whole.seeds if whole.fits(seed.genome)] or whole.seeds
    luts = [seed.cost.resources.lut_high for seed in fitting]
    accurate = min(fitting, key=lambda seed: seed.error).cost.resources.lut_high
    return float(min(luts) * (accurate / min(luts)) ** position)


def _state(
    limited: FormatSpace,
    population: Population[str],
    run: search.Evaluations,
    known: list[Found],
    evaluations: int,
    skipped: int = 0,
) -> State:
    kept = front([*known, *run.found])
    return State(
        {
            "limit": limited.luts,
            "evaluations": evaluations + len(run.found),
            "skipped": skipped + run.skipped,
            "error": population.best.fitness,
            "population": population.to_json(limited),
            "front": [each.to_json() for each in kept],
        },
        point={"error": population.best.fitness, "evaluations": evaluations + len(run.found)},
    )
