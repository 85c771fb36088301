"""The cheapest foldings that keep up with a rate, exactly: dynamic programming over the graph.

What an operator takes depends on its own folding and on the width of the words that it reads, and the width of those is
decided by the layers before it. So the operators are gone through in order, and for every combination of widths of the
tensors that are still to be read only the cheapest way to get there is kept. That is the optimum, not a heuristic, as the
price of a design is the sum of the prices of its operators, each with the FIFOs in front of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pyqkit.errors import UserError
from pyqkit.graph.graph import Operator
from pyqkit.graph.ops.convolution import Convolution
from pyqkit.hardware.folding_types import Folding
from pyqkit.hardware.resources import Resources
from pyqkit.hardware.survey import Foldings, Survey
from pyqkit.hls.operators.convolution import most_pe

STATES = 20_000  # combinations of widths that are followed; no network met so far has more than a few hundred
FOREVER = 2**62  # cycles


def choices(op: Convolution) -> list[Folding]:
    """All foldings of a layer, the least parallel first; of equal parallelism the most square."""
    divisors = [[d for d in range(1, n + 1) if n % d == 0] for n in (most_pe(op), op.weights.shape[3])]
    found = [Folding(pe, simd) for pe in divisors[0] for simd in divisors[1]]
    return sorted(found, key=lambda f: (f.pe * f.simd, max(f.pe, f.simd)))


@dataclass(frozen=True)
class _Option:
    """One way to build an operator; `folding` is None where there is nothing to choose."""

    folding: Folding | None
    lanes: int
    cycles: int
    resources: Resources


@dataclass(frozen=True)
class _Step:
    """An operator, where the widths that it reads and those that are read later stand among the ones before it, and whether its
    own result is read by an operator."""

    op: Operator
    reads: tuple[int, ...]
    keeps: tuple[int, ...]
    kept: bool


class Search:
    """Foldings of one graph.

    Parameters
    ----------
    survey : Survey
    has : mapping of str to float, optional
        What the board has of ``lut_high``, ``ff``, ``bram36`` and ``dsp``. The price of a design is the sum of the shares that it
        takes of each; without a board it is its LUTs, and a hundred for each block of memory or DSP.
    """

    def __init__(self, survey: Survey, has: Mapping[str, float] | None = None) -> None:
        self.survey = survey
        self.prices = {name: 1 / max(n, 1e-9) for name, n in has.items()} if has else {"lut_high": 1.0, "bram36": 100.0, "dsp": 100.0}
        graph = survey.graph
        self._choices = {op.name: choices(op) if isinstance(op, Convolution) else [None] for op in graph.operators}
        self._macs = {op.name: op.macs(graph.input_tensors(op)) for op in graph.operators}
        self._known: dict[tuple[str, tuple[int, ...], Folding | None], _Option] = {}
        self._known_fifos: dict[tuple[str, tuple[int, ...]], Resources] = {}
        self._steps, self._start = self._order()

    def fold_for(self, cycles: int, prices: Mapping[str, float] | None = None) -> Foldings | None:
        """Cheapest foldings with which every operator takes at most `cycles`; None if there are none."""
        prices = prices or self.prices
        best: dict[tuple[str, tuple[int, ...]], list[tuple[float, _Option]]] = {}
        states: dict[tuple[int, ...], tuple[float, Any]] = {self._start: (0.0, None)}
        for step in self._steps:
            after: dict[tuple[int, ...], tuple[float, Any]] = {}
            for widths, (paid, trail) in states.items():
                place = step.op.name, tuple(widths[i] for i in step.reads)
                if place not in best:
                    best[place] = self._best(step.op, place[1], cycles, prices)
                kept = tuple(widths[i] for i in step.keeps)
                for price, option in best[place]:
                    key = (*kept, option.lanes) if step.kept else kept
                    if key not in after or paid + price < after[key][0]:
                        after[key] = paid + price, (option.folding, trail)
            if len(after) > STATES:
                after = dict(sorted(after.items(), key=lambda item: item[1][0])[:STATES])
            states = after
        if not states:
            return None
        _, trail = min(states.values(), key=lambda state: state[0])
        foldings = {}
        for step in reversed(self._steps):
            folding, trail = trail
            if folding is not None:
                foldings[step.op.name] = folding
        return {step.op.name: foldings[step.op.name] for step in self._steps if step.op.name in foldings}

    def intervals(self) -> list[int]:
        """Cycles that some operator takes with some folding, in order: no other interval can be the network's."""
        if self.fold_for(FOREVER) is None:
            raise UserError(f"a network of at least one operator was expected, but {self.survey.graph.name} has none; check the model")
        return sorted({option.cycles for option in self._known.values()})

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

    def _best(self, op: Operator, widths: tuple[int, ...], cycles: int, prices: Mapping[str, float]) -> list[tuple[float, _Option]]:
        """For each width of the result the cheapest option that keeps up, with its price."""
        found: dict[int, tuple[float, _Option]] = {}
        for folding in self._choices[op.name]:
            if folding is not None and self._macs[op.name] > cycles * folding.pe * folding.simd:
                continue  # too slow, whatever it takes
            option = self._option(op, widths, folding)
            if option.cycles <= cycles:
                price = sum(weight * getattr(option.resources, name) for name, weight in prices.items())
                if option.lanes not in found or price < found[option.lanes][0]:
                    found[option.lanes] = price, option
        return list(found.values())

    def _option(self, op: Operator, widths: tuple[int, ...], folding: Folding | None) -> _Option:
        place = op.name, widths, folding
        if place not in self._known:
            estimate = self.survey.estimate_at(op, widths, folding or Folding())
            resources = estimate.resources + self._fifos(op, widths)
            self._known[place] = _Option(folding, estimate.lanes, estimate.cycles, resources)
        return self._known[place]

    def _fifos(self, op: Operator, widths: tuple[int, ...]) -> Resources:
        place = op.name, widths
        if place not in self._known_fifos:
            self._known_fifos[place] = self.survey.fifos_at(op, widths)
        return self._known_fifos[place]

    def _order(self) -> tuple[list[_Step], tuple[int, ...]]:
        """The operators as steps, and the widths of the inputs."""
        graph = self.survey.graph
        last = {name: index for index, op in enumerate(graph.operators) for name in op.inputs}
        live = [port.tensor for port in graph.inputs if port.tensor in last]
        start = tuple(self.survey.input_lanes[name] for name in live)
        steps = []
        for index, op in enumerate(graph.operators):
            (result,) = op.outputs
            reads = tuple(live.index(name) for name in op.inputs)
            keeps = tuple(i for i, name in enumerate(live) if last[name] > index)
            steps.append(_Step(op, reads, keeps, result in last))
            live = [live[i] for i in keeps] + ([result] if result in last else [])
        return steps, start
