"""Softmax in blocks: shares on every kind of boundary, in all engines, and cycles as the schedule says."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import lcm

import numpy as np
import pytest

from pyqkit.dataflow.row_search import row_search, shares
from pyqkit.emulate.hls import HlsEngine
from pyqkit.emulate.rtl import RtlEngine, Stalls
from pyqkit.formats import parse
from pyqkit.graph.conventions import exponential_table
from pyqkit.graph.ops.softmax import Softmax, SoftmaxFolding
from pyqkit.rtl.isolated import isolated
from tests.emulate.networks import Net
from tests.emulate.test_engines import FAST as FAST_CPP
from tests.emulate.test_engines import agree, needs_compiler
from tests.rtl.bench import FAST, needs_verilator

SHARES = {
    "uint8": Fraction(256),
    "int8": Fraction(127),
    "uint4": Fraction(5),
    "int4": Fraction(13, 2),
    "e4m3": Fraction(1),
    "ue3m2": Fraction(28),
    "e3m2": Fraction(13, 8),
    "lp8_1_3": Fraction(1),
}
COMPILED = ["int8", "int4", "e4m3", "e3m2", "lp8_1_3"]
_LONG = [pytest.param(fmt, marks=pytest.mark.long) for fmt in COMPILED if fmt != "int4"]
_ONE, _NOTHING, _FIRST = 0, 1, 2  # scores with a term of 1, of 0, and the first on a boundary


def on_boundaries(net: Net, fmt: str, gain: Fraction) -> Softmax:
    """Rows of four scores with a share on a boundary, or next to it where none has so few bits; and others.

    A row holds what is on the boundary, what is missing to the whole, and perhaps a little more.
    """
    positions = [b.position / gain for b in parse(fmt).boundaries() if 0 < b.position < gain]
    chosen = net.random.choice(len(positions), min(100, len(positions)), replace=False)
    common = lcm(*(position.denominator for position in positions))
    whole = 2**29 // common * common or 2**29  # what terms on a boundary add up to
    significands = net.random.integers(1, 2**30, 256)
    significands[_ONE], significands[_NOTHING] = 1, 0
    rows = []
    for place, index in enumerate(chosen):
        first = _FIRST + 2 * place
        on = round(positions[index] * whole)
        significands[[first, first + 1]] = on, whole - on
        rows += [[first, first + 1, last, _NOTHING] for last in (_NOTHING, _ONE)]
    codes = net.codes["x"].reshape(-1, 4)
    codes[: len(rows)] = net.random.permutation(np.array(rows, codes.dtype), axis=0)
    codes[len(rows)] = _ONE, _NOTHING, _NOTHING, _NOTHING  # the whole, and nothing
    sized = gain.numerator, gain.denominator
    exponents = np.zeros(256, np.int64)
    return Softmax("on", ["x"], ["on"], parse(fmt), significands, exponents, 3, *sized)


def of_scores(fmt: str, gain: Fraction, groups: int, causal: bool = False) -> Softmax:
    """A table as the importer makes it, whose exponents differ."""
    scores = parse("int8")
    tables = np.zeros((2, 256), np.int64)
    tables[:, scores.codes] = exponential_table([Fraction(int(i), 4) for i in scores.integers[scores.codes]])
    sized = gain.numerator, gain.denominator
    return Softmax("s", ["x"], ["s"], parse(fmt), *tables, groups, *sized, causal)


def network(fmt: str) -> Net:
    net = Net(parse("int8"), parse("int8"), (3, 2, 12), frames=12)
    gain = SHARES[fmt]
    net.codes["x"][6:] = net.random.integers(0, 12, net.codes["x"][6:].shape)  # scores that are close
    on = on_boundaries(net, fmt, gain)
    net.add(on)
    net.add(of_scores(fmt, gain, 1))
    few = of_scores("int4", Fraction(1), 1)  # its sums have more bits than what is compared with them
    net.add(replace(few, name="few", outputs=["few"]))
    net.finish("on", "s", "few")
    return net


def causal(fmt: str) -> Net:
    """Six tokens of three heads, whose largest score is often one that a token does not see."""
    net = Net(parse("int8"), parse("int8"), (1, 6, 18), frames=12)
    net.add(of_scores(fmt, SHARES[fmt], 3, causal=True))
    net.finish("s")
    return net


FOLDED = {"on": SoftmaxFolding(4), "s": SoftmaxFolding(3)}


def ties(net: Net) -> int:
    """Shares that are on a boundary."""
    (op, *_), found = net.graph.operators, 0
    assert isinstance(op, Softmax)
    terms, sums = op.terms(net.codes["x"])
    gain = Fraction(op.gain_numerator, op.gain_denominator)
    on = {boundary.position for boundary in op.format.boundaries()}
    for term, total in zip(terms.reshape(-1, 4).tolist(), sums.ravel().tolist()):
        found += sum(gain * Fraction(t, total) in on for t in term)
    return found


@pytest.mark.parametrize("fmt", SHARES)
def test_the_search_finds_the_code_of_the_definition(fmt: str) -> None:
    net = network(fmt)
    assert fmt == "lp8_1_3" or ties(net) >= 5  # no few bits make a boundary of lp8_1_3
    for op in net.graph.operators:
        assert isinstance(op, Softmax)
        found, (terms, sums) = shares([op]), op.terms(net.codes["x"])
        search = found.search
        reached = np.zeros(terms.shape, np.int64)
        for limit, strict in zip(search.limits, search.strict):
            reached += (
                found.factors[0] * terms.astype(object) >= limit * sums.astype(object) + strict
            ).astype(np.int64)
        np.testing.assert_array_equal(
            search.codes[reached].reshape(net.codes["x"].shape), net.values[op.name]
        )


def test_a_search_without_boundaries_has_one_code() -> None:
    search = row_search([], [], np.array([3]))
    assert (search.steps, search.limits, search.codes.tolist()) == (1, (0,), [3, 3])


@needs_compiler
@pytest.mark.parametrize("fmt", COMPILED)
def test_hls(fmt: str) -> None:
    net = network(fmt)
    folding = FOLDED if fmt in ("int8", "e4m3") else {}
    agree(net, HlsEngine(net.graph, folding, flags=FAST_CPP).run)


@needs_verilator
@pytest.mark.parametrize("fmt", ["int4", *_LONG])
def test_rtl_in_the_cycles_of_the_schedule(fmt: str) -> None:
    """With rows of three words and of one, stalls and none."""
    net = network(fmt)
    graph, given = isolated(net.graph), net.codes["x"]
    engine = RtlEngine(graph, FOLDED if fmt in ("int4", "e4m3") else {}, flags=FAST)
    for stalls in (Stalls(0.0), Stalls(0.3, seed=2)):
        engine.stalls = stalls
        found = engine.run({port.tensor: given for port in graph.inputs})
        for op, port in zip(graph.operators, graph.outputs):
            np.testing.assert_array_equal(found[port.tensor], net.values[op.name], err_msg=op.name)
        assert engine.counts is not None
        if not stalls.probability:
            np.testing.assert_array_equal(engine.counts.intervals, engine.design.paces)


# ---- causal masks ------------------------------------------------------------------------------------------


def test_of_a_causal_mask_no_score_counts_that_is_not_seen() -> None:
    net = causal("uint8")
    (op,) = net.graph.operators
    (tensor,) = net.graph.input_tensors(op)
    seen = np.tile(np.tril(np.ones((6, 6), bool)), (1, 3))[None]
    changed = np.where(seen, net.codes["x"], net.random.integers(0, 256, net.codes["x"].shape))
    assert (changed != net.codes["x"]).any()
    (found,) = op.execute([changed.astype(np.uint8)], [tensor])
    np.testing.assert_array_equal(found, net.values["s"])
    assert not found[~np.broadcast_to(seen, found.shape)].any() and (found[:, 0, 0, ::6] == 255).all()
    alone = of_scores("uint8", SHARES["uint8"], 1)
    for token in range(6):  # a row without what it does not see is a softmax of its own
        part = np.ascontiguousarray(net.codes["x"][:, :, token : token + 1, 6 : 7 + token])
        (wanted,) = alone.execute([part], [tensor])
        np.testing.assert_array_equal(found[:, :, token, 6 : 7 + token], wanted[:, :, 0])


@needs_compiler
@pytest.mark.parametrize("folding", [{}, {"s": SoftmaxFolding(3)}])
def test_causal_masks_in_cpp(folding: dict[str, SoftmaxFolding]) -> None:
    net = causal("e3m2")
    agree(net, HlsEngine(net.graph, folding, flags=FAST_CPP).run)


@needs_verilator
@pytest.mark.parametrize("pe", [2, pytest.param(1, marks=pytest.mark.long)])
def test_causal_masks_in_systemverilog(pe: int) -> None:
    net = causal("int4")
    engine = RtlEngine(net.graph, {"s": SoftmaxFolding(pe)}, flags=FAST)
    agree(net, engine.run)
