"""Genomes of the format search: which formats a place may have, what fits, and where a search begins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from pyqkit.errors import UserError
from pyqkit.formats import parse
from pyqkit.studies.formats_search.costs import Cost, Costs, TooSlowError
from pyqkit.studies.formats_search.subject import Genome
from pyqkit.studies.json_value import Json

WEIGHTS = (
    *("int2", "int3", "int4", "int5", "int6", "int8", "odd2", "odd3", "odd4"),
    *("e2m0", "e2m1", "e2m2", "e3m2", "e2m3", "lp3_0_2", "lp4_0_3", "lp4_1_3", "lp6_1_3"),
)
ACTS = ("int3", "int4", "int5", "int6", "int8", "e2m0", "e2m1", "e2m2", "e3m2", "lp4_0_3", "lp6_1_3")
_BLOCK = 6  # places that a cycle changes together
_DRAWS = 16  # of a child, before it stays as its parent
_ANEW = 0.3  # of the places that a child does not take from its parents
_EXPONENTS = -12, 8
_PRICES = 2.0 ** np.arange(_EXPONENTS[0], _EXPONENTS[1] + 1)  # of the whole board, in errors: of the seeds
BELOW = 0.99  # of another network's LUTs: the sum over operators is not as exact as to go nearer


@dataclass(frozen=True)
class Domain:
    """Formats that are looked at, by name; where a tensor is never negative, one stands for its twin.

    Attributes
    ----------
    weights, acts : tuple of str
    """

    weights: tuple[str, ...] = WEIGHTS
    acts: tuple[str, ...] = ACTS

    def __post_init__(self) -> None:
        for what, names in (("weights", self.weights), ("activations", self.acts)):
            if not names or len(set(names)) != len(names):
                raise UserError(
                    f"one or more different formats were expected for {what}, but "
                    f"{', '.join(names) or 'none'} came; name each once"
                )
            for name in names:
                fmt = parse(name)
                if fmt.block or fmt.bits > 8 or (what == "activations" and not fmt.has_zero):
                    raise UserError(
                        f"formats of single values of up to 8 bits, with a zero if of activations, were "
                        f"expected for {what}, but {name} came; leave it out"
                    )

    def of(self, is_weights: bool) -> tuple[str, ...]:
        """Formats of a place."""
        return self.weights if is_weights else self.acts


@dataclass(frozen=True)
class Seed:
    """A network that a search may begin with.

    Attributes
    ----------
    genome : Genome
    cost : Cost
    error : float
        Sum of the errors of its places alone.
    """

    genome: Genome
    cost: Cost
    error: float


class FormatSpace:
    """Genomes of a network at a rate, for `pyqkit.studies.genetic`.

    Parameters
    ----------
    costs : Costs
    domain : Domain
    alone : sequence of sequence of float
        For each place the error of each of its formats, with all other places float.
    luts : float
        Most that a network may take.

    Attributes
    ----------
    blocks : tuple of tuple of int
        Places that follow each other.
    """

    def __init__(
        self, costs: Costs, domain: Domain, alone: Sequence[Sequence[float]], luts: float = np.inf
    ) -> None:
        self.costs, self.domain, self.luts = costs, domain, luts
        self.formats = [domain.of(place.is_weights) for place in costs.retyping.subject.places]
        self.alone = [dict(zip(names, errors, strict=True)) for names, errors in zip(self.formats, alone)]
        order = costs.retyping.order
        self.blocks = tuple(tuple(order[i : i + _BLOCK]) for i in range(0, len(order), _BLOCK))
        self.cost = lru_cache(maxsize=65536)(costs.of)

    def within(self, luts: float) -> FormatSpace:
        """The same, with another limit; what is known of costs is shared."""
        made = FormatSpace.__new__(FormatSpace)
        made.__dict__.update(self.__dict__, luts=luts)
        return made

    def below(self, genome: Genome) -> FormatSpace:
        """Networks that are smaller than one, with seeds from there.

        Descents as of `seeds`, all from this network; the weight of the LUTs is halved in, between one that
        gives too large a network and one that gives a smaller one.
        """
        made = self.within(BELOW * self.cost(genome).resources.lut_high)
        genome = tuple(
            name if name in errors else min(errors, key=errors.__getitem__)
            for name, errors in zip(genome, self.alone, strict=True)
        )
        low, high = map(float, _EXPONENTS)
        found = []
        while high - low > 0.25:
            middle = (low + high) / 2
            found.append(made._seed(made._descended(genome, made._lut_share, 2.0**middle)))
            low, high = (low, middle) if made.fits(found[-1].genome) else (middle, high)
        made.__dict__["seeds"] = found
        return made

    def fits(self, genome: Genome) -> bool:
        """Whether it keeps up with the rate, fits the board, and takes no more than the limit."""
        try:
            found = self.cost(genome).resources
        except TooSlowError:
            return False
        return found.lut_high <= self.luts and self.costs.rate.fits(found)

    def sum_alone(self, genome: Genome) -> float:
        """Sum over places of their errors alone: what the error would be if errors did not meet."""
        return sum(errors[name] for errors, name in zip(self.alone, genome, strict=True))

    def initial(self, count: int, random: np.random.Generator) -> list[Genome]:
        """The best seeds that fit, and others between them."""
        fitting = [seed for seed in self.seeds if self.fits(seed.genome)]
        if not fitting:
            least = min(seed.cost.resources.lut_high for seed in self.seeds)
            raise UserError(
                f"a rate and a share that {self.costs.rate.board.name} has room for were expected, but the "
                f"smallest network found takes {least:,.0f} LUTs (estimated) at "
                f"{self.costs.rate.fps:g} frames/s; ask for less or take a larger board"
            )
        best = sorted(fitting, key=lambda seed: seed.error)
        found = [seed.genome for seed in best[: max(1, count // 2)]]
        while len(found) < count:
            first, second = (found[random.integers(len(found))] for _ in range(2))
            block = self.blocks[random.integers(len(self.blocks))]
            found.append(self.child(first, second, block, random))
        return found

    def child(
        self, first: Genome, second: Genome, layers: Sequence[int], random: np.random.Generator
    ) -> Genome:
        """`first` with formats of some places from `second`, or any; of those drawn, the first that fits."""
        for _ in range(_DRAWS):
            made = list(first)
            for place in layers:
                names = self.formats[place]
                anew = names[random.integers(len(names))]
                made[place] = anew if random.random() < _ANEW else (first, second)[random.integers(2)][place]
            if self.fits(tuple(made)):
                return tuple(made)
        return first

    @cached_property
    def seeds(self) -> list[Seed]:
        """Networks of the least sum of errors alone and cost: the price, then the LUTs, which are limited.

        For each weight of the cost, from low to high, the places are gone through once, each taking its best
        format while the others stay.
        """
        best = tuple(min(errors, key=errors.__getitem__) for errors in self.alone)
        found = [self._seed(best)]
        for cost in (self._price, self._lut_share):
            genome = best
            for weight in _PRICES:
                genome = self._descended(genome, cost, float(weight))
                found.append(self._seed(genome))
        return found

    def _descended(self, genome: Genome, cost: Callable[[Genome], float], weight: float) -> Genome:
        """Each place with its best format, one after the other."""
        for place in [place for block in self.blocks for place in block]:
            others = (self._with(genome, place, name) for name in self.formats[place])
            genome = min(others, key=lambda other: self.sum_alone(other) + weight * cost(other))
        return genome

    def to_json(self, genome: Genome) -> Json:
        return list(genome)

    def from_json(self, data: Json) -> Genome:
        if not isinstance(data, list) or len(data) != len(self.formats):
            raise ValueError("a genome has a format for each place")
        if not all(name in names for name, names in zip(data, self.formats)):
            raise ValueError("a format is one of the domain")
        return tuple(data)

    def _seed(self, genome: Genome) -> Seed:
        return Seed(genome, self.cost(genome), self.sum_alone(genome))

    def _with(self, genome: Genome, place: int, name: str) -> Genome:
        return (*genome[:place], name, *genome[place + 1 :])

    def _price(self, genome: Genome) -> float:
        return self.cost(genome).price

    def _lut_share(self, genome: Genome) -> float:
        return self.cost(genome).resources.lut_high / self.costs.rate.board.resources["lut"]
