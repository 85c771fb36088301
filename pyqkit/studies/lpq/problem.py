"""What a search is about: a network, images, what genomes may be, and how good one is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from pyqkit.digest import digest
from pyqkit.errors import UserError
from pyqkit.studies.genetic import Evolution
from pyqkit.studies.layerwise.evaluator import Assignment, Evaluator
from pyqkit.studies.layerwise.network import TracedNetwork
from pyqkit.studies.layerwise.objective import POOLS, Objective
from pyqkit.studies.lpq.space import Domain, Genome, LpqSpace

_BATCH = 128  # images whose labels are found at a time


class Source(Protocol):
    """Where network and images come from; a frozen dataclass of plain data, which travels to workers."""

    def __hash__(self) -> int: ...

    def network(self) -> nn.Module:
        """The float network with its weights."""

    def images(self) -> np.ndarray:
        """Calibration images, float32, as the network takes them."""

    def labelled(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Images and labels to measure the result on, if there are any."""


@dataclass(frozen=True)
class Search:
    """One search; all that decides its result.

    Attributes
    ----------
    network, images : str
        Digests.
    method : str
        One of `pyqkit.studies.lpq.methods.METHODS`.
    format : str
        Of all layers, where the method wants one.
    compression : float
        Fitness is divergence times compression to this power, lambda.
    pool : str
        One of `pyqkit.studies.layerwise.objective.POOLS`.
    """

    network: str
    images: str
    method: str = "lpq"
    format: str = ""
    evolution: Evolution = field(default_factory=Evolution)
    domain: Domain = field(default_factory=Domain)
    objective: Objective = field(default_factory=Objective)
    compression: float = 0.4
    pool: str = "mean"


class Problem:
    """A network with its images, and genomes of it.

    Parameters
    ----------
    source : Source
    search : Search

    Raises
    ------
    UserError
        If network or images are not those of the search, or do not suit each other.
    """

    def __init__(self, source: Source, search: Search) -> None:
        self.source, self.search = source, search
        self.evaluator = _evaluator(source, search.network, search.images, search.pool)
        self.network = self.evaluator.network
        self.space = _space(self.evaluator, search.domain)

    def divergence(self, assignment: Assignment) -> float:
        """From the float network; small is good."""
        return self.search.objective.of(self.evaluator.view(assignment), self.evaluator.real)

    def fitness(self, genome: Genome) -> float:
        """Divergence times compression to the power lambda; small is good."""
        return self.divergence(self.space.assignment(genome)) * self.compressed(self.space.bits(genome))

    def compressed(self, bits: float) -> float:
        """What mean bits of a weight count in the fitness; 1 for eight."""
        return (bits / 8) ** self.search.compression

    def correct(self, assignment: Assignment) -> np.ndarray | None:
        """For each labelled image whether its label is found; None without labels."""
        labelled = self.source.labelled()
        if labelled is None:
            return None
        images, labels = labelled
        found = [self.evaluator.logits(assignment, batch).argmax(1) for batch in _batches(images)]
        return torch.cat(found).numpy() == labels


@lru_cache(maxsize=2)
def _evaluator(source: Source, network: str, images: str, pool: str) -> Evaluator:
    """What searches of one network have in common."""
    model, array = source.network(), source.images()
    _check_same(network, network_digest(model), "network")
    _check_same(images, array_digest(array), "images")
    return Evaluator(TracedNetwork(model), torch.from_numpy(array), POOLS[pool])


@lru_cache(maxsize=2)
def _space(evaluator: Evaluator, domain: Domain) -> LpqSpace:
    return LpqSpace(evaluator.network, evaluator.samples, domain)


@lru_cache(maxsize=2)
def problem(source: Source, search: Search) -> Problem:
    """The problem of a search; a process makes it once."""
    return Problem(source, search)


def fitness(source: Source, search: Search, genome: Genome) -> float:
    """What a worker computes."""
    return problem(source, search).fitness(genome)


def network_digest(model: nn.Module) -> str:
    """SHA-256 of the structure of a network and of its weights and buffers."""
    tensors = model.state_dict()
    parts = [str(model), *(f"{n} {tuple(t.shape)} {array_digest(t.numpy())}" for n, t in tensors.items())]
    return digest("\n".join(parts).encode())


def array_digest(array: np.ndarray) -> str:
    """SHA-256 of what an array holds."""
    return digest(f"{array.dtype} {array.shape}".encode() + np.ascontiguousarray(array).tobytes())


def _check_same(expected: str, found: str, what: str) -> None:
    if expected != found:
        raise UserError(
            f"the {what} with which the search began was expected, but reading anew gives another; leave "
            "files as they are while a search runs, and give weights to a factory that draws its own"
        )


def _batches(images: np.ndarray) -> Iterator[Tensor]:
    for start in range(0, len(images), _BATCH):
        yield torch.from_numpy(images[start : start + _BATCH])
