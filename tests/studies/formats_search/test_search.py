"""The format search on networks that are small enough to try every genome."""

from __future__ import annotations

from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

from pyqkit.errors import UserError
from pyqkit.formats import parse
from pyqkit.quant.ptq.frames import checked
from pyqkit.quant.ptq.pipeline import quantised
from pyqkit.quant.ptq.recipe import parse_steps
from pyqkit.quant.ptq.steps.gptq import Gptq
from pyqkit.studies.formats_search import search
from pyqkit.studies.formats_search.assigned import recipe_of, uniform
from pyqkit.studies.formats_search.command import best_below
from pyqkit.studies.formats_search.search import Found, advance, begin, bound, front
from pyqkit.studies.formats_search.searches import Below, Searches
from pyqkit.studies.formats_search.space import BELOW, Domain, FormatSpace
from pyqkit.studies.formats_search.study import Alone, Goal, space_costs, subject
from pyqkit.studies.formats_search.subject import Genome, Subject, places_of
from pyqkit.studies.genetic import Evolution, Member, Population
from pyqkit.studies.runner import run
from tests.studies.formats_search.network import Digits
from tests.studies.small import SmallSource

SOURCE = Digits("perceptron")
DOMAIN = Domain(("int2", "e2m1", "int6"), ("int3", "e2m1", "lp4_0_3"))
EVOLUTION = Evolution(24, 4, 2, 4)


@cache
def goal() -> Goal:
    return Goal.of(SOURCE, "PYNQ-Z2", 100_000, domain=DOMAIN)


@cache
def alone() -> tuple[tuple[float, ...], ...]:
    found = subject(SOURCE, goal())
    return tuple(
        tuple(found.alone(i, name) for name in DOMAIN.of(place.is_weights))
        for i, place in enumerate(found.places)
    )


@cache
def space() -> FormatSpace:
    return FormatSpace(space_costs(SOURCE, goal()), DOMAIN, alone())


@cache
def everything() -> dict[Genome, float]:
    """Errors of all genomes."""
    found = subject(SOURCE, goal())
    return {genome: found.error(genome) for genome in product(*space().formats)}


def test_bound_is_below_the_error_of_every_genome() -> None:
    assert len(everything()) == 81
    assert all(bound(space(), genome) <= error for genome, error in everything().items())


@pytest.mark.parametrize("seed", range(4))
def test_pruning_changes_no_population(seed: int) -> None:
    def searched(prune: bool) -> tuple[Population[str], int]:
        population, ran = begin(space(), EVOLUTION, everything().__getitem__, _random(seed, 0))
        skipped = ran.skipped
        for index in range(EVOLUTION.steps - 1):
            known = everything().__getitem__
            population, ran = advance(
                space(), EVOLUTION, index, population, known, _random(seed, index + 1), prune
            )
            skipped += ran.skipped
        return population, skipped

    (with_bound, skipped), (without, none) = searched(True), searched(False)
    assert with_bound == without
    assert skipped > 0 == none


def test_limit_is_kept_and_the_best_below_it_found() -> None:
    """By one of eight searches: a genetic search of few children may end beside the best."""
    sizes = {genome: space().cost(genome).resources.lut_high for genome in everything()}
    limit = float(np.median(list(sizes.values())))
    best = min(error for genome, error in everything().items() if sizes[genome] <= limit)
    populations = [_searched(space().within(limit), seed) for seed in range(8)]
    assert all(sizes[member.genome] <= limit for found in populations for member in found.members)
    assert min(population.best.fitness for population in populations) == best


def _searched(limited: FormatSpace, seed: int) -> Population[str]:
    evolution, known = Evolution(60, 6, 2, 4), everything().__getitem__
    population, _ = begin(limited, evolution, known, _random(seed, 0))
    for index in range(evolution.steps - 1):
        population, _ = advance(limited, evolution, index, population, known, _random(seed, index + 1))
    return population


def _random(seed: int, index: int) -> np.random.Generator:
    return np.random.default_rng([seed, index])


def test_children_that_cannot_win_are_not_run() -> None:
    ran: list[Genome] = []

    def error(genome: Genome) -> float:
        ran.append(genome)
        return everything()[genome]

    good = min(everything(), key=everything().__getitem__)
    bad = max(everything(), key=lambda genome: bound(space(), genome))
    evaluations = search.Evaluations(space(), error)
    assert evaluations([bad, good]) == [search.NEVER, everything()[good]]
    assert ran == [good]
    assert evaluations.skipped == 1


def test_front_has_no_network_that_another_beats() -> None:
    found = [
        Found(("a",), 3.0, 1.0),
        Found(("b",), 2.0, 2.0),
        Found(("c",), 2.5, 3.0),
        Found(("d",), 1.0, 4.0),
    ]
    assert [each.genome for each in front(found)] == [("a",), ("b",), ("d",)]


def test_the_best_of_a_size_is_of_all_searches(tmp_path: Path) -> None:
    start = ("int6", "int6", "lp4_0_3", "lp4_0_3")
    searches = run(Searches(SOURCE, goal(), alone(), 2, EVOLUTION), tmp_path / "search")
    below = run(Below(SOURCE, goal(), alone(), start, EVOLUTION), tmp_path / "below")
    limit = BELOW * space().cost(start).resources.lut_high
    (best,) = best_below(limit, searches, below)
    each = [found for one in (searches, below) for found in best_below(limit, one)]
    assert best in each and best.error == min(found.error for found in each)
    assert best.luts <= limit and best_below(1.0, searches, below) == []


def test_search_is_the_same_wherever_it_was_stopped(tmp_path: Path) -> None:
    study = Searches(SOURCE, goal(), alone(), 2, EVOLUTION)
    whole = run(study, tmp_path / "whole")
    task = study.tasks()[1]
    state = study.begin(task)
    for index in range(study.steps(task)):
        state = study.step(task, index, state)  # a state is what a file keeps
    assert whole.of(task.name).values == state.values
    populations = whole.of(task.name).values["population"]  # type: ignore[call-overload, index]
    assert all(space().fits(tuple(member["genome"])) for member in populations)


def test_errors_alone_are_those_of_one_place(tmp_path: Path) -> None:
    found = run(Alone(SOURCE, goal(), 1), tmp_path / "alone")
    assert found.of("place-000").values["errors"] == list(alone()[0])  # type: ignore[call-overload, index]
    assert len(set(alone()[0])) == 3


def test_search_that_nothing_fits_is_refused() -> None:
    with pytest.raises(UserError, match="smallest network found takes"):
        space().within(10.0).initial(4, _random(0, 0))


def test_members_are_read_back() -> None:
    genome = next(iter(everything()))
    population = Population((Member(1.0, genome),))
    assert Population.from_json(space(), population.to_json(space())) == population
    with pytest.raises(ValueError, match="format"):
        space().from_json(["int4"] * len(genome))


@pytest.mark.parametrize(
    "domain",
    [((), ("int4",)), (("int4", "int4"), ("int4",)), (("int4",), ("odd3",)), (("mx32_int8",), ("int4",))],
)
def test_formats_that_cannot_be_searched_are_refused(domain: tuple[tuple[str, ...], tuple[str, ...]]) -> None:
    with pytest.raises(UserError, match="expected"):
        Domain(*domain)


def test_assigned_network_has_the_formats_of_its_genome() -> None:
    source = Digits()
    frames = checked(source.images())
    places = Subject(source.network(), frames).places
    weights, acts = ("int3", "lp4_0_3", "odd3"), ("int8", "e2m1", "int4")
    network = quantised(source.network(), frames, recipe_of((*weights, *acts), "bias"))
    assert [network.quant_layer(name).weight_quant.format.name for name in network.layers] == list(weights)
    assert [q.format.name for q in network.quantisers.values()] == ["uint8", "ue2m2", "uint4"]
    assert places_of(network) == places


RESIDUAL = SmallSource()


def _mended(steps: str) -> Subject:
    return Subject(RESIDUAL.network(), checked(RESIDUAL.images()), parse_steps(steps))


def test_search_sees_what_gptq_makes_of_weights() -> None:
    plain, mended = _mended(""), _mended("gptq+bias")
    weights = [i for i, place in enumerate(plain.places) if place.is_weights]
    genome = ["int3" if i in weights else None for i in range(len(plain.places))]
    assert mended.error(genome) < 0.8 * plain.error(genome)
    assert mended.error([None] * len(genome)) == plain.error([None] * len(genome)) == 0
    mended.set(genome)
    for i in weights:
        layer = mended.network.quant_layer(plain.places[i].names[0])
        assert torch.equal(layer.weight_quant(layer.weight), layer.weight)


def test_first_layer_has_the_weights_that_the_recipe_gives_it() -> None:
    """It alone reads in the quantised network what it reads in the float one, if activations are float."""
    mended = _mended("gptq")
    name = mended.network.layers[0]
    network = quantised(
        RESIDUAL.network(), checked(RESIDUAL.images()), recipe_of(("int3",) * len(mended.places), "")
    )
    for quantiser in network.quantisers.values():
        quantiser.enabled = False
    Gptq().apply(network, 0)
    torch.testing.assert_close(mended.weight(0, "int3"), network.layer(name).weight.detach(), rtol=0, atol=0)
    assert not torch.equal(mended.weight(0, "int3"), network.float_layer(name).weight)


def test_learned_rounding_and_equalisation_are_seen_too() -> None:
    genome = ["int3" if place.is_weights else None for place in _mended("").places]
    assert _mended("gptq+round").error(genome) < _mended("gptq").error(genome)
    assert _mended("equalise").error(genome) != _mended("").error(genome)


def test_uniform_network_is_that_of_the_recipe() -> None:
    source = Digits()
    genome = uniform(source.network(), torch.from_numpy(source.images()), "e2m1")
    assert genome == ("e3m4", "e2m1", "e3m4", "e3m4", "e2m1", "e3m4")
    assert parse(genome[1]).bits == 4


def test_a_network_below_another_is_smaller(tmp_path: Path) -> None:
    start = ("e3m4", "e2m1", "e3m4", "e2m1")[: len(space().formats)]
    limit = BELOW * space().cost(start).resources.lut_high
    outcome = run(Below(SOURCE, goal(), alone(), start, EVOLUTION), tmp_path / "below").of("below")
    (best, *_) = outcome.values["population"]  # type: ignore[call-overload, index]
    sizes = {genome: space().cost(genome).resources.lut_high for genome in everything()}
    assert sizes[tuple(best["genome"])] <= limit < space().cost(start).resources.lut_high
    fitting = [error for genome, error in everything().items() if sizes[genome] <= limit]
    assert best["fitness"] <= np.quantile(fitting, 0.2)


def test_nothing_is_below_the_smallest(tmp_path: Path) -> None:
    smallest = min(everything(), key=lambda genome: space().cost(genome).resources.lut_high)
    found = run(Below(SOURCE, goal(), alone(), smallest, EVOLUTION), tmp_path / "below").of("below")
    assert found.values["front"] == []  # type: ignore[call-overload, index]
