"""Attention written out: what it multiplies, its scores and its probabilities become places of a network.

``scaled_dot_product_attention`` is one function. Written out it is a product of queries and keys, a factor, a
softmax and a product with the values, and each of these can be followed by a quantiser.
"""

from __future__ import annotations

from math import sqrt
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.passes.shape_prop import TensorMetadata
from torch.nn import functional

from pyqkit.errors import UserError
from pyqkit.quant.ptq.constants import constants_and_shapes
from pyqkit.quant.ptq.masks import LOW, CausalSoftmax, is_causal
from pyqkit.quant.ptq.paths import free_path, place, stand_in

_NAMES = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal", "scale", "enable_gqa")
_DEFAULTS: dict[str, Any] = dict(attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False)


def write_out_attention(graph: fx.GraphModule, frames: Tensor, of_weights: bool = False) -> None:
    """Write out every ``scaled_dot_product_attention`` of a traced network; what it computes stays.

    With `of_weights` only those whose queries are parameters of the network, which are weights of a layer.

    Raises
    ------
    UserError
        For a mask that hides other tokens than later ones, and heads that share keys.
    """
    found = [
        node
        for node in graph.graph.nodes
        if node.op == "call_function" and node.target is functional.scaled_dot_product_attention
    ]
    if not found:
        return
    known = constants_and_shapes(graph, frames)
    for node in found:
        if not of_weights or _given(node)["query"] in known:
            _write_out(graph, node, known)
    graph.graph.lint()
    graph.recompile()


def _given(node: fx.Node) -> dict[str, Any]:
    return _DEFAULTS | dict(zip(_NAMES, node.args)) | dict(node.kwargs)


def _write_out(graph: fx.GraphModule, node: fx.Node, known: dict[fx.Node, Any]) -> None:
    given = _given(node)
    query, key, value = (given[name] for name in _NAMES[:3])
    mask = known.get(given["attn_mask"])
    causal = bool(given["is_causal"]) or _is_causal(mask)
    biased = not causal and _is_bias(mask)
    _check(node, given, causal, biased)
    scale = 1 / sqrt(_shape(query)[-1]) if given["scale"] is None else float(given["scale"])
    path = place(node).rpartition(".")[0]
    softmax = free_path(graph, f"{path}.softmax" if path else "softmax")
    made = CausalSoftmax(_shape(query)[-2]) if causal else nn.Softmax(-1)
    graph.add_submodule(softmax, made.eval())
    with graph.graph.inserting_before(node):
        turned = _called(graph, node, torch.transpose, key, -2, -1)
        scores = _called(graph, node, torch.matmul, query, turned)
        scores = _called(graph, node, torch.mul, scores, scale)
        if biased:
            scores = _called(graph, node, torch.add, scores, given["attn_mask"])
        shares = graph.graph.call_module(softmax, (scores,))
        context = _called(graph, node, torch.matmul, shares, value)
    stand_in(node, context)


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


def _is_bias(mask: Any) -> bool:
    """Whether a constant is added to scores and hides none, as relative positions are."""
    return isinstance(mask, Tensor) and mask.is_floating_point() and float(mask.min()) > LOW


def _check(node: fx.Node, given: dict[str, Any], causal: bool, biased: bool) -> None:
    query, key = _shape(given["query"]), _shape(given["key"])
    masked = given["attn_mask"] is not None and not (causal or biased)
    found = (
        (masked, "attn_mask", "leave it out, take is_causal=True, or add constants that hide nothing"),
        (given["enable_gqa"], "enable_gqa", "give queries, keys and values as many heads each"),
        (query[:-2] != key[:-2], "keys of other heads", "give queries, keys and values as many heads each"),
        (
            causal and query[-2] != key[-2],
            f"a causal mask over {query[-2]} queries and {key[-2]} keys",
            "give it as many of both",
        ),
    )
    reason = next(((name, remedy) for wrong, name, remedy in found if wrong), None)
    if reason:
        raise UserError(
            f"attention without a mask but a causal one or constants that are added, and without shared "
            f"keys was expected, but {place(node)} has {reason[0]}; {reason[1]}"
        )


def _shape(node: fx.Node) -> tuple[int, ...]:
    meta = node.meta["tensor_meta"]
    assert isinstance(meta, TensorMetadata)
    return tuple(meta.shape)
