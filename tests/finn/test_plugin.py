"""An operator that was added at run time is a FINN node, without a class of its own in pyqkit."""

from __future__ import annotations

import pytest

pytest.importorskip("finn.custom_op", reason="finn-plus is not installed; make test-finn")

import numpy as np

from pyqkit.finn.convert import to_finn
from pyqkit.finn.flow import dataflow_model, simulated
from pyqkit.graph.graph import Graph
from tests.emulate.networks import Net
from tests.finn.models import PART, assert_executes
from tests.plugin.conftest import absolute as absolute  # the fixture


@pytest.fixture
def net(absolute) -> Net:
    from pyqkit.formats import parse

    made = Net(parse("int4"), parse("int4"), shape=(3, 2, 6), frames=2)
    made.add(absolute.Absolute("size", ["x"], ["size"], np.arange(1, 7)))
    made.finish("size")
    return made


def test_its_definition_and_its_cpp(absolute, net):
    graph: Graph = net.graph
    expected = graph.execute(net.codes)
    assert_executes(to_finn(graph), graph, net.codes, expected, net.frames)
    model = dataflow_model(graph, {"size": absolute.AbsoluteFolding(3)}, PART)
    (node,) = (node for node in model.graph.node if node.op_type == "PqAbsolute_hls")
    assert {a.name: a.i for a in node.attribute}["LANES"] == 3
    assert_executes(simulated(model), graph, net.codes, expected, net.frames)
