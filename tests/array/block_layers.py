"""Layers and networks whose weights are MicroScopiQ's blocks."""

from __future__ import annotations

import numpy as np

from pyqkit.formats import Integer, parse
from pyqkit.formats.microscopiq import BlockWeight
from pyqkit.graph.ops.add import Add
from pyqkit.graph.ops.convolution import Convolution
from pyqkit.graph.ops.microscale import Microscale
from pyqkit.graph.ops.pool import MaxPool
from tests.array.blocks_of_weights import directed, random_codes
from tests.array.networks import requantised
from tests.emulate.networks import Net


def net(fmt: object, shape: tuple[int, int, int], seed: int = 0) -> Net:
    """A graph that begins with an input of a format."""
    return Net(fmt, BlockWeight(4), shape, frames=3, seed=seed)  # type: ignore[arg-type]


def convolution(net: Net, name: str, source: str, outputs: int, bits: int, kernel: int = 1) -> str:
    """A convolution whose weights are blocks."""
    channels = net.graph.tensors[source].shape[2]
    weights = random_codes((outputs, kernel, kernel, channels), bits)
    pad = (kernel // 2,) * 4
    return net.add(Convolution(name, [source], [name], weights, BlockWeight(bits), padding=pad))


def directed_layer(bits: int) -> Net:
    """Micro-blocks of 0 to 4 outliers at all places, two beside each other, behind activations of int8."""
    blocks = directed(bits)
    rows = blocks[np.arange(-(-len(blocks) // 4) * 4) % len(blocks)].reshape(-1, 32)
    made = net(parse("int8"), (1, 2, len(rows)))
    weights = BlockWeight(bits).of_integers(rows).T.reshape(32, 1, 1, -1)
    made.finish(made.add(Convolution("layer", ["x"], ["layer"], weights, BlockWeight(bits))))
    return made


def scaled_layer(bits: int) -> Net:
    """Two blocks of channels, the second one short; outputs that end within a tile."""
    made = net(Integer(16), (1, 1, 172))
    made.codes["x"][1:, ..., 128:] >>= 5
    made.codes["x"][2] >>= 4
    scaled = made.add(Microscale("scaled", ["x"], ["scaled"], 8, 1))
    made.finish(convolution(made, "layer", scaled, 72, bits))
    return made


def network() -> Net:
    """Codes of 8 bits between convolutions, and a microscale, which is the host's."""
    made = net(parse("int8"), (6, 5, 12))
    first = requantised(made, "a", convolution(made, "first", "x", 24, 4, kernel=3), spread=0.1)
    second = requantised(made, "b", convolution(made, "second", first, 24, 2), spread=0.1)
    both = made.add(Add("both", [first, second], ["both"], np.array([[1] * 24, [2] * 24])))
    largest = made.add(MaxPool("largest", [requantised(made, "c", both)], ["largest"], (2, 2), (2, 2)))
    sums = convolution(made, "third", largest, 16, 4)
    scaled = made.add(Microscale("scaled", [sums], ["scaled"], 4, 3))
    made.finish(convolution(made, "last", scaled, 16, 4), scaled)
    return made
