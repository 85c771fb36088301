"""Norms in blocks: results on every kind of boundary, in all engines, and cycles as the schedule says."""

from __future__ import annotations

from fractions import Fraction
from math import isqrt

import numpy as np
import pytest

from pyqkit.dataflow.norm import norm
from pyqkit.emulate.hls import HlsEngine
from pyqkit.emulate.rtl import RtlEngine, Stalls
from pyqkit.formats import parse
from pyqkit.graph.ops.layer_norm import LayerNorm, LayerNormFolding
from pyqkit.rtl.isolated import isolated
from tests.emulate.networks import Net
from tests.emulate.test_engines import FAST as FAST_CPP
from tests.emulate.test_engines import agree, needs_compiler
from tests.graph.checked import check
from tests.graph.qonnx_builder import Builder
from tests.rtl.bench import FAST, needs_verilator

FORMATS = ["int8", "int4", "e4m3", "e3m2", "lp8_1_3"]
SHAPE = 3, 2, 8
IN_TURN = 3, 1, 32  # whose pixels have words enough to pass one comparison in turn
_SIMULATED = [("int4", SHAPE), ("lp8_1_3", IN_TURN)]
_LONG = [pytest.param(fmt, SHAPE, marks=pytest.mark.long) for fmt in FORMATS if fmt != "int4"]
Rows = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def rational(net: Net, channels: int, largest: float) -> Rows:
    """Gains and offsets of few bits, in values of a format."""
    gains = net.random.integers(-40, 41, channels)
    offsets = net.random.integers(-9, 10, channels)
    scale = max(1, round(20 / largest))
    return gains, np.full(channels, 2 * scale), offsets, np.full(channels, 4 * scale)


def floats(net: Net, channels: int, largest: float) -> Rows:
    """Gains and offsets as float32 has them, of which the first are negative and zero."""
    rows = []
    for values in (net.random.normal(largest / 3, largest / 6, channels), net.random.normal(0, 1, channels)):
        values[:2] = -values[0], 0
        pairs = [float(np.float32(value)).as_integer_ratio() for value in values]
        rows += [np.array(row) for row in zip(*pairs)]
    return rows[0], rows[1], rows[2], rows[3]


def on_boundaries(net: Net, channels: int, even: int) -> LayerNorm:
    """Pixels of integers `even` and minus that: d = n * even, v = d**2, the root of v + epsilon d + 1.

    Every channel of theirs is on a boundary, where offsets are 0.
    """
    moved, form = channels * even, net.activations
    positions = [b.position for b in form.boundaries() if b.position.denominator < 2**20]
    chosen = [
        positions[i] * Fraction(moved + 1, moved) for i in net.random.integers(0, len(positions), channels)
    ]
    gains = [np.array(row) for row in zip(*(gain.as_integer_ratio() for gain in chosen))]
    offsets = np.zeros(channels, np.int64), np.ones(channels, np.int64)
    return LayerNorm("on", ["x"], ["on"], form, *gains, *offsets, 2 * moved + 1, 1)


def network(fmt: str, shape: tuple[int, int, int] = SHAPE) -> Net:
    net = Net(parse(fmt), parse(fmt), shape, frames=12)
    codes, channels, form = net.codes["x"], shape[2], parse(fmt)
    two = form.encode(np.array([2.0, -2.0]))
    codes[2:4, ..., ::2], codes[2:4, ..., 1::2] = two
    codes[4, ..., 1:] = codes[4, ..., :1]  # one channel spreads
    largest = float(np.abs(form.decode(form.codes)).max())
    tiny = 1, 2**62  # beside v it decides ties alone
    net.add(LayerNorm("tied", ["x"], ["tied"], form, *rational(net, channels, largest), *tiny))
    net.add(LayerNorm("rms", ["x"], ["rms"], form, *rational(net, channels, largest), 7, 2**11, False))
    net.add(LayerNorm("real", ["x"], ["real"], form, *floats(net, channels, largest), 13, 5))
    names = ["tied", "rms", "real"]
    if fmt != "lp8_1_3":  # no few bits make a boundary of it
        names.append(net.add(on_boundaries(net, channels, int(form.integers[two[0]]))))
    net.finish(*names)
    return net


FOLDED = {"tied": LayerNormFolding(4), "rms": LayerNormFolding(8), "real": LayerNormFolding(2)}


def op_integers(net: Net) -> np.ndarray:
    form = net.graph.tensors["x"].format
    return np.asarray(form.integers[net.codes["x"]], np.int64)


@pytest.mark.parametrize("fmt", FORMATS)
def test_the_root_decides_the_code_of_the_definition(fmt: str) -> None:
    net = network(fmt)
    tensor = net.graph.tensors["x"]
    for op in net.graph.operators:
        assert isinstance(op, LayerNorm)
        found, (moved, spread) = norm([op], tensor, 4), op.moments(op_integers(net))
        assert np.abs(moved).max() <= found.most_moved and spread.max() <= found.most_spread
        wide = found.scale * spread.astype(object) + found.epsilons[0] << 2 * found.fraction_bits
        root = np.vectorize(isqrt, otypes=[object])(wide)
        left = moved * np.array(found.gains, object) * 2**found.fraction_bits + root * np.array(
            found.offsets, object
        )
        assert max(abs(left).max(), root.max() * found.unit) < 2 ** (found.bits - 1)
        reached = np.zeros(left.shape, np.int64)
        for limit, strict in zip(found.search.limits, found.search.strict):
            reached += (left >= limit * found.unit * root + strict).astype(np.int64)
        np.testing.assert_array_equal(found.search.codes[reached], net.values[op.name])
        ties = sum(int((left == limit * found.unit * root).sum()) for limit in set(found.search.limits))
        print(fmt, op.name, f"{found.bits} bits, {found.root_bits} of the root, {ties} on a boundary")
        assert op.name != "on" or ties >= 48  # of 96 of two frames, the others at minus a boundary


@needs_compiler
@pytest.mark.parametrize("fmt", FORMATS)
def test_hls(fmt: str) -> None:
    net = network(fmt)
    folding = FOLDED if fmt in ("int8", "e4m3") else {}
    agree(net, HlsEngine(net.graph, folding, flags=FAST_CPP).run)


@needs_compiler
def test_hls_with_one_comparison_for_all_bits_of_a_place() -> None:
    net = network("lp8_1_3", IN_TURN)
    tensor = net.graph.tensors["x"]
    for words, in_turn in ((32, True), (16, False)):
        found = [norm([op], tensor, words).search for op in net.graph.operators if isinstance(op, LayerNorm)]
        assert {search.in_turn for search in found} == {in_turn}
        assert {search.pace for search in found} == {8 if in_turn else 1}
    engine = HlsEngine(net.graph, {"real": LayerNormFolding(2)}, flags=FAST_CPP)
    agree(net, engine.run)
    trips = {process.name: process.trips for process in engine.design.processes}
    assert [trips[name] for name in ("tied", "real")] == [3 * 32 * 8, 3 * 16]


@needs_verilator
@pytest.mark.parametrize(("fmt", "shape"), [*_SIMULATED, *_LONG])
def test_rtl_in_the_cycles_of_the_schedule(fmt: str, shape: tuple[int, int, int]) -> None:
    net = network(fmt, shape)
    net.graph.operators = net.graph.operators[1:]  # the first has the widest root, and nothing of its own
    graph, given = isolated(net.graph), net.codes["x"]
    engine = RtlEngine(graph, FOLDED if fmt in ("int4", "e3m2") else {}, flags=FAST)
    for stalls in (Stalls(0.0), Stalls(0.3, seed=2)):
        engine.stalls = stalls
        found = engine.run({port.tensor: given for port in graph.inputs})
        for op, port in zip(graph.operators, graph.outputs):
            np.testing.assert_array_equal(found[port.tensor], net.values[op.name], err_msg=op.name)
        assert engine.counts is not None
        if not stalls.probability:
            np.testing.assert_array_equal(engine.counts.intervals, engine.design.paces)


def test_ties_behind_thirds_are_decided_by_the_reference() -> None:
    """2 and -2 over their spread of 3/2 are no binary numbers; times 3/8 they are halves, which are ties."""
    b = Builder(1, 4)
    rows = b.constant(np.full(4, 0.375)), b.constant(np.zeros(4))
    norm = b.node("LayerNormalization", b.quantise("x", "int8", 1.0), *rows, epsilon=0.25)
    model = b.model(b.quantise(norm, "int8", 1.0))
    graph = check(model, np.array([[[2, -2, 0, 0]]], np.float32))
    assert any(isinstance(op, LayerNorm) for op in graph.operators)
