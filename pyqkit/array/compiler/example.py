"""A small network that uses every mode of a machine: what an overlay tests itself with."""

from __future__ import annotations

import numpy as np

from pyqkit.array.families import of
from pyqkit.array.machine import Machine
from pyqkit.formats import NumberFormat, parse
from pyqkit.graph.graph import Graph, Port, Tensor
from pyqkit.graph.ops.convolution import Convolution
from pyqkit.graph.ops.requantise import Threshold

SHAPE = (5, 4, 6)  # of its input: positions and channels that fill no tile
CHANNELS = 9


def example(machine: Machine) -> Graph:
    """A chain of convolutions, one for each mode of the machine, with weights drawn at random.

    Raises
    ------
    UserError
        If the machine lacks what it needs.
    """
    family, random = of(machine), np.random.default_rng(0)
    usual = family.usual
    modes = [(parse(usual[mode.activation_bits]), parse(usual[mode.weight_bits])) for mode in machine.modes]
    graph, source = Graph(f"{machine.name}_example"), "x"
    _input(graph, modes[0][0])
    for index, (_, weights) in enumerate(modes):
        sums, channels = f"sums{index}", graph.tensors[source].shape[2]
        drawn = family.drawn(weights, (CHANNELS, 3, 3, channels), random)
        graph.add(Convolution(f"conv{index}", [source], [sums], drawn, weights, padding=(1, 1, 1, 1)))
        if index + 1 < len(modes):
            source = _codes(graph, index, modes[index + 1][0])
    graph.outputs = [_port("y", graph.tensors[sums])]
    return graph


def _input(graph: Graph, fmt: NumberFormat) -> None:
    tensor = Tensor.of("x", SHAPE, fmt)
    graph.tensors["x"] = tensor
    limits = np.array([float(boundary.position) for boundary in fmt.boundaries()], np.float32)
    graph.inputs = [_port("x", tensor, limits)]


def _port(name: str, tensor: Tensor, limits: np.ndarray | None = None) -> Port:
    """Numbers are worth what they are."""
    height, width, channels = tensor.shape
    order = np.arange(height * width * channels).reshape(tensor.shape).transpose(2, 0, 1)
    one, zero = np.ones(1), np.zeros(1)
    return Port(tensor.name, name, (channels, height, width), order, one, zero, limits)


def _codes(graph: Graph, index: int, fmt: NumberFormat) -> str:
    """Thresholds of a power of two, so that about a sixteenth of the sums' range gives all codes."""
    sums = graph.tensors[f"sums{index}"]
    positions = np.array([float(boundary.position) for boundary in fmt.boundaries()])
    factor = 2.0 ** np.round(np.log2(max(abs(sums.low), sums.high) / 16 / abs(positions).max()))
    row = np.clip(np.ceil(factor * positions), sums.low, sums.high + 1).astype(np.int64)
    table, rising = np.repeat(row[None], CHANNELS, axis=0), np.zeros(CHANNELS, bool)
    name = f"codes{index}"
    graph.add(Threshold(name, [sums.name], [name], fmt, table, rising))
    return name
