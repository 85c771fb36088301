"""Searches as a study: a step is the first population, a cycle, or a move."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from pyqkit.studies.lpq.methods import FIGURES, METHODS, chosen, values_of
from pyqkit.studies.lpq.problem import Search, Source, fitness, problem
from pyqkit.studies.lpq.result import coded_layers
from pyqkit.studies.lpq.space import Genome
from pyqkit.studies.slices import limited_threads
from pyqkit.studies.study import State, Study, Task
from pyqkit.studies.workers import Workers


@dataclass(frozen=True)
class LpqStudy(Study[Search]):
    """Searches over one or several networks.

    Attributes
    ----------
    sources : tuple of Source
        One for each search.
    searches : tuple of Task
    layers : tuple of int
        Layers of the network of each search.
    crew : Workers or None
        Who evaluates the genomes of a step; None for the process that does the step. It decides nothing.
    """

    name: ClassVar[str] = "lpq"
    version: ClassVar[int] = 2
    sources: tuple[Source, ...]
    searches: tuple[Task[Search], ...]
    layers: tuple[int, ...]
    crew: Workers | None = field(default=None, compare=False)

    def tasks(self) -> Sequence[Task[Search]]:
        return self.searches

    def steps(self, task: Task[Search]) -> int:
        return METHODS[task.parameters.method].steps(task.parameters, self.layers[self._place(task)])

    def step(self, task: Task[Search], index: int, state: State) -> State:
        method, source = METHODS[task.parameters.method], self.sources[self._place(task)]

        def evaluate(genomes: Sequence[Genome]) -> list[float]:
            if self.crew is None:
                return [fitness(source, task.parameters, genome) for genome in genomes]
            submit = self.crew.executor.submit
            waiting = [submit(_evaluated, source, task.parameters, genome) for genome in genomes]
            return [future.result() for future in waiting]

        return method.step(problem(source, task.parameters), task, index, state, evaluate)

    def result(self, task: Task[Search], state: State) -> State:
        found = problem(self.sources[self._place(task)], task.parameters)
        assignment = chosen(found, state)
        figures = {name: values_of(state)[name] for name in FIGURES}
        layers = [coded.to_json() for coded in coded_layers(found, assignment)]
        correct = found.correct(assignment)
        if correct is None:
            return State({**figures, "layers": layers})
        accuracy = 100 * float(correct.mean())
        return State({**figures, "accuracy": accuracy, "layers": layers}, {"correct": correct})

    def alone(self, task: Task[Search]) -> LpqStudy:
        """The study of one of its searches."""
        place = self._place(task)
        return replace(self, sources=(self.sources[place],), searches=(task,), layers=(self.layers[place],))

    def _place(self, task: Task[Search]) -> int:
        return [known.name for known in self.searches].index(task.name)


_ONE_AT_A_TIME = threading.Lock()  # a worker of a cluster may have several threads, and keeps one network


def _evaluated(source: Source, search: Search, genome: Genome) -> float:
    """What a worker computes, with as many threads as a step has."""
    with _ONE_AT_A_TIME, limited_threads(LpqStudy.threads):
        return fitness(source, search, genome)
