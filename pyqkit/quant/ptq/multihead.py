"""``torch.nn.MultiheadAttention`` as linear layers and an attention between, so that both can be rounded."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from pyqkit.errors import UserError
from pyqkit.quant.ptq.constants import constants
from pyqkit.quant.ptq.masks import is_causal
from pyqkit.quant.ptq.paths import free_path

_NAMES = ("query", "key", "value", "key_padding_mask", "need_weights", "attn_mask")


def split_attention(graph: fx.GraphModule, frames: Tensor) -> None:
    """Replace every such module of a traced network, in place; what it computes on frames stays.

    Raises
    ------
    UserError
        For attention that is not a token's to all others of the same tensor, or to those before it; for
        another mask, and where the weights of attention are used.
    """
    called = [node for node in graph.graph.nodes if node.op == "call_module"]
    modules = [(node, graph.get_submodule(str(node.target))) for node in called]
    found = [(node, module) for node, module in modules if isinstance(module, nn.MultiheadAttention)]
    known = constants(graph, frames) if found else {}
    both = frames[:1], frames[:1].expand(2, *frames.shape[1:])
    shapes = [_shapes(graph, batch) for batch in both] if found else []
    for node, module in found:
        given: dict[str, Any] = dict(zip(_NAMES, node.args)) | dict(node.kwargs)
        mask = given.get("attn_mask")
        causal = _is_causal(known.get(mask) if isinstance(mask, fx.Node) else mask)
        one, two = (made[given["query"]] for made in shapes)
        _check_batch(node, module, [a != b for a, b in zip(one, two)])
        _check(node, module, given, causal)
        _replace(graph, node, module, causal)


def _shapes(graph: fx.GraphModule, frames: Tensor) -> dict[fx.Node, torch.Size]:
    """Shapes of what nodes give."""
    run = fx.Interpreter(graph, garbage_collect_values=False)
    run.extra_traceback = False
    with torch.no_grad():
        run.run(frames)
    return {node: value.shape for node, value in run.env.items() if isinstance(value, Tensor)}


def _check_batch(node: fx.Node, module: nn.MultiheadAttention, differs: list[bool]) -> None:
    """Refuse a module that takes frames for tokens."""
    place, wanted = (0, "first") if module.batch_first else (1, "second")
    if [axis for axis, differ in enumerate(differs) if differ] != [place]:
        raise UserError(
            f"frames along the {wanted} axis of what {node.target} reads were expected, but they are not "
            f"there, so that it would mix them; pass batch_first={not module.batch_first}"
        )


def _is_causal(mask: Any) -> bool:
    """Whether a constant is a causal mask; True in it is what is hidden."""
    return isinstance(mask, Tensor) and (
        is_causal(mask) if mask.dtype == torch.bool else is_causal(torch.isneginf(mask), mask)
    )


def _check(node: fx.Node, module: nn.MultiheadAttention, given: dict[str, Any], causal: bool) -> None:
    masks = [name for name in ("key_padding_mask", "attn_mask") if given.get(name) is not None]
    masks = [name for name in masks if not (causal and name == "attn_mask")]
    read = [user for user in node.users if not (user.target.__name__ == "getitem" and user.args[1] == 0)]  # type: ignore[union-attr]
    problems = (
        (
            given["query"] is not given["key"] or given["key"] is not given["value"],
            "it mixes several tensors, as cross attention does",
        ),
        (module.in_proj_weight is None or module.bias_k is not None, "it has keys of its own"),
        (module.add_zero_attn, "it adds a token of zeros"),
        (bool(masks), f"it has the mask {masks[0] if masks else ''}"),
        (any(user.users for user in read), "its weights are used"),
    )
    reason = next((reason for wrong, reason in problems if wrong), None)
    if reason:
        raise UserError(
            "attention of each token to all others, or to those before it, was expected, but "
            f"{node.target} is another ({reason}); change it, or write its projections as nn.Linear"
        )


def _replace(graph: fx.GraphModule, node: fx.Node, module: nn.MultiheadAttention, causal: bool) -> None:
    path = str(node.target)
    packed, out = (free_path(graph, f"{path}_{name}") for name in ("in_proj", "out"))
    graph.add_submodule(packed, _packed(module))
    graph.add_submodule(out, module.out_proj.eval())
    x, call = node.args[0] if node.args else node.kwargs["query"], graph.graph
    with call.inserting_before(node):
        if not module.batch_first:
            x = call.call_function(torch.transpose, (x, 0, 1))
        stacked = call.call_module(packed, (x,))
        stacked = call.call_method("unflatten", (stacked, -1, (3, module.num_heads, -1)))
        stacked = call.call_method("permute", (stacked, 2, 0, 3, 1, 4))
        parts = [call.call_function(torch.select, (stacked, 0, i)) for i in range(3)]
        mixed = call.call_function(
            functional.scaled_dot_product_attention, tuple(parts), {"is_causal": causal}
        )
        mixed = call.call_function(torch.transpose, (mixed, 1, 2))
        result = call.call_module(out, (call.call_function(torch.flatten, (mixed, 2)),))
        if not module.batch_first:
            result = call.call_function(torch.transpose, (result, 0, 1))
    for user in list(node.users):
        user.replace_all_uses_with(result)
        call.erase_node(user)
    call.erase_node(node)


def _packed(module: nn.MultiheadAttention) -> nn.Linear:
    """Queries, keys and values of one linear layer."""
    assert module.in_proj_weight is not None
    layer = nn.Linear(module.embed_dim, 3 * module.embed_dim, bias=module.in_proj_bias is not None)
    layer.weight = nn.Parameter(module.in_proj_weight.detach().clone())
    if module.in_proj_bias is not None:
        layer.bias = nn.Parameter(module.in_proj_bias.detach().clone())
    return layer.eval()
