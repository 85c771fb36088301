"""Random small networks, from one seed, for the native kernels.

Strides, paddings, dilations, groups, offsets, widths, ends of ranges.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pyqkit.formats import Integer, NumberFormat, parse
from pyqkit.graph.ops.add import Add
from pyqkit.graph.ops.convolution import Convolution
from pyqkit.graph.ops.pool import MaxPool, SumPool
from pyqkit.graph.ops.requantise import Rescale
from tests.emulate.networks import Net

ACTIVATIONS = (
    "int8",
    "uint8",
    "int4",
    "uint1",
    "uint8z128",
    "int12",
    "int16",
    "e2m1",
    "e4m3",
    "e5m2",
    "lp4_0_3",
    "lp8_1_3",
)
WEIGHTS = ("int8", "int8narrow", "int4", "uint4", "int12", "odd2", "e2m1", "e4m3", "lp4_0_3", "lp8_1_3")
FITTING = 62  # bits of sums that a network may have


def networks(seed: int, count: int) -> Iterator[Net]:
    """Networks that differ in everything; the same for the same seed."""
    random, made = np.random.default_rng(seed), 0
    while made < count:
        net = _network(random)
        if net is not None:
            made += 1
            yield net


def _network(random: np.random.Generator) -> Net | None:
    """A convolution in some window.

    Half of the time another branch is added; then thresholds or a rescale, and a pool.
    """
    left, right = parse(str(random.choice(ACTIVATIONS))), parse(str(random.choice(WEIGHTS)))
    groups = int(random.choice([1, 1, 1, 2, 3]))
    channels = groups * int(random.integers(1, 20))
    outputs = channels if random.random() < 0.2 else groups * int(random.integers(1, 18))
    groups = channels if outputs == channels and random.random() < 0.4 else groups
    height, width = (int(n) for n in random.integers(1, 10, 2))
    net = Net(
        left,
        right,
        (height, width, channels),
        frames=int(random.integers(2, 4)),
        seed=int(random.integers(2**31)),
    )
    kernel, stride, dilation = (tuple(int(n) for n in random.integers(1, top, 2)) for top in (5, 4, 3))
    padding = (
        tuple(int(n) for n in random.integers(0, 4, 4))
        if left.has_zero and random.random() < 0.7
        else (0, 0, 0, 0)
    )
    dilation = dilation if random.random() < 0.2 else (1, 1)
    window = (height + padding[0] + padding[2], width + padding[1] + padding[3])
    if any((k - 1) * d + 1 > n for k, d, n in zip(kernel, dilation, window)):
        return None
    weights = random.choice(
        right.codes[[0, -1]] if random.random() < 0.2 else right.codes, (outputs, *kernel, channels // groups)
    )
    layer = Convolution("sums", ["x"], ["sums"], weights, right, stride, padding, dilation, groups)
    low, high = layer.bounds(net.graph.tensors["x"])
    if max(-min(low), max(high)).bit_length() > FITTING - 8:
        return None
    total = net.add(layer)
    if random.random() < 0.5:
        total = _joined(net, layer, total)
    result = _requantised(net, total)
    pools = [total, result]
    shape = net.graph.tensors[result].shape
    if random.random() < 0.4:
        size = tuple(int(random.integers(1, min(n, 3) + 1)) for n in shape[:2])
        step = tuple(int(n) for n in random.integers(1, 3, 2))
        border = tuple(int(random.integers(0, n)) for n in (*size, *size))
        pools += [net.add(MaxPool("largest", [result], ["largest"], size, step, border))]
        pools += [net.add(SumPool("total", [result], ["total"], size, step, (0, 0, 0, 0)))]
    net.finish(*(pools if random.random() < 0.5 else pools[1:]))
    return net


def _joined(net: Net, layer: Convolution, total: str) -> str:
    """The sum with a second convolution of the same window, in 32 bits or more."""
    second = Convolution("other", ["x"], ["other"], net.random.permutation(layer.weights), *(
        getattr(layer, name) for name in ("weight_format", "stride", "padding", "dilation", "groups")
    ))  # fmt: skip
    most = int(net.random.choice([2, 100]))
    factors = net.random.integers(-most, most + 1, (2, len(layer.weights)))
    return net.add(Add("join", [total, net.add(second)], ["join"], factors))


def _requantised(net: Net, total: str) -> str:
    kinds: list[NumberFormat] = [
        parse(name) for name in ("int4", "int8", "uint1", "e2m1", "e4m3", "lp4_0_3", "odd2")
    ]
    fmt = kinds[int(net.random.integers(len(kinds)))]
    tensor = net.graph.tensors[total]
    if net.random.random() < 0.6:
        return net.threshold("out", total, fmt)
    reach = max(abs(tensor.low), abs(tensor.high), 1)
    shift = int(net.random.integers(0, max(1, min(50, 60 - reach.bit_length()))))
    most = max(1, 2 ** min(20, 60 - reach.bit_length()))
    multiplier = net.random.integers(-most, most + 1, tensor.shape[2])
    offset = net.random.integers(-(2**shift), 2**shift + 1, tensor.shape[2])
    bits = int(net.random.choice([4, 8, 12, 16]))
    return net.add(
        Rescale(
            "out",
            [total],
            ["out"],
            Integer(bits),
            multiplier,
            offset,
            shift,
            relu=bool(net.random.random() < 0.5),
        )
    )
