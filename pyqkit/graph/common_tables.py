"""One table of thresholds for all channels of layers that share hardware.

A `Threshold` has a row of thresholds for each channel, and where layers share hardware, for each layer:
block RAM that grows with both. The rows come from one format, whose values differ for a channel by a factor
and an offset alone. So a `Rescale` with whole factors and offsets in front leaves one row:

    x >= thresholds[c, i]   <=>   x * multiplier[c] + offset[c] >= row[i]

for every integer x that the channel can have. Nothing is assumed of where thresholds come from: of each
channel factors are tried, and count if an offset exists that puts every step on its threshold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pyqkit.formats import Integer, NumberFormat
from pyqkit.graph.graph import Graph, Tensor
from pyqkit.graph.ops.requantise import Rescale, Threshold
from pyqkit.graph.steps import ANY, MULTIPLIER_BITS, Rows
from pyqkit.names import Identifiers

FEW_BITS = 2**15  # of thresholds of all channels and passes: LUTs hold them
SUM_BITS = 60  # of every number that is compared, so that differences fit int64
_FIRST = 4  # channels that are tried before all


@dataclass(frozen=True, eq=False)
class Common:
    """Factors and offsets for each channel, and the row that all have then.

    With `relu` negative numbers become 0, and have reached what 0 reaches.
    """

    multiplier: np.ndarray
    offset: np.ndarray
    row: np.ndarray
    relu: bool


def common(rows: Rows, fmt: NumberFormat) -> Common | None:
    """The smallest whole factors behind which all channels have one row of thresholds; None if none do."""
    boundaries = fmt.boundaries()
    if len(boundaries) != rows.thresholds.shape[1] or not len(rows.sign):
        return None
    few = rows.of_channels(np.unique(np.linspace(0, len(rows.sign) - 1, _FIRST).astype(int)))
    for shift in range(SUM_BITS):
        scaled = [boundary.position * 2**shift for boundary in boundaries]
        # The first whole number that has reached a boundary.
        row = [-(-p // 1) if b.inclusive else p // 1 + 1 for p, b in zip(scaled, boundaries)]
        if max(abs(row[0]), abs(row[-1])) >> SUM_BITS:
            return None
        limits = np.array([int(number) for number in row], np.int64)
        for relu in (False, True):
            if _affine(few, limits, relu) is None:
                continue
            found = _affine(rows, limits, relu)
            if found is not None:
                multiplier, offset = found
                return Common(multiplier * rows.sign, offset, limits, relu)
    return None


def _affine(rows: Rows, row: np.ndarray, relu: bool) -> tuple[np.ndarray, np.ndarray] | None:
    """Factors and offsets that put every channel on a row of limits.

    How much room a factor leaves for the offset is concave in the factor: it is bisected which has some.
    """
    if relu and not rows.lifted(row):
        return None
    seen = (rows.thresholds <= rows.high) & ~(relu & (row <= 0))  # by the largest integer
    missed = rows.thresholds > rows.low  # by the smallest one
    least_factor, most_factor = _bracket(rows, row, seen & missed)
    while (least_factor <= most_factor).all():
        factor = (least_factor + most_factor) // 2
        needed, allowed = rows.offsets(row, factor, relu)
        at, below = needed.argmax(axis=1), allowed.argmin(axis=1)
        every = np.arange(len(at))
        lowest, highest = needed[every, at], allowed[every, below]
        wrong = lowest > highest
        if not wrong.any():
            return factor, np.where(lowest == -ANY, highest, lowest)
        rises = rows.thresholds[every, at] >= rows.thresholds[every, below]
        least_factor = np.where(wrong & rises, factor + 1, np.where(wrong, least_factor, factor))
        most_factor = np.where(wrong & ~rises, factor - 1, np.where(wrong, most_factor, factor))
    return None


def _bracket(rows: Rows, row: np.ndarray, between: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The least and the largest factor with which the first and the last step of a channel may be right."""
    reach = int(max(np.abs(rows.low).max(), np.abs(rows.high).max(), 1))
    every, constant = np.arange(len(between)), ~between.any(axis=1)
    first, last = between.argmax(axis=1), between.shape[1] - 1 - between[:, ::-1].argmax(axis=1)
    apart, wanted = rows.thresholds[every, last] - rows.thresholds[every, first], row[last] - row[first]
    least = np.maximum(-(-(wanted + 1) // (apart + 1)), 0)
    most = np.full(len(every), min(2 ** (MULTIPLIER_BITS - 1) - 1, 2**SUM_BITS // reach))
    several = apart > 1
    most[several] = np.minimum(most[several], (wanted[several] - 1) // (apart[several] - 1))
    return np.where(constant, 0, least), np.where(constant, 0, most)


def split(graph: Graph, parts: Sequence[Sequence[str]]) -> Graph:
    """A graph in which requantisers have one row of thresholds for all channels, where they can.

    Parameters
    ----------
    graph : Graph
    parts : sequence of sequence of str
        Operators that share hardware, by pass; those at one place stay alike.
    """
    by_name = {op.name: op for op in graph.operators}
    names = Identifiers([*graph.tensors, *by_name])
    made = replace(graph, tensors=dict(graph.tensors), operators=list(graph.operators))
    for places in zip(*parts):
        ops = [op for op in map(by_name.__getitem__, places) if isinstance(op, Threshold)]
        if len(ops) == len(places):
            _split(made, ops, names)
    return made


def _split(graph: Graph, ops: list[Threshold], names: Identifiers) -> None:
    """Put a `Rescale` in front of requantisers that share hardware, if one row does for all of them."""
    tensors = [graph.tensors[op.inputs[0]] for op in ops]
    widest = max(max(abs(tensor.low), abs(tensor.high)) for tensor in tensors).bit_length() + 1
    if sum(op.thresholds.size for op in ops) * widest <= FEW_BITS or any(op.places is not None for op in ops):
        return
    each = [Rows.of(op.thresholds, op.falling, tensor) for op, tensor in zip(ops, tensors)]
    parts = (np.concatenate([getattr(rows, name) for rows in each]) for name in vars(each[0]))
    found = common(Rows(*parts), ops[0].format)
    if found is None:
        return
    count = len(found.offset) // len(ops)
    pieces = [slice(i * count, (i + 1) * count) for i in range(len(ops))]
    ends = [
        end * found.multiplier[piece] + found.offset[piece]
        for tensor, piece in zip(tensors, pieces)
        for end in (tensor.low, tensor.high)
    ]
    low, high = (max(int(end), 0) if found.relu else int(end) for end in (np.min(ends), np.max(ends)))
    fmt, row = Integer.for_range(low, high), np.clip(found.row, low, high + 1)
    for op, tensor, piece in zip(ops, tensors, pieces):
        scaled = names.new(f"{op.name}_scaled")
        numbers = found.multiplier[piece], found.offset[piece]
        graph.tensors[scaled] = Tensor(scaled, tensor.shape, fmt, low, high)
        place = graph.operators.index(op)
        graph.operators[place : place + 1] = [
            Rescale(scaled, list(op.inputs), [scaled], fmt, *numbers, shift=0, relu=found.relu),
            replace(op, inputs=[scaled], thresholds=np.tile(row, (count, 1)), falling=np.zeros(count, bool)),
        ]
