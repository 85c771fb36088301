"""The format search as studies, each with what the one before has found.

`Alone` measures what each format costs in accuracy at each place alone. `searches` has those that look for
networks. `Points` builds the networks found, and uniform ones beside them: quantised by a recipe, lowered,
folded, and counted on labelled images.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from torch import nn

from pyqkit import boards, compiler
from pyqkit.accelerator import Accelerator
from pyqkit.errors import UserError
from pyqkit.quant import export_qonnx
from pyqkit.quant.ptq.frames import checked
from pyqkit.quant.ptq.layers import rounded_once
from pyqkit.quant.ptq.network import Network
from pyqkit.quant.ptq.pipeline import quantised
from pyqkit.quant.ptq.recipe import parse_steps
from pyqkit.studies.formats_search.assigned import recipe_of
from pyqkit.studies.formats_search.costs import Costs, Rate, TooSlowError
from pyqkit.studies.formats_search.retyping import Retyping
from pyqkit.studies.formats_search.search import NEVER
from pyqkit.studies.formats_search.space import Domain, FormatSpace
from pyqkit.studies.formats_search.subject import Genome, Subject
from pyqkit.studies.lpq.problem import Source, array_digest, network_digest
from pyqkit.studies.study import State, Study, Task
from pyqkit.studies.trainer import logits


@dataclass(frozen=True)
class Goal:
    """A network, its calibration frames, and what it is to be built for.

    Attributes
    ----------
    network, frames : str
        Digests.
    board : str
        Name or TOML file.
    resources : tuple of (str, int)
        Of the board, so that another board of that name is another goal.
    clock_mhz, fps, lut_share : float
        See `pyqkit.studies.formats_search.costs.Rate`.
    domain : Domain
    recipe : str
        Steps of post-training quantisation by which networks are built; see `Subject` for what the search
        knows of them.
    """

    network: str
    frames: str
    board: str
    resources: tuple[tuple[str, int], ...]
    clock_mhz: float
    fps: float
    lut_share: float
    domain: Domain
    recipe: str = ""

    @classmethod
    def of(
        cls,
        source: Source,
        board: str,
        fps: float,
        clock_mhz: float | None = None,
        lut_share: float = 1.0,
        domain: Domain | None = None,
        recipe: str = "",
    ) -> Goal:
        """For a source; UserError if the board, the clock, the rate, the share or the recipe cannot be."""
        parse_steps(recipe)
        described = boards.load(board)
        clock = described.clock_mhz if clock_mhz is None else clock_mhz
        if not boards.is_clock(clock):
            raise UserError(f"a clock from 1 to below 1000 MHz was expected, but {clock} came; leave it out")
        if not fps >= 1e-3 or fps == np.inf:
            raise UserError(f"a rate above 0 was expected, but {fps:g} frames/s came; take another")
        if not 0 < lut_share <= 1:
            raise UserError(f"a share above 0 and up to 1 was expected, but {lut_share:g} came; take another")
        resources = tuple(sorted((name, int(has)) for name, has in described.resources.items()))
        digests = network_digest(source.network()), array_digest(source.images())
        limits = float(clock), float(fps), float(lut_share)
        return cls(*digests, board, resources, *limits, domain or Domain(), recipe)

    @property
    def rate(self) -> Rate:
        """What costs are of."""
        return Rate(boards.load(self.board), self.clock_mhz, self.fps, self.lut_share)


@dataclass(frozen=True)
class Where:
    """A place whose formats are tried."""

    goal: Goal
    place: int


@dataclass(frozen=True)
class Alone(Study[Where]):
    """Errors of each format at each place, with all other places float."""

    name: ClassVar[str] = "formats-alone"
    source: Source
    goal: Goal
    places: int

    def tasks(self) -> Sequence[Task[Where]]:
        return [Task(f"place-{i:03d}", Where(self.goal, i), 0) for i in range(self.places)]

    def step(self, task: Task[Where], index: int, state: State) -> State:
        found, place = subject(self.source, self.goal), task.parameters.place
        names = self.goal.domain.of(found.places[place].is_weights)
        errors = [min(found.alone(place, name), NEVER) for name in names]
        return State({"place": found.places[place].label, "errors": errors})


@dataclass(frozen=True)
class Point:
    """A network that is built.

    Attributes
    ----------
    goal : Goal
    genome : tuple of str
    """

    goal: Goal
    genome: Genome


@dataclass(frozen=True)
class Points(Study[Point]):
    """Networks built: their real size and rate, and their accuracy."""

    name: ClassVar[str] = "formats-points"
    source: Source
    goal: Goal
    genomes: tuple[tuple[str, Genome], ...]
    seed: int = 0

    def tasks(self) -> Sequence[Task[Point]]:
        return [Task(name, Point(self.goal, genome), self.seed) for name, genome in self.genomes]

    def step(self, task: Task[Point], index: int, state: State) -> State:
        point = task.parameters
        network = build(self.source, point, task.seed)
        values: dict[str, Any] = {
            "error": subject(self.source, self.goal).error(point.genome),
            "summed_luts": _summed(space_costs(self.source, self.goal), point.genome),
        }
        arrays = {}
        labelled = self.source.labelled()
        if labelled is not None:
            correct = correct_of(network.quantised, *labelled)
            values["accuracy"] = 100 * float(correct.mean())
            arrays["correct"] = correct
        try:
            values |= _figures(compiled(network, self.goal))
        except UserError as refusal:
            values["refused"] = str(refusal)
        return State(values, arrays)


def _summed(costs: Costs, genome: Genome) -> float | None:
    try:
        return costs.of(genome).resources.lut_high
    except TooSlowError:
        return None


def _figures(accelerator: Accelerator) -> dict[str, float]:
    estimator = accelerator.designs.estimator
    total = estimator.total(accelerator.foldings)
    return {
        "luts": total.lut_high,
        "bram36": total.bram36,
        "dsp": total.dsp,
        "fps": accelerator.clock_mhz * 1e6 / estimator.interval(accelerator.foldings),
    }


def build(source: Source, point: Point, seed: int = 0) -> Network:
    """The network of a point, quantised."""
    return quantised(source.network(), source.images(), recipe_of(point.genome, point.goal.recipe), seed)


def compiled(network: Network, goal: Goal) -> Accelerator:
    """A quantised network for the goal's board and rate; UserError if it does not fit."""
    with tempfile.TemporaryDirectory() as folder:
        path = export_qonnx(network.quantised, network.data[:1], Path(folder) / "network.onnx")
        return compiler.compile(
            path,
            board=goal.board,
            target_fps=goal.fps,
            lut_share=goal.lut_share,
            clock_mhz=goal.clock_mhz,
            reuse="off",  # as the search counts it
        )


def correct_of(module: nn.Module, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """For each labelled image whether its label is found."""
    with rounded_once(module):
        outputs = logits(module, images)
    return outputs.reshape(len(outputs), -1).argmax(1) == labels


@lru_cache(maxsize=1)
def subject(source: Source, goal: Goal) -> Subject:
    """The network with its frames; a process makes it once."""
    model, images = source.network(), source.images()
    if (network_digest(model), array_digest(images)) != (goal.network, goal.frames):
        raise UserError(
            "the network and frames the search began with were expected, but reading anew gives others; "
            "leave files as they are while a search runs, and give weights to a factory that draws its own"
        )
    return Subject(model, checked(images), parse_steps(goal.recipe))


@lru_cache(maxsize=1)
def space_costs(source: Source, goal: Goal) -> Costs:
    """Costs of the network; a process makes them once."""
    return Costs(Retyping(subject(source, goal)), goal.rate)


@lru_cache(maxsize=1)
def space(source: Source, goal: Goal, alone: tuple[tuple[float, ...], ...]) -> FormatSpace:
    """Genomes of the network; a process makes it once."""
    return FormatSpace(space_costs(source, goal), goal.domain, alone)
