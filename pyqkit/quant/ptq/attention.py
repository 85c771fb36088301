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
from pyqkit.quant.ptq.masks import CausalSoftmax, constants, is_causal
from pyqkit.quant.ptq.paths import free_path, place

_NAMES = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal", "scale", "enable_gqa")
_DEFAULTS: dict[str, Any] = dict(attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False)


def write_out_attention(graph: fx.GraphModule, frames: Tensor) -> None:
    """Write out every ``scaled_dot_product_attention`` of a traced network; what it computes stays.

    Raises
    ------
    UserError
        For a mask that is not causal, tokens of another sequence, and heads that share keys.
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
    known = constants(graph, frames)
    for node in found:
        _write_out(graph, node, known)
    graph.graph.lint()
    graph.recompile()


def _write_out(graph: fx.GraphModule, node: fx.Node, known: dict[fx.Node, Any]) -> None:
    given: dict[str, Any] = _DEFAULTS | dict(zip(_NAMES, node.args)) | dict(node.kwargs)
    query, key, value = (given[name] for name in _NAMES[:3])
    causal = bool(given["is_causal"]) or _is_causal(known.get(given["attn_mask"]))
    _check(node, given, causal, _shape(query), _shape(key))
    scale = 1 / sqrt(_shape(query)[-1]) if given["scale"] is None else float(given["scale"])
    path = place(node).rpartition(".")[0]
    softmax = free_path(graph, f"{path}.softmax" if path else "softmax")
    made = CausalSoftmax(_shape(query)[-2]) if causal else nn.Softmax(-1)
    graph.add_submodule(softmax, made.eval())
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


def _is_causal(mask: Any) -> bool:
    """Whether a constant is a causal mask; True in it is what is seen."""
    if not isinstance(mask, Tensor):
        return False
    return is_causal(~mask) if mask.dtype == torch.bool else is_causal(torch.isneginf(mask), mask)


def _check(
    node: fx.Node, given: dict[str, Any], causal: bool, query: tuple[int, ...], key: tuple[int, ...]
) -> None:
    found = (
        (given["attn_mask"] is not None and not causal, "attn_mask", "leave it out, or take is_causal=True"),
        (given["enable_gqa"], "enable_gqa", "give queries, keys and values as many heads each"),
        (query[:-2] != key[:-2], "keys of other heads", "give queries, keys and values as many heads each"),
        (
            query[-2] != key[-2],
            f"{query[-2]} queries and {key[-2]} keys of another sequence (cross attention)",
            "let tokens look at their own sequence, or write it out as matmul, softmax and matmul",
        ),
    )
    reason = next(((name, remedy) for wrong, name, remedy in found if wrong), None)
    if reason:
        raise UserError(
            f"attention of tokens to their own sequence, without a mask but a causal one or shared "
            f"keys was expected, but {place(node)} has {reason[0]}; {reason[1]}"
        )


def _shape(node: fx.Node) -> tuple[int, ...]:
    meta = node.meta["tensor_meta"]
    assert isinstance(meta, TensorMetadata)
    return tuple(meta.shape)
