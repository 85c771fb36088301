"""Graphs that exercise every operator, and codes that sit where mistakes show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyqkit.formats import Integer, NumberFormat, parse
from pyqkit.graph.graph import Graph, Operator, Port, Tensor, to_integers
from pyqkit.graph.ops.add import Add
from pyqkit.graph.ops.convolution import Convolution
from pyqkit.graph.ops.layer_norm import LayerNorm
from pyqkit.graph.ops.layout import Concat, Pad, Permute, Reshape, Slice
from pyqkit.graph.ops.lookup import Lookup
from pyqkit.graph.ops.matrix_product import MatrixProduct
from pyqkit.graph.ops.pixel_offset import PixelOffset
from pyqkit.graph.ops.pixel_scale import PixelScale
from pyqkit.graph.ops.pool import MaxPool, SumPool
from pyqkit.graph.ops.product import Product
from pyqkit.graph.ops.requantise import Rescale, Threshold
from pyqkit.graph.ops.resize import Resize
from pyqkit.graph.ops.softmax import Softmax
from pyqkit.graph.ops.transpose import Transpose


@dataclass
class Net:
    """A graph under construction with codes for its input."""

    activations: NumberFormat
    weights: NumberFormat
    shape: tuple[int, int, int] = (6, 5, 4)
    frames: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.seed)
        self.graph = Graph("test")
        tensor = Tensor.of("x", self.shape, self.activations)
        self.graph.tensors["x"] = tensor
        self.graph.inputs = [port("x", tensor)]
        codes = self.random.choice(self.activations.codes, (self.frames, *self.shape))
        # Both ends of the range, borders included.
        codes[0], codes[1] = (self.activations.codes[0], self.activations.codes[-1])
        self.codes = {"x": codes}
        self.values = dict(self.codes)

    def add(self, op: Operator) -> str:
        """Append an operator and run its definition."""
        self.graph.add(op)
        (self.values[op.outputs[0]],) = op.execute(
            [self.values[n] for n in op.inputs], self.graph.input_tensors(op)
        )
        return op.outputs[0]

    def conv(
        self,
        name: str,
        source: str,
        outputs: int,
        kernel: int | tuple[int, int] = 3,
        groups: int = 1,
        **parameters: object,
    ) -> str:
        """A convolution with random weight codes, padded to keep the size unless told otherwise."""
        kernel = (kernel, kernel) if isinstance(kernel, int) else kernel
        channels = self.graph.tensors[source].shape[2]
        weights = self.random.choice(self.weights.codes, (outputs, *kernel, channels // groups))
        parameters.setdefault("padding", (kernel[0] // 2, kernel[1] // 2, kernel[0] // 2, kernel[1] // 2))
        return self.add(
            Convolution(name, [source], [name], weights, self.weights, groups=groups, **parameters)
        )  # type: ignore[arg-type]

    def threshold(self, name: str, source: str, fmt: NumberFormat | None = None, falling: bool = True) -> str:
        """Thresholds taken from sums that occur, and one more or less, so that comparisons at equality decide
        codes.
        """
        fmt = fmt or self.activations
        tensor = self.graph.tensors[source]
        integers = to_integers(self.values[source], tensor.format)
        steps = len(fmt.codes) - 1
        table = np.empty((tensor.shape[2], steps), np.int64)
        for channel in range(tensor.shape[2]):
            occurring = self.random.choice(integers[..., channel].ravel(), steps) + self.random.integers(
                -1, 2, steps
            )
            table[channel] = np.sort(np.clip(occurring, tensor.low, tensor.high + 1))
        if steps > 3:
            # A step always passed and one never passed.
            table[0, 0], table[0, -1] = (tensor.low, tensor.high + 1)
        down = self.random.random(tensor.shape[2]) < 0.4 if falling else np.zeros(tensor.shape[2], bool)
        return self.add(Threshold(name, [source], [name], fmt, table, down))

    def finish(self, *names: str) -> Graph:
        """Declare outputs."""
        self.graph.outputs = [port(name, self.graph.tensors[name]) for name in names]
        return self.graph


def port(name: str, tensor: Tensor) -> Port:
    """A port without scale."""
    height, width, channels = tensor.shape
    order = np.arange(height * width * channels).reshape(tensor.shape).transpose(2, 0, 1)
    return Port(name, name, (channels, height, width), order, np.ones(channels), np.zeros(channels))


def everything(activations: str, weights: str | None = None) -> Net:
    """One graph with every operator, in one pair of formats."""
    net = Net(parse(activations), parse(weights or activations))
    x = net.threshold("a", net.conv("conv", "x", 8))
    shortcut = net.add(Slice("cut", [x], ["cut"], (0, 1), (2, 2), (3, 2)))
    shortcut = net.add(Pad("wide", [shortcut], ["wide"], (0, 0, 1), (0, 1, 3)))
    main = net.conv("strided", x, 12, 3, stride=(2, 2), padding=(0, 1, 1, 1))
    total = net.add(Add("sum", [main, shortcut], ["sum"], net.random.integers(-3, 4, (2, 12))))
    y = net.threshold("b", total)
    left = net.add(Permute("left", [y], ["left"], [3, 1, 0, 2, 5, 4]))
    right = net.add(Permute("right", [y], ["right"], [11, 6, 7, 9, 8, 10]))
    right = net.threshold("c", net.conv("depthwise", right, 6, groups=6))
    joined = net.add(Concat("joined", [left, right], ["joined"]))
    grouped = net.conv("grouped", joined, 6, (1, 3), groups=3, dilation=(1, 1), padding=(0, 1, 0, 1))
    pooled = net.add(
        MaxPool("largest", [net.threshold("d", grouped)], ["largest"], (2, 2), (1, 1), (1, 0, 0, 1))
    )
    average = net.add(SumPool("average", [pooled], ["average"], (2, 1), (1, 1), (0, 0, 0, 0)))
    everywhere = net.add(
        SumPool("everywhere", [pooled], ["everywhere"], net.graph.tensors[pooled].shape[:2], (1, 1))
    )
    flat = net.add(Reshape("flat", [pooled], ["flat"], (1, 1, int(np.prod(net.graph.tensors[pooled].shape)))))
    dense = net.conv("dense", flat, 5, 1)
    low, high = net.graph.tensors[dense].low, net.graph.tensors[dense].high
    shift = max(0, min(20, (62 - max(-low, high).bit_length())) - 12)
    multiplier = net.random.integers(-(2**10), 2**10, 5)
    wide = net.add(
        Rescale("wider", [dense], ["wider"], Integer(12), multiplier, np.arange(5), min(shift, 20))
    )
    rows, columns = net.graph.tensors[pooled].shape[:2]
    turned = net.add(Transpose("turned", [pooled], ["turned"], rows))
    larger = net.add(Resize("larger", [turned], ["larger"], [2] + [0] * (columns - 1), [1, 0, 2][:rows]))
    factors = np.arange(1, net.graph.tensors[larger].pixels + 1).reshape(net.graph.tensors[larger].shape[:2])
    counted = net.add(PixelScale("counted", [larger], ["counted"], factors))
    shape, draw = net.graph.tensors[counted].shape, np.random.default_rng(1)
    steps, offsets = draw.integers(-3, 4, shape[2]), draw.integers(-500, 500, shape)
    placed = net.add(PixelOffset("placed", [counted], ["placed"], steps, offsets))
    codes = net.random.integers(0, 16, (6, 2**net.activations.bits))
    looked = net.add(Lookup("looked", [right], ["looked"], Integer(4), codes))
    gated = net.add(Product("gated", [left, looked], ["gated"]))
    scores = net.add(MatrixProduct("scores", [left, looked], ["scores"], 2))
    shares = net.threshold("e", scores)
    contexts = net.add(MatrixProduct("contexts", [shares, looked], ["contexts"], 2, True))
    entries, powers = draw.integers(1, 2**30, 2**net.activations.bits), draw.integers(-9, 9, codes.shape[1])
    chances = net.add(Softmax("chances", [shares], ["chances"], Integer(4), entries, powers, 2, 15, 2))
    (gains, offsets), fractions = draw.integers(-9, 10, (2, 6)), draw.integers(1, 4, (2, 6))
    normed = net.add(
        LayerNorm(
            "normed", [looked], ["normed"], Integer(4), gains, fractions[0], offsets, fractions[1], 7, 3
        )
    )
    net.finish(average, everywhere, dense, wide, "b", counted, placed, gated, contexts, chances, normed)
    return net


def statistics(net: Net) -> str:
    """What a bit-exact claim has seen.

    Outputs at the ends of their format, sums on a threshold, distinct codes.
    """
    ends = ties = 0
    seen: set[int] = set()
    for op in net.graph.operators:
        if isinstance(op, Threshold):
            codes = net.values[op.outputs[0]]
            sums = to_integers(net.values[op.inputs[0]], net.graph.tensors[op.inputs[0]].format)
            ends += int(((codes == op.format.codes[0]) | (codes == op.format.codes[-1])).sum())
            ties += sum(int(np.isin(sums[..., c], row).sum()) for c, row in enumerate(op.thresholds))
            seen |= set(np.unique(codes).tolist())
    return f"{ends} outputs saturated, {ties} sums on a threshold, {len(seen)} distinct codes"
