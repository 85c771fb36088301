"""Family `microscopiq`: elements make what the encoding's own values say, in tiles, layers and networks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pyqkit.array import checks, file
from pyqkit.array.compiler import compile_graph
from pyqkit.array.families import of
from pyqkit.array.machine import Machine, named
from pyqkit.array.report import report
from pyqkit.errors import UserError
from pyqkit.formats import Integer, parse
from pyqkit.formats.microscopiq import BlockActivation, BlockWeight
from pyqkit.graph.graph import Graph, GraphError, Tensor
from pyqkit.graph.ops.convolution import Convolution
from pyqkit.graph.ops.microscale import Microscale
from tests.array.block_layers import convolution, directed_layer, net, network, scaled_layer
from tests.array.blocks_of_weights import directed
from tests.array.networks import requantised
from tests.array.running import agrees
from tests.emulate.networks import port

SMALL, LARGE = named("msq8x8"), named("msq16x16")
INT8 = parse("int8")


def made(machine: Machine, bits: int, values: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Sums (positions, outputs) of a tile of integers (rows, outputs) and words of activations."""
    family, fmt = of(machine), BlockWeight(bits)
    mode = machine.modes[family.pair(machine, INT8, fmt).mode]
    codes = fmt.of_integers(values).reshape(len(values), 1, family.lanes(mode), -1).transpose(0, 1, 3, 2)
    none = np.zeros(0, np.uint64)
    sums = family.sums(mode, (none, none), words, family.slots(mode, codes), (0, 0))
    return sums.transpose(0, 2, 1).reshape(len(words), -1)


def test_an_outlier_is_merged_with_its_hidden_bit() -> None:
    """1.5 times 32, and 8 from the row above, are 56; halves alone would be 24."""
    values = np.zeros((8, 16), np.int64)
    values[0, 3], values[1, 3] = 6, 1  # 1.5 and 0.25 in quarters
    words = np.array([[32, 32, *[0] * 7]], np.uint8)
    assert made(SMALL, 2, values, words)[0, 3] == 4 * 56
    assert made(SMALL, 2, -values, words)[0, 3] == -4 * 56


@pytest.mark.parametrize("bits", [2, 4])
@pytest.mark.parametrize("machine", [SMALL, LARGE], ids=lambda machine: machine.name)
def test_tiles_with_outliers_at_all_places(machine: Machine, bits: int) -> None:
    outputs = machine.columns * 4 // bits
    blocks = directed(bits)
    values = blocks[np.arange(-(-len(blocks) // machine.rows) * machine.rows * outputs // 8) % len(blocks)]
    random = np.random.default_rng(1)
    for tile in values.reshape(-1, machine.rows, outputs):
        words = random.integers(0, 256, (3, machine.rows + 1), np.uint8)
        words[:, :-1][words[:, :-1] == 128], words[:, -1] = 127, [0, 3, 7]
        numbers = words[:, :-1].view(np.int8).astype(np.int64) << words[:, -1:]
        np.testing.assert_array_equal(made(machine, bits, tile, words), numbers @ tile)


@pytest.mark.parametrize("bits", [2, 4])
@pytest.mark.parametrize("machine", [SMALL, LARGE], ids=lambda machine: machine.name)
def test_linear_layers_of_scaled_blocks(machine: Machine, bits: int) -> None:
    made = scaled_layer(bits)
    agrees(made, compile_graph(made.graph, machine))


def test_layers_narrower_than_a_block() -> None:
    """What fills up slots and micro-blocks has no sums."""
    made = net(INT8, (2, 3, 3))
    made.finish(requantised(made, "a", convolution(made, "first", "x", 5, 2)))
    made.finish(convolution(made, "second", "a", 1, 4))
    agrees(made, compile_graph(made.graph, SMALL))


def test_a_network() -> None:
    """And a file in between."""
    made = network()
    program = compile_graph(made.graph, SMALL)
    agrees(made, file.from_bytes(file.to_bytes(program)))


@pytest.mark.parametrize("bits", [2, 4])
def test_a_report_counts_outliers(bits: int) -> None:
    """Of four micro-blocks an input, those that fill up tiles included."""
    made = directed_layer(bits)
    (layer,) = report(compile_graph(made.graph, SMALL)).layers
    blocks = directed(bits)
    count = -(-len(blocks) // 4) * 4
    largest = BlockWeight(bits).slots.largest
    counts = (np.abs(blocks) > largest).sum(axis=1)[np.arange(count) % len(blocks)]
    found = layer.outliers
    assert found is not None and found.outliers == counts.sum()
    rows = -(-(count // 4) // 8) * 8
    assert found.places == rows * 32
    micros = rows * 4 * (1 + 8 * bits) + 32 * (counts > 0).sum() + rows * 32 // 16
    assert found.encoded_bits == micros
    items = rows * 32 * bits // 32  # of eight columns
    assert (found.stored_bits, found.metadata_bits) == (items * 91, items * 91 - found.places * bits)
    contention = found.contention
    asking = (counts > 0).reshape(-1, 4 // bits).any(axis=1)  # both lanes at a time
    assert contention.requests == 2 * asking.sum() > contention.conflicts > 0


def test_microscale_is_the_rule_of_the_encoding() -> None:
    """Half to even, saturation, the window at both ends, and a zero block."""
    graph = Graph("g")
    graph.tensors["x"] = tensor = Tensor.of("x", (1, 1, 130), Integer(20))
    graph.inputs = [port("x", tensor)]
    op = Microscale("s", ["x"], ["s"], 8, 1)
    graph.add(op)
    x = np.zeros((3, 1, 1, 130), np.int64)
    x[0, ..., :3], x[1, ..., :4] = [255, 7, 5], [2**18, 2**10, 3 * 2**9, 2**9 * 5]
    x[2, ..., 128:] = [-3, 1]
    (codes,) = op.execute([Integer(20).from_integers(x)], [tensor])
    found = op.format.integers[codes][:, 0, 0]
    assert found[0, :3].tolist() == [127, 4, 2]  # of 127.5, 3.5 and 2.5
    assert found[1, :4].tolist() == [127 << 7, 512, 768, 1280]  # of exponent 12, held at 8
    assert found[2, 128:].tolist() == [-2, 0]  # of exponent -5, held at 1
    assert not found[2, :128].any()


def test_what_is_not_held_is_refused() -> None:
    family = of(SMALL)
    with pytest.raises(UserError, match="activations of int8 or scaled by blocks"):
        family.pair(SMALL, parse("uint8"), BlockWeight(4))
    with pytest.raises(UserError, match="weights of MicroScopiQ were expected"):
        family.pair(SMALL, INT8, parse("int4"))
    with pytest.raises(UserError, match="rows that divide 128 were expected.* has 12; take 8"):
        family.pair(replace(SMALL, rows=12), BlockActivation(8), BlockWeight(4))
    with pytest.raises(UserError, match="columns in groups of 8 were expected"):
        family.weight_bits(replace(SMALL, columns=4))
    made = net(INT8, (1, 1, 8))
    weights = np.random.default_rng(0).choice(BlockWeight(4).codes, (16, 1, 1, 8))
    made.finish(made.add(Convolution("wild", ["x"], ["wild"], weights, BlockWeight(4))))
    with pytest.raises(UserError, match="wild cannot be multiplied.*blocks of 4 bits were expected"):
        compile_graph(made.graph, SMALL)
    with pytest.raises(UserError, match="channels of one word have different exponents"):
        BlockActivation(8).split(np.array([1, 127 << 7]))
    with pytest.raises(GraphError, match="neither 4 nor 8 bits"):
        Microscale("s", ["x"], ["s"], 5).check()


def test_a_list_that_names_a_place_twice_is_refused() -> None:
    """As a program may have it whose checksum is right: the lower half of two outliers in one place."""
    program = compile_graph(directed_layer(4).graph, named("msq8x8"))
    checks.check(program)
    weights = program.weights.copy()
    bits = np.unpackbits(weights[0], bitorder="little")
    bits[32:60] = 0
    bits[32], bits[36 + 3], bits[42 + 1], bits[42 + 3] = 1, 1, 1, 1  # 1 to 0 and 1 to 2
    weights[0] = np.packbits(bits, bitorder="little")
    with pytest.raises(UserError, match=r"but a list of outliers names a place twice; compile"):
        checks.check(replace(program, weights=weights))
