"""Requantisers of functions that rise and fall: a table of all codes, or thresholds piece by piece.

A tensor of few codes gets a table, one code in and one code out. A wider one gets the thresholds of all its
pieces in a row, and the code behind each.
"""

from __future__ import annotations

import numpy as np

from pyqkit.formats import NumberFormat
from pyqkit.graph.graph import Tensor
from pyqkit.graph.lowering.errors import Unlowerable
from pyqkit.graph.lowering.functions import Condition, Fractions, Invertible, Outcome
from pyqkit.graph.lowering.pieces import Piece, Placing, Walk, pieces, walk
from pyqkit.graph.lowering.quantiser import Quantiser
from pyqkit.graph.lowering.real import Real
from pyqkit.graph.lowering.session import Lowering
from pyqkit.graph.lowering.thresholds import before
from pyqkit.graph.ops.lookup import Lookup
from pyqkit.graph.ops.requantise import MOST_THRESHOLDS, Threshold

TABLE_BITS = 8  # of codes that a table is made for
_GAP = 16  # gaps between pieces are so much shorter than the distance of two integers


def is_curved(real: Real) -> bool:
    """Whether a function that has no inverse waits for the quantiser."""
    return not all(isinstance(function, Invertible) for function in real.functions)


def requantised(
    lowering: Lowering, tensor: Tensor, real: Real, quantiser: Quantiser, scale: Fractions, name: str
) -> Tensor:
    """Codes of a `Real` of one term, whatever its functions."""
    fmt = quantiser.format
    curve = _Curves(tensor, real, quantiser, scale)
    if tensor.format.bits <= TABLE_BITS:
        return lowering.emit(Lookup, name, [tensor.name], format=fmt, codes=curve.table())
    if not quantiser.boundaries:
        raise Unlowerable(f"a function other than ReLU is rounded to {fmt}", "round to at most 8 bits")
    walks, sequence = curve.walks()
    rising = _monotone(tensor, fmt, walks)
    if rising is not None:
        thresholds, falling = rising
        return lowering.emit(
            Threshold, name, [tensor.name], format=fmt, thresholds=thresholds, falling=falling
        )
    thresholds, falling, places = _in_sequence(tensor, walks, sequence) or _in_rows(tensor, walks)
    if thresholds.shape[1] > MOST_THRESHOLDS:
        raise Unlowerable(
            f"its function passes {thresholds.shape[1]} boundaries, more than {MOST_THRESHOLDS}",
            f"quantise its input to at most {TABLE_BITS} bits",
        )
    return lowering.emit(
        Threshold, name, [tensor.name], format=fmt, thresholds=thresholds, falling=falling, places=places
    )


class _Curves:
    """The function of every channel; channels that have the same one share what is found of it."""

    def __init__(self, tensor: Tensor, real: Real, quantiser: Quantiser, scale: Fractions) -> None:
        (term,) = real.terms
        self._tensor, self._lines = tensor, list(zip(term.factor, real.offset))
        # What stands behind the last curve is turned back, as for other functions.
        last = max(i for i, f in enumerate(real.functions) if not isinstance(f, Invertible))
        self._functions = real.functions[: last + 1]
        self._behind = tuple(f for f in real.functions[last + 1 :] if isinstance(f, Invertible))
        self._boundaries = quantiser.boundaries or quantiser.format.boundaries()
        self._format, self._scale = quantiser.format, scale
        self._uniform = all(s == scale[0] for s in scale) and all(f.uniform for f in real.functions)
        self._placings: dict[int, Placing] = {}

    def _placing(self, channel: int) -> Placing:
        channel = 0 if self._uniform else channel
        if channel not in self._placings:
            step = self._scale[channel]
            conditions = [Condition(b.position * step, b.inclusive) for b in self._boundaries]
            outcomes: list[Outcome] = [before(self._behind, c, channel) for c in conditions]
            self._placings[channel] = Placing(self._functions, outcomes, channel)
        return self._placings[channel]

    def table(self) -> np.ndarray:
        """Codes by channel and code, (1 or channels, 2**bits); codes that are no numbers become the first."""
        fmt, wanted = self._tensor.format, self._format
        integers = [int(fmt.integers[code]) for code in fmt.codes]
        rows: dict[tuple[object, ...], np.ndarray] = {}
        keys = []
        for channel, line in enumerate(self._lines):
            key = (*line, 0 if self._uniform else channel)
            keys.append(key)
            if key not in rows:
                placing, (factor, offset) = self._placing(channel), line
                # Integers that never occur take the code of one that does.
                held = [min(max(n, self._tensor.low), self._tensor.high) for n in integers]
                places = [placing.at(factor * n + offset) for n in held]
                rows[key] = np.full(2**fmt.bits, wanted.codes[0], np.int64)
                rows[key][fmt.codes] = wanted.codes[places]
        table = np.array([rows[key] for key in keys])
        return table[:1] if (table == table[0]).all() else table

    def walks(self) -> tuple[list[Walk], list[int]]:
        """Walk of every channel, and the places that follow each other on all pieces."""
        low, high = self._tensor.low, self._tensor.high
        reach = [sorted((f * low + o, f * high + o)) for f, o in self._lines]
        steps = [abs(f) for f, _ in self._lines if f]
        known: dict[tuple[object, ...], Walk] = {}
        shared: list[Piece] | None = None
        if self._uniform and steps:
            ends = min(a for a, _ in reach), max(b for _, b in reach)
            shared = pieces(self._placing(0), ends[0], ends[1], min(steps) / _GAP)
        walks = []
        for channel, line in enumerate(self._lines):
            key = (*line, 0 if self._uniform else channel)
            if key not in known:
                found = shared
                if found is None and line[0]:
                    found = pieces(
                        self._placing(channel), reach[channel][0], reach[channel][1], abs(line[0]) / _GAP
                    )
                known[key] = walk(self._placing(channel), found or [], line, (low, high))
            walks.append(known[key])
        places = [p.place for p in shared or [] if p.place is not None]
        longest = max(([place for _, place in steps] for steps in walks), key=len)
        return walks, _distinct(places) or longest


def _distinct(places: list[int]) -> list[int]:
    return [place for i, place in enumerate(places) if i == 0 or place != places[i - 1]]


def _monotone(tensor: Tensor, fmt: NumberFormat, walks: list[Walk]) -> tuple[np.ndarray, np.ndarray] | None:
    """Thresholds and falling flags of walks that rise, or fall, throughout; None if one does not."""
    top = len(fmt.codes) - 1
    thresholds = np.full((len(walks), top), tensor.high + 1, np.int64)
    falling = np.zeros(len(walks), bool)
    for channel, steps in enumerate(walks):
        places = np.array([place for _, place in steps])
        falls = len(places) > 1 and places[1] < places[0]
        counts = top - places if falls else places
        if (np.diff(counts) < 0).any():
            return None
        falling[channel], passed = falls, 0
        for (integer, _), count in zip(steps, counts):
            thresholds[channel, passed:count] = integer
            passed = count
    return thresholds, falling


def _in_sequence(
    tensor: Tensor, walks: list[Walk], sequence: list[int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Thresholds of walks that take places of one sequence in its order, or in the opposite one."""
    thresholds = np.full((len(walks), len(sequence) - 1), tensor.high + 1, np.int64)
    falling = np.zeros(len(walks), bool)
    for channel, steps in enumerate(walks):
        indices, falls = _followed(steps, sequence), False
        if indices is None:
            indices, falls = _followed(steps, sequence[::-1]), True
        if indices is None:
            return None
        falling[channel], passed = falls, 0
        for (integer, _), index in zip(steps, indices):
            thresholds[channel, passed:index] = integer
            passed = index
    return thresholds, falling, np.array([sequence], np.int64)


def _followed(steps: Walk, sequence: list[int]) -> list[int] | None:
    """Indices in a sequence of the places of a walk, in its order; None if it takes another way."""
    found, index = [], 0
    for _, place in steps:
        while index < len(sequence) and sequence[index] != place:
            index += 1
        if index == len(sequence):
            return None
        found.append(index)
    return found


def _in_rows(tensor: Tensor, walks: list[Walk]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Thresholds of any walks, each with places of its own."""
    most = max(len(steps) for steps in walks)
    thresholds = np.full((len(walks), most - 1), tensor.high + 1, np.int64)
    places = np.zeros((len(walks), most), np.int64)
    for channel, steps in enumerate(walks):
        thresholds[channel, : len(steps) - 1] = [integer for integer, _ in steps[1:]]
        places[channel] = steps[-1][1]
        places[channel, : len(steps)] = [place for _, place in steps]
    return thresholds, np.zeros(len(walks), bool), places
