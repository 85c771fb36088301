"""Networks for arrays: requantisers with factors of their own for each channel, and every operator."""

from __future__ import annotations

import numpy as np

from pyqkit.formats import parse
from pyqkit.graph.graph import to_integers
from pyqkit.graph.ops.add import Add
from pyqkit.graph.ops.layout import Concat, Pad, Permute, Reshape, Slice
from pyqkit.graph.ops.lookup import Lookup
from pyqkit.graph.ops.pool import MaxPool, SumPool
from pyqkit.graph.ops.requantise import Threshold
from pyqkit.graph.ops.transpose import Transpose
from tests.emulate.networks import Net


def requantised(
    net: Net,
    name: str,
    source: str,
    spread: float = 0.3,
    falling: bool = False,
    shift: float = 0.25,
    still: int = 0,
) -> str:
    """Thresholds of a factor and an offset for each channel, so that most codes occur.

    In the first `still` channels all sums give one code: the lowest or one in the middle, in turn.
    """
    tensor, fmt = net.graph.tensors[source], net.activations
    positions = np.array([float(boundary.position) for boundary in fmt.boundaries()])
    reach = max(1.0, to_integers(net.values[source], tensor.format).std())
    channels = tensor.shape[2]
    factors = 1.5 * reach / abs(positions).max() * np.exp(net.random.normal(0, spread, channels))
    offsets = net.random.normal(0, reach * shift, channels)
    table = np.ceil(factors[:, None] * positions + offsets[:, None])
    table = np.clip(table, tensor.low, tensor.high + 1).astype(np.int64)
    table[:still] = tensor.high + 1
    table[1:still:2, positions < 0] = tensor.low
    down = net.random.random(channels) < 0.3 if falling else np.zeros(channels, bool)
    return net.add(Threshold(name, [source], [name], fmt, table, down))


def everything(activations: str, weights: str, seed: int = 0) -> Net:
    """Convolutions of all kinds, a residual sum, pools, and operators that move codes."""
    net = Net(parse(activations), parse(weights), shape=(7, 6, 5), frames=4, seed=seed)
    a = requantised(net, "a", net.conv("first", "x", 9))
    strided = net.conv("strided", a, 9, stride=(2, 2), padding=(1, 1, 1, 1))
    b = requantised(net, "b", strided, falling=True)
    deep = requantised(net, "c", net.conv("depthwise", a, 9, groups=9))
    cut = net.add(Slice("cut", [deep], ["cut"], (0, 0), (2, 2), (4, 3)))
    factors = np.array([[1] * 9, [2] * 9])
    d = requantised(net, "d", net.add(Add("sum", [b, cut], ["sum"], factors)))
    permuted = net.add(Permute("permuted", [d], ["permuted"], [3, 1, 2, 0, 4, 8, 6, 7, 5]))
    joined = net.add(Concat("joined", [permuted, b], ["joined"]))
    grouped = net.conv("grouped", joined, 6, (1, 3), groups=3, padding=(0, 1, 0, 1))
    e = requantised(net, "e", grouped)
    largest = net.add(MaxPool("largest", [e], ["largest"], (2, 2), (1, 1), (1, 0, 0, 1)))
    whole = net.graph.tensors[largest].shape
    summed = net.add(SumPool("summed", [largest], ["summed"], whole[:2], (1, 1)))
    flat = net.add(Reshape("flat", [largest], ["flat"], (1, 1, int(np.prod(whole)))))
    dense = net.conv("dense", flat, 5, 1)
    net.finish(summed, dense, d, joined, e)
    return net


def unequal_branches(fmt: str) -> Net:
    """A residual sum of two tensors whose scales have a ratio of 29 bits."""
    net = Net(parse(fmt), parse(fmt), shape=(5, 4, 6), frames=4)
    a = requantised(net, "a", net.conv("conv", "x", 6), spread=0)
    factors = np.array([[15384775] * 6, [319225344] * 6])
    net.finish(requantised(net, "b", net.add(Add("sum", [a, "x"], ["sum"], factors)), spread=0, shift=0))
    return net


def unequal_sums(fmt: str, spread: float = 0.0, still: int = 0) -> Net:
    """Sums of a convolution and of codes, at scales whose ratio needs more bits than a multiplier has."""
    net = Net(parse(fmt), parse(fmt), shape=(5, 4, 6), frames=4)
    factors = np.array([[3564725385] * 6, [175921860444] * 6])
    net.add(Add("sum", [net.conv("conv", "x", 6), "x"], ["sum"], factors))
    net.finish(requantised(net, "b", "sum", spread, falling=spread > 0, still=still))
    return net


def moves(activations: str, weights: str) -> Net:
    """Operators that move codes and look them up, on tensors of other shapes."""
    net = Net(parse(activations), parse(weights), shape=(3, 5, 10), frames=4)
    wide = net.add(Pad("wide", ["x"], ["wide"], (1, 0, 2), (0, 2, 1)))
    tokens = net.add(Reshape("tokens", ["x"], ["tokens"], (1, 15, 10)))
    linear = requantised(net, "linear", net.conv("dense", tokens, 12, 1))
    turned = net.add(Transpose("turned", [wide], ["turned"], net.graph.tensors[wide].shape[0]))
    row = net.add(Slice("row", [linear], ["row"], (0, 1), (1, 3), (1, 4)))
    both = net.add(Concat("both", [row, linear], ["both"], 1))
    table = net.random.choice(net.activations.codes, (1, 2**net.activations.bits)).astype(np.int64)
    looked = net.add(Lookup("looked", [both], ["looked"], net.activations, table))
    net.finish(turned, looked, both, "linear", tokens)
    return net
