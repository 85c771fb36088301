"""Probes in the simulated SystemVerilog.

A residual network keeps its codes, its interval and its FIFOs with them.
"""

from __future__ import annotations

import numpy as np
import pytest

from pyqkit.emulate.rtl import RtlEngine, Stalls
from pyqkit.formats import parse
from pyqkit.graph.ops.add import Add
from pyqkit.graph.ops.convolution import ConvolutionFolding
from pyqkit.graph.probes import probe
from tests.emulate.networks import Net
from tests.emulate.test_engines import agree, folding
from tests.rtl.bench import FAST, needs_verilator


def residual() -> Net:
    """A sum of two convolutions and the shortcut beside them, all of which is probed."""
    net = Net(parse("int4"), parse("int4"), shape=(6, 8, 4), frames=6)
    x = net.threshold("a", net.conv("first", "x", 4))
    main = net.conv("third", net.threshold("b", net.conv("second", x, 4)), 4)
    net.finish(net.threshold("c", net.add(Add("sum", [main, x], ["sum"], np.ones((2, 4), np.int64)))))
    probe(net.graph, ["a", "second", "b", "third", "sum"])
    return net


@needs_verilator
@pytest.mark.parametrize("parallel", [2, 36])
def test_probes_cost_no_cycle_and_no_deadlock(parallel: int) -> None:
    net = residual()
    engine = RtlEngine(net.graph, folding(net.graph, parallel), flags=FAST)
    agree(net, engine.run)
    assert engine.counts is not None and engine.counts.interval == engine.design.interval
    for seed in range(3):  # a DMA between two packets takes nothing, and the others go on
        engine.stalls = Stalls(0.5, seed)
        agree(net, engine.run)


@needs_verilator
def test_a_probe_that_limits_sets_the_pace() -> None:
    """Four sums of 10 bits and more leave in two beats; the convolution makes all four in every cycle."""
    net = Net(parse("int8"), parse("int8"), shape=(6, 8, 4), frames=6)
    net.finish(net.threshold("a", net.conv("sums", "x", 4, 1)))
    probe(net.graph, ["sums"])
    engine = RtlEngine(net.graph, {"sums": ConvolutionFolding(4, 4)}, flags=FAST)
    agree(net, engine.run)
    assert engine.counts is not None and engine.counts.interval == engine.design.interval == 2 * 6 * 8
    assert engine.design.paces == [48, 96]
