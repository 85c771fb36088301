"""The cheapest foldings that keep up with a rate, exactly: dynamic programming over the graph.

What an operator takes depends on its own folding and on the width of the words that it reads, and the width
of those is decided by the layers before it. So the operators are gone through in order, and for every
combination of widths of the tensors that are still to be read only the cheapest way to get there is kept.
That is the optimum, not a heuristic, as the price of a design is the sum of the prices of its operators, each
with the FIFOs in front of it, and of what stands around its tensors: ends of the network, and forks.

Which combinations there are depends neither on the rate nor on prices. So they are found once, and a search
for a rate is a few operations on arrays for every operator.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np

from pyqkit.dataflow.streams import input_port
from pyqkit.errors import UserError
from pyqkit.graph.folding import EndFolding, Folding
from pyqkit.graph.graph import Operator
from pyqkit.hardware.estimator import Estimator, Foldings
from pyqkit.hardware.resources import Resources

STATES = 20_000  # combinations of widths that are followed; no network met so far has more than a few hundred
FOREVER = 2**62  # cycles
FIGURES = ("lut_high", "ff", "bram36", "dsp")  # what prices are of


def _figures(found: Resources) -> np.ndarray:
    return np.array([getattr(found, name) for name in FIGURES], float)


@dataclass(frozen=True)
class _Step:
    """An operator among the widths that operators before it leave.

    Where those stand that it reads and those that are read later, and whether an operator reads its own.
    """

    op: Operator
    reads: tuple[int, ...]
    keeps: tuple[int, ...]
    kept: bool


@dataclass(frozen=True)
class _Moves:
    """All ways from a combination of widths in front of an operator to one behind it.

    In the order of those behind.

    `before` holds the number of the combination in front, `around` the row of what stands around the
    operator, `ways` the number of the set of ways to build it for those widths; the moves to combination i
    are those from `bounds[i]` up to `bounds[i + 1]`.
    """

    before: np.ndarray
    around: np.ndarray
    ways: np.ndarray
    bounds: np.ndarray


@dataclass(frozen=True)
class _Table:
    """Everything that a search chooses from.

    Attributes
    ----------
    foldings : list of Folding
        Of every way to build an operator.
    cycles, resources : numpy.ndarray
        Of each; `resources` has a column for each of `FIGURES`, without what stands around operators.
    bounds : numpy.ndarray
        Set i of ways to build an operator, for words of certain widths, goes from `bounds[i]` up to `bounds[i
        + 1]`.
    around : numpy.ndarray
        FIFOs in front of an operator and what its result ends in, for words of certain widths: rows of
        `FIGURES`.
    moves : list of _Moves
        By operator.
    starts : list of dict of str to int
        Combinations of widths in front of the first operator: codes in a beat, by input.
    entered : numpy.ndarray
        What the inputs take with each of these: rows of `FIGURES`.
    """

    foldings: list[Folding]
    cycles: np.ndarray
    resources: np.ndarray
    bounds: np.ndarray
    around: np.ndarray
    moves: list[_Moves]
    starts: list[dict[str, int]]
    entered: np.ndarray


class _Explorer:
    """Goes through a graph once, with every folding of every layer, and writes the table."""

    def __init__(self, estimator: Estimator) -> None:
        self.estimator = estimator
        self.foldings: list[Folding] = []
        self.cycles: list[np.ndarray] = []
        self.resources: list[np.ndarray] = []
        self.starts: list[int] = []
        self.around: list[np.ndarray] = []
        self._ways: dict[Hashable, list[tuple[int, int]]] = {}
        self._variants: dict[int, tuple[list[Folding], list[int], np.ndarray]] = {}
        self._rows: dict[tuple[str, tuple[int, ...], int], int] = {}

    def table(self) -> _Table:
        steps, live = self._order()
        starts = self._starts(live)
        states, moves = {start: place for place, start in enumerate(starts)}, []
        for step in steps:
            found, states = self._moves(step, states)
            moves.append(found)
        cycles = np.concatenate([np.zeros(0, int), *self.cycles])
        resources = np.concatenate([np.zeros((0, len(FIGURES))), *self.resources])
        return _Table(
            self.foldings,
            cycles,
            resources,
            np.array([*self.starts, len(cycles)]),
            np.array(self.around),
            moves,
            [dict(zip(live, start)) for start in starts],
            np.array([self._entered(dict(zip(live, start))) for start in starts]),
        )

    def _starts(self, live: list[str]) -> list[tuple[int, ...]]:
        """Widths of the inputs, the usual ones first; of several inputs only those."""
        entries = [self.estimator.entries[name] for name in live]
        return list(product(*(found[: None if len(live) == 1 else 1] for found in entries)))

    def _entered(self, lanes: dict[str, int]) -> np.ndarray:
        """What the inputs take, those that no operator reads apart."""
        ends = (self.estimator.ends_at(tensor, width, {}) for tensor, width in lanes.items())
        return _figures(sum(ends, Resources()))

    def _moves(
        self, step: _Step, states: dict[tuple[int, ...], int]
    ) -> tuple[_Moves, dict[tuple[int, ...], int]]:
        after: dict[tuple[int, ...], int] = {}
        found = []
        for widths, before in states.items():
            reads, later = tuple(widths[i] for i in step.reads), tuple(widths[i] for i in step.keeps)
            for lanes, ways in self._ways_to_build(step.op, reads):
                behind = after.setdefault((*later, lanes) if step.kept else later, len(after))
                found.append((behind, before, self._around(step.op, reads, lanes), ways))
        if len(after) > STATES:  # thinned evenly, so that they still go from narrow to wide
            kept = list(after)[:: -(-len(after) // STATES)]
            numbers = {after[key]: number for number, key in enumerate(kept)}
            found = [(numbers[move[0]], *move[1:]) for move in found if move[0] in numbers]
            after = {key: number for number, key in enumerate(kept)}
        reached, before, around, chosen = np.array(sorted(found, key=lambda move: move[0])).T
        return _Moves(before, around, chosen, np.searchsorted(reached, np.arange(len(after) + 1))), after

    def _ways_to_build(self, op: Operator, widths: tuple[int, ...]) -> list[tuple[int, int]]:
        """Widths of the result, and the set of ways to build the operator with each."""
        place = self.estimator.signature(op), widths
        if place not in self._ways:
            plain = self.estimator.space(op).every()
            found = [self.estimator.estimate_at(op, widths, folding) for folding in plain]
            foldings, base, differences = self._all_variants(op, plain)
            lanes = np.array([e.lanes for e in found])[base]
            cycles = np.array([e.cycles for e in found])[base]
            resources = np.array([_figures(e.resources) for e in found])[base] + differences
            order = np.argsort(lanes, kind="stable")
            first = np.unique(lanes[order], return_index=True)
            self._ways[place] = [(int(width), len(self.starts) + i) for i, width in enumerate(first[0])]
            self.starts += [len(self.foldings) + int(i) for i in first[1]]
            self.foldings += [foldings[i] for i in order]
            self.cycles.append(cycles[order])
            self.resources.append(resources[order])
        return self._ways[place]

    def _all_variants(
        self, op: Operator, plain: list[Folding]
    ) -> tuple[list[Folding], list[int], np.ndarray]:
        """Every folding with all choices, the place of the plain one, and what it takes more than that."""
        key = self.estimator.signature(op)
        if key not in self._variants:
            found = [
                (variant, place, _figures(more))
                for place, folding in enumerate(plain)
                for variant, more in self.estimator.variants(op, folding).items()
            ]
            foldings, places, differences = zip(*found)
            self._variants[key] = list(foldings), list(places), np.array(differences)
        return self._variants[key]

    def _around(self, op: Operator, widths: tuple[int, ...], lanes: int) -> int:
        """The row of the FIFOs in front of an operator and of what its result, of such words, ends in."""
        if (op.name, widths, lanes) not in self._rows:
            self._rows[op.name, widths, lanes] = len(self.around)
            ends = self.estimator.ends_at(op.outputs[0], lanes, {})
            self.around.append(_figures(self.estimator.fifos_at(op, widths) + ends))
        return self._rows[op.name, widths, lanes]

    def _order(self) -> tuple[list[_Step], list[str]]:
        """The operators as steps, and the inputs that they read."""
        graph = self.estimator.graph
        last = {name: index for index, op in enumerate(graph.operators) for name in op.inputs}
        live = [port.tensor for port in graph.inputs if port.tensor in last]
        inputs, steps = list(live), []
        for index, op in enumerate(graph.operators):
            (result,) = op.outputs
            reads = tuple(live.index(name) for name in op.inputs)
            keeps = tuple(i for i, name in enumerate(live) if last[name] > index)
            steps.append(_Step(op, reads, keeps, result in last))
            live = [live[i] for i in keeps] + ([result] if result in last else [])
        return steps, inputs


def _least(values: np.ndarray, bounds: np.ndarray, part: int) -> int:
    """Place of the first of the least values between `bounds[part]` and `bounds[part + 1]`."""
    first, behind = bounds[part : part + 2]
    return int(first + values[first:behind].argmin())


class Search:
    """Foldings of one graph.

    Parameters
    ----------
    estimator : Estimator
    has : mapping of str to float, optional
        What the board has of ``lut_high``, ``ff``, ``bram36`` and ``dsp``. The price of a design is the sum
        of the shares that it takes of each; without a board it is its LUTs, and a hundred for each block of
        memory or DSP.
    """

    def __init__(self, estimator: Estimator, has: Mapping[str, float] | None = None) -> None:
        self.estimator = estimator
        self.prices = (
            {name: 1 / max(n, 1e-9) for name, n in has.items()}
            if has
            else {"lut_high": 1.0, "bram36": 100.0, "dsp": 100.0}
        )

    @cached_property
    def _table(self) -> _Table:
        return _Explorer(self.estimator).table()

    def fold_for(
        self, cycles: int, prices: Mapping[str, float] | None = None, price_of_cycle: float = 0.0
    ) -> Foldings | None:
        """Cheapest foldings with which every operator takes at most `cycles`; None if there are none.

        With a `price_of_cycle` every cycle that an operator takes costs too, also where another takes more.
        """
        prices, table = prices or self.prices, self._table
        weights = np.array([prices.get(name, 0.0) for name in FIGURES])
        paid_for = table.resources @ weights + price_of_cycle * table.cycles
        costs = np.where(table.cycles <= cycles, paid_for, np.inf)
        least, around = np.minimum.reduceat(costs, table.bounds[:-1]), table.around @ weights
        paid, totals = table.entered @ weights, []
        for moves in table.moves:
            totals.append(paid[moves.before] + around[moves.around] + least[moves.ways])
            paid = np.minimum.reduceat(totals[-1], moves.bounds[:-1])
        return self._foldings(costs, totals, int(paid.argmin())) if np.isfinite(paid.min()) else None

    def _foldings(self, costs: np.ndarray, totals: list[np.ndarray], state: int) -> Foldings:
        """Foldings on the cheapest way to a combination of widths behind the last operator."""
        table, found = self._table, []
        for op, moves, total in zip(self.estimator.graph.operators[::-1], table.moves[::-1], totals[::-1]):
            move = _least(total, moves.bounds, state)
            way = _least(costs, table.bounds, moves.ways[move])
            state = int(moves.before[move])
            if self.estimator.is_foldable(op):
                found.append((op.name, table.foldings[way]))
        for index, port in enumerate(self.estimator.graph.inputs):
            lanes = table.starts[state].get(port.tensor, 0)
            if lanes > self.estimator.entries[port.tensor][0]:
                found.append((input_port(index), EndFolding(lanes)))
        return dict(found[::-1])

    def intervals(self) -> list[int]:
        """Cycles that some operator takes with some folding, in order.

        No other interval can be the network's.
        """
        if not self._table.moves:
            raise UserError(
                f"a network of at least one operator was expected, but {self.estimator.graph.name} has "
                "none; check the model"
            )
        return np.unique(self._table.cycles).tolist()

    def fastest(self) -> Foldings:
        """Cheapest of the foldings with the shortest interval, whatever they take."""
        candidates = self.intervals()
        low, high = 0, len(candidates) - 1
        while low < high:
            middle = (low + high) // 2
            if self.fold_for(candidates[middle]) is None:
                low = middle + 1
            else:
                high = middle
        found = self.fold_for(candidates[high])
        assert found is not None
        return found
