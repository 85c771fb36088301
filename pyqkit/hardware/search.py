"""The cheapest foldings that keep up with a rate, exactly: dynamic programming over the graph.

What an operator takes depends on its own folding and on the width of the words that it reads, and the width of those is
decided by the layers before it. So the operators are gone through in order, and for every combination of widths of the
tensors that are still to be read only the cheapest way to get there is kept. That is the optimum, not a heuristic, as the
price of a design is the sum of the prices of its operators, each with the FIFOs in front of it.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pyqkit.errors import UserError
from pyqkit.formats import NumberFormat
from pyqkit.graph.graph import Operator
from pyqkit.graph.ops.convolution import Convolution
from pyqkit.hardware.block_features import left_to_size
from pyqkit.hardware.folding_types import MEMORIES, MULTIPLIERS, Folding
from pyqkit.hardware.resources import Resources
from pyqkit.hardware.survey import Foldings, Survey
from pyqkit.hls.operators.convolution import dsp_refusal, most_pe

STATES = 20_000  # combinations of widths that are followed; no network met so far has more than a few hundred
FOREVER = 2**62  # cycles
FIGURES = ("lut_high", "ff", "bram36", "dsp")  # what prices are of


def choices(op: Convolution) -> list[Folding]:
    """All foldings of a layer, the least parallel first; of equal parallelism the most square."""
    divisors = [[d for d in range(1, n + 1) if n % d == 0] for n in (most_pe(op), op.weights.shape[3])]
    found = [Folding(pe, simd) for pe in divisors[0] for simd in divisors[1]]
    return sorted(found, key=lambda f: (f.pe * f.simd, max(f.pe, f.simd)))


def variants(op: Convolution, activations: NumberFormat, folding: Folding) -> list[Folding]:
    """A folding with all kinds of multipliers and memories that are not the same hardware, those of `Folding()` first."""
    multipliers = MULTIPLIERS[:1] if dsp_refusal(activations, op.weight_format) else MULTIPLIERS
    parallel, bits = folding.pe * folding.simd, [op.weight_format.bits]
    if op.shifts is not None:
        bits.append(int(op.shifts.max()).bit_length())
    words = op.weights.size // parallel
    here = {left_to_size(parallel * width, words) for width in bits}
    memories = [m for m in MEMORIES if m == "auto" or (words > 1 and {m} != here)]
    return [replace(folding, multiplier=multiplier, memory=memory) for multiplier in multipliers for memory in memories]


@dataclass(frozen=True)
class _Options:
    """All ways to build an operator that reads words of certain widths, without the FIFOs in front of it.

    `foldings` holds None where there is nothing to choose; `resources` has a column for each of `FIGURES`.
    """

    foldings: Sequence[Folding | None]
    lanes: np.ndarray
    cycles: np.ndarray
    resources: np.ndarray

    def cheapest(self, cycles: int, weights: np.ndarray) -> list[tuple[float, int, Folding | None]]:
        """Price, width of the result and folding of the cheapest that keeps up, for each width."""
        fits = np.flatnonzero(self.cycles <= cycles)
        prices = self.resources[fits] @ weights
        order = np.lexsort((prices, self.lanes[fits]))
        widths, first = np.unique(self.lanes[fits][order], return_index=True)
        return [(float(prices[i]), int(width), self.foldings[fits[i]]) for width, i in zip(widths, order[first])]


def _figures(found: Resources) -> np.ndarray:
    return np.array([getattr(found, name) for name in FIGURES], float)


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
        self._known: dict[Hashable, _Options] = {}
        self._variants: dict[Hashable, tuple[list[Folding], list[int], np.ndarray]] = {}
        self._known_fifos: dict[tuple[str, tuple[int, ...]], np.ndarray] = {}
        self._steps, self._start = self._order()

    def fold_for(self, cycles: int, prices: Mapping[str, float] | None = None) -> Foldings | None:
        """Cheapest foldings with which every operator takes at most `cycles`; None if there are none."""
        prices = prices or self.prices
        weights = np.array([prices.get(name, 0.0) for name in FIGURES])
        best: dict[Hashable, list[tuple[float, int, Folding | None]]] = {}
        states: dict[tuple[int, ...], tuple[float, Any]] = {self._start: (0.0, None)}
        for step in self._steps:
            after: dict[tuple[int, ...], tuple[float, Any]] = {}
            for widths, (paid, trail) in states.items():
                reads, kept = tuple(widths[i] for i in step.reads), tuple(widths[i] for i in step.keeps)
                place = self.survey.alike(step.op), reads
                if place not in best:
                    best[place] = self._options(step.op, reads).cheapest(cycles, weights)
                paid += float(self._fifos(step.op, reads) @ weights)
                for price, lanes, folding in best[place]:
                    key = (*kept, lanes) if step.kept else kept
                    if key not in after or paid + price < after[key][0]:
                        after[key] = paid + price, (folding, trail)
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
        return sorted({int(cycles) for options in self._known.values() for cycles in np.unique(options.cycles)})

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

    def _options(self, op: Operator, widths: tuple[int, ...]) -> _Options:
        place = self.survey.alike(op), widths
        if place not in self._known:
            plain = choices(op) if isinstance(op, Convolution) else [Folding()]
            found = [self.survey.estimate_at(op, widths, folding) for folding in plain]
            lanes, cycles = np.array([e.lanes for e in found]), np.array([e.cycles for e in found])
            resources = np.array([_figures(e.resources) for e in found])
            if isinstance(op, Convolution):
                foldings, base, differences = self._all_variants(op, plain)
                self._known[place] = _Options(foldings, lanes[base], cycles[base], resources[base] + differences)
            else:
                self._known[place] = _Options([None], lanes, cycles, resources)
        return self._known[place]

    def _all_variants(self, op: Convolution, plain: list[Folding]) -> tuple[list[Folding], list[int], np.ndarray]:
        """Every folding with every kind of multiplier and memory, the place of the plain one, and what it takes more than that."""
        key = self.survey.alike(op)
        if key not in self._variants:
            activations = self.survey.graph.input_tensors(op)[0].format
            found = [(v, i) for i, folding in enumerate(plain) for v in variants(op, activations, folding)]
            differences = np.array([_figures(self.survey.difference(op, variant)) for variant, _ in found])
            self._variants[key] = [v for v, _ in found], [i for _, i in found], differences
        return self._variants[key]

    def _fifos(self, op: Operator, widths: tuple[int, ...]) -> np.ndarray:
        place = op.name, widths
        if place not in self._known_fifos:
            self._known_fifos[place] = _figures(self.survey.fifos_at(op, widths))
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
