"""Neighbouring pixels of an input side by side: an image of few channels would leave most rows idle."""

from __future__ import annotations

import numpy as np

from pyqkit.array.compiler.passes import NONE
from pyqkit.array.machine import Machine
from pyqkit.graph.graph import Graph
from pyqkit.graph.ops.convolution import Convolution
from pyqkit.graph.ops.window import SlidingWindow


def neighbours(graph: Graph, machine: Machine, name: str) -> int:
    """Pixels of an input that one word of the array's rows holds, as far as its convolution has taps."""
    tensor, readers = graph.tensors[name], graph.consumers(name)
    sole = len(readers) == 1 and all(port.tensor != name for port in graph.outputs)
    if not sole or not isinstance(readers[0], Convolution) or not tensor.format.has_zero:
        return 1
    op = readers[0]
    plain = op.groups == op.dilation[1] == 1 and op.exponents is None
    return max(1, min(op.kernel[1], machine.rows // tensor.shape[2])) if plain else 1


def stored_shape(graph: Graph, name: str, beside: int) -> tuple[int, int, int]:
    """Of a tensor of which so many pixels are stored as one."""
    shape = graph.tensors[name].shape
    if beside == 1:
        return shape
    (op,) = graph.consumers(name)
    assert isinstance(op, Convolution)
    columns = (op.sliding.out_size(shape[:2])[1] - 1) * op.stride[1] + 1
    taps = -(-op.kernel[1] // beside)
    return shape[0], columns + (taps - 1) * beside, shape[2] * beside


def of_neighbours(
    weights: np.ndarray, window: SlidingWindow, beside: int
) -> tuple[np.ndarray, SlidingWindow]:
    """Weights and window over an image whose pixels have so many columns each, the padding among them."""
    outputs, height, width, channels = weights.shape
    taps = -(-width // beside)
    sides = ((0, 0), (0, 0), (0, taps * beside - width), (0, 0))
    joined = np.pad(weights, sides, constant_values=NONE).reshape(outputs, height, taps, beside * channels)
    top, _, bottom, _ = window.padding
    steps = (window.dilation[0], beside)
    return joined, SlidingWindow((height, taps), window.stride, (top, 0, bottom, 0), steps)
