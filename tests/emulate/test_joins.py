"""Streams joined along rows, columns and channels: every engine gives the definition's codes.

What comes second along the rows waits for a whole frame of what comes first, in a FIFO of that depth.
"""

from __future__ import annotations

import numpy as np
import pytest

from pyqkit.dataflow.backlog import pixels_waiting
from pyqkit.emulate.exact import ExactEngine
from pyqkit.emulate.hls import DeadlockError, HlsEngine
from pyqkit.emulate.rtl import RtlEngine
from pyqkit.formats import parse
from pyqkit.graph.ops.layout import Concat, Slice
from tests.emulate.networks import Net
from tests.emulate.test_engines import FAST as FAST_CPP
from tests.emulate.test_engines import agree, folding, needs_compiler
from tests.rtl.bench import FAST, needs_verilator


def every_axis() -> Net:
    """Two joined along rows, three along columns, two along channels."""
    net = Net(parse("int4"), parse("int2"), shape=(6, 5, 4), frames=3)
    a = net.threshold("a", net.conv("conv", "x", 4))
    tall = net.add(Concat("tall", [a, net.threshold("b", net.conv("below", a, 4))], ["tall"], axis=0))
    edge = net.add(Slice("edge", [tall], ["edge"], (0, 3), (1, 1), (12, 2)))
    c = net.threshold("c", net.conv("beside", tall, 4, padding=(1, 2, 1, 0)))
    wide = net.add(Concat("wide", [edge, c, tall], ["wide"], axis=1))
    d = net.threshold("d", net.conv("deep", wide, 6))
    net.finish(net.conv("last", net.add(Concat("both", [wide, d], ["both"])), 3))
    return net


def test_exact() -> None:
    net = every_axis()
    assert net.graph.tensors["both"].shape == (12, 12, 10)
    agree(net, ExactEngine(net.graph).run)


@needs_compiler
def test_hls() -> None:
    net = every_axis()
    agree(net, HlsEngine(net.graph, folding(net.graph, 2), flags=FAST_CPP).run)


@needs_verilator
def test_rtl() -> None:
    net = every_axis()
    engine = RtlEngine(net.graph, folding(net.graph, 2), flags=FAST)
    agree(net, engine.run)
    assert engine.counts is not None
    assert engine.counts.interval == engine.design.interval
    assert engine.counts.latency == pytest.approx(engine.design.latency, rel=0.02)


@needs_compiler
def test_rows_below_wait_for_a_whole_frame() -> None:
    """What leads to the second input of a join along rows stands still until the first has passed."""
    net = Net(parse("int4"), parse("int2"), shape=(12, 12, 1), frames=2)
    below = net.threshold("b", net.conv("conv", "x", 1))
    net.finish(net.add(Concat("tall", ["x", below], ["tall"], axis=0)))
    assert pixels_waiting(net.graph)["x", "conv"] == 12 * 12
    with pytest.raises(DeadlockError, match="waits to write the full stream x_to_conv"):
        HlsEngine(net.graph, depths={("x", "conv"): 2}, flags=FAST_CPP).run(net.codes)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_pixels_needed_are_those_that_a_pixel_is_made_of(axis: int) -> None:
    """Counted: the pixels of each input that stand before a pixel of the result."""
    net = Net(parse("int4"), parse("int4"), shape=(3, 4, 2))
    other = net.add(Slice("cut", ["x"], ["cut"], (0, 0), (1, 1), (3, 4)))
    join = Concat("join", ["x", other], ["join"], axis=axis)
    net.add(join)
    tensors = net.graph.input_tensors(join)
    numbers = np.arange(12).reshape(1, 3, 4, 1)
    marks = [np.concatenate([numbers * 0 + source, numbers], axis=-1) for source in (0, 1)]
    (joined,) = join.execute(marks, tensors)
    for source, needed in enumerate(join.pixels_needed(tensors)):
        if axis == 2:
            np.testing.assert_array_equal(needed, np.arange(1, 13))
        else:
            seen = np.where(joined[0, ..., 0] == source, joined[0, ..., 1] + 1, 0)
            np.testing.assert_array_equal(needed, np.maximum.accumulate(seen.ravel()))
