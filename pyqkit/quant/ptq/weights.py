"""Functions with constant weights become layers, whose weights can be rounded."""

from __future__ import annotations

from math import prod
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from pyqkit.quant.ptq.constants import constants_and_shapes
from pyqkit.quant.ptq.parts import MATRIX_PRODUCTS, is_call
from pyqkit.quant.ptq.paths import put_module

_ARGUMENTS = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
_WINDOW = _ARGUMENTS[3:]
_FACTORS = ("input", "other")
_FUNCTIONS: dict[Any, type[nn.Linear | nn.Conv1d | nn.Conv2d]] = {
    functional.linear: nn.Linear,
    **dict.fromkeys((functional.conv1d, torch.conv1d), nn.Conv1d),
    **dict.fromkeys((functional.conv2d, torch.conv2d), nn.Conv2d),
}
LIKE_LINEAR = frozenset(_FUNCTIONS)


def weights_as_layers(graph: fx.GraphModule, frames: Tensor) -> None:
    """Replace linear layers, convolutions and products with constants that are called as functions, in place.

    Those whose weights depend on the input stay.
    """
    found = [node for node in graph.graph.nodes if is_call(node, LIKE_LINEAR | MATRIX_PRODUCTS)]
    if not found:
        return
    known = constants_and_shapes(graph, frames)
    for node in found:
        linear = is_call(node, LIKE_LINEAR)
        given: dict[str, Any] = dict(zip(_ARGUMENTS if linear else _FACTORS, node.args)) | dict(node.kwargs)
        values: dict[str, Any] = {
            name: known.get(value) if isinstance(value, fx.Node) else value for name, value in given.items()
        }
        moving = [name for name, value in given.items() if isinstance(value, fx.Node) and value not in known]
        if linear and moving == ["input"]:
            put_module(graph, node, given["input"], _layer(_FUNCTIONS[node.target], values))
        elif moving == ["input"] and values["other"].ndim == 2:
            put_module(graph, node, given["input"], _layer(nn.Linear, {"weight": values["other"].T}))
        elif moving == ["other"]:
            _replace_left(graph, node, values["input"], given["other"])
    graph.graph.eliminate_dead_code()


def _replace_left(graph: fx.GraphModule, node: fx.Node, matrices: Tensor, x: fx.Node) -> None:
    """Weights on the left, as queries that are parameters, are a convolution with a group for each head."""
    _, *heads, inputs, _columns = x.meta["tensor_meta"].shape
    own = matrices[0] if matrices.ndim == len(heads) + 3 else matrices
    outputs, groups = own.shape[-2], prod(heads)
    if matrices.ndim > own.ndim and len(matrices) > 1:
        return  # of each frame others
    weight = own.expand(*heads, outputs, inputs).reshape(groups * outputs, inputs, 1)
    with graph.graph.inserting_before(node):
        rows = graph.graph.call_function(torch.flatten, (x, 1, -2)) if heads else x
    with graph.graph.inserting_after(node):
        apart = graph.graph.call_function(torch.unflatten, (node, 1, (*heads, outputs)))
    node.replace_all_uses_with(apart, delete_user_cb=lambda user: user is not apart)
    apart.meta["tensor_meta"] = node.meta.pop("tensor_meta")
    put_module(graph, node, rows, _layer(nn.Conv1d, {"weight": weight, "groups": groups}))


def _layer(kind: type[nn.Linear | nn.Conv1d | nn.Conv2d], given: dict[str, Any]) -> nn.Module:
    weight, bias = given["weight"], given.get("bias")
    window: dict[str, Any] = {name: value for name, value in given.items() if name in _WINDOW}
    outputs, inputs, *kernel = weight.shape
    if issubclass(kind, nn.Linear):
        made: nn.Linear | nn.Conv1d | nn.Conv2d = nn.Linear(inputs, outputs, bias is not None)
    else:
        made = kind(inputs * window.get("groups", 1), outputs, kernel, bias=bias is not None, **window)
    made.weight = nn.Parameter(weight.detach().clone())
    if bias is not None:
        made.bias = nn.Parameter(bias.detach().clone())
    return made.eval()
