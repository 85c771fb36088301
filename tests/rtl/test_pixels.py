"""Two pixels of a result at a time: every engine gives the same codes, in the cycles of the schedule."""

from __future__ import annotations

import numpy as np
import pytest

from pyqkit.emulate.hls import HlsEngine
from pyqkit.emulate.rtl import RtlEngine, Stalls
from pyqkit.errors import UserError
from pyqkit.formats import parse
from pyqkit.graph.ops.add import Add
from pyqkit.graph.ops.convolution import ConvolutionFolding
from pyqkit.hardware.estimator import Estimator
from pyqkit.hardware.folding import from_json, to_json
from pyqkit.rtl.isolated import isolated, random_codes
from tests.emulate.networks import Net
from tests.emulate.test_engines import FAST as FAST_CPP
from tests.emulate.test_engines import agree
from tests.rtl.bench import FAST, needs_verilator


def folded(pe: int, simd: int, multiplier: str = "lut") -> ConvolutionFolding:
    return ConvolutionFolding(pe, simd, multiplier, pixels=2)


def geometries(activations: str, weights: str, width: int) -> tuple[Net, dict[str, ConvolutionFolding]]:
    """Layers with one and several words a pixel, strides, holes, borders, groups and blocks."""
    net = Net(parse(activations), parse(weights), shape=(4, width, 4), frames=4)
    exponents = np.random.default_rng(1).integers(0, 3, (4, 3, 3, 2))
    net.finish(
        net.conv("whole", "x", 4),
        net.conv("folded", "x", 8),
        net.conv("strided", "x", 4, (3, 3), stride=(2, 2)),
        net.conv("point", "x", 8, (1, 1)),
        net.conv("skipping", "x", 4, (1, 1), stride=(1, 3)),
        net.conv("uneven", "x", 4, (2, 4), padding=(0, 3, 1, 0), stride=(1, 2)),
        net.conv("dilated", "x", 2, (2, 2), dilation=(1, 2), padding=(0, 0, 0, 0)),
        net.conv("grouped", "x", 8, groups=2),
        net.conv("depthwise", "x", 4, groups=4),
        net.conv("blocks", "x", 4, block=2, exponents=exponents),
    )
    return net, {
        "whole": folded(4, 2),
        "folded": folded(2, 4),
        "strided": folded(2, 1),
        "point": folded(4, 2),
        "skipping": folded(4, 4),
        "uneven": folded(1, 4),
        "dilated": folded(2, 4),
        "grouped": folded(2, 2),
        "depthwise": folded(2, 1),
        "blocks": folded(2, 4),
    }


@needs_verilator
@pytest.mark.parametrize(
    ("activations", "weights", "width"),
    [("int4", "int4", 6), ("uint8z128", "lp4_0_3", 7)],
    ids=["even", "odd"],
)
def test_engines_agree_in_the_cycles_of_the_schedule(activations: str, weights: str, width: int) -> None:
    net, foldings = geometries(activations, weights, width)
    agree(net, HlsEngine(net.graph, foldings, flags=FAST_CPP).run)
    graph = isolated(net.graph)  # so that every layer has an interval of its own
    codes = random_codes(graph, 5)
    expected = graph.execute(codes)
    engine = RtlEngine(graph, foldings, flags=FAST)
    for stalls in (None, Stalls(0.3, seed=2)):
        engine.stalls = stalls
        found = engine.run(codes)
        for op, port in zip(graph.operators, graph.outputs):
            np.testing.assert_array_equal(found[port.tensor], expected[port.tensor], err_msg=op.name)
        if stalls is None:
            assert engine.counts is not None
            assert engine.counts.intervals.tolist() == engine.design.paces
            assert engine.counts.latency == engine.design.latency


@needs_verilator
def test_four_products_of_a_dsp_change_no_code() -> None:
    """Columns of one and of several lanes, strides, an odd number of columns, groups and blocks."""
    net = Net(parse("int4"), parse("int4"), shape=(4, 7, 8), frames=4)
    exponents = np.random.default_rng(1).integers(0, 3, (4, 3, 3, 2))
    net.finish(
        net.conv("whole", "x", 4),
        net.conv("folded", "x", 8),
        net.conv("strided", "x", 4, (3, 3), stride=(2, 2)),
        net.conv("point", "x", 8, (1, 1)),
        net.conv("grouped", "x", 8, groups=2),
        net.conv("blocks", "x", 4, block=4, exponents=exponents),
    )
    foldings = {
        "whole": folded(4, 2, "dsp4"),
        "folded": folded(2, 8, "dsp4"),
        "strided": folded(2, 1, "dsp4"),
        "point": folded(4, 4, "dsp4"),
        "grouped": folded(2, 4, "dsp4"),
        "blocks": folded(2, 8, "dsp4"),
    }
    engine = RtlEngine(net.graph, foldings, flags=FAST)
    assert engine.design.text.count("pqk_packed_products") == len(foldings)
    agree(net, engine.run)
    assert engine.counts is not None
    assert engine.counts.interval == engine.design.interval
    assert engine.counts.latency == engine.design.latency
    engine.stalls = Stalls(0.3, seed=2)
    agree(net, engine.run)
    agree(net, HlsEngine(net.graph, foldings, flags=FAST_CPP).run)


@needs_verilator
def test_a_join_waits_for_pairs() -> None:
    """FIFOs beside it hold what that takes, in both languages."""
    net = Net(parse("int4"), parse("int4"), shape=(6, 40, 2), frames=4)
    a = net.threshold("b", net.conv("a", "x", 2))
    main, shortcut = net.conv("c", a, 2, stride=(1, 2)), net.conv("d", "x", 2, 1, stride=(1, 2))
    net.finish(net.add(Add("sum", [main, shortcut], ["sum"], np.ones((2, 2), np.int64))))
    foldings = {"a": folded(2, 2), "c": folded(1, 2)}
    agree(net, HlsEngine(net.graph, foldings, flags=FAST_CPP).run)
    engine = RtlEngine(net.graph, foldings, flags=FAST)
    agree(net, engine.run)
    assert engine.counts is not None and engine.counts.interval == engine.design.interval
    engine.stalls = Stalls(0.3, seed=2)
    agree(net, engine.run)


def test_two_pixels_take_half_the_cycles() -> None:
    net = Net(parse("int4"), parse("int4"), shape=(8, 8, 4))
    net.finish(net.conv("layer", "x", 8))
    cycles = [
        Estimator(net.graph).estimate({"layer": ConvolutionFolding(2, 2, pixels=n)})["layer"].cycles
        for n in (1, 2)
    ]
    assert cycles == [64 * 9 * 2 * 4, 32 * 9 * 2 * 4]


def test_folding_files_may_leave_pixels_out() -> None:
    net = Net(parse("int4"), parse("int4"), shape=(8, 8, 4))
    net.finish(net.conv("layer", "x", 8), net.conv("column", "x", 8, (1, 8), padding=(0, 0, 0, 0)))
    found = from_json({"layer": {"pe": 2, "simd": 2}}, net.graph, "here")
    assert found["layer"] == ConvolutionFolding(2, 2)
    found = from_json({"layer": {"pe": 2, "simd": 2, "pixels": 2}}, net.graph, "here")
    assert found["layer"] == folded(2, 2)
    assert to_json(found)["layer"]["pixels"] == 2
    with pytest.raises(UserError, match="a PIXELS that divides 1 was expected for column, but 2 came"):
        from_json({"column": {"pe": 2, "simd": 2, "pixels": 2}}, net.graph, "here")
