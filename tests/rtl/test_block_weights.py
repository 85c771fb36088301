"""Weights in MicroScopiQ's blocks in dataflow accelerators: what they compute, and take of memory."""

from __future__ import annotations

import re

import numpy as np
import pytest

from pyqkit.emulate.hls import HlsEngine
from pyqkit.formats import parse
from pyqkit.formats.microscopiq import BlockWeight, encode, spread_window
from pyqkit.graph.ops.convolution import Convolution, ConvolutionFolding
from pyqkit.rtl.generate import generate
from tests.array.block_layers import directed_layer, net
from tests.emulate.test_engines import FAST, needs_compiler


@needs_compiler
@pytest.mark.parametrize("bits", [2, 4])
def test_a_layer_in_cpp_is_the_definition(bits: int) -> None:
    made = directed_layer(bits)
    for name, codes in HlsEngine(made.graph, flags=FAST).run(made.codes).items():
        np.testing.assert_array_equal(codes, made.values[name])


@pytest.mark.parametrize("bits, stored, encoded", [(2, 7.0, 2.61), (4, 9.0, 4.61)])
def test_memory_of_weights_beside_the_encoding(bits: int, stored: float, encoded: float) -> None:
    """Whole codes are stored; docs/microscopiq.md has these numbers."""
    weights = np.random.default_rng(0).standard_t(4, (64, 256))
    window = spread_window(weights, bits)
    tensor, counts = encode(weights, bits, window=window)
    assert 0.013 < counts.outliers / weights.size < 0.0135
    made = net(parse("int8"), (1, 1, 64))
    codes = BlockWeight(bits).of_tensor(tensor, window).T.reshape(256, 1, 1, 64)
    made.finish(made.add(Convolution("layer", ["x"], ["layer"], codes, BlockWeight(bits))))
    text = generate(made.graph, {"layer": ConvolutionFolding(8, 8)}).text
    found = re.findall(r"pqk_rom #\(\s*\.WIDTH\((\d+)\),\s*\.DEPTH\((\d+)\)", text)
    assert sum(int(width) * int(depth) for width, depth in found) / weights.size == stored
    assert round(tensor.effective_bits, 2) == encoded
