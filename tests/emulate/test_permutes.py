"""Channels that leave as they come, and others: in all engines, and cycles as the schedule says."""

from __future__ import annotations

import numpy as np

from pyqkit.dataflow.permute import Blocks, in_order
from pyqkit.emulate.hls import HlsEngine
from pyqkit.emulate.rtl import RtlEngine, Stalls
from pyqkit.formats import parse
from pyqkit.graph.ops.layout import Permute
from pyqkit.rtl.emitter import Fifo
from pyqkit.rtl.isolated import isolated
from tests.emulate.networks import Net
from tests.emulate.test_engines import FAST as FAST_CPP
from tests.emulate.test_engines import agree, needs_compiler
from tests.rtl.bench import FAST, needs_verilator

CHANNELS, LANES = 48, 8  # of int8, as many as a beat holds


def blocks_of(size: int, *places: int) -> list[int]:
    """Channels of blocks."""
    return [place * size + channel for place in places for channel in range(size)]


ORDERS: dict[str, tuple[list[int], Blocks | None]] = {
    "first third": (blocks_of(16, 0), Blocks(16, 0, 1, 1)),
    "second third": (blocks_of(16, 1), Blocks(16, 1, 1, 1)),
    "most": (blocks_of(8, 1, 2, 3, 4, 5), Blocks(8, 1, 1, 5)),
    "all": (blocks_of(48, 0), Blocks(48, 0, 1, 1)),
    "every other block": (blocks_of(8, 1, 3, 5), Blocks(8, 1, 2, 3)),
    "blocks that share words": (blocks_of(4, 1, 2), None),
    "uneven": (blocks_of(8, 0, 2, 5), None),
    "backwards": (blocks_of(24, 1, 0), None),
    "twice": (blocks_of(8, 0, 0), None),
}


def network() -> Net:
    net = Net(parse("int8"), parse("int8"), (3, 2, CHANNELS), frames=4)
    for index, (order, _) in enumerate(ORDERS.values()):
        net.add(Permute(f"p{index}", ["x"], [f"p{index}"], order))
    net.finish(*(f"p{index}" for index in range(len(ORDERS))))
    return net


def test_blocks() -> None:
    for name, (order, blocks) in ORDERS.items():
        assert in_order(order, CHANNELS, LANES) == blocks, name
    assert in_order(blocks_of(4, 1, 2), CHANNELS, 4) == Blocks(4, 1, 1, 2)
    assert in_order(blocks_of(9, 0), 27, 3) == Blocks(9, 0, 1, 1)


@needs_compiler
def test_hls() -> None:
    net = network()
    agree(net, HlsEngine(net.graph, {}, flags=FAST_CPP).run)


@needs_verilator
def test_rtl_in_the_cycles_of_the_schedule() -> None:
    """What leaves as it comes is a slice, without registers of whole pixels."""
    net = network()
    graph, given = isolated(net.graph), net.codes["x"]
    engine = RtlEngine(graph, {}, flags=FAST)
    modules = {
        b.owner: b.parts[0].module for b in engine.design.blocks if b.parts and not isinstance(b, Fifo)
    }
    sliced = [modules[f"p{index}"] == "slice" for index in range(len(ORDERS))]
    assert sliced == [blocks is not None for _, blocks in ORDERS.values()]
    for stalls in (Stalls(0.0), Stalls(0.3, seed=2)):
        engine.stalls = stalls
        found = engine.run({port.tensor: given for port in graph.inputs})
        for op, port in zip(graph.operators, graph.outputs):
            np.testing.assert_array_equal(found[port.tensor], net.values[op.name], err_msg=op.name)
        assert engine.counts is not None
        if not stalls.probability:
            np.testing.assert_array_equal(engine.counts.intervals, engine.design.paces)
