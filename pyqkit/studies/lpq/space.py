"""Genomes that LPQ looks at: those whose exact sums fit the accumulators, with activations derived."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from pyqkit.formats.logposit import LogPosit
from pyqkit.studies.json_value import Json
from pyqkit.studies.layerwise.coding import Coding, Sample
from pyqkit.studies.layerwise.evaluator import Assignment
from pyqkit.studies.layerwise.network import TracedNetwork
from pyqkit.studies.layerwise.sums import accumulator_bits, code_counts
from pyqkit.studies.lpq.gene import ALL_WIDTHS, PACKED_WIDTHS, Gene, largest_exponent, neighbours, shapes

Genome = tuple[Gene, ...]
EDGE_BITS = 8  # of the first and the last layer
# Binary logarithms at which a scale is looked for: around the mean one, then around the best of these.
_COARSE, _FINE = np.arange(-4, 6.1, 0.25), np.arange(-0.1875, 0.2, 0.0625)
_NOTHING_FITS = 1.0  # relative error of weights that do not fit at all: as if all were zero
_DRAWS = 16  # of a gene, before the one that is there stays
_LANE = {2: 2, 3: 4, 4: 4, 5: 8, 6: 8, 7: 8, 8: 8}  # words that a lane of the accumulator is for


@dataclass(frozen=True)
class Domain:
    """What genes may be.

    Attributes
    ----------
    widths : tuple of int
        Words.
    accumulators : tuple of int or None
        Widest exact sum of a layer with weights of up to 2, 4 and 8 bits; None for any.
    radius : float
        By how much a scale factor moves, either way, when a gene is drawn from others.
    spread : float
        The same of a gene that is drawn from nothing.
    """

    widths: tuple[int, ...] = PACKED_WIDTHS
    accumulators: tuple[int, int, int] | None = (33, 40, 48)
    radius: float = 0.1
    spread: float = 0.5

    def widest(self, word: int) -> int:
        """Bits of a sum of products with weights of a word."""
        if self.accumulators is None:
            return 64  # what every engine has
        return self.accumulators[(2, 4, 8).index(_LANE[word])]


class LpqSpace:
    """Genomes of a network.

    Parameters
    ----------
    network : TracedNetwork
    samples : sequence of Sample
        What each point of the float network holds.
    domain : Domain

    Attributes
    ----------
    blocks : tuple of tuple of int
        Layers of each block.
    """

    def __init__(self, network: TracedNetwork, samples: Sequence[Sample], domain: Domain) -> None:
        self.network, self.domain, self._samples = network, domain, samples
        self.blocks = tuple(block.layers for block in network.blocks)
        self._weights = [Sample(layer.weights) for layer in network.layers]
        self._best: dict[tuple[bool, int, LogPosit], tuple[float, float]] = {}
        self._sums = lru_cache(maxsize=65536)(self._sum_bits)
        self._counts = lru_cache(maxsize=1024)(self._code_counts)
        self._activations = {
            (point, bits): self._derived(point, bits)
            for point in range(len(network.points))
            for bits in sorted({self._activation_bits(word) for word in (*domain.widths, EDGE_BITS)})
        }

    # ---- what a genome means

    def assignment(self, genome: Genome) -> Assignment:
        """Codings of weights and activations."""
        weights = tuple(self.coding(layer, gene) for layer, gene in enumerate(genome))
        points = range(len(self.network.points))
        return Assignment(weights, tuple(self.activation(genome, point) for point in points))

    def coding(self, layer: int, gene: Gene) -> Coding:
        """Format and scale of a layer's weights."""
        least, _ = self._scale(True, layer, gene.format)
        return Coding(gene.format, float(np.float32(2.0 ** (least - gene.shift))))

    def activation(self, genome: Genome, point: int) -> Coding:
        """Format and scale of what layers read: twice the bits of the widest weights, at most eight."""
        widest = max(genome[layer].word for layer in self.network.points[point].layers)
        return self._activations[point, self._activation_bits(widest)]

    def bits(self, genome: Genome) -> float:
        """Mean bits of a weight."""
        return self.network.mean_bits([gene.word for gene in genome])

    def fits(self, genome: Genome, layer: int) -> bool:
        """Whether the exact sums of all layers that read what this one reads fit."""
        point = self.network.layers[layer].point
        activation = self.activation(genome, point)
        return all(
            self.accumulator_bits(other, genome[other], activation) <= self.domain.widest(genome[other].word)
            for other in self.network.points[point].layers
        )

    def accumulator_bits(self, layer: int, gene: Gene, activation: Coding) -> int:
        """Width of the exact sums of a layer."""
        return self._sums(layer, gene, activation.format)

    def error(self, layer: int, gene: Gene) -> float:
        """Squared error of a layer's weights at the best scale, relative to the sum of their squares."""
        return self._scale(True, layer, gene.format)[1]

    # ---- genomes

    def initial(self, count: int, random: np.random.Generator) -> list[Genome]:
        """Two of the least error, of 8 and of 4 bits, and others at random."""
        uniform = [self.uniform(word) for word in (8, 4) if word in self.domain.widths]
        return [*uniform, *(self.random(random) for _ in range(count - len(uniform)))][:count]

    def uniform(self, word: int) -> Genome:
        """All layers but the edges of one word, each with the format of the least error."""
        return tuple(
            self.least_error(layer, self._word(layer, word)) for layer in range(len(self.network.layers))
        )

    def least_error(self, layer: int, word: int) -> Gene:
        """The gene of the least squared error whose sums fit."""
        activation = self._activations[self.network.layers[layer].point, self._activation_bits(word)]
        for gene in self._by_error(layer, word):
            if self.accumulator_bits(layer, gene, activation) <= self.domain.widest(word):
                return gene
        return self._by_error(layer, word)[-1]

    def random(self, random: np.random.Generator) -> Genome:
        """Any."""
        layers = range(len(self.network.layers))
        words = [self._word(layer, int(random.choice(self.domain.widths))) for layer in layers]
        genome = tuple(self.least_error(layer, word) for layer, word in zip(layers, words))
        for layer in layers:
            draws = (self._any(words[layer], random) for _ in range(_DRAWS))
            genome = self._with_first_that_fits(genome, layer, draws)
        return genome

    def child(
        self, first: Genome, second: Genome, layers: Sequence[int], random: np.random.Generator
    ) -> Genome:
        """`first` with genes of some layers drawn anew, near those of both."""
        child = first
        for layer in layers:
            draws = (self._near(layer, first[layer], second[layer], random) for _ in range(_DRAWS))
            child = self._with_first_that_fits(child, layer, draws)
        return child

    def to_json(self, genome: Genome) -> Json:
        """A gene is [n, es, rs, shift]."""
        return [[g.word, g.exponent_size, g.regime_size, g.shift] for g in genome]

    def from_json(self, data: Json) -> Genome:
        """From what `to_json` gives; ValueError if it is none."""
        if not isinstance(data, list) or len(data) != len(self.network.layers):
            raise ValueError("a genome has a gene for each layer")
        return tuple(_gene(entry) for entry in data)

    def _word(self, layer: int, word: int) -> int:
        """The word of a layer, unless the layer is the first or the last."""
        return EDGE_BITS if layer in (0, len(self.network.layers) - 1) else word

    def _any(self, word: int, random: np.random.Generator) -> Gene:
        choices = list(shapes(word))
        exponent_size, regime_size = choices[random.integers(len(choices))]
        spread = self.domain.spread
        return Gene(word, exponent_size, regime_size, float(random.uniform(-spread, spread)))

    def _near(self, layer: int, first: Gene, second: Gene, random: np.random.Generator) -> Gene:
        """A gene between two, and a little beyond.

        The word of either or a neighbour of one, es and rs from one below the smaller to one above the
        larger, the mean shift and some noise.
        """
        known = {first.word, second.word} & set(self.domain.widths)
        words = sorted(set().union(*(neighbours(word, self.domain.widths) for word in known)))
        word = self._word(layer, int(random.choice(words)) if words else EDGE_BITS)
        sizes = [
            int(random.integers(min(a, b) - 1, max(a, b) + 2))
            for a, b in (
                (first.exponent_size, second.exponent_size),
                (first.regime_size, second.regime_size),
            )
        ]
        exponent_size = min(max(sizes[0], 0), largest_exponent(word))
        regime_size = min(max(sizes[1], 1), word - 1)
        noise = float(random.uniform(-self.domain.radius, self.domain.radius))
        return Gene(word, exponent_size, regime_size, (first.shift + second.shift) / 2 + noise)

    def _with_first_that_fits(self, genome: Genome, layer: int, draws: Iterable[Gene]) -> Genome:
        """A genome with the first gene drawn for a layer whose sums fit; as it is if there is none."""
        for gene in draws:
            changed = (*genome[:layer], gene, *genome[layer + 1 :])
            if self.fits(changed, layer):
                return changed
        return genome

    # ---- formats and scales of the least error

    def _activation_bits(self, word: int) -> int:
        return min(8, 2 * word)

    def _scale(self, weights: bool, place: int, fmt: LogPosit) -> tuple[float, float]:
        """Binary logarithm of the best scale for a layer's weights or a point, and its relative error."""
        key = weights, place, fmt
        if key not in self._best:
            sample = self._weights[place] if weights else self._samples[place]
            centre = sample.centre
            for steps in (_COARSE, _FINE):
                errors = sample.errors(fmt, 2.0 ** (centre + steps))
                centre += float(steps[errors.argmin()])
            self._best[key] = centre, float(errors.min())
        return self._best[key]

    def _by_error(self, layer: int, word: int) -> list[Gene]:
        """Genes of a word at their best scales, those of the least error first."""
        genes = [Gene(word, exponent_size, regime_size, 0.0) for exponent_size, regime_size in shapes(word)]
        return sorted(genes, key=lambda gene: self._scale(True, layer, gene.format)[1])

    def _derived(self, point: int, bits: int) -> Coding:
        """The format of a point that makes the least error together with the weights that it leaves room for.

        Relative errors of both factors add up in a product, as long as they are small.
        """
        formats = [LogPosit(bits, *shape) for shape in shapes(bits)]
        chosen = min(formats, key=lambda fmt: self._cost(point, fmt))
        logarithm, _ = self._scale(False, point, chosen)
        return Coding(chosen, float(np.float32(2.0**logarithm)))

    def _cost(self, point: int, fmt: LogPosit) -> float:
        """Relative error of a point and of the weights that fit with it, for each layer and word."""
        cost = self._scale(False, point, fmt)[1]
        words = [word for word in self.domain.widths if self._activation_bits(word) == fmt.bits]
        for layer in self.network.points[point].layers:
            for word in {self._word(layer, word) for word in words}:
                fitting = (
                    self._scale(True, layer, gene.format)[1]
                    for gene in self._by_error(layer, word)
                    if self._sums(layer, gene, fmt) <= self.domain.widest(word)
                )
                cost += next(fitting, _NOTHING_FITS)
        return cost

    def _sum_bits(self, layer: int, gene: Gene, activation: LogPosit) -> int:
        return accumulator_bits(self._counts(layer, gene), gene.format, activation)

    def _code_counts(self, layer: int, gene: Gene) -> np.ndarray:
        codes = self.coding(layer, gene).encode(self.network.layers[layer].weights)
        return code_counts(codes, gene.word)


def _gene(entry: Json) -> Gene:
    """A gene from plain data."""
    if not isinstance(entry, list) or len(entry) != 4 or not isinstance(entry[3], (int, float)):
        raise ValueError("a gene is [n, es, rs, shift]")
    word, exponent_size, regime_size = (value for value in entry[:3] if type(value) is int)
    if word not in ALL_WIDTHS or (exponent_size, regime_size) not in set(shapes(word)):
        raise ValueError("a gene is one of the domain")
    return Gene(word, exponent_size, regime_size, float(entry[3]))
