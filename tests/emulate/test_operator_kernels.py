"""Softmax, norms and products of streams in kernels: codes of the definition, on boundaries too."""

from __future__ import annotations

import numpy as np
import pytest

from pyqkit.emulate.compute import Kernel
from pyqkit.emulate.exact import ExactEngine
from pyqkit.emulate.unsure import Decided
from pyqkit.formats import parse
from pyqkit.graph.ops.matrix_product import MatrixProduct
from tests.emulate import test_layer_norm, test_softmax, test_tokens
from tests.emulate.networks import Net
from tests.emulate.test_engines import agree, needs_compiler


def kernels(engine: ExactEngine) -> set[str]:
    """Results of compiled kernels."""
    return {step.result for step in engine._steps if isinstance(step.compute, Kernel)}


@pytest.fixture
def decided(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows kernels have left to the definition, in each call that left some."""
    counts: list[int] = []
    decide = Decided.decide

    def counting(self: Decided) -> None:
        counts.append(int(np.count_nonzero(self.unsure)))
        decide(self)

    monkeypatch.setattr(Decided, "decide", counting)
    return counts


@needs_compiler
@pytest.mark.parametrize("portable", [False, True])
@pytest.mark.parametrize("fmt", test_softmax.SHARES)
def test_shares(fmt: str, portable: bool, decided: list[int]) -> None:
    net = test_softmax.network(fmt)
    engine = ExactEngine(net.graph, portable=portable)
    assert {"on", "s"} <= kernels(engine)
    agree(net, engine.run)
    rows = net.codes["x"].size // 4 + net.codes["x"].size // 12
    print(f"{fmt}: {sum(decided)} of {rows} rows by the definition")
    assert min(5, test_softmax.ties(net)) <= sum(decided) < rows  # those on a boundary, and few others


@needs_compiler
@pytest.mark.parametrize("portable", [False, True])
@pytest.mark.parametrize("fmt", test_layer_norm.FORMATS)
def test_norms(fmt: str, portable: bool, decided: list[int]) -> None:
    net = test_layer_norm.network(fmt)
    engine = ExactEngine(net.graph, portable=portable)
    assert set(net.values) - {"x"} <= kernels(engine) | {"out"}
    agree(net, engine.run)
    pixels = len(net.graph.operators) * net.codes["x"].size // 8
    print(f"{fmt}: {sum(decided)} of {pixels} pixels by the definition")
    assert sum(decided) < pixels / 2
    assert fmt == "lp8_1_3" or sum(decided) >= 12  # pixels of two frames that are on boundaries


@needs_compiler
@pytest.mark.parametrize("portable", [False, True])
@pytest.mark.parametrize("fmt", [*test_tokens.PAIRS, "lp4_0_3", "lp4_1_2"])
def test_products(fmt: str, portable: bool) -> None:
    """With more tokens than one vector has lanes, and fewer."""
    for tokens in (5, 37):
        net = test_tokens.attention(fmt, tokens) if fmt in test_tokens.PAIRS else logarithmic(fmt, tokens)
        engine = ExactEngine(net.graph, portable=portable)
        agree(net, engine.run)
        apart = ExactEngine(net.graph, portable=portable, fuse=False)
        assert {"scores", "contexts"} <= kernels(apart)
        agree(net, apart.run)


def logarithmic(fmt: str, tokens: int) -> Net:
    """Products of Logarithmic Posits, as they are."""
    net = Net(parse(fmt), parse(fmt), (1, tokens, 6), frames=3)
    scores = net.add(
        MatrixProduct("scores", ["x", net.threshold("y", net.conv("c", "x", 6, 1))], ["scores"], 2)
    )
    shares = net.threshold("p", scores, parse(fmt))
    contexts = net.add(MatrixProduct("contexts", [shares, "x"], ["contexts"], 2, True))
    net.finish(scores, contexts)
    return net
