"""A tiny study, and the command that runs it: random walks, the result of which is every draw that was made.

python -m tests.studies.walk -o FOLDER [--workers N] [--resume]
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import click
import numpy as np

from pyqkit.cli import main
from pyqkit.studies.options import StudyOptions, run_study, study_options
from pyqkit.studies.study import State, Study, Task, stream


@dataclass(frozen=True)
class Parameters:
    """Of one walk."""

    size: int
    steps: int
    fails: bool = False


@dataclass(frozen=True)
class Walk(Study[Parameters]):
    """Matrix products by BLAS, whose last bits depend on the order of sums."""

    name: ClassVar[str] = "walk"
    walks: int = 4
    seeds: int = 1
    steps_each: int = 6
    size: int = 24
    pause: float = 0.0  # seconds a step; not a parameter, since it decides nothing
    failing: str = ""
    ends: bool = False  # its process

    def tasks(self) -> Sequence[Task[Parameters]]:
        return [
            Task(
                f"walk{walk}.{seed}",
                Parameters(self.size + walk, self.steps_each, self.failing == f"walk{walk}.{seed}"),
                seed,
            )
            for walk in range(self.walks)
            for seed in range(self.seeds)
        ]

    def steps(self, task: Task[Parameters]) -> int:
        return task.parameters.steps

    def begin(self, task: Task[Parameters]) -> State:
        size = task.parameters.size
        return State({"moved": []}, {"place": np.eye(size, dtype=np.float32)})

    def step(self, task: Task[Parameters], index: int, state: State) -> State:
        if task.parameters.fails:
            raise ArithmeticError("this walk cannot go on")
        if self.ends:
            os._exit(3)
        time.sleep(self.pause)
        size = task.parameters.size
        drawn = stream(task, index).standard_normal((size, size)).astype(np.float32)
        place = state.arrays["place"] @ drawn / np.float32(np.sqrt(size))
        moved = [*state.values["moved"], float(np.abs(place).sum())]
        return State({"moved": moved}, {"place": place}, {"moved": moved[-1]})

    def result(self, task: Task[Parameters], state: State) -> State:
        words = hashlib.sha256(state.arrays["place"].tobytes()).hexdigest()[:16]
        return State({**state.values, "words": words, "last": state.values["moved"][-1]}, state.arrays)


@main.command("walk")
@click.option("--walks", default=4)
@click.option("--seeds", default=1)
@click.option("--steps", default=6)
@click.option("--pause", default=0.0)
@click.option("--failing", default="")
@study_options
def walk(run: StudyOptions, walks: int, seeds: int, steps: int, pause: float, failing: str) -> None:
    """Walk at random."""
    run_study(Walk(walks, seeds, steps, pause=pause, failing=failing), run)


if __name__ == "__main__":
    main()
