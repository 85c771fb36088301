"""Weights in blocks: every engine against the definition, however SIMD and block divide each other.

The exponents lie in the hardware once each, and the memories of a layer hold what its encoding says.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass, replace

import numpy as np
import pytest

from pyqkit.dataflow.matrix_vector import BlockOrder
from pyqkit.emulate.exact import ExactEngine
from pyqkit.emulate.hls import HlsEngine
from pyqkit.emulate.rtl import RtlEngine
from pyqkit.formats import parse
from pyqkit.formats.encoding import SharedExponents
from pyqkit.graph.graph import Graph
from pyqkit.graph.ops.convolution import Convolution, ConvolutionFolding
from pyqkit.rtl.generate import generate
from tests.emulate.networks import Net, port
from tests.rtl.bench import needs_verilator

SIZE = 3, 4
HLS_FAST = ("-std=c++17", "-O1", "-fPIC", "-shared", "-pthread", "-w")


@dataclass(frozen=True)
class Layer:
    """A layer whose weights share exponents by `block` channels, or by all of a group if it has fewer."""

    activations: str
    weights: str
    channels: int
    outputs: int
    kernel: tuple[int, int]
    block: int
    pe: int
    simd: int
    groups: int = 1

    def net(self) -> Net:
        net = Net(parse(self.activations), parse(self.weights), (*SIZE, self.channels), frames=3)
        of_a_group = self.channels // self.groups
        block = min(self.block, of_a_group)
        exponents = net.random.integers(0, 6, (self.outputs, *self.kernel, -(-of_a_group // block)))
        exponents.flat[0] = 5
        net.conv("c", "x", self.outputs, self.kernel, self.groups, block=block, exponents=exponents)
        return net


LAYERS = {
    "mx32_e2m1_simd_divides": Layer("int4", "e2m1", 64, 4, (1, 1), 32, 2, 8),
    "mx32_e2m1_of_16_channels": Layer("int4", "e2m1", 16, 4, (3, 3), 32, 2, 8),
    "mx32_e2m1_last_block_partial": Layer("e2m1", "e2m1", 48, 4, (2, 2), 32, 4, 16),
    "mx16_int2_simd_spans_blocks": Layer("int4", "int2", 64, 4, (1, 1), 16, 2, 32),
    "mx16_int2_neither_divides": Layer("int4", "int2", 48, 4, (1, 2), 16, 2, 24),
    "mx16_int2_last_word_partial": Layer("int4", "int2", 72, 2, (1, 2), 16, 1, 12),
    "mx32_int8_neither_divides": Layer("int8", "int8", 48, 2, (1, 2), 32, 1, 24),
    "mx32_lp4_0_3_one_at_a_time": Layer("lp4_0_3", "lp4_0_3", 48, 4, (1, 1), 32, 2, 1),
    "mx32_lp4_0_3_conv": Layer("lp4_0_3", "lp4_0_3", 48, 4, (3, 1), 32, 1, 16),
    "exponent_each": Layer("int4", "int4", 6, 4, (2, 1), 1, 2, 3),
    "depthwise": Layer("int4", "e2m1", 6, 6, (3, 3), 32, 3, 1, groups=6),
    "grouped": Layer("int4", "int2", 40, 6, (1, 3), 16, 3, 10, groups=2),
}


@dataclass
class Together:
    """All layers as one graph of independent operators."""

    graph: Graph
    codes: dict[str, np.ndarray]
    expected: dict[str, np.ndarray]
    foldings: dict[str, ConvolutionFolding]


@pytest.fixture(scope="module")
def together() -> Together:
    made = Together(Graph("blocks"), {}, {}, {})
    for name, layer in LAYERS.items():
        net = layer.net()
        (op,), source = net.graph.operators, f"{name}_in"
        made.graph.tensors[source] = replace(net.graph.tensors["x"], name=source)
        made.graph.inputs.append(port(source, made.graph.tensors[source]))
        (tensor,) = made.graph.add(replace(op, name=name, inputs=[source], outputs=[name]))
        made.graph.outputs.append(port(name, tensor))
        made.codes[source], made.expected[name] = net.codes["x"], net.values["c"]
        made.foldings[name] = ConvolutionFolding(layer.pe, layer.simd)
    return made


def memory_bits(text: str, name: str) -> int:
    """Bits of a ROM of a generated network."""
    (found,) = (part for part in text.split("pqk_rom #(")[1:] if f") {name}_rom (" in part.split(";")[0])
    width, depth = (int(re.search(rf"\.{key}\((\d+)\)", found)[1]) for key in ("WIDTH", "DEPTH"))  # type: ignore[index]
    return width * depth


def agrees(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert found.keys() == expected.keys()
    for name, codes in expected.items():
        np.testing.assert_array_equal(found[name], codes, err_msg=name)


def test_exact(together: Together) -> None:
    agrees(ExactEngine(together.graph).run(together.codes), together.expected)


@pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")
def test_hls(together: Together) -> None:
    agrees(
        HlsEngine(together.graph, together.foldings, flags=HLS_FAST).run(together.codes), together.expected
    )


@needs_verilator
def test_rtl(together: Together) -> None:
    engine = RtlEngine(together.graph, together.foldings)
    agrees(engine.run(together.codes), together.expected)
    design = generate(together.graph, together.foldings)
    assert engine.counts.interval == design.interval
    assert engine.counts.latency == design.latency


@pytest.mark.parametrize("name", LAYERS)
def test_memories_hold_what_the_encoding_says(name: str, together: Together) -> None:
    """But for exponents that fill up the last word of a kernel position, fewer than a word has."""
    (op,) = (op for op in together.graph.operators if op.name == name)
    assert isinstance(op, Convolution)
    assert isinstance(op.parameter_encoding, SharedExponents)
    design = generate(together.graph, together.foldings)
    bits = {kind: memory_bits(design.text, f"{name}_{kind}") for kind in ("weights", "exponents")}
    assert bits["weights"] == op.weights.size * op.weight_format.bits
    order, places = BlockOrder.of(op, LAYERS[name].simd), op.weights[..., 0].size
    filled = places * (order.words * order.held) - op.exponents.size
    assert 0 <= filled <= places * (order.held - 1)
    if filled == 0:
        assert sum(bits.values()) == op.parameter_bits
    assert sum(bits.values()) == op.parameter_bits + filled * op.exponent_bits
