"""LPQ beside what it is compared with, and LPQ without its parts; searches of one harness and one budget."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from pyqkit.studies.genetic import Evolution
from pyqkit.studies.layerwise.network import TracedNetwork
from pyqkit.studies.layerwise.objective import Objective
from pyqkit.studies.lpq.problem import Search, Source, array_digest, network_digest
from pyqkit.studies.lpq.space import Domain
from pyqkit.studies.lpq.study import LpqStudy
from pyqkit.studies.study import Task

GREEDY = ("mse-greedy", "sensitivity-greedy")
UNIFORM = ("lp8_0_7", "lp4_0_3", "int8", "int4", "e2m1", "e3m2")
ABLATIONS: dict[str, Callable[[Search], Search]] = {
    "whole": lambda search: search,
    "no-local": lambda search: replace(search, objective=Objective(local=False)),
    "no-contrast": lambda search: replace(search, objective=Objective(contrast=False)),
    "kurtosis": lambda search: replace(search, pool="kurtosis"),
    "lambda-0.2": lambda search: replace(search, compression=0.2),
    "lambda-0.8": lambda search: replace(search, compression=0.8),
    "temperature-0.1": lambda search: replace(search, objective=Objective(temperature=0.1)),
    "temperature-3": lambda search: replace(search, objective=Objective(temperature=3.0)),
}


@dataclass(frozen=True)
class Entry:
    """A network in a comparison.

    Attributes
    ----------
    name : str
    source : Source
    evaluations : int
        Of LPQ and of random search.
    """

    name: str
    source: Source
    evaluations: int


def comparison(entries: Sequence[Entry], seeds: int) -> LpqStudy:
    """LPQ, random and greedy searches, uniform formats and the float network itself, on several networks.

    Parameters
    ----------
    entries : sequence of Entry
    seeds : int
        Of LPQ and random search each.
    """
    return _study([(entry, _compared(entry.name, search_of(entry), seeds)) for entry in entries])


def ablations(entry: Entry, seeds: int) -> LpqStudy:
    """LPQ, and LPQ without its parts."""
    return _study([(entry, _ablated(entry.name, search_of(entry), seeds))])


def _study(parts: Sequence[tuple[Entry, Iterator[Task[Search]]]]) -> LpqStudy:
    sources: list[Source] = []
    searches: list[Task[Search]] = []
    layers: list[int] = []
    for entry, tasks in parts:
        count = len(TracedNetwork(entry.source.network()).layers)
        for task in tasks:
            searches.append(task)
            sources.append(entry.source)
            layers.append(count)
    return LpqStudy(tuple(sources), tuple(searches), tuple(layers))


def search_of(entry: Entry) -> Search:
    """LPQ with its defaults."""
    network, images = network_digest(entry.source.network()), array_digest(entry.source.images())
    return Search(network, images, evolution=Evolution(entry.evaluations))


def _compared(name: str, base: Search, seeds: int) -> Iterator[Task[Search]]:
    yield Task(f"{name}.float", replace(base, method="float"), 0)
    for fmt in UNIFORM:
        yield Task(f"{name}.{fmt}", replace(base, method="uniform", format=fmt), 0)
    for method in GREEDY:
        yield Task(f"{name}.{method}", replace(base, method=method), 0)
    for method in ("lpq", "random"):
        for seed in range(seeds):
            yield Task(f"{name}.{method}.{seed}", replace(base, method=method), seed)
    yield Task(f"{name}.lpq-unlimited.0", replace(base, domain=Domain(accumulators=None)), 0)


def _ablated(name: str, base: Search, seeds: int) -> Iterator[Task[Search]]:
    for seed in range(seeds):
        for label, without in ABLATIONS.items():
            yield Task(f"{name}.ablation.{label}.{seed}", without(base), seed)
