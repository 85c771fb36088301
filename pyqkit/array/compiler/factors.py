"""Factors of requantisers that the post-processor does not hold are rounded, before anything is compiled.

The result is another graph, whose thresholds follow from the rounded factors: every engine computes it alike.
In it a sum is multiplied so that all channels have the same boundaries,

    sum over inputs of x * factor[input, c] + offset[c] >= boundary[i]

with whole factors of as many bits as a multiplier has. Codes move where a sum lies as near to a boundary as
the rounding reaches.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from pyqkit.array.compiler.requantise import Rising, bent, positions, rising, slopes
from pyqkit.array.machine import Machine
from pyqkit.errors import UserError
from pyqkit.graph.graph import Graph, Operator, Tensor
from pyqkit.graph.ops.add import Add
from pyqkit.graph.ops.requantise import Threshold

_ROOM = 4  # bits of a scaled sum that stay free


def rounded_graph(graph: Graph, machine: Machine, layers: Collection[str]) -> Graph:
    """A graph in which these requantisers have factors that a machine holds; others stay as they are.

    Raises
    ------
    UserError
        For steps that are not those of a format times a factor.
    """
    found = Graph(
        graph.name,
        inputs=graph.inputs,
        outputs=graph.outputs,
        host=graph.host,
        notes=[
            *graph.notes,
            f"factors of {', '.join(sorted(layers))} are rounded for the array {machine.name}",
        ],
        sources=dict(graph.sources),
        channels_last=list(graph.channels_last),
    )
    for port in graph.inputs:
        found.tensors[port.tensor] = graph.tensors[port.tensor]
    for op in graph.operators:
        for new in _rounded(graph, machine, op) if op.name in layers else [op]:
            found.add(new)
    found.prune()
    return found


def _rounded(graph: Graph, machine: Machine, op: Operator) -> list[Operator]:
    """A sum with rounded factors and the thresholds that follow."""
    assert isinstance(op, Threshold)
    (tensor,) = graph.input_tensors(op)
    source = graph.producer(tensor.name)
    if isinstance(source, Add):
        inputs, factors = source.inputs, source.multipliers.astype(np.float64)
    else:
        inputs, factors = [tensor.name], np.ones((1, tensor.shape[2]))
    function = rising(op, tensor.low, tensor.high)
    assert function is not None  # what has no such form is refused before
    channels = bent(function)
    if len(channels):
        raise UserError(
            f"steps as far apart as those of {op.format}, times a factor, were expected by the array "
            f"{machine.name}, but {op.name} has others in channel {channels[0]}; "
            "requantise by one scale a channel"
        )
    unit, whole = _scaled(machine, function, factors, [graph.tensors[name] for name in inputs])
    joined = Add(f"{op.name}_scaled", list(inputs), [f"{op.name}_scaled"], whole)
    (sums,) = joined.infer([graph.tensors[name] for name in inputs])
    table = _thresholds(function, unit, len(op.format.codes) - 1, sums)
    falling = np.zeros(len(table), bool)
    return [joined, replace(op, inputs=list(joined.outputs), thresholds=table, falling=falling, places=None)]


def _scaled(
    machine: Machine, function: Rising, factors: np.ndarray, tensors: list[Tensor]
) -> tuple[float, np.ndarray]:
    """What a step between positions one unit apart becomes, and the whole factors of the inputs."""
    middle = slopes(function, positions(function))
    wanted = factors * function.sign / middle
    reach = max(sum(abs(row).max() * max(-t.low, t.high) for row, t in zip(wanted, tensors)), 1e-30)
    limit = min(
        (2.0 ** (machine.multiplier_bits - 1) - 1) / abs(wanted).max(),
        2.0 ** (machine.offset_bits - 1 - _ROOM) / reach,
    )
    # a power of two, so that factors which are powers of two stay what they are
    unit = 2.0 ** np.floor(np.log2(limit))
    whole = np.rint(wanted * unit).astype(np.int64)
    shared = int(np.gcd.reduce(whole, axis=None))
    # A threshold is midway between two sums, and rounding boundary and offset moves it by 1 at most.
    spare = max(1, (shared & -shared) // 4)
    return float(unit / spare), whole // spare


def _thresholds(function: Rising, unit: float, steps: int, sums: Tensor) -> np.ndarray:
    """Thresholds of the scaled sums: the same boundaries for all channels, less an offset.

    That holds of those that a channel never reaches, too: among sums of all channels they are as any other.
    """
    rows, places = function.thresholds, positions(function)
    scale = unit / slopes(function, places)
    boundaries = places * unit
    offsets = [
        _offset(row, low, high, factor, boundaries)
        for row, low, high, factor in zip(rows, function.low, function.high, scale)
    ]
    own = np.rint(boundaries).astype(np.int64) + np.rint(offsets).astype(np.int64)[:, None]
    table = np.full((len(rows), steps), sums.high + 1, np.int64)
    table[:, : function.first] = sums.low
    table[:, function.first : function.first + rows.shape[1]] = np.clip(own, sums.low, sums.high + 1)
    return table


def _offset(row: np.ndarray, low: int, high: int, factor: float, boundaries: np.ndarray) -> float:
    """What a channel's boundaries are moved by, from its thresholds.

    In a channel that no input moves, all inputs come between the boundaries that are passed and the others.
    """
    always, never = row <= low, row > high
    here = ~(always | never)
    if here.any():
        return float(np.median(((row - 0.5) * factor - boundaries)[here]))
    ends = [(low - 0.5) * factor - boundaries[always].max()] if always.any() else []
    ends += [(high + 0.5) * factor - boundaries[never].min()] if never.any() else []
    return float(np.mean(ends)) if ends else 0.0
