"""Networks of known shapes with random weights, built straight from dataflow operators."""

from __future__ import annotations

import itertools

import numpy as np

from pyqkit.formats import NumberFormat, parse
from pyqkit.graph.graph import Graph, Port, Tensor, to_integers
from pyqkit.graph.ops.add import Add
from pyqkit.graph.ops.convolution import Convolution, ConvolutionFolding
from pyqkit.graph.ops.layout import Pad, Slice
from pyqkit.graph.ops.pool import SumPool
from pyqkit.graph.ops.requantise import Threshold

WEIGHT_SEED, CODE_SEED = 0, 1
PE, SIMD = 16, 32  # at most; `folding` takes the largest divisors of each layer


class Network:
    """A graph under construction; every operator is run on a few random frames, so that thresholds spread the
    codes.

    Parameters
    ----------
    name : str
        Of the graph.
    fmt : NumberFormat
        Of activations, and of weights unless told otherwise.
    shape : tuple of int
        (height, width, channels) of a frame.
    """

    def __init__(
        self, name: str, fmt: NumberFormat, shape: tuple[int, int, int], seed: int = WEIGHT_SEED
    ) -> None:
        self.random = np.random.default_rng(seed)
        self.format = fmt
        self.graph = Graph(name)
        first = Tensor.of("x", shape, fmt)
        self.graph.tensors["x"] = first
        height, width, channels = shape
        order = np.arange(height * width * channels).reshape(channels, height, width)
        self.graph.inputs = [Port("x", "x", order.shape, order, np.ones(1), np.zeros(1))]
        self.sample = {"x": self.codes(2, first)}
        self.values = dict(self.sample)

    def codes(self, frames: int, tensor: Tensor, seed: int = CODE_SEED) -> np.ndarray:
        """Random codes for a tensor."""
        return np.random.default_rng(seed).choice(tensor.format.codes, (frames, *tensor.shape))

    def emit(self, op: object) -> str:
        """Add an operator and run it on the calibration sample."""
        (tensor,) = self.graph.add(op)  # type: ignore[arg-type]
        inputs = [self.values[name] for name in op.inputs]  # type: ignore[attr-defined]
        (self.values[tensor.name],) = op.execute(inputs, self.graph.input_tensors(op))  # type: ignore[attr-defined]
        return tensor.name

    def conv(
        self,
        name: str,
        source: str,
        outputs: int,
        stride: int = 1,
        kernel: int = 3,
        groups: int = 1,
        weights: NumberFormat | None = None,
    ) -> str:
        """A convolution with random weights, padded to keep its size."""
        fmt, pad = weights or self.format, kernel // 2
        shape = (outputs, kernel, kernel, self.graph.tensors[source].shape[2] // groups)
        codes = fmt.encode(self.random.normal(0, fmt.maximum / 3, shape))
        return self.emit(
            Convolution(name, [source], [name], codes, fmt, (stride, stride), (pad,) * 4, groups=groups)
        )

    def quantised(self, source: str, relu: bool = True, fmt: NumberFormat | None = None) -> str:
        """Thresholds at the sample's quantiles, so that every code of the format occurs."""
        tensor, fmt = self.graph.tensors[source], fmt or self.format
        integers = to_integers(self.values[source], tensor.format)
        positive = [v for v in fmt.values if v >= 0] if relu else list(fmt.values)
        hidden = len(fmt.values) - len(positive)
        table = []
        for channel in range(tensor.shape[2]):
            spread = max(float(np.abs(integers[..., channel]).std()) * 3, 1.0)
            middles = [(a + b) / 2 / positive[-1] * spread for a, b in itertools.pairwise(positive)]
            table.append(
                [tensor.low] * hidden
                + [int(np.clip(np.ceil(m), tensor.low, tensor.high + 1)) for m in middles]
            )
        name = f"{source}_q"
        return self.emit(
            Threshold(name, [source], [name], fmt, np.array(table, np.int64), np.zeros(tensor.shape[2], bool))
        )

    def finish(self, *names: str) -> Graph:
        """Declare the outputs."""
        for name in names:
            height, width, channels = self.graph.tensors[name].shape
            order = np.arange(height * width * channels).reshape(channels, height, width)
            self.graph.outputs.append(Port(name, f"{name}_out", order.shape, order, np.ones(1), np.zeros(1)))
        return self.graph


class ResNet(Network):
    """ResNet-20 for 32x32 images in one format (first and last layer too), calibrated so that codes are
    spread.

    Parameters
    ----------
    name : str
        Format of weights and activations.
    blocks : int
        Residual blocks a stage.
    """

    def __init__(self, name: str, blocks: int = 3, seed: int = WEIGHT_SEED, size: int = 32) -> None:
        super().__init__(f"resnet_{name}", parse(name), (size, size, 3), seed)
        x = self.quantised(self.conv("stem", "x", 16))
        for stage, channels in enumerate((16, 32, 64)):
            for block in range(blocks):
                x = self.block(f"s{stage}b{block}", x, channels, 2 if stage and not block else 1)
        x = self.emit(SumPool("pool", [x], ["pool"], (size // 4, size // 4), (1, 1)))
        x = self.conv("fc", self.quantised(x), 10, kernel=1)
        self.graph.outputs = [Port(x, "y", (10,), np.arange(10), np.ones(10), np.zeros(10))]

    def block(self, name: str, x: str, channels: int, stride: int) -> str:
        """A residual block with a parameter-free shortcut."""
        y = self.conv(f"{name}_1", x, channels, stride)
        y = self.conv(f"{name}_2", self.quantised(y), channels)
        y = self.quantised(y, relu=False)
        if stride > 1:
            height, width, old = self.graph.tensors[x].shape
            x = self.emit(
                Slice(f"{name}_slice", [x], [f"{name}_slice"], (0, 0), (2, 2), (height // 2, width // 2))
            )
            front = (channels - old) // 2
            x = self.emit(
                Pad(f"{name}_pad", [x], [f"{name}_pad"], (0, 0, front), (0, 0, channels - old - front))
            )
        total = self.emit(Add(f"{name}_sum", [y, x], [f"{name}_sum"], np.ones((2, channels), np.int64)))
        return self.quantised(total)


def macs(graph: Graph) -> int:
    """Multiply-accumulates of a frame."""
    return sum(op.macs(graph.input_tensors(op)) for op in graph.operators)


def folding(graph: Graph) -> dict[str, ConvolutionFolding]:
    """The largest foldings within the limits."""
    found = {}
    for op in graph.operators:
        if isinstance(op, Convolution):
            outputs, inputs = len(op.weights) // op.groups, op.weights.shape[3]
            largest = [
                max(n for n in range(1, limit + 1) if total % n == 0)
                for limit, total in ((PE, outputs), (SIMD, inputs))
            ]
            found[op.name] = ConvolutionFolding(*largest)
    return found
