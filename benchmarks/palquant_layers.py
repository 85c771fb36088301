"""Layers of PalQuant's ResNets by shape, as graphs with random weights: cycles depend on shapes alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyqkit.array.machine import named
from pyqkit.formats import Integer, NumberFormat, parse
from pyqkit.formats.port import Port
from pyqkit.graph.graph import Graph, Tensor
from pyqkit.graph.ops.add import Add
from pyqkit.graph.ops.convolution import Convolution
from pyqkit.graph.ops.requantise import Rescale, Threshold

STREAM = Integer(16, signed=True)
BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
CLASSES = 1000
SMALL_MACHINE = named("int8x8")


@dataclass(frozen=True)
class Layer:
    """Convolutions of one shape.

    Attributes
    ----------
    kind : str
        ``stem``, ``head``, ``first`` or ``second`` of a block, ``shortcut`` or ``shuffle``.
    size : int
        Rows and columns of its results.
    inputs, outputs : int
        Channels of a group.
    kernel, stride : int
    count : int
        In the network.
    """

    kind: str
    size: int
    inputs: int
    outputs: int
    kernel: int = 3
    stride: int = 1
    count: int = 1

    @property
    def read(self) -> int:
        """Rows and columns of what it reads."""
        return self.size * self.stride

    @property
    def end(self) -> bool:
        """Whether it is the first or the last one, which have no groups."""
        return self.kind in ("stem", "head")

    @property
    def products(self) -> int:
        """Of a group."""
        return self.size**2 * self.kernel**2 * self.inputs * self.outputs


def resnet(depth: int, groups: int, size: int = 56) -> list[Layer]:
    """Of ResNet-18 or ResNet-34; the first stage has `size` rows and columns, 56 on ImageNet."""
    found = [Layer("stem", 2 * size, 3, 64 * groups, 7, 2)]
    width = 64
    for stage, blocks in enumerate(BLOCKS[depth]):
        if stage:
            if groups > 1:
                found.append(Layer("shuffle", size, width, width, 1))
            size, width = -(-size // 2), 2 * width
            found.append(Layer("first", size, width // 2, width, 3, 2))
            found.append(Layer("shortcut", size, width // 2, width, 1, 2))
        found.append(Layer("first", size, width, width, count=blocks - (stage > 0)))
        found.append(Layer("second", size, width, width, count=blocks))
    return [*found, Layer("head", 1, width * groups, CLASSES, 1)]


# Small enough to be simulated: a name, a layer, bits of weights and activations, groups.
SMALL = tuple(
    (name, Layer("first", size, width, width), bits, groups)
    for name, size, width, arms in (
        ("ResNet-18, stage 1", 7, 64, ((4, 1), (2, 2))),
        ("ResNet-18, stage 2", 4, 128, ((4, 1), (2, 2), (2, 3))),
        ("ResNet-18, stage 3", 2, 256, ((4, 1), (2, 2))),
        ("ResNet-20, stage 1", 32, 16, ((4, 1), (2, 2))),
        ("ResNet-20, stage 2", 16, 32, ((4, 1), (2, 2))),
        ("ResNet-20, stage 3", 8, 64, ((4, 1), (2, 2))),
    )
    for bits, groups in arms
)


class Passes:
    """A layer with what can come behind it, as a graph.

    Parameters
    ----------
    layer : Layer
    bits : int
        Of weights and activations.
    outputs : int
        Channels of the result.
    groups : int
    """

    def __init__(self, layer: Layer, bits: int, outputs: int, groups: int = 1) -> None:
        self.graph, self._random = Graph(layer.kind), np.random.default_rng(0)
        acts = parse(f"uint{bits}")
        weights = parse(f"{'int' if layer.end else 'odd'}{bits}")
        assert isinstance(acts, NumberFormat) and isinstance(weights, NumberFormat)
        self._acts = acts
        self._input("x", (layer.read, layer.read, layer.inputs * groups), acts)
        drawn = self._random.choice(weights.codes, (outputs, layer.kernel, layer.kernel, layer.inputs))
        side = layer.kernel // 2
        padding = (side, side, side - layer.stride + 1, side - layer.stride + 1)
        self.graph.add(
            Convolution(
                "sums",
                ["x"],
                ["sums"],
                drawn,
                weights,
                groups=groups,
                stride=(layer.stride,) * 2,
                padding=tuple(max(0, one) for one in padding),  # type: ignore[arg-type]
            )
        )

    def alone(self) -> Graph:
        """The layer with codes behind it; the last one with its sums."""
        last = "sums" if self.graph.name == "head" else self._codes("codes", "sums")
        return self._given(last)

    def with_stream(self) -> Graph:
        """Besides, as a branch of a residual stream: its sum with a shortcut, and codes of that."""
        codes = self._codes("codes", "sums")
        branch = self._wide("branch", "sums")
        shape = self.graph.tensors[branch].shape
        self._input("shortcut", shape, Integer(8, signed=False))
        side = self._wide("side", "shortcut")
        self.graph.add(Add("add", [branch, side], ["add"], np.ones((2, shape[2]), np.int64)))
        return self._given(codes, self._codes("threshold", self._wide("sum", "add")))

    def _input(self, name: str, shape: tuple[int, int, int], fmt: NumberFormat) -> None:
        self.graph.tensors[name] = Tensor.of(name, shape, fmt)
        self.graph.inputs.append(_port(self.graph.tensors[name]))

    def _given(self, *names: str) -> Graph:
        self.graph.outputs = [_port(self.graph.tensors[name]) for name in names]
        return self.graph

    def _codes(self, name: str, source: str) -> str:
        """Boundaries over an eighth of the range, the same for all channels."""
        tensor, steps = self.graph.tensors[source], len(self._acts.codes) - 1
        row = np.rint(np.arange(1, steps + 1) * (tensor.high / 8 / steps)).astype(np.int64)
        table = np.tile(row, (tensor.shape[2], 1))
        self.graph.add(Threshold(name, [source], [name], self._acts, table, np.zeros(tensor.shape[2], bool)))
        return name

    def _wide(self, name: str, source: str) -> str:
        """Channels have factors of their own."""
        channels, shift = self.graph.tensors[source].shape[2], 4
        factors = self._random.integers(1, 2**11, channels)
        zeros = np.zeros(channels, np.int64)
        self.graph.add(Rescale(name, [source], [name], STREAM, factors, zeros, shift))
        return name


def _port(tensor: Tensor) -> Port:
    height, width, channels = tensor.shape
    order = np.arange(height * width * channels).reshape(tensor.shape).transpose(2, 0, 1)
    shape = channels, height, width
    return Port(tensor.name, tensor.name, shape, order, np.ones(channels), np.zeros(channels))
