"""FIFOs hold what waits for a join, also where other blocks stand between the two."""

from __future__ import annotations

import numpy as np

from pyqkit.emulate.rtl import RtlEngine, Stalls
from pyqkit.formats import parse
from pyqkit.graph.ops.add import Add
from pyqkit.graph.ops.layout import Concat
from tests.emulate.networks import Net
from tests.emulate.test_engines import agree
from tests.rtl.bench import FAST, needs_verilator


@needs_verilator
def test_converters_and_joins_of_joins_neither_stop_nor_slow() -> None:
    """Shortcuts come in wider words than the sum, and two of three branches are joined before the latest."""
    net = Net(parse("int4"), parse("int4"), shape=(4, 40, 2), frames=3)
    near = net.threshold("b", net.conv("a", "x", 2, (3, 1)))
    late = net.conv("c", near, 2)
    total = net.add(Add("sum", [late, "x"], ["sum"], np.ones((2, 2), np.int64)))
    early = net.threshold("e", net.conv("d", "x", 2, 1))
    joined = net.add(Concat("joined", ["x", early, net.threshold("f", late)], ["joined"]))
    net.finish(total, joined)
    engine = RtlEngine(net.graph, flags=FAST)
    for edge in (("x", "sum"), ("x", "joined"), ("e", "joined")):
        assert engine.design.fifos[edge] > 32, edge  # the least
    agree(net, engine.run)
    assert engine.counts is not None and engine.counts.interval == engine.design.interval
    engine.stalls = Stalls(0.3, seed=4)
    agree(net, engine.run)
