"""The loops of the C++ take the cycles that the schedule of the SystemVerilog says, process by process.

A process begins anew with every frame, so that what fills before the first word goes is not hidden: a window,
a pixel of a permutation, a block of a transposition. All others take exactly as long.
"""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from pyqkit import backends, boards
from pyqkit.compiled import Compiled
from pyqkit.dataflow.streams import output_reader
from pyqkit.designs import Designs
from pyqkit.emulate.hls import HlsEngine
from pyqkit.formats import parse
from pyqkit.graph.graph import Graph
from pyqkit.graph.ops.add import Add
from pyqkit.graph.ops.pool import SumPool
from pyqkit.hardware import folding as search
from pyqkit.hls.emitter import Process
from pyqkit.hls.schedule import PIPELINE_CYCLES
from tests.emulate.networks import Net, everything
from tests.emulate.test_engines import FAST, folding


def resnet8() -> Graph:
    """The layers of MLPerf Tiny's image classifier."""
    net = Net(parse("ue2m2"), parse("e2m1"), (32, 32, 3), frames=2)
    x = net.threshold("start", net.conv("conv", "x", 16))
    for block, (channels, stride) in enumerate(((16, 1), (32, 2), (64, 2))):
        strided = {"stride": (stride, stride)}
        a = net.threshold(f"relu_{block}", net.conv(f"first_{block}", x, channels, **strided))
        b = net.conv(f"second_{block}", a, channels)
        skip = x if stride == 1 else net.conv(f"skip_{block}", x, channels, 1, padding=(0,) * 4, **strided)
        total = Add(f"sum_{block}", [b, skip], [f"sum_{block}"], np.ones((2, channels), np.int64))
        x = net.threshold(f"out_{block}", net.add(total))
    pooled = net.add(SumPool("pool", [x], ["pool"], (8, 8), (8, 8)))
    return net.finish(net.conv("dense", pooled, 10, 1))


def designs(graph: Graph, parallel: int) -> Designs:
    return Designs(Compiled(graph, boards.load("PYNQ-Z2"), 100.0, folding(graph, parallel)))


NETWORKS = {
    "everything": lambda: everything("e2m1").graph,
    "everything in int8": lambda: everything("int8").graph,
    "resnet8": resnet8,
}


@pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")
@pytest.mark.parametrize("parallel", [1, 3])
def test_the_compiled_loops_have_the_trips_that_are_said(parallel: int) -> None:
    net = everything("e2m1")
    engine = HlsEngine(net.graph, folding(net.graph, parallel), flags=FAST)
    engine.run({"x": net.codes["x"][:1]})
    assert engine.trips() == {process.name: process.trips for process in engine.design.processes}


@pytest.mark.parametrize("name", NETWORKS)
def test_trips_are_the_cycles_of_the_schedule(name: str) -> None:
    graph = NETWORKS[name]()
    for parallel in (1, 3, 8, 16):
        found = designs(graph, parallel)
        assert found.hls_schedule.processes == found.hls.processes  # without its constants, and with them
        processes: dict[str, list[Process]] = {}
        for process in found.hls.processes:
            processes.setdefault(process.owner, []).append(process)
        for owner, cycles in found.rtl.cycles().items():
            slowest = max(processes[owner], key=lambda process: process.trips)
            if slowest.fill:
                assert cycles <= slowest.trips <= cycles * 1.02 + slowest.fill, owner
            else:
                assert slowest.trips == cycles, owner


def test_the_interval_of_the_cpp_is_that_of_its_slowest_process() -> None:
    graph, board = resnet8(), boards.load("PYNQ-Z2")
    found = Designs(Compiled(graph, board, 100.0, search.find(graph, board, 100.0, 5425)))
    both = backends.cycles(found)
    assert {backend: cycles.initiation_interval_cycles for backend, cycles in both.items()} == {
        "rtl": 18_432,
        "hls": 18_452,
    }  # docs/engines.md
    slowest = max(found.hls.processes, key=lambda process: process.trips)
    assert both["hls"].initiation_interval_cycles == slowest.trips + PIPELINE_CYCLES
    assert both["hls"].bottleneck == slowest.owner
    assert both["rtl"].initiation_interval_cycles == found.rtl.interval <= slowest.trips
    extra = both["hls"].latency_cycles - both["rtl"].latency_cycles
    assert extra == PIPELINE_CYCLES * len(found.hls.processes)
    for backend, cycles in both.items():
        layers = backends.layer_cycles(found, backend)
        assert max(layers.values()) == cycles.initiation_interval_cycles == layers[cycles.bottleneck]


def test_an_output_that_limits_is_named() -> None:
    """Sums of 64 x 2 lanes, wider than a beat, leave in more beats than the unit has cycles."""
    net = Net(parse("int8"), parse("int8"), (3, 3, 4))
    graph = net.finish(net.conv("dense", "x", 64, 1))
    found = designs(graph, 64)
    for cycles in backends.cycles(found).values():
        assert cycles.bottleneck == "the stream of dense"
    assert found.rtl.cycles()[output_reader(0)] == found.rtl.interval
