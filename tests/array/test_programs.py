"""What programs compute is what the graph's operators say, on machines of all families and sizes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pyqkit.array import machine, shared
from pyqkit.array.checks import check
from pyqkit.array.compiler import compile_graph, fitted
from pyqkit.array.compiler.factors import rounded_graph
from pyqkit.array.execute import ArrayState, item_words
from pyqkit.array.isa import Copy, Load
from pyqkit.array.machine import Machine, Memory
from pyqkit.array.program import executed
from pyqkit.errors import UserError
from pyqkit.formats import parse
from pyqkit.graph.ops.add import Add
from pyqkit.graph.ops.layout import Concat
from pyqkit.graph.ops.pool import MaxPool
from pyqkit.graph.ops.requantise import Threshold
from tests.array.layers import layer
from tests.array.networks import everything, moves, requantised, unequal_branches, unequal_sums
from tests.array.products import ProductOfActivations
from tests.array.running import agrees, run, sent_to
from tests.emulate.networks import Net

LPA, INT8, INT16 = (machine.named(name) for name in ("lpa8x8", "int8x8", "int16x16"))
ODD = replace(INT16, name="int12x8", rows=12, columns=8)  # a tile of channels straddles words


@pytest.mark.parametrize(
    "array, activations, weights",
    [
        (LPA, "lp8_1_2", "lp4_0_3"),
        (LPA, "lp4_1_2", "lp2_0_1"),
        (machine.named("lpa4x4"), "lp5_0_2", "lp5_0_2"),
        (INT8, "int4", "int4"),
        (INT8, "uint8", "int8"),
        (INT8, "e1m2", "e2m1"),
        (INT16, "int2", "int2"),
        (INT16, "int2", "int4"),
        (ODD, "int4", "int2"),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_all_operators(array: Machine, activations: str, weights: str) -> None:
    net = everything(activations, weights)
    assert len(np.unique(net.values["e"])) > 2
    agrees(net, compile_graph(net.graph, array))


@pytest.mark.parametrize(
    "array, fmt", [(LPA, "lp4_1_2"), (INT8, "int4"), (INT16, "int2")], ids=["lp", "int4", "int2"]
)
def test_codes_that_move(array: Machine, fmt: str) -> None:
    net = moves(fmt, fmt)
    agrees(net, compile_graph(net.graph, array))


@pytest.mark.parametrize("array, fmt", [(LPA, "lp8_1_2"), (INT8, "int4")], ids=["lp", "int4"])
def test_branches_of_unequal_scales(array: Machine, fmt: str) -> None:
    """Factors that are too wide become smaller ones, which all pairs of codes prove."""
    net = unequal_branches(fmt)
    agrees(net, compile_graph(net.graph, replace(array, multiplier_bits=28)))


@pytest.mark.parametrize("array, fmt", [(LPA, "lp4_1_2"), (INT8, "int4")], ids=["lp", "int4"])
def test_channels_that_no_sum_moves(array: Machine, fmt: str) -> None:
    """They ask for no multiplier; those of the others are as without them."""
    net = Net(parse(fmt), parse(fmt), shape=(5, 4, 6), frames=4)
    net.finish(requantised(net, "b", net.conv("conv", "x", 6), still=2))
    assert [len(np.unique(net.values["b"][..., c])) > 2 for c in range(6)] == [False] * 2 + [True] * 4
    agrees(net, compile_graph(net.graph, array))


@pytest.mark.parametrize("still", [0, 2], ids=["", "still"])
@pytest.mark.parametrize("spread", [0.0, 0.3], ids=["tensor", "channel"])
@pytest.mark.parametrize("array, fmt", [(LPA, "lp8_1_2"), (INT8, "int4")], ids=["lp", "int4"])
def test_factors_are_rounded_before_the_graph_is_fixed(
    array: Machine, fmt: str, spread: float, still: int
) -> None:
    """The graph that was rounded is computed exactly; hardly a code of it is another one."""
    net = unequal_sums(fmt, spread, still)
    with pytest.raises(UserError, match="the array .* has were expected, but b .*bits"):
        compile_graph(net.graph, array)
    graph, layers = fitted(net.graph, array)
    assert layers == ["b"] and "rounded" in graph.notes[-1]
    before, net.values = net.values, graph.execute(net.codes, keep=True)
    moved = int((before["b"] != net.values["b"]).sum())
    assert moved <= 1 and len(np.unique(before["b"][..., still:])) > 4
    net.graph = graph
    agrees(net, compile_graph(graph, array))
    assert fitted(graph, array) == (graph, [])


def test_factors_that_are_powers_of_two_are_not_rounded() -> None:
    """Their sums are as narrow as they can be."""
    net = Net(parse("int4"), parse("int4"), shape=(5, 4, 6), frames=4)
    net.add(Add("sum", [net.conv("conv", "x", 6), "x"], ["sum"], np.array([[1] * 6, [64] * 6])))
    tensor, steps = net.graph.tensors["sum"], 2 ** np.arange(4, 10)
    positions = np.array([float(boundary.position) for boundary in net.activations.boundaries()])
    table = np.clip(np.ceil(steps[:, None] * positions + np.arange(6)[:, None]), tensor.low, tensor.high + 1)
    rule = Threshold("b", ["sum"], ["b"], net.activations, table.astype(np.int64), np.zeros(6, bool))
    net.finish(net.add(rule))
    graph = rounded_graph(net.graph, INT8, ["b"])
    (scaled,) = (op for op in graph.operators if op.name == "b_scaled")
    np.testing.assert_array_equal(scaled.multipliers, 4 * np.outer([1, 64], 2 ** np.arange(5, -1, -1)))
    np.testing.assert_array_equal(graph.execute(net.codes)["b"], net.values["b"])


def test_steps_that_no_factor_makes() -> None:
    """Some steps of a channel lie at one sum, which is the last that can occur."""
    with pytest.raises(UserError, match="times a factor, were expected .* but b has others in channel 2"):
        fitted(unequal_sums("lp8_1_2", 2.0).graph, LPA)


def test_a_program_that_does_not_fit() -> None:
    with pytest.raises(UserError, match="at most 16 items of program were expected by the array int8x8"):
        compile_graph(everything("int4", "int4").graph, replace(INT8, program_words=16))


@pytest.mark.parametrize(
    "sizes",
    [
        {"weight_words": 256},
        {"weight_words": 64},
        {"accumulators": 8},
        {"weight_words": 64, "accumulators": 5},
    ],
    ids=["portions", "boxes", "blocks", "both"],
)
def test_memories_of_any_size(sizes: dict[str, int]) -> None:
    """Weights that do not fit come with every frame, in two halves in turn; positions come in blocks."""
    net, array = everything("int4", "int4"), replace(INT8, program_words=2048, **sizes)
    compiled = compile_graph(net.graph, array)
    loads = [i for i in compiled.instructions if isinstance(i, Load) and i.memory == Memory.WEIGHTS]
    assert bool(loads) == ("weight_words" in sizes)
    agrees(net, compiled)


def test_several_programs_in_one_machine() -> None:
    """Networks of other formats are loaded together, and called in turn."""
    nets = [everything("lp4_1_2", "lp4_0_3", seed) for seed in (1, 2)] + [moves("lp8_1_2", "lp8_1_2")]
    programs = shared.together([compile_graph(net.graph, LPA) for net in nets])
    state = ArrayState(LPA)
    for compiled in programs:
        state.send(compiled.setup())
    for index in (2, 0, 1, 0):
        agrees(nets[index], programs[index], state)


def test_what_programs_have_in_common_stands_once() -> None:
    """Of the same program only instructions are loaded again, of one with another tile that tile, too."""
    net, other = (everything("lp4_1_2", "lp4_0_3", seed) for seed in (1, 2))
    one, stranger = compile_graph(net.graph, LPA), compile_graph(other.graph, LPA)
    weights = one.weights.copy()
    weights[: LPA.rows, 0] ^= 0x11
    changed = replace(one, weights=weights)
    placed = shared.together([one, stranger, changed, one])
    assert [len(p.tables) for p in placed[2:]] == [len(p.parameters) for p in placed[2:]] == [0, 0]
    assert (len(placed[3].weights), len(placed[0].weights)) == (0, len(one.weights))
    assert LPA.rows <= len(placed[2].weights) < len(one.weights) / 2
    state, expected = ArrayState(LPA), run(changed, net.codes)
    for compiled in placed:
        state.send(compiled.setup())
    for name, codes in executed(placed[2], net.codes, sent_to(state)).items():
        np.testing.assert_array_equal(codes, expected[name])
        assert (codes != net.values[name]).any()
    for index in (3, 1, 0):
        agrees(other if index == 1 else net, placed[index], state)


def test_weights_that_a_program_writes_are_its_own() -> None:
    """They are loaded again, and the next program does not rely on them."""
    net = everything("lp4_1_2", "lp4_0_3")
    one = compile_graph(net.graph, LPA)
    copy = Copy(address=0, count=LPA.rows, weights=0)
    writes = replace(one, instructions=(copy, *one.instructions))
    placed = shared.together([writes, one, writes])
    assert all(LPA.rows <= len(p.weights) < len(one.weights) for p in placed[1:])
    end = placed[1].ends[3]
    copies = [i for p in placed for i in p.instructions if isinstance(i, Copy)]
    assert [i.weights for i in copies] == [0, end]


def test_programs_that_do_not_fit_together() -> None:
    nets = [moves("int4", fmt) for fmt in ("int4", "int2")]
    compiled = [compile_graph(net.graph, replace(INT8, program_words=64)) for net in nets]
    message = "at most 64 items of program were expected by the array int8x8, but [0-9]+ are needed"
    with pytest.raises(UserError, match=message):
        shared.together(compiled * 9)


def test_the_largest_of_channels_side_by_side() -> None:
    """A tile of channels of two tensors: what both make is one code before it is compared."""
    net = Net(parse("int4"), parse("int4"), shape=(4, 5, 6), frames=3)
    a = requantised(net, "a", net.conv("first", "x", 5))
    joined = net.add(Concat("joined", [a, "x"], ["joined"]))
    net.finish(net.add(MaxPool("largest", [joined], ["largest"], (2, 2), (1, 1), (0, 0, 0, 0))))
    agrees(net, compile_graph(net.graph, INT8))


@pytest.mark.parametrize("family, array", [("lp", LPA), ("integer", replace(ODD, rows=6, columns=5))])
def test_layers_drawn_at_random(family: str, array: Machine) -> None:
    """Tiles of five channels straddle words of six in the second."""
    for seed in range(12):
        net = layer(family, seed)
        compiled = compile_graph(net.graph, replace(array, program_words=2048))
        check(compiled)
        agrees(net, compiled)


@pytest.mark.parametrize("name, fmt", [("lpa8x8", "lp8_1_2"), ("int8x8", "int8"), ("int16x16", "int4")])
def test_weights_from_activations(name: str, fmt: str) -> None:
    """A product of two activations, of which the post-processor has encoded one, beside one of the stream."""
    array = machine.named(name)
    drawn = ProductOfActivations.of(array, fmt)
    assert len(np.unique(drawn.made)) > 8
    found = ArrayState(array).send(drawn.content)
    size = array.rows * item_words(array, Memory.ACTIVATIONS) * 8
    made = np.frombuffer(found[:size], np.uint8).reshape(array.rows, -1)[:, : array.columns]
    np.testing.assert_array_equal(made, drawn.made)
    np.testing.assert_array_equal(np.frombuffer(found[size:], "<i8").reshape(drawn.sums.shape), drawn.sums)
