"""The genetic engine, on genomes of plain numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from pyqkit.errors import UserError
from pyqkit.studies.genetic import Evolution, Population, cycle, first_population
from pyqkit.studies.json_value import Json

Genome = tuple[float, ...]


class Numbers:
    """Six numbers in two blocks."""

    blocks = ((0, 1, 2), (3, 4, 5))

    def initial(self, count: int, random: np.random.Generator) -> list[Genome]:
        return [tuple(random.uniform(-1, 1, 6).tolist()) for _ in range(count)]

    def child(
        self, first: Genome, second: Genome, layers: Sequence[int], random: np.random.Generator
    ) -> Genome:
        made = list(first)
        for layer in layers:
            made[layer] = (first[layer] + second[layer]) / 2 + float(random.uniform(-0.2, 0.2))
        return tuple(made)

    def to_json(self, genome: Genome) -> Json:
        return list(genome)

    def from_json(self, data: Json) -> Genome:
        if not isinstance(data, list) or len(data) != 6:
            raise ValueError("six numbers were expected")
        return tuple(float(x) for x in data)  # type: ignore[arg-type]


def distance(genomes: Sequence[Genome]) -> list[float]:
    """Squared distance from 0.5 in every gene."""
    return [sum((x - 0.5) ** 2 for x in genome) for genome in genomes]


def searched(
    evolution: Evolution, seed: int = 0, through_json: bool = False
) -> tuple[Population[float], list[float], int]:
    space, counted, trace = Numbers(), 0, []

    def evaluate(genomes: Sequence[Genome]) -> list[float]:
        nonlocal counted
        counted += len(genomes)
        return distance(genomes)

    def random(step: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(step,)))

    population = first_population(space, evolution, evaluate, random(0))
    for index in range(evolution.steps - 1):
        population = cycle(space, evolution, index, population, evaluate, random(index + 1))
        trace.append(population.best.fitness)
        if through_json:
            population = Population.from_json(space, population.to_json(space))
    return population, trace, counted


@pytest.mark.parametrize("evaluations", [20, 25, 26, 301])
def test_evaluations_are_as_many_as_said(evaluations: int) -> None:
    population, _, counted = searched(Evolution(evaluations))
    assert (counted, len(population.members)) == (evaluations, 20)


def test_the_best_never_gets_lost_and_gets_better() -> None:
    population, trace, _ = searched(Evolution(600))
    assert trace == sorted(trace, reverse=True) and trace[-1] < 0.1 < trace[0]
    assert population.best.fitness == distance([population.best.genome])[0]
    assert [m.fitness for m in population.members] == sorted(m.fitness for m in population.members)


def test_a_seed_decides_all_and_nothing_else_does() -> None:
    one, other = searched(Evolution(200)), searched(Evolution(200), through_json=True)
    assert one == other != searched(Evolution(200), seed=1)


def test_a_cycle_changes_one_block() -> None:
    space, evolution, seen = Numbers(), Evolution(200), []

    def evaluate(genomes: Sequence[Genome]) -> list[float]:
        seen.append(list(genomes))
        return distance(genomes)

    population = first_population(space, evolution, evaluate, np.random.default_rng(0))
    for index in range(8):  # four cycles each, the last block first
        best = population.best.genome
        population = cycle(space, evolution, index, population, evaluate, np.random.default_rng(index))
        same, other = ((0, 3), (3, 6)) if index < 4 else ((3, 6), (0, 3))
        for child in seen[-1]:
            assert child[slice(*same)] == best[slice(*same)]
            assert child[slice(*other)] != best[slice(*other)]


def test_what_is_no_number_is_the_worst() -> None:
    def evaluate(genomes: Sequence[Genome]) -> list[float]:
        return [float("nan"), *distance(genomes[1:])]

    population = first_population(Numbers(), Evolution(20), evaluate, np.random.default_rng(0))
    assert population.members[-1].fitness == float("inf")


@pytest.mark.parametrize(
    "wrong", [{"evaluations": 10}, {"members": 1}, {"cycles": 0}, {"children": 0}], ids=str
)
def test_numbers_that_make_no_search(wrong: dict[str, int]) -> None:
    with pytest.raises(UserError, match="choose other numbers"):
        Evolution(**wrong)


@pytest.mark.parametrize(
    "data", [None, [], [{"fitness": "x", "genome": []}], [{"fitness": 1.0, "genome": [1]}]], ids=str
)
def test_what_is_no_population(data: Json) -> None:
    with pytest.raises((ValueError, TypeError)):
        Population.from_json(Numbers(), data)
