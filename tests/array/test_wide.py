"""Codes of 9 to 16 bits are two tensors of 8: what the machine makes of them is what `Rescale` says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pyqkit.array import machine, report
from pyqkit.array.checks import check
from pyqkit.array.compiler import compile_graph
from pyqkit.formats import Integer, parse
from pyqkit.graph.graph import to_integers
from pyqkit.graph.ops.add import Add
from pyqkit.graph.ops.layout import Permute
from pyqkit.graph.ops.pool import MaxPool, SumPool
from pyqkit.graph.ops.requantise import Rescale
from tests.array.networks import requantised
from tests.array.running import agrees
from tests.emulate.networks import Net

INT8 = machine.named("int8x8")


def rescaled(net: Net, name: str, source: str, shift: int, fmt: str = "int16", relu: bool = False) -> str:
    """Factors of both signs by which most of a format's range occurs and some numbers saturate."""
    made, tensor = parse(fmt), net.graph.tensors[source]
    assert isinstance(made, Integer)
    channels = tensor.shape[2]
    reach = abs(to_integers(net.values[source], tensor.format)).max()
    factors = net.random.uniform(0.5, 2.5, channels) * net.random.choice([-1, 1], channels)
    multiplier = np.rint(factors * (made.high << shift) / reach).astype(np.int64)
    offset = net.random.integers(-(made.high << shift) // 8, (made.high << shift) // 8, channels)
    return net.add(Rescale(name, [source], [name], made, multiplier, offset, shift, relu))


def stream(array: machine.Machine, shift: int, fmt: str = "int16", relu: bool = False) -> Net:
    """A residual stream: branch and shortcut, channels that move, codes of few bits made of the sum."""
    activations, weights = ("uint4", "int4") if array.family == "integer" else ("lp4_1_2", "lp4_0_3")
    net = Net(parse(activations), parse(weights), shape=(4, 5, 6), frames=4)
    a = rescaled(net, "a", net.conv("first", "x", 10), shift, fmt, relu)
    b = rescaled(net, "b", net.conv("second", "x", 10, groups=2), shift, fmt)
    turned = net.add(Permute("turned", [a], ["turned"], [*range(5, 10), *range(5)]))
    whole = net.add(Add("whole", [turned, b], ["whole"], np.ones((2, 10), np.int64)))
    ones, zeros = np.ones(10, np.int64), np.zeros(10, np.int64)
    made = parse(fmt)
    c = net.add(Rescale("c", [whole], ["c"], made, ones, zeros, 0, relu))  # type: ignore[arg-type]
    pooled = net.add(SumPool("pooled", [c], ["pooled"], (4, 5), (1, 1)))
    few = requantised(net, "few", c)
    net.finish(net.conv("last", few, 5), c, pooled)
    return net


@pytest.mark.parametrize(
    "shift, fmt, relu",
    [(0, "int16", False), (1, "int16", True), (2, "int9", False), (9, "uint16", False), (3, "int13", True)],
)
def test_a_residual_stream(shift: int, fmt: str, relu: bool) -> None:
    """Ties, both ends of the range; all of it in one transfer."""
    net = stream(INT8, shift, fmt, relu)
    made = parse(fmt)
    found = to_integers(net.values["a"], made)
    assert made.maximum in (found.max(), -found.min() - 1) and len(np.unique(found)) > 60
    program = compile_graph(net.graph, INT8)
    check(program)
    assert len(program.steps) == 1
    agrees(net, program)


def test_ties_go_to_the_even_result() -> None:
    """Every sum is half way between two results."""
    net = Net(parse("uint8"), parse("int8"), shape=(4, 4, 3))
    ones = np.ones(3, np.int64)
    net.finish(net.add(Rescale("y", ["x"], ["y"], Integer(12, True), 8 * ones, 4 * ones - 512, 3)))
    results = to_integers(net.values["y"], Integer(12, True))
    assert not (results % 2).any() and (results < 0).any() and (results > 0).any()
    agrees(net, compile_graph(net.graph, INT8))


def test_both_halves_leave_and_come_again() -> None:
    """A memory that does not hold them all."""
    net = stream(INT8, 4)
    program = compile_graph(net.graph, replace(INT8, activation_words=120))
    assert len(program.segments) > 2
    agrees(net, program)


def test_the_host_does_it_for_logarithms() -> None:
    net = stream(machine.named("lpa8x8"), 4)
    program = compile_graph(net.graph, machine.named("lpa8x8"))
    assert len(report.report(program).host) >= 1
    agrees(net, program)


def test_the_host_does_what_takes_codes_of_one_slot() -> None:
    net = Net(parse("int4"), parse("int4"), shape=(5, 5, 6))
    wide = rescaled(net, "a", net.conv("first", "x", 6), 4)
    net.finish(net.add(MaxPool("largest", [wide], ["largest"], (2, 2), (2, 2), (0, 0, 0, 0))))
    program = compile_graph(net.graph, INT8)
    assert [step.layers for step in report.report(program).host] == [("largest",)]
    agrees(net, program)
