"""What a network takes in given formats: a sum over operators, and the product's own search beside it.

The sum takes every operator as the cheapest that keeps up with the rate, whatever the words are that its
neighbours pass, with the FIFOs in front of it; likewise the ends of the network and its forks. Prices are
those of the folding search: the shares that a design takes of the board. So the sum's price is a lower bound
of the price of the network that the folding search finds, where neighbours have to agree on the width of a
word; docs/formats_search.md says how near it is. An operator is costed once for the formats that it reads,
multiplies by and makes.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field, replace

from pyqkit.boards import Board
from pyqkit.dataflow.backlog import pixels_waiting
from pyqkit.dataflow.streams import codes, fifo_words, readers
from pyqkit.graph.graph import Graph, Operator, Tensor
from pyqkit.hardware import folding
from pyqkit.hardware.estimator import Estimator
from pyqkit.hardware.resources import Resources, fifo
from pyqkit.studies.formats_search.retyping import Retyping, Typed
from pyqkit.studies.formats_search.subject import Genome

_WIDTHS = 3  # of the words that an operator reads: the narrowest that keep up, and wider ones
_FASTER = 8  # times as fast as the rate asks for: such foldings are never the cheapest


@dataclass(frozen=True)
class Rate:
    """What a network is built for.

    Attributes
    ----------
    board : Board
    clock_mhz : float
    fps : float
        Frames per second.
    lut_share : float
        Part of the board's LUTs that a design may take.
    """

    board: Board
    clock_mhz: float
    fps: float
    lut_share: float = 1.0

    @property
    def cycles(self) -> int:
        """Of a frame, at most."""
        return int(self.clock_mhz * 1e6 / self.fps)

    def fits(self, found: Resources) -> bool:
        """Whether a design fits the board and the share of its LUTs."""
        return not folding.exceeded(found, self.board, self.lut_share)


@dataclass(frozen=True)
class Cost:
    """Of an operator or a network.

    Attributes
    ----------
    price : float
        Sum of the shares of the board that it takes.
    resources : Resources
    """

    price: float = 0.0
    resources: Resources = field(default_factory=Resources)

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.price + other.price, self.resources + other.resources)


class TooSlowError(ValueError):
    """An operator that no folding makes fast enough."""


class Costs:
    """Costs of one network at a rate, in any formats.

    Parameters
    ----------
    retyping : Retyping
    rate : Rate
    """

    def __init__(self, retyping: Retyping, rate: Rate) -> None:
        self.retyping, self.rate = retyping, rate
        graph = retyping.graph
        self.prices = folding.search_for(graph, rate.board, rate.clock_mhz).prices
        self._waiting = pixels_waiting(graph)
        self._readers = {name: len(readers(graph, name)) for name in graph.tensors}
        self._operators: dict[Hashable, tuple[Operator, Typed]] = {}
        self._known: dict[Hashable, Cost] = {}

    def of(self, genome: Genome) -> Cost:
        """The sum; `TooSlowError` if an operator cannot keep up with the rate."""
        total = Cost()
        for port in self.retyping.graph.inputs:
            total += self._ends(self.retyping.input(port.tensor, genome).tensor)
        for op, given, made in self._walk(genome):
            total += self._cost(op, given, made) + self._ends(made)
        return total

    def graph(self, genome: Genome) -> Graph:
        """The whole network in these formats, for `pyqkit.hardware` alone: it is never executed."""
        base = self.retyping.graph
        found = replace(base, tensors={}, operators=[])
        for port in base.inputs:
            found.tensors[port.tensor] = self.retyping.input(port.tensor, genome).tensor
        for op, _, made in self._walk(genome):
            found.operators.append(op)
            found.tensors[made.name] = made
        return found

    def _walk(self, genome: Genome) -> Iterator[tuple[Operator, list[Tensor], Tensor]]:
        """Operators with what they read and make."""
        retyping = self.retyping
        known = {port.tensor: retyping.input(port.tensor, genome) for port in retyping.graph.inputs}
        for op in retyping.graph.operators:
            given = [known[name] for name in op.inputs]
            place = retyping.place_of(op)
            name = None if place is None else genome[place]
            key = op.name, name, tuple(_key(typed) for typed in given)
            if key not in self._operators:
                self._operators[key] = retyping.retyped(op, given, name)
            new, made = self._operators[key]
            known[op.outputs[0]] = made
            yield new, [typed.tensor for typed in given], made.tensor

    def _cost(self, op: Operator, given: list[Tensor], made: Tensor) -> Cost:
        places = tuple((self._waiting[t.name, op.name], self._readers[t.name]) for t in given)
        key = op.footprint(given, [made]), places
        if key not in self._known:
            self._known[key] = self._cheapest(op, given)
        return self._known[key]

    def _ends(self, tensor: Tensor) -> Cost:
        """Ends of the network and forks at a tensor, with words of the width that makes them cheapest."""
        key = tensor.name, tensor.format
        if key not in self._known:
            base = self.retyping.graph
            graph = replace(base, tensors={**base.tensors, tensor.name: tensor})
            estimator = Estimator(graph, self.rate.clock_mhz)
            found = (estimator.ends_at(tensor.name, width, {}) for (width,) in self._lanes([tensor]))
            self._known[key] = min(map(self._priced, found), key=lambda cost: cost.price)
        return self._known[key]

    def _cheapest(self, op: Operator, given: list[Tensor]) -> Cost:
        """The operator alone, with the least price that the rate allows."""
        alone = Graph("", tensors={tensor.name: tensor for tensor in given})
        alone.add(op)
        estimator, best = Estimator(alone, self.rate.clock_mhz), None
        for lanes in self._lanes(given):
            fifos = self._fifos(op, given, lanes)
            for plain in estimator.space(op).every():
                found = estimator.estimate_at(op, lanes, plain)
                if not self.rate.cycles >= found.cycles >= self.rate.cycles // _FASTER:
                    continue
                for more in estimator.variants(op, plain).values():
                    cost = self._priced(found.resources + more + fifos)
                    best = cost if best is None or cost.price < best.price else best
        if best is None:
            best = self._slowest_allowed(estimator, op, given)
        return best

    def _slowest_allowed(self, estimator: Estimator, op: Operator, given: list[Tensor]) -> Cost:
        """Of an operator that is faster than the rate asks for however it is folded."""
        found = [
            self._priced(estimator.estimate_at(op, lanes, plain).resources + self._fifos(op, given, lanes))
            for lanes in self._lanes(given)
            for plain in estimator.space(op).every()
            if estimator.estimate_at(op, lanes, plain).cycles <= self.rate.cycles
        ]
        if not found:
            raise TooSlowError(op.name)
        return min(found, key=lambda cost: cost.price)

    def _lanes(self, given: list[Tensor]) -> Iterator[tuple[int, ...]]:
        """Widths of the words that it may read."""
        channels = [tensor.shape[2] for tensor in given]
        widths = [n for n in range(1, min(channels) + 1) if all(count % n == 0 for count in channels)]
        enough = [n for n in widths if all(codes(tensor) <= n * self.rate.cycles for tensor in given)]
        for width in (enough or widths[-1:])[:_WIDTHS]:
            yield (width,) * len(given)

    def _fifos(self, op: Operator, given: list[Tensor], lanes: tuple[int, ...]) -> Resources:
        total = Resources()
        for tensor, width in zip(given, lanes):
            words = fifo_words(
                tensor.shape[2] // width, self._waiting[tensor.name, op.name], self._readers[tensor.name]
            )
            total += fifo(width * tensor.format.bits, words)
        return total

    def _priced(self, found: Resources) -> Cost:
        return Cost(sum(price * getattr(found, name) for name, price in self.prices.items()), found)


def _key(typed: Typed) -> Hashable:
    """What an operator behind a tensor depends on."""
    return typed.tensor.format, typed.tensor.low, typed.tensor.high, typed.ratio.tobytes()
