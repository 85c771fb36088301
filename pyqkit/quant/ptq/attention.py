"""Attention written out: what it multiplies, its scores and its probabilities become places of a network.

``scaled_dot_product_attention`` is one function. Written out it is a product of queries and keys, a factor, a
softmax and a product with the values, and each of these can be followed by a quantiser.
"""

from __future__ import annotations

from math import sqrt
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.passes.shape_prop import ShapeProp, TensorMetadata
from torch.nn import functional

from pyqkit.errors import UserError
from pyqkit.quant.ptq.paths import free_path, place

_NAMES = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal", "scale", "enable_gqa")
_DEFAULTS: dict[str, Any] = dict(attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False)


def write_out_attention(graph: fx.GraphModule, frames: Tensor) -> None:
    """Write out every ``scaled_dot_product_attention`` of a traced network; what it computes stays.

    Raises
    ------
    UserError
        For a mask, a causal one too, for dropout and for heads that share keys.
    """
    found = [
        node
        for node in graph.graph.nodes
        if node.op == "call_function" and node.target is functional.scaled_dot_product_attention
    ]
    if not found:
        return
    with torch.no_grad():
        ShapeProp(graph).propagate(frames[:1])
    for node in found:
        _write_out(graph, node)
    graph.graph.lint()
    graph.recompile()


def _write_out(graph: fx.GraphModule, node: fx.Node) -> None:
    given: dict[str, Any] = _DEFAULTS | dict(zip(_NAMES, node.args)) | dict(node.kwargs)
    wrong = [name for name, plain in _DEFAULTS.items() if name != "scale" and given[name] != plain]
    if wrong:
        raise UserError(
            f"attention without a mask, dropout or shared keys was expected, but {place(node)} has "
            f"{wrong[0]}; leave it out, or keep this network outside of the accelerator"
        )
    query, key, value = (given[name] for name in _NAMES[:3])
    scale = 1 / sqrt(_size(query)) if given["scale"] is None else float(given["scale"])
    path = place(node).rpartition(".")[0]
    softmax = free_path(graph, f"{path}.softmax" if path else "softmax")
    graph.add_submodule(softmax, nn.Softmax(-1).eval())
    with graph.graph.inserting_before(node):
        turned = _called(graph, node, torch.transpose, key, -2, -1)
        scores = _called(graph, node, torch.matmul, query, turned)
        scores = _called(graph, node, torch.mul, scores, scale)
        shares = graph.graph.call_module(softmax, (scores,))
        context = _called(graph, node, torch.matmul, shares, value)
    node.replace_all_uses_with(context)
    graph.graph.erase_node(node)


def _called(graph: fx.GraphModule, beside: fx.Node, function: Any, *arguments: Any) -> fx.Node:
    made = graph.graph.call_function(function, arguments)
    if "nn_module_stack" in beside.meta:  # where `place` reads the layer's name
        made.meta["nn_module_stack"] = beside.meta["nn_module_stack"]
    return made


def _size(query: fx.Node) -> int:
    meta = query.meta["tensor_meta"]
    assert isinstance(meta, TensorMetadata)
    return int(meta.shape[-1])
