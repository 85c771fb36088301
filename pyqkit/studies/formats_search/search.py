"""The search for one size of network: genetic, and what cannot win is not run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from pyqkit.studies import genetic
from pyqkit.studies.formats_search.space import FormatSpace
from pyqkit.studies.formats_search.subject import Genome
from pyqkit.studies.genetic import Evolution, Population
from pyqkit.studies.json_value import Json

PART = 0.5  # of the sum of errors alone that a network's error is taken to reach at least
NEVER = 1e30  # error of a network that was not run, or that gave NaN

Error = Callable[[Genome], float]


@dataclass(frozen=True)
class Found:
    """A network that was run.

    Attributes
    ----------
    genome : Genome
    error : float
        Of the whole network, on the calibration frames.
    luts : float
        By the sum over operators.
    """

    genome: Genome
    error: float
    luts: float

    def to_json(self) -> Json:
        """As plain data."""
        return {"genome": list(self.genome), "error": self.error, "luts": self.luts}

    @classmethod
    def from_json(cls, data: dict[str, Json]) -> Found:
        """From plain data."""
        genome, error, luts = data["genome"], data["error"], data["luts"]
        assert isinstance(genome, list) and isinstance(error, (int, float)) and isinstance(luts, (int, float))
        return cls(tuple(genome), float(error), float(luts))


def front(found: Sequence[Found]) -> list[Found]:
    """Those than which no other is smaller and more accurate, the smallest first."""
    kept: list[Found] = []
    for each in sorted(found, key=lambda one: (one.luts, one.error, one.genome)):
        if each.error < min((one.error for one in kept), default=np.inf):
            kept.append(each)
    return kept


def bound(space: FormatSpace, genome: Genome) -> float:
    """What the error of a network is at least, if its places' errors do not undo each other too much.

    `PART` of the sum over places. Errors of many places are nearly independent, so that their squares add
    up; docs/formats_search.md says how far from it networks were.
    """
    return PART * space.sum_alone(genome)


@dataclass
class Evaluations:
    """Runs genomes, but not those that their bound already makes worse than others.

    Attributes
    ----------
    space : FormatSpace
    error : callable
    limit : float
        Error above which a genome changes nothing: that of the worst member.
    prune : bool
    found : list of Found
        Of all that were run.
    skipped : int
    """

    space: FormatSpace
    error: Error
    limit: float = np.inf
    prune: bool = True
    found: list[Found] = field(default_factory=list)
    skipped: int = 0

    def __call__(self, genomes: Sequence[Genome]) -> list[float]:
        """Errors in order; `NEVER` for those that were left out.

        The most promising run first. Only the fittest child of a cycle counts, so a child whose bound is
        above the best error so far, or above the worst member's, is as good as run.
        """
        errors = [NEVER] * len(genomes)
        bounds = [bound(self.space, genome) for genome in genomes]
        best = self.limit
        for place in sorted(range(len(genomes)), key=lambda i: bounds[i]):
            if self.prune and bounds[place] > best:
                self.skipped += 1
                continue
            errors[place] = min(self.error(genomes[place]), NEVER)
            luts = self.space.cost(genomes[place]).resources.lut_high
            self.found.append(Found(genomes[place], errors[place], luts))
            best = min(best, errors[place])
        return errors


def begin(
    space: FormatSpace, evolution: Evolution, error: Error, random: np.random.Generator
) -> tuple[Population[str], Evaluations]:
    """The first population; all of it is run."""
    evaluations = Evaluations(space, error, prune=False)
    return genetic.first_population(space, evolution, evaluations, random), evaluations


def advance(
    space: FormatSpace,
    evolution: Evolution,
    index: int,
    population: Population[str],
    error: Error,
    random: np.random.Generator,
    prune: bool = True,
) -> tuple[Population[str], Evaluations]:
    """The population after a cycle."""
    evaluations = Evaluations(space, error, population.members[-1].fitness, prune)
    return genetic.cycle(space, evolution, index, population, evaluations, random), evaluations
