"""What attention adds and multiplies: all engines give the codes of the definition, as scheduled."""

from __future__ import annotations

import numpy as np
import pytest

from pyqkit.emulate.exact import ExactEngine
from pyqkit.emulate.hls import HlsEngine
from pyqkit.emulate.rtl import RtlEngine, Stalls
from pyqkit.formats import parse
from pyqkit.graph.ops.matrix_product import MatrixProduct, MatrixProductFolding
from pyqkit.graph.ops.pixel_offset import PixelOffset
from tests.emulate.networks import Net
from tests.emulate.test_engines import FAST as FAST_CPP
from tests.emulate.test_engines import agree, needs_compiler
from tests.rtl.bench import FAST, needs_verilator

FORMATS = ["int8", "int4", "e4m3", "e3m2", "lp8_1_3"]
TOKENS, WIDTH = 5, 6


def positions(fmt: str) -> Net:
    """Codes and sums with offsets: factors that differ from channel to channel, and one."""
    net = Net(parse(fmt), parse("int4"), (1, TOKENS, WIDTH), frames=4)
    draw = np.random.default_rng(5)
    offsets = draw.integers(-3000, 3000, (1, TOKENS, WIDTH))
    net.add(PixelOffset("placed", ["x"], ["placed"], draw.integers(-9, 10, WIDTH), offsets))
    net.conv("sums", "x", WIDTH, 1)
    net.add(PixelOffset("added", ["sums"], ["added"], np.ones(WIDTH, np.int64), offsets[:, ::-1].copy()))
    net.finish("placed", "added")
    return net


def test_offsets_are_added_to_products() -> None:
    net = positions("int4")
    (op,) = (op for op in net.graph.operators if op.name == "placed")
    assert isinstance(op, PixelOffset)
    x, placed = parse("int4").to_integers(net.codes["x"]), net.graph.tensors["placed"].format
    np.testing.assert_array_equal(placed.to_integers(net.values["placed"]), x * op.factors + op.offsets)
    agree(net, ExactEngine(net.graph).run)


@needs_compiler
@pytest.mark.parametrize("fmt", FORMATS)
def test_hls_of_positions(fmt: str) -> None:
    net = positions(fmt)
    agree(net, HlsEngine(net.graph, flags=FAST_CPP).run)


@needs_verilator
@pytest.mark.parametrize("fmt", FORMATS)
def test_rtl_of_positions(fmt: str) -> None:
    net = positions(fmt)
    engine = RtlEngine(net.graph, flags=FAST)
    agree(net, engine.run)
    assert engine.counts is not None and engine.counts.interval == engine.design.interval
    engine.stalls = Stalls(0.3, seed=3)
    agree(net, engine.run)


# ---- attention ---------------------------------------------------------------------------------------------

HEADS = 2
PAIRS = {fmt: (fmt, fmt) for fmt in FORMATS} | {"mixed": ("uint4", "e2m1"), "narrow": ("uint2", "odd2")}


def attention(fmt: str, tokens: int = TOKENS) -> Net:
    """Scores of queries and keys, and contexts of them and values, requantised between."""
    queries, values = map(parse, PAIRS[fmt])
    net = Net(queries, parse("int4"), (1, tokens, 4), frames=4)
    q = net.threshold("q", net.conv("q_sums", "x", WIDTH, 1))
    k = net.threshold("k", net.conv("k_sums", "x", WIDTH, 1), values)
    v = net.threshold("v", net.conv("v_sums", "x", WIDTH, 1), values)
    scores = net.add(MatrixProduct("scores", [q, k], ["scores"], HEADS))
    p = net.threshold("p", scores, queries)
    contexts = net.add(MatrixProduct("contexts", [p, v], ["contexts"], HEADS, True))
    net.finish(scores, contexts)
    return net


FOLDINGS = {
    "one": {},
    "some": {"scores": MatrixProductFolding(TOKENS, 3), "contexts": MatrixProductFolding(3, TOKENS)},
    "many": {"scores": MatrixProductFolding(1, 3), "contexts": MatrixProductFolding(3, 1)},
}


@needs_compiler
@pytest.mark.parametrize("fmt", PAIRS)
def test_hls_of_attention(fmt: str) -> None:
    net = attention(fmt)
    for folding in FOLDINGS.values() if fmt == "int4" else [FOLDINGS["some"]]:
        agree(net, HlsEngine(net.graph, folding, flags=FAST_CPP).run)


@needs_verilator
@pytest.mark.parametrize("fmt", PAIRS)
def test_rtl_of_attention_in_the_cycles_of_the_schedule(fmt: str) -> None:
    net = attention(fmt)
    for folding in FOLDINGS.values() if fmt == "int4" else [FOLDINGS["some"]]:
        engine = RtlEngine(net.graph, folding, flags=FAST)
        agree(net, engine.run)
        assert engine.counts is not None and engine.counts.interval == engine.design.interval
        engine.stalls = Stalls(0.3, seed=3)
        agree(net, engine.run)
