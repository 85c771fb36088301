"""Networks whose tensors do not fit, and operators that a machine lacks: several segments, host between."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pyqkit.array import file, machine, report
from pyqkit.array.checks import check
from pyqkit.array.compiler import compile_graph
from pyqkit.array.host import HostStep
from pyqkit.array.isa import ProgramError
from pyqkit.errors import UserError
from pyqkit.formats import parse
from pyqkit.graph.ops.pixel_scale import PixelScale
from pyqkit.graph.ops.resize import Resize
from tests.array.networks import everything, moves, requantised
from tests.array.running import agrees
from tests.emulate.networks import Net

INT8 = replace(machine.named("int8x8"), program_words=4096, parameter_words=2048)
LPA = machine.named("lpa8x8")
SIZES = 8192, 110, 80, 50  # words of activations; a tensor of `everything` has 42 to 84


def hosted(weights: str = "int4") -> Net:
    """A network in which the array lacks three operators: two behind one another, one of sums."""
    net = Net(parse("int4"), parse(weights), shape=(4, 5, 6), frames=3)
    a = requantised(net, "a", net.conv("first", "x", 7))
    larger = net.add(Resize("larger", [a], ["larger"], [1, 2, 0, 1], [2] * 5))
    largest = net.add(Resize("largest", [larger], ["largest"], [1] * 4, [1, 3] * 5))
    b = requantised(net, "b", net.conv("second", largest, 5, stride=(1, 4)))
    factors = np.arange(1, 1 + 4 * 5, dtype=np.int64).reshape(4, 5)
    scaled = net.add(PixelScale("scaled", [net.conv("third", a, 5)], ["scaled"], factors))
    c = requantised(net, "c", scaled)
    net.finish(b, net.conv("fourth", c, 4), larger)
    return net


@pytest.mark.parametrize("words", SIZES)
def test_four_sizes_of_the_activation_memory(words: int, tmp_path: Path) -> None:
    net = everything("int4", "int4")
    program = compile_graph(net.graph, replace(INT8, activation_words=words))
    check(program)
    count = len(program.segments)
    assert count == 1 if words == SIZES[0] else count > 3
    agrees(net, program)
    file.save(program, tmp_path / "net.zip")
    agrees(net, file.load(tmp_path / "net.zip"))
    found = report.report(program)
    products = sum(op.macs(net.graph.input_tensors(op)) for op in net.graph.operators)
    assert found.segments == count
    assert sum(layer.macs for layer in found.layers) == pytest.approx(products, abs=count)
    assert found.frame_bytes[0] >= 7 * 6 * 8


def test_smaller_memories_take_more_segments() -> None:
    net = everything("lp4_1_2", "lp4_0_3")
    counts = []
    for words in SIZES:
        program = compile_graph(net.graph, replace(LPA, activation_words=words, program_words=2048))
        counts.append(len(program.segments))
        agrees(net, program)
    assert counts == sorted(counts) and counts[-1] > counts[1]


def test_weights_that_come_with_every_segment() -> None:
    net = everything("int4", "int4")
    program = compile_graph(net.graph, replace(INT8, activation_words=80, weight_words=64))
    check(program)
    assert all(segment.streamed for segment in program.segments if len(segment.inputs) > 1)
    agrees(net, program)


def test_moved_codes_in_strips() -> None:
    net = moves("int4", "int4")
    program = compile_graph(net.graph, replace(INT8, activation_words=70))
    check(program)
    agrees(net, program)


def test_a_row_that_does_not_fit() -> None:
    with pytest.raises(UserError, match=r"at most 8 words at a time were .* but a row of \w+ needs more"):
        compile_graph(everything("int4", "int4").graph, replace(INT8, activation_words=8))


def test_the_host_does_what_the_array_lacks(tmp_path: Path) -> None:
    net = hosted()
    program = compile_graph(net.graph, INT8)
    check(program)
    steps = [step.layers for step in program.steps if isinstance(step, HostStep)]
    assert steps == [("larger", "largest", "scaled", "c")]  # c: no slot holds the sums that the host has made
    agrees(net, program)
    file.save(program, tmp_path / "net.zip")
    agrees(net, file.load(tmp_path / "net.zip"))
    found = report.report(program)
    assert [step.layers for step in found.host] == steps
    assert 0 < found.host_share < 1


def test_nothing_for_the_array() -> None:
    net = Net(parse("int4"), parse("int4"))
    net.finish(net.add(Resize("larger", ["x"], ["larger"], [1] * 6, [2] * 5)))
    with pytest.raises(UserError, match="the host would do all of them"):
        compile_graph(net.graph, INT8)


def test_formats_are_still_refused() -> None:
    net = hosted("int8")
    with pytest.raises(UserError, match="the array lpa8x8 has were expected, but a cannot be multiplied"):
        compile_graph(net.graph, LPA)


def test_segments_that_do_not_take_what_they_are_given() -> None:
    program = compile_graph(everything("int4", "int4").graph, replace(INT8, activation_words=80))
    first, second, *others = program.steps
    for steps in ((second, first, *others), (first, *others)):
        with pytest.raises(ProgramError, match="segments of all instructions"):
            check(replace(program, steps=steps))
    wrong = replace(first, inputs=(*first.inputs, first.inputs[0]))  # type: ignore[union-attr, type-var]
    with pytest.raises(ProgramError, match="LOADs of .* items of activations"):
        check(replace(program, steps=(wrong, second, *others)))
