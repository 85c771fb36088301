"""Gated linear units: ``glu`` is a product of one half of the channels and the sigmoid of the other."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional

from pyqkit.quant.ptq.parts import is_call
from pyqkit.quant.ptq.paths import stand_in


def write_out_gates(graph: fx.GraphModule) -> None:
    """Replace ``functional.glu`` and ``nn.GLU`` by their parts, which have places of their own, in place."""
    for node in list(graph.graph.nodes):
        axis = _axis(graph, node)
        if axis is None:
            continue
        x, own = node.all_input_nodes[0], node.meta.get("nn_module_stack")
        with graph.graph.inserting_before(node):
            halves = graph.graph.call_function(torch.chunk, (x, 2, axis))
            numbers, gate = (graph.graph.call_function(operator.getitem, (halves, i)) for i in range(2))
            gate = graph.graph.call_function(torch.sigmoid, (gate,))
            made = graph.graph.call_function(torch.mul, (numbers, gate))
        if own:  # where `place` reads the layer's name
            gate.meta["nn_module_stack"] = made.meta["nn_module_stack"] = own
        stand_in(node, made)


def _axis(graph: fx.GraphModule, node: fx.Node) -> Any:
    """The axis that a gated linear unit halves; None for another node."""
    if node.op == "call_module":
        module = graph.get_submodule(str(node.target))
        return module.dim if isinstance(module, nn.GLU) else None
    if not is_call(node, {functional.glu}):
        return None
    return node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else -1)
