"""Weights in MicroScopiQ's blocks in dataflow accelerators: what they compute, and take of memory."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from pyqkit.dataflow.micro_blocks import MicroBlocks
from pyqkit.emulate.hls import HlsEngine
from pyqkit.emulate.rtl import RtlEngine, Stalls
from pyqkit.formats import parse
from pyqkit.formats.microscopiq import BlockWeight, encode, spread_window
from pyqkit.graph.folding import Folding
from pyqkit.graph.graph import Graph
from pyqkit.graph.ops.convolution import Convolution, ConvolutionFolding
from pyqkit.rtl.generate import generate, library
from tests.array.block_layers import convolution, directed_layer, net
from tests.array.blocks_of_weights import random_codes
from tests.array.networks import requantised
from tests.emulate.networks import Net
from tests.emulate.test_engines import FAST as FAST_CPP
from tests.emulate.test_engines import agree, needs_compiler
from tests.rtl.bench import FAST, needs_verilator

DIRECTED = {2: ConvolutionFolding(16, 1), 4: ConvolutionFolding(8, 1)}


def network() -> tuple[Net, dict[str, Folding]]:
    """Blocks of both widths of slots, a short macro-block, and outputs that are no eights."""
    made = net(parse("int8"), (4, 3, 6))
    first = requantised(made, "a", convolution(made, "first", "x", 160, 2, kernel=3), spread=0.1)
    second = requantised(made, "b", convolution(made, "second", first, 24, 4), spread=0.1)
    made.finish(convolution(made, "third", second, 12, 4))
    folded = {"first": ConvolutionFolding(16, 3), "second": ConvolutionFolding(8, 2)}
    return made, folded | {"third": ConvolutionFolding(4, 1)}


def decoded(graph: Graph, foldings: dict[str, Folding]) -> list[bool]:
    """Which layers have blocks in memory."""
    layers = (op for op in graph.operators if isinstance(op, Convolution))
    return [MicroBlocks.of(op, foldings[op.name]) is not None for op in layers]  # type: ignore[arg-type]


@needs_compiler
@pytest.mark.parametrize("bits", [2, 4])
def test_a_layer_in_cpp_is_the_definition(bits: int) -> None:
    """None to four outliers at all places, in codes and in blocks."""
    made = directed_layer(bits)
    for folding in (ConvolutionFolding(), DIRECTED[bits]):
        agree(made, HlsEngine(made.graph, {"layer": folding}, flags=FAST_CPP).run)


@needs_verilator
@pytest.mark.parametrize("bits", [2, 4])
def test_a_layer_in_systemverilog_is_the_definition(bits: int) -> None:
    """In the cycles of the schedule, at clocks that need fewer and more registers."""
    made = directed_layer(bits)
    engine = RtlEngine(made.graph, {"layer": DIRECTED[bits]}, flags=FAST, clock_mhz=60.0 * bits)
    agree(made, engine.run)
    assert engine.counts is not None
    assert engine.counts.interval == engine.design.interval
    assert engine.counts.latency == engine.design.latency


@needs_compiler
@needs_verilator
def test_a_network_of_blocks() -> None:
    """Exact in both languages, with words that wait anywhere."""
    made, foldings = network()
    assert decoded(made.graph, foldings) == [True, True, False]
    agree(made, HlsEngine(made.graph, foldings, flags=FAST_CPP).run)
    engine = RtlEngine(made.graph, foldings, flags=FAST)
    agree(made, engine.run)
    engine.stalls = Stalls(0.3, seed=5)
    agree(made, engine.run)


MUTANTS = {
    "places count words": ("walk", "PLACE'(flags[l])", "1'b1"),
    "lists without a flag": ("merge", "flag && upper", "upper"),
}


@needs_verilator
@pytest.mark.parametrize("mutant", MUTANTS)
def test_mutants_are_caught(mutant: str, tmp_path: Path) -> None:
    block, right, wrong = MUTANTS[mutant]
    for path in library().glob("*.sv"):
        text = path.read_text()
        assert path.name != f"pqk_micro_block_{block}.sv" or right in text
        changed = text.replace(right, wrong) if path.name == f"pqk_micro_block_{block}.sv" else text
        (tmp_path / path.name).write_text(changed)
    made = directed_layer(4)
    engine = RtlEngine(made.graph, {"layer": ConvolutionFolding(8, 1)}, flags=FAST, include=tmp_path)
    with pytest.raises(AssertionError):
        agree(made, engine.run)


@pytest.mark.parametrize("bits, in_codes, in_blocks", [(2, 7.0, 2.50), (4, 9.0, 4.50)])
def test_memory_of_weights_beside_the_encoding(bits: int, in_codes: float, in_blocks: float) -> None:
    """Less than the encoding, whose exponents have 8 bits; docs/microscopiq.md has these numbers."""
    weights = np.random.default_rng(0).standard_t(4, (64, 256))
    window = spread_window(weights, bits)
    tensor, counts = encode(weights, bits, window=window)
    assert 0.013 < counts.outliers / weights.size < 0.0135
    made = net(parse("int8"), (1, 1, 64))
    codes = BlockWeight(bits).of_tensor(tensor, window).T.reshape(256, 1, 1, 64)
    made.finish(made.add(Convolution("layer", ["x"], ["layer"], codes, BlockWeight(bits))))
    assert stored(made.graph, ConvolutionFolding(4, 8)) / weights.size == in_codes
    flagged = int(tensor.plan.flags.sum())
    for folding in (ConvolutionFolding(8, 8), ConvolutionFolding(32, 2)):
        found = stored(made.graph, folding)
        most = weights.size * bits + weights.size // 8 + 64 * 2 * 3 + flagged * 27
        assert most - 5 * 27 < found <= most  # another exponent may leave fewer outliers
        assert round(found / weights.size, 2) == in_blocks < tensor.effective_bits


def stored(graph: Graph, folding: ConvolutionFolding) -> int:
    """Bits of all constants of the generated SystemVerilog."""
    found = re.findall(
        r"pqk_rom #\(\s*\.WIDTH\((\d+)\),\s*\.DEPTH\((\d+)\)", generate(graph, {"layer": folding}).text
    )
    return sum(int(width) * int(depth) for width, depth in found)


def test_weights_that_are_no_blocks_lie_as_codes() -> None:
    """Eight outputs of which five are outliers, beside others that are blocks."""
    codes = random_codes((16, 1, 1, 4), 4)
    op = Convolution("layer", ["x"], ["layer"], codes, BlockWeight(4))
    assert MicroBlocks.of(op, ConvolutionFolding(8, 2)) is not None
    op.weights[:5, ..., 0] = BlockWeight(4).of_integers(np.array(17))
    assert MicroBlocks.of(op, ConvolutionFolding(8, 2)) is None
