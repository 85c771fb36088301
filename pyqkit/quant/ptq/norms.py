"""Norms that are called as functions become modules, as libraries' own classes of norms call them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from pyqkit.quant.ptq.constants import constants
from pyqkit.quant.ptq.parts import is_call
from pyqkit.quant.ptq.paths import put_module

_NAMES = {
    functional.layer_norm: ("input", "normalized_shape", "weight", "bias", "eps"),
    functional.rms_norm: ("input", "normalized_shape", "weight", "eps"),
}


def norms_as_modules(graph: fx.GraphModule, frames: Tensor) -> None:
    """Replace ``layer_norm`` and ``rms_norm`` with constant weights, in place."""
    found = [node for node in graph.graph.nodes if is_call(node, _NAMES)]
    known = constants(graph, frames) if found else {}
    for node in found:
        given = dict(zip(_NAMES[node.target], node.args)) | dict(node.kwargs)
        x = given.pop("input")
        values = fx.node.map_arg(given, lambda each: known.get(each, each))
        left = list[fx.Node]()
        fx.node.map_arg(values, left.append)
        if not left:
            put_module(graph, node, x, _norm(node, values))
    graph.graph.eliminate_dead_code()


def _norm(node: fx.Node, given: dict[str, Any]) -> nn.Module:
    weight, bias, shape = given.get("weight"), given.get("bias"), list(given["normalized_shape"])
    affine: dict[str, Any] = {"elementwise_affine": weight is not None or bias is not None}
    if node.target is functional.rms_norm:
        made: nn.Module = nn.RMSNorm(shape, given.get("eps"), **affine)
    else:
        made = nn.LayerNorm(shape, given.get("eps", 1e-5), bias=bias is not None, **affine)
    with torch.no_grad():
        for name, value in (("weight", weight), ("bias", bias)):
            if value is not None:
                getattr(made, name).copy_(value)
    return made.eval()
