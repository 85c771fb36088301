"""Largest numbers along an axis, which ``x.max(axis)`` gives with their places."""

from __future__ import annotations

import operator

import torch
from torch import fx

from pyqkit.quant.ptq.parts import is_call
from pyqkit.quant.ptq.paths import stand_in


def maxima_alone(graph: fx.GraphModule) -> None:
    """``x.max(axis)[0]`` and ``x.max(axis).values`` become ``torch.amax``, in place; others stay."""
    for node in list(graph.graph.nodes):
        names = ("input", "dim", "keepdim")
        given = dict(zip(names, node.args)) | node.kwargs if is_call(node, {torch.max, "max"}) else {}
        # Where both are unpacked, nobody may read the places.
        users = [user for user in node.users if user.users or user.op == "output"]
        if not isinstance(given.get("dim"), int) or not all(map(_is_value, users)):
            continue
        with graph.graph.inserting_before(node):
            made = graph.graph.call_function(
                torch.amax, (given["input"], given["dim"], given.get("keepdim", False))
            )
        for user in list(node.users):
            stand_in(user, made)
        graph.graph.erase_node(node)


def _is_value(user: fx.Node) -> bool:
    return user.op == "call_function" and (user.target, user.args[1]) in (
        (operator.getitem, 0),
        (getattr, "values"),
    )
