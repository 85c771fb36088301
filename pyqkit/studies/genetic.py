"""A genetic search over genomes of one gene a layer, block by block (after Evol-Q and LPQ).

A cycle takes one block of layers. Its children are copies of the best member whose genes in the block are
drawn anew: one child from the genes of the two best, the others from the best and any other member, for
diversity. The fittest child joins the population, and the worst member leaves it. Blocks come last to first,
several cycles each, again and again until the evaluations are used up.

All children of a cycle are drawn before any is evaluated, from the random numbers of that cycle alone: who
evaluates them, and in which order, decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np

from pyqkit.errors import UserError
from pyqkit.studies.json_value import Json

G = TypeVar("G")
Genome = tuple[G, ...]
Evaluate = Callable[[Sequence[tuple[G, ...]]], Sequence[float]]
"""The fitness of each genome, small is good; NaN counts as the worst."""


class Space(Protocol[G]):
    """Genomes that a search may look at."""

    @property
    def blocks(self) -> tuple[tuple[int, ...], ...]:
        """Layers of each block, in the order of the network."""

    def initial(self, count: int, random: np.random.Generator) -> list[tuple[G, ...]]:
        """Members of the first population."""

    def child(
        self,
        first: tuple[G, ...],
        second: tuple[G, ...],
        layers: Sequence[int],
        random: np.random.Generator,
    ) -> tuple[G, ...]:
        """`first` with genes of some layers drawn anew from those of both."""

    def to_json(self, genome: tuple[G, ...]) -> Json:
        """A genome as plain data."""

    def from_json(self, data: Json) -> tuple[G, ...]:
        """A genome from plain data; ValueError if it is none of this space."""


@dataclass(frozen=True)
class Evolution:
    """How long, and with how many.

    Attributes
    ----------
    evaluations : int
        In all; those of the first population are some of them.
    members : int
        Of the population, two or more.
    cycles : int
        For a block before the next.
    children : int
        Of a cycle. An even number keeps two workers busy.
    """

    evaluations: int = 1800
    members: int = 20
    cycles: int = 4
    children: int = 6

    def __post_init__(self) -> None:
        if not (self.evaluations >= self.members >= 2 and self.cycles >= 1 and self.children >= 1):
            raise UserError(
                "2 or more members, no more of them than evaluations, and at least one cycle and one child "
                f"were expected, but {self} came; choose other numbers"
            )

    @property
    def steps(self) -> int:
        """The first population is one, and each cycle."""
        return 1 + -(-(self.evaluations - self.members) // self.children)

    def children_of(self, cycle: int) -> int:
        """How many a cycle has, the first being 0; the last has what is left."""
        return min(self.children, self.evaluations - self.members - cycle * self.children)


@dataclass(frozen=True)
class Member(Generic[G]):
    """A genome with its fitness."""

    fitness: float
    genome: tuple[G, ...]


@dataclass(frozen=True)
class Population(Generic[G]):
    """Members, the fittest first."""

    members: tuple[Member[G], ...]

    @property
    def best(self) -> Member[G]:
        """The fittest."""
        return self.members[0]

    def with_(self, *new: Member[G]) -> Population[G]:
        """These as well; of equal fitness, who came first is first."""
        return Population(tuple(sorted((*self.members, *new), key=lambda member: member.fitness)))

    def without_worst(self) -> Population[G]:
        """The last leaves."""
        return Population(self.members[:-1])

    def to_json(self, space: Space[G]) -> Json:
        """As plain data."""
        return [{"fitness": m.fitness, "genome": space.to_json(m.genome)} for m in self.members]

    @classmethod
    def from_json(cls, space: Space[G], data: Json) -> Population[G]:
        """From plain data; ValueError, TypeError or KeyError if it is no population."""
        if not isinstance(data, list) or not data:
            raise ValueError("a population is a list of members")
        members = []
        for entry in data:
            if not isinstance(entry, dict) or not isinstance(entry["fitness"], (int, float)):
                raise ValueError("a member has a fitness and a genome")
            members.append(Member(float(entry["fitness"]), space.from_json(entry["genome"])))
        return cls(tuple(members))


def first_population(
    space: Space[G], evolution: Evolution, evaluate: Evaluate[G], random: np.random.Generator
) -> Population[G]:
    """The population before the first cycle."""
    genomes = space.initial(evolution.members, random)
    return Population[G](()).with_(*_members(genomes, evaluate))


def cycle(
    space: Space[G],
    evolution: Evolution,
    index: int,
    population: Population[G],
    evaluate: Evaluate[G],
    random: np.random.Generator,
) -> Population[G]:
    """The population after cycle `index`, the first being 0."""
    layers = space.blocks[-1 - (index // evolution.cycles) % len(space.blocks)]
    best, *others = population.members
    partners = [others[0]]
    for _ in range(evolution.children_of(index) - 1):
        partners.append(others[random.integers(len(others))])
    children = [space.child(best.genome, partner.genome, layers, random) for partner in partners]
    fittest = Population[G](()).with_(*_members(children, evaluate)).best
    return population.with_(fittest).without_worst()


def _members(genomes: Sequence[tuple[G, ...]], evaluate: Evaluate[G]) -> list[Member[G]]:
    found = evaluate(genomes)
    return [Member(float("inf") if f != f else float(f), g) for f, g in zip(found, genomes, strict=True)]
