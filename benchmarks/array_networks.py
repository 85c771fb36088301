"""Networks for arrays with ResNet's shapes and random weights: cycles depend on shapes and formats alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pyqkit.formats import NumberFormat, parse
from pyqkit.formats.port import Port
from pyqkit.graph.graph import Graph, Tensor
from pyqkit.graph.ops.add import Add
from pyqkit.graph.ops.convolution import Convolution
from pyqkit.graph.ops.layout import Pad, Slice
from pyqkit.graph.ops.pool import SumPool
from pyqkit.graph.ops.requantise import Threshold


class _Network:
    """A graph under construction; formats of activations come in turn."""

    def __init__(self, activations: Sequence[str], seed: int) -> None:
        self.random, self.graph = np.random.default_rng(seed), Graph("resnet20")
        self._formats, self._count = [_format(name) for name in activations], 0

    def input(self, shape: tuple[int, int, int], given: str) -> str:
        fmt = _format(given) if given else self._formats[0]
        tensor = self.graph.tensors["x"] = Tensor.of("x", shape, fmt)
        self.graph.inputs = [_port(tensor)]
        return "x"

    def conv(self, source: str, outputs: int, weights: str, kernel: int = 3, stride: int = 1) -> str:
        fmt, channels = _format(weights), self.graph.tensors[source].shape[2]
        codes = self.random.choice(fmt.codes, (outputs, kernel, kernel, channels))
        name, side = self._name("conv"), kernel // 2
        window = {"stride": (stride, stride), "padding": (side,) * 4}
        self.graph.add(Convolution(name, [source], [name], codes, fmt, **window))  # type: ignore[arg-type]
        return name

    def quantised(self, source: str) -> str:
        """One factor for all channels, so that sums of an eighth of their range use all codes."""
        tensor, fmt = self.graph.tensors[source], self._formats[self._count % len(self._formats)]
        positions = np.array([float(boundary.position) for boundary in fmt.boundaries()])
        factor = max(-tensor.low, tensor.high) / 8 / abs(positions).max()
        row = np.clip(np.ceil(factor * positions), tensor.low, tensor.high + 1).astype(np.int64)
        name, channels = self._name("codes"), tensor.shape[2]
        self.graph.add(
            Threshold(name, [source], [name], fmt, np.tile(row, (channels, 1)), np.zeros(channels, bool))
        )
        return name

    def halved(self, source: str, channels: int) -> str:
        """Every other pixel, and more channels that are zero."""
        height, width, had = self.graph.tensors[source].shape
        cut, wide, more = self._name("slice"), self._name("pad"), (channels - had) // 2
        self.graph.add(Slice(cut, [source], [cut], (0, 0), (2, 2), (height // 2, width // 2)))
        self.graph.add(Pad(wide, [cut], [wide], (0, 0, more), (0, 0, more)))
        return wide

    def sum(self, left: str, right: str) -> str:
        name, channels = self._name("add"), self.graph.tensors[left].shape[2]
        factors = np.array([[1] * channels, [4] * channels])
        self.graph.add(Add(name, [left, right], [name], factors))
        return name

    def pooled(self, source: str) -> str:
        name = self._name("pool")
        self.graph.add(SumPool(name, [source], [name], self.graph.tensors[source].shape[:2], (1, 1)))
        return name

    def _name(self, kind: str) -> str:
        self._count += 1
        return f"{kind}{self._count}"


def resnet20(
    weights: Sequence[str],
    activations: Sequence[str],
    blocks: int = 3,
    size: int = 32,
    seed: int = 0,
    given: str = "",
) -> Graph:
    """ResNet for CIFAR-10, shortcuts without weights.

    `weights` of the first layer and of the others; the input has the format `given`, by default the first one
    of `activations`.
    """
    net = _Network(activations, seed)
    here = net.quantised(net.conv(net.input((size, size, 3), given), 16, weights[0]))
    for stage in range(3):
        channels = 16 << stage
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            made = net.quantised(net.conv(here, channels, weights[1], stride=stride))
            side = net.halved(here, channels) if stride == 2 else here
            here = net.quantised(net.sum(net.conv(made, channels, weights[1]), side))
    last = net.conv(net.quantised(net.pooled(here)), 10, weights[1], kernel=1)
    net.graph.outputs = [_port(net.graph.tensors[last])]
    return net.graph


def _format(name: str) -> NumberFormat:
    fmt = parse(name)
    assert isinstance(fmt, NumberFormat)
    return fmt


def _port(tensor: Tensor) -> Port:
    height, width, channels = tensor.shape
    order = np.arange(height * width * channels).reshape(tensor.shape).transpose(2, 0, 1)
    shape = channels, height, width
    return Port(tensor.name, tensor.name, shape, order, np.ones(channels), np.zeros(channels))
