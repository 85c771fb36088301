"""Norms of Logarithmic Posits with real scales: integers of 20 bits, an epsilon over a scale's square."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pyqkit.emulate.exact import ExactEngine
from pyqkit.emulate.hls import HlsEngine
from pyqkit.emulate.rtl import RtlEngine
from pyqkit.engines import Engine
from pyqkit.graph.graph import Graph, GraphError, encode_input
from pyqkit.graph.ops.layer_norm import EPSILON_BITS, LayerNorm, LayerNormFolding
from tests.emulate.test_engines import FAST as FAST_CPP
from tests.emulate.test_engines import needs_compiler
from tests.graph.checked import check, frames
from tests.graph.qonnx_builder import Builder
from tests.rtl.bench import FAST, needs_verilator

WIDTH, TOKENS = 128, 2
FOLDING = LayerNormFolding(8)


def _graph() -> tuple[Graph, np.ndarray]:
    """As LPQ's search leaves a norm: scales are float32, gains and offsets too. The reference agrees."""
    b = Builder(TOKENS, WIDTH, seed=2)
    rows = [b.constant(b.random.normal(mean, 0.4, WIDTH)) for mean in (1, 0)]
    read = b.quantise("x", "lp8_0_7", 0.53153461)
    model = b.model(b.quantise(b.node("LayerNormalization", read, *rows, epsilon=1e-5), "lp8_0_7", 1.3426589))
    x = frames(model, 40)
    return check(model, x), x


@pytest.fixture(scope="module")
def made() -> tuple[Graph, np.ndarray]:
    return _graph()


def test_an_epsilon_of_more_than_63_bits(made: tuple[Graph, np.ndarray]) -> None:
    (op,) = made[0].operators
    assert isinstance(op, LayerNorm)
    assert op.epsilon_numerator >= 2**63 and made[0].tensors[op.inputs[0]].high * WIDTH >= 2**26


ENGINES: dict[str, Callable[[Graph], Engine]] = {
    "exact": ExactEngine,
    "definitions alone": lambda graph: ExactEngine(graph, compiled=False),
    "hls": lambda graph: HlsEngine(graph, {graph.operators[0].name: FOLDING}, flags=FAST_CPP),
    "rtl": lambda graph: RtlEngine(graph, {graph.operators[0].name: FOLDING}, flags=FAST),
}


@needs_compiler
@needs_verilator
@pytest.mark.parametrize(
    "engine", ["exact", "definitions alone", "hls", pytest.param("rtl", marks=pytest.mark.long)]
)
def test_engines_agree(made: tuple[Graph, np.ndarray], engine: str) -> None:
    graph, x = made
    (port,) = graph.inputs
    codes = {port.tensor: encode_input(port, graph.tensors[port.tensor], x)}
    wanted, found = graph.execute(codes), ENGINES[engine](graph).run(codes)
    (out,) = graph.outputs
    np.testing.assert_array_equal(found[out.tensor], wanted[out.tensor])
    assert len(np.unique(wanted[out.tensor])) > 50


def test_an_epsilon_without_end_is_refused(made: tuple[Graph, np.ndarray]) -> None:
    graph, _ = made
    (op,) = graph.operators
    other = Graph("other", dict(graph.tensors), [], graph.inputs, graph.outputs)
    del other.tensors[op.outputs[0]]
    changed = type(op)(**vars(op) | {"epsilon_numerator": 1 << EPSILON_BITS})
    with pytest.raises(GraphError, match="an epsilon of more than 127 bits"):
        other.add(changed)
