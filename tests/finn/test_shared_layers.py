"""A design whose layers share hardware in FINN: every layer has a node of its own, with the same folding."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("finn.custom_op", reason="finn-plus is not installed; make test-finn")

from finn.util.basic import getHWCustomOp

from pyqkit.finn.flow import dataflow_model, simulated
from tests.finn.models import PART, assert_executes
from tests.graph.test_reuse import chain, compiled


def test_nodes_of_layers_that_share_hardware() -> None:
    accelerator = compiled(chain(3), "on", 1_000_000)
    graph = accelerator.graph
    model = dataflow_model(graph, accelerator.foldings, PART)
    nodes = {
        node.get_nodeattr("source"): node
        for node in map(getHWCustomOp, model.graph.node)
        if node.onnx_node.op_type.startswith("Pq")
    }
    layers = [nodes[f"layer_{i}_sums"] for i in range(3)]
    chosen = {(node.get_nodeattr("PE"), node.get_nodeattr("SIMD")) for node in layers}
    assert len(chosen) == 1 and chosen != {(1, 1)}
    (entry,) = graph.inputs
    tensor = graph.tensors[entry.tensor]
    codes = {entry.tensor: np.random.default_rng(0).choice(tensor.format.codes, (4, *tensor.shape))}
    assert_executes(simulated(model), graph, codes, accelerator.exact.run(codes), 4)
