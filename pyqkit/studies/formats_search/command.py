"""What `pyqkit search formats` does: three studies after each other, and what they have found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pyqkit.errors import UserError, brief, listed
from pyqkit.studies.folder import Folder
from pyqkit.studies.formats_search import result
from pyqkit.studies.formats_search.assigned import uniform
from pyqkit.studies.formats_search.costs import TooSlowError
from pyqkit.studies.formats_search.result import UNIFORM, Built
from pyqkit.studies.formats_search.search import Found, front
from pyqkit.studies.formats_search.searches import Below, Searches
from pyqkit.studies.formats_search.space import BELOW
from pyqkit.studies.formats_search.study import (
    Alone,
    Goal,
    Point,
    Points,
    build,
    compiled,
    space_costs,
    subject,
)
from pyqkit.studies.formats_search.subject import BASE, Genome
from pyqkit.studies.genetic import Evolution
from pyqkit.studies.lpq.problem import Source
from pyqkit.studies.options import StudyOptions
from pyqkit.studies.runner import Results, collect, run
from pyqkit.studies.study import Definition, Study

Networks = dict[str, Found]


@dataclass(frozen=True)
class Wanted:
    """What is searched for, and how long.

    Attributes
    ----------
    source : Source
    goal : Goal
    sizes : int
        Networks of the front, at most.
    evolution : Evolution
        Of each size.
    compare : tuple of str
        Formats of uniform networks beside the front; first and last layer have 8 bits.
    seed : int
    """

    source: Source
    goal: Goal
    sizes: int
    evolution: Evolution
    compare: tuple[str, ...] = ()
    seed: int = 0


def found(wanted: Wanted, options: StudyOptions) -> list[Built]:
    """Run all that is not done yet; the networks are written to the folder, too."""
    places = subject(wanted.source, wanted.goal).places
    outcomes = points(wanted, networks(wanted, options), options).outcomes
    built = [Built.of(outcome, places) for outcome in outcomes]
    result.write(options.out, wanted.goal, built)
    return built


def points(wanted: Wanted, named: Networks, options: StudyOptions) -> Results[Point]:
    """Networks built; what is not done yet is run."""
    return _run(_points(wanted, named), options, "points")


def built_until_now(wanted: Wanted, named: Networks, options: StudyOptions) -> Results[Point]:
    """Those of `points` that are there."""
    return collect(Folder(options.out / "points", Definition(_points(wanted, named))), partial=True)


def _points(wanted: Wanted, named: Networks) -> Points:
    genomes = tuple((name, each.genome) for name, each in named.items())
    return Points(wanted.source, wanted.goal, genomes, wanted.seed)


def networks(wanted: Wanted, options: StudyOptions) -> Networks:
    """Uniform networks, one that is smaller than the smallest of them, and the front, by their names.

    What is not done yet is searched for.
    """
    source, goal = wanted.source, wanted.goal
    source.labelled()  # what is wrong with them is said before hours of work
    _check_rate(source, goal)
    images = torch.from_numpy(source.images())
    others = {
        f"{UNIFORM}{name}": _found(source, goal, uniform(source.network(), images, name))
        for name in wanted.compare
    }
    places = subject(source, goal).places
    alone = _run(Alone(source, goal, len(places)), options, "alone")
    errors = tuple(tuple(_values(outcome.values)["errors"]) for outcome in alone.outcomes)
    searches = _run(
        Searches(source, goal, errors, wanted.sizes, wanted.evolution, wanted.seed), options, "search"
    )
    fronts = {f"point-{i + 1}": each for i, each in enumerate(chosen(searches))}
    if not others:
        return fronts
    name = min(others, key=lambda name: others[name].luts)
    start = others[name].genome
    below = _run(Below(source, goal, errors, start, _together(wanted), wanted.seed), options, "below")
    smaller = best_below(BELOW * others[name].luts, searches, below)
    beside = {f"point-below-{name.removeprefix(UNIFORM)}": each for each in smaller}
    return {name: others[name], **beside, **others, **fronts}  # the most telling first


def _together(wanted: Wanted) -> Evolution:
    """Of one search that is as long as those of all sizes."""
    return replace(wanted.evolution, evaluations=wanted.sizes * wanted.evolution.evaluations)


def _found(source: Source, goal: Goal, genome: Genome) -> Found:
    try:
        luts = space_costs(source, goal).of(genome).resources.lut_high
    except TooSlowError:
        luts = np.inf
    return Found(genome, subject(source, goal).error(genome), luts)


def _check_rate(source: Source, goal: Goal) -> None:
    """Refuse a rate that no folding reaches; cycles depend on no format."""
    costs = space_costs(source, goal)
    try:
        costs.of((BASE,) * len(subject(source, goal).places))
    except TooSlowError as error:
        raise UserError(
            f"a rate that the network can be folded for was expected, but {goal.fps:g} frames/s at "
            f"{goal.clock_mhz:g} MHz came, where the parallelism of {error} ends; ask for less"
        ) from None


def chosen(searches: Results[Any]) -> list[Found]:
    """Of the networks that were run, for each size the most accurate one; the smallest first."""
    limits = [float(_values(outcome.values)["limit"]) for outcome in searches.outcomes]
    best = [found for limit in limits for found in best_below(limit, searches)]
    return list(dict.fromkeys(best))


def best_below(luts: float, *searches: Results[Any]) -> list[Found]:
    """Of all networks that were run, the most accurate one of so many LUTs; none if all are larger."""
    values = [_values(outcome.values) for each in searches for outcome in each.outcomes]
    known = front([Found.from_json(each) for value in values for each in value["front"]])
    return [each for each in known if each.luts <= luts][-1:]


def save(wanted: Wanted, built: Sequence[Built], options: StudyOptions, name: str, folder: Path) -> None:
    """Compile a point, verify it on calibration frames against its QONNX file, and save the build folder.

    Raises
    ------
    UserError
        If there is no such point, it does not fit, or codes differ.
    """
    known = {each.name: each for each in built}
    if name not in known:
        raise UserError(f"one of {listed(known)} was expected to compile, but {brief(name)} came; take one")
    network = build(wanted.source, Point(wanted.goal, known[name].genome), wanted.seed)
    accelerator = compiled(network, wanted.goal)
    differing = accelerator.verify(network.data[:2].numpy(), ("exact",))["reference"]["codes_differing"]
    if differing:
        raise UserError(
            f"codes equal to those of the QONNX file were expected, but {differing} of {name} differ; "
            "report it"
        )
    accelerator.save(folder, options.force)


def _run(study: Study[Any], options: StudyOptions, part: str) -> Results[Any]:
    return run(
        study,
        options.out / part,
        count=options.workers,
        dask=options.dask,
        resume=options.resume,
        force=options.force,
        every=options.every,
    )


def _values(values: object) -> dict[str, Any]:
    assert isinstance(values, dict)
    return values
