"""Pools whose windows hold fewer pixels at the border, and dilated ones: all engines, as scheduled."""

from __future__ import annotations

import numpy as np
import pytest

from pyqkit.emulate.exact import ExactEngine
from pyqkit.emulate.hls import HlsEngine
from pyqkit.emulate.rtl import RtlEngine, Stalls
from pyqkit.formats import parse
from pyqkit.graph.graph import GraphError, Operator
from pyqkit.graph.ops.pixel_scale import PixelScale
from pyqkit.graph.ops.pool import MaxPool, SumPool
from pyqkit.graph.serialise import from_json, to_json
from tests.emulate.networks import Net
from tests.emulate.test_engines import FAST as FAST_CPP
from tests.emulate.test_engines import agree, needs_compiler
from tests.rtl.bench import FAST, needs_verilator


def network(fmt: str = "int4") -> Net:
    """An average of 3x3 pixels of which some are padding, and largest values of distant pixels."""
    net = Net(parse(fmt), parse(fmt), (5, 4, 4))
    net.add(SumPool("sums", ["x"], ["sums"], (3, 3), (1, 1), (1, 1, 1, 1)))
    counts = np.multiply.outer([2, 3, 3, 3, 2], [2, 3, 3, 2])
    net.add(PixelScale("scaled", ["sums"], ["scaled"], 36 // counts))
    net.add(MaxPool("largest", ["x"], ["largest"], (2, 2), (2, 1), (1, 0, 0, 2), (2, 3)))
    net.finish("scaled", "largest")
    return net


def test_the_definition_is_an_average_of_pixels_inside() -> None:
    net = network()
    x, scaled = net.graph.tensors["x"].format.to_integers(net.codes["x"]), net.graph.tensors["scaled"].format
    corner, middle = x[:, :2, :2].mean(axis=(1, 2)), x[:, 1:4, :3].mean(axis=(1, 2))
    found = scaled.to_integers(net.values["scaled"])
    np.testing.assert_array_equal(found[:, 0, 0], 36 * corner)
    np.testing.assert_array_equal(found[:, 2, 1], np.rint(36 * middle))
    largest = net.graph.tensors["largest"].format.to_integers(net.values["largest"])
    np.testing.assert_array_equal(largest[:, 1, 0], x[:, [1, 3]][:, :, [0, 3]].max(axis=(1, 2)))
    agree(net, ExactEngine(net.graph).run)
    agree(net, from_json(*to_json(net.graph)).execute)


@needs_compiler
@pytest.mark.parametrize("fmt", ["int4", "uint4z7"])
def test_hls(fmt: str) -> None:
    net = network(fmt)
    agree(net, HlsEngine(net.graph, flags=FAST_CPP).run)


@needs_verilator
def test_rtl_in_the_cycles_of_the_schedule() -> None:
    net = network()
    engine = RtlEngine(net.graph, flags=FAST)
    agree(net, engine.run)
    assert engine.counts is not None and engine.counts.interval == engine.design.interval
    engine.stalls = Stalls(0.3, seed=3)
    agree(net, engine.run)


_AWAY = ((1, 1), (1, 1), (0, 0, 1, 0))


@pytest.mark.parametrize(
    ("op", "sentence"),
    [
        (PixelScale("s", ["x"], ["s"], np.ones((3, 3), np.int64)), r"factors of \(3, 3\) pixels instead of"),
        (PixelScale("s", ["x"], ["s"], np.zeros((3, 4), np.int64)), "no positive int64 table"),
        (MaxPool("m", ["x"], ["m"], *_AWAY), "as large as its window"),
        (MaxPool("m", ["x"], ["m"], (2, 1), (1, 1), (2, 0, 2, 0), (5, 1)), "lies in the padding"),
    ],
    ids=["shape", "zero", "padding", "dilated"],
)
def test_what_they_cannot_do_is_refused(op: Operator, sentence: str) -> None:
    with pytest.raises(GraphError, match=sentence):
        Net(parse("int4"), parse("int4"), (3, 4, 2)).graph.add(op)
