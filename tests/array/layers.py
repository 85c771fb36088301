"""Layers that are drawn at random: convolutions, pools and sums of any size, stride, padding and grouping."""

from __future__ import annotations

import numpy as np

from pyqkit.formats import parse
from pyqkit.graph.ops.add import Add
from pyqkit.graph.ops.pool import MaxPool, SumPool
from tests.array.networks import requantised
from tests.emulate.networks import Net

FORMATS = {
    "lp": [("lp8_1_2", "lp4_0_3"), ("lp4_1_2", "lp2_0_1"), ("lp5_0_2", "lp5_0_2")],
    "integer": [("int4", "int4"), ("uint8", "int8"), ("int2", "int4"), ("e1m2", "e2m1")],
}


def layer(family: str, seed: int) -> Net:
    """A layer of random codes, whose results are quantised."""
    random = np.random.default_rng(seed)
    kind = random.choice(["conv", "conv", "depthwise", "sum", "largest", "add"])
    formats = FORMATS[family][seed % len(FORMATS[family])]
    shape = tuple(int(n) for n in random.integers((3, 3, 1), (9, 9, 20)))
    net = Net(*map(parse, formats), shape=shape, frames=2, seed=seed)  # type: ignore[arg-type]
    kernel = int(random.integers(1, 4)), int(random.integers(1, 4))
    stride = int(random.integers(1, 3)), int(random.integers(1, 3))
    sides = tuple(int(n) for n in random.integers(0, 2, 4))
    if kind == "largest":
        net.finish(net.add(MaxPool("y", ["x"], ["y"], kernel, stride, (0, 0, 0, 0))))
        return net
    if kind == "sum":
        sums = net.add(SumPool("sums", ["x"], ["sums"], kernel, stride))
    elif kind == "add":
        side = requantised(net, "side", net.conv("conv", "x", shape[2], kernel[0] | 1))
        sums = net.add(Add("sums", [side, "x"], ["sums"], np.array([[1] * shape[2], [2] * shape[2]])))
    else:
        groups = shape[2] if kind == "depthwise" else 1
        outputs = groups if groups > 1 else int(random.integers(1, 20))
        sums = net.conv("sums", "x", outputs, kernel, groups=groups, stride=stride, padding=sides)
    net.finish(requantised(net, "y", sums))
    return net
