"""Operators that repeat, drop and exchange rows and columns: all engines, and cycles as the schedule says."""

from __future__ import annotations

import numpy as np
import pytest

from pyqkit.emulate.exact import ExactEngine
from pyqkit.emulate.hls import HlsEngine
from pyqkit.emulate.rtl import RtlEngine, Stalls
from pyqkit.formats import parse
from pyqkit.graph.graph import GraphError
from pyqkit.graph.ops.add import Add
from pyqkit.graph.ops.layout import Concat, Reshape
from pyqkit.graph.ops.resize import Resize, ResizeFolding
from pyqkit.graph.ops.transpose import Transpose
from pyqkit.graph.serialise import from_json, to_json
from pyqkit.rtl.isolated import isolated, random_codes
from tests.emulate.networks import Net
from tests.emulate.test_engines import FAST as FAST_CPP
from tests.emulate.test_engines import agree, needs_compiler
from tests.rtl.bench import FAST, needs_verilator


def network() -> Net:
    """Rows and columns twice, unevenly, columns alone; depth to space and back."""
    net = Net(parse("e2m1"), parse("e2m1"), (3, 4, 8))
    net.add(Resize("twice", ["x"], ["twice"], [2] * 3, [2] * 4))
    net.add(Resize("uneven", ["x"], ["uneven"], [0, 3, 1], [2, 0, 1, 0]))
    net.add(Resize("wider", ["x"], ["wider"], [1] * 3, [3] * 4))
    net.add(Reshape("parts", ["x"], ["parts"], (12, 2, 4)))
    net.add(Transpose("lines", ["parts"], ["lines"], 4))
    net.add(Reshape("space", ["lines"], ["space"], (6, 8, 2)))
    net.add(Reshape("rows", ["space"], ["rows"], (6, 4, 4)))
    net.add(Transpose("blocks", ["rows"], ["blocks"], 2))
    net.add(Reshape("depth", ["blocks"], ["depth"], (3, 4, 8)))
    net.finish("twice", "uneven", "wider", "space", "depth")
    return net


FOLDED = {"twice": ResizeFolding(8), "uneven": ResizeFolding(2), "wider": ResizeFolding(4)}


def test_rows_and_columns_go_where_the_definition_says() -> None:
    net = network()
    x, values = net.codes["x"], net.values
    np.testing.assert_array_equal(values["twice"][:, 1::2, ::2], x)
    np.testing.assert_array_equal(values["uneven"], x[:, [1, 1, 1, 2]][:, :, [0, 0, 2]])
    parts = x.reshape(-1, 3, 4, 2, 2, 2).transpose(0, 1, 3, 2, 4, 5)
    np.testing.assert_array_equal(values["space"], parts.reshape(-1, 6, 8, 2))
    np.testing.assert_array_equal(values["depth"], x)
    agree(net, ExactEngine(net.graph).run)
    agree(net, from_json(*to_json(net.graph)).execute)


@needs_compiler
@pytest.mark.parametrize("folding", [{}, FOLDED], ids=["one", "folded"])
def test_hls(folding: dict[str, ResizeFolding]) -> None:
    net = network()
    agree(net, HlsEngine(net.graph, folding, flags=FAST_CPP).run)


@needs_verilator
def test_rtl_in_the_cycles_of_the_schedule() -> None:
    graph = isolated(network().graph)
    codes = random_codes(graph, 4)
    engine = RtlEngine(graph, FOLDED, flags=FAST)
    expected = graph.execute(codes)
    for stalls in (None, Stalls(0.3, seed=3)):
        engine.stalls = stalls or engine.stalls
        found = engine.run(codes)
        for op, port in zip(graph.operators, graph.outputs):
            np.testing.assert_array_equal(found[port.tensor], expected[port.tensor], err_msg=op.name)
        if stalls is None:
            assert engine.counts is not None
            counted = dict(zip((op.name for op in graph.operators), engine.counts.intervals))
            assert counted == dict(zip(counted, engine.design.paces))
            assert (counted["twice"], counted["uneven"]) == (48, 4 * (4 + 3 * 5 + 5))


@needs_verilator
def test_fifos_beside_them_are_deep_enough() -> None:
    """A skip connection of a U-Net waits for what was made small and large again."""
    net = Net(parse("int4"), parse("int4"), (8, 12, 2), frames=3)
    small = net.threshold("b", net.conv("a", "x", 2, stride=(2, 2)))
    net.add(Resize("large", [small], ["large"], [2] * 4, [2] * 6))
    net.add(Reshape("parts", [net.threshold("d", net.conv("c", small, 8, 1))], ["parts"], (24, 2, 4)))
    net.add(Transpose("lines", ["parts"], ["lines"], 6))
    net.add(Reshape("space", ["lines"], ["space"], (8, 12, 2)))
    net.add(Concat("joined", ["x", "large"], ["joined"]))
    net.finish("joined", net.add(Add("sum", ["x", "space"], ["sum"], np.ones((2, 2), np.int64))))
    agree(net, HlsEngine(net.graph, flags=FAST_CPP).run)
    engine = RtlEngine(net.graph, flags=FAST)
    agree(net, engine.run)
    assert engine.counts is not None and engine.counts.interval == engine.design.interval
    engine.stalls = Stalls(0.3, seed=2)
    agree(net, engine.run)


@pytest.mark.parametrize(
    ("op", "sentence"),
    [
        (Resize("r", ["x"], ["r"], [1, 2], [1] * 4), "r has copies of 2 rows and 4 columns instead of"),
        (Resize("r", ["x"], ["r"], [1, -1, 1], [1] * 4), "r has rows that come a negative number"),
        (Resize("r", ["x"], ["r"], [1, 1, 1], [0] * 4), "r has columns that come a negative number of"),
        (Resize("r", ["x"], ["r"], [10**9, 1, 1], [1] * 4), "was expected, but r has the shape"),
        (Transpose("t", ["x"], ["t"], 2), "t has blocks of 2 rows in an image of 3"),
    ],
    ids=["count", "negative", "never", "large", "blocks"],
)
def test_what_they_cannot_do_is_refused(op: Resize | Transpose, sentence: str) -> None:
    with pytest.raises(GraphError, match=sentence):
        Net(parse("int4"), parse("int4"), (3, 4, 2)).graph.add(op)
