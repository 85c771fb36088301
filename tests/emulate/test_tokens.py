"""What attention adds and multiplies: all engines give the codes of the definition, as scheduled."""

from __future__ import annotations

import numpy as np
import pytest

from pyqkit.emulate.exact import ExactEngine
from pyqkit.emulate.hls import DeadlockError, HlsEngine
from pyqkit.emulate.rtl import RtlEngine, Stalls
from pyqkit.formats import parse
from pyqkit.graph.folding import EndFolding, Folding
from pyqkit.graph.graph import Tensor
from pyqkit.graph.ops.add import Add
from pyqkit.graph.ops.matrix_product import MatrixProduct, MatrixProductFolding
from pyqkit.graph.ops.pixel_offset import PixelOffset
from pyqkit.rtl.isolated import isolated, random_codes
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
    net = Net(queries, parse("int4"), (1, tokens, 4), frames=3)
    q = net.threshold("q", net.conv("q_sums", "x", WIDTH, 1))
    k = net.threshold("k", net.conv("k_sums", "x", WIDTH, 1), values)
    v = net.threshold("v", net.conv("v_sums", "x", WIDTH, 1), values)
    scores = net.add(MatrixProduct("scores", [q, k], ["scores"], HEADS))
    p = net.threshold("p", scores, queries)
    contexts = net.add(MatrixProduct("contexts", [p, v], ["contexts"], HEADS, True))
    net.finish(scores, contexts)
    return net


FOLDINGS: dict[str, dict[str, Folding]] = {
    "one": {},
    "some": {"scores": MatrixProductFolding(TOKENS, 3), "contexts": MatrixProductFolding(3, TOKENS)},
    "many": {"scores": MatrixProductFolding(1, 3), "contexts": MatrixProductFolding(3, 1)},
    "dsp": {"scores": MatrixProductFolding(5, 1, "dsp"), "contexts": MatrixProductFolding(1, 5, "dsp")},
}
FOLDED = [*((fmt, "some") for fmt in PAIRS), ("int4", "one"), ("int4", "many"), ("int8", "dsp")]


@needs_compiler
@pytest.mark.parametrize(("fmt", "folding"), FOLDED)
def test_hls_of_attention(fmt: str, folding: str) -> None:
    net = attention(fmt)
    agree(net, HlsEngine(net.graph, FOLDINGS[folding], flags=FAST_CPP).run)


@needs_verilator
@pytest.mark.parametrize(("fmt", "folding"), FOLDED)
def test_rtl_of_attention_in_the_cycles_of_the_schedule(fmt: str, folding: str) -> None:
    net = attention(fmt)
    engine = RtlEngine(net.graph, FOLDINGS[folding], flags=FAST)
    agree(net, engine.run)
    assert engine.counts is not None and engine.counts.interval == engine.design.interval
    engine.stalls = Stalls(0.3, seed=3)
    agree(net, engine.run)


PACES = {  # tokens, others, PE and SIMD of scores and of contexts, cycles of both
    "products": (5, 4, (2, 3), (3, 2), (5 * 2 * 2, 5 * 2 * 2)),
    "what is kept": (2, 6, (6, 3), (3, 6), (6 * 2, 6 * 2)),
    "both": (4, 4, (4, 1), (1, 4), (4 * 2 * 3, 4 * 2 * 3)),
    "one token": (1, 4, (1, 3), (3, 1), (4 * 2, 4 * 2)),
}


@needs_verilator
@pytest.mark.parametrize("name", PACES)
def test_products_alone_take_the_cycles_of_what_is_slower(name: str) -> None:
    """Products of a frame, or the words that are kept of the next one: nothing else sets the pace."""
    tokens, others, scores, contexts, cycles = PACES[name]
    net = Net(parse("int4"), parse("int4"), (1, tokens, WIDTH), frames=5)
    for port in ("y", "z"):
        net.graph.tensors[port] = Tensor.of(port, (1, others, WIDTH), parse("int4"))
    net.graph.tensors["p"] = Tensor.of("p", (1, tokens, HEADS * others), parse("uint3"))
    net.graph.add(MatrixProduct("scores", ["x", "y"], ["scores"], HEADS))
    net.graph.add(MatrixProduct("contexts", ["p", "z"], ["contexts"], HEADS, True))
    graph = isolated(net.graph)
    folding = {"scores": MatrixProductFolding(*scores), "contexts": MatrixProductFolding(*contexts)}
    engine, codes = RtlEngine(graph, folding, flags=FAST), random_codes(graph, 5)
    found, expected = engine.run(codes), graph.execute(codes)
    for port in graph.outputs:
        np.testing.assert_array_equal(found[port.tensor], expected[port.tensor])
    assert engine.counts is not None
    assert list(engine.counts.intervals) == engine.design.paces == list(cycles)


@needs_verilator
def test_what_waits_for_all_keys_has_fifos_as_deep_as_they_must_be() -> None:
    """Queries, and the shortcut around attention: with half and an eighth less of them no more keys come."""
    net = attention("int4", 50)
    projected = net.conv("projected", net.threshold("c", "contexts"), 4, 1)
    net.finish(net.add(Add("sum", [projected, "x"], ["sum"], np.array([[1, 1, 1, 1], [2, -3, 1, 4]]))))
    folding: dict[str, Folding] = {"input port 0": EndFolding(1), "scores": MatrixProductFolding(5, 3)}
    folding["contexts"] = MatrixProductFolding(3, 5)
    full = RtlEngine(net.graph, folding, flags=FAST)
    agree(net, full.run)
    assert full.counts is not None and full.counts.interval == full.design.interval
    assert full.counts.latency == full.design.latency
    full.stalls = Stalls(0.3, seed=2)
    agree(net, full.run)
    for edge, part in {("q", "scores"): 2, ("x", "sum"): 8}.items():
        needed = full.design.fifos[edge]
        assert needed > 200  # words of a code each, where the shallowest FIFO has 32
        less = RtlEngine(net.graph, folding, depths={edge: needed - needed // part}, flags=FAST)
        with pytest.raises(DeadlockError, match=rf"stopped in cycle \d+; full: .*{edge[0]}_to_{edge[1]}"):
            less.run(net.codes)
