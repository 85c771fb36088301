"""Masks of attention in a traced network: constants, of which the causal one is kept."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import Tensor, fx, nn

from pyqkit.errors import UserError
from pyqkit.quant.ptq.constants import constants
from pyqkit.quant.ptq.parts import is_call

LOW = -1e4  # e to its power is no number of float32: what it is added to is hidden


class CausalSoftmax(nn.Softmax):
    """Softmax along the last axis, in which a token sees itself and those before it.

    Parameters
    ----------
    tokens : int
    """

    mask: Tensor

    def __init__(self, tokens: int) -> None:
        super().__init__(-1)
        self.register_buffer("mask", torch.full((tokens, tokens), -torch.inf).triu(1))

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x + self.mask)


def keep_causal_masks(graph: fx.GraphModule, frames: Tensor) -> None:
    """Softmaxes that read scores under a constant causal mask have it for themselves.

    The mask may be added, filled in or chosen; so it stands behind the place where scores are rounded.

    Raises
    ------
    UserError
        For another constant mask.
    """
    called = [node for node in graph.graph.nodes if node.op == "call_module"]
    modules = [(node, graph.get_submodule(str(node.target))) for node in called]
    softmaxes = [(node, module) for node, module in modules if isinstance(module, nn.Softmax)]
    if not softmaxes:
        return
    known = constants(graph, frames)
    for node, module in softmaxes:
        found = _masked(node.all_input_nodes[0], known)
        if found is None:
            continue
        scores, hidden, rest = found
        if not is_causal(hidden, rest) or module.dim not in (-1, hidden.ndim - 1):
            raise UserError(
                "a causal mask on the keys of attention was expected, in which a token sees itself and those "
                f"before it, but {node.target} reads scores under another; leave the mask out, or add a "
                "finite number of tens to the scores instead"
            )
        graph.set_submodule(str(node.target), CausalSoftmax(hidden.shape[-1]).eval())
        node.args, node.kwargs = (scores,), {}
    graph.graph.eliminate_dead_code()


def _masked(node: fx.Node, known: dict[fx.Node, Any]) -> tuple[fx.Node, Tensor, Tensor | None] | None:
    """Scores, which of them a constant hides, and what it adds to them; None if none is hidden."""
    given: list[Any] = [
        known.get(value, value) if isinstance(value, fx.Node) else value for value in node.args
    ]
    if is_call(node, {operator.add, operator.iadd, torch.add, "add", "add_"}) and len(given) == 2:
        for scores, added in (given, given[::-1]):
            if isinstance(scores, fx.Node) and isinstance(added, Tensor) and bool((added <= LOW).any()):
                return scores, added <= LOW, added
    fills = is_call(node, {"masked_fill", "masked_fill_", torch.masked_fill}) and len(given) == 3
    if fills and isinstance(given[0], fx.Node) and isinstance(given[1], Tensor) and _is_low(given[2]):
        return given[0], given[1].bool(), None
    chooses = is_call(node, {torch.where}) and len(given) == 3
    if chooses and isinstance(given[0], Tensor) and isinstance(given[1], fx.Node) and _is_low(given[2]):
        return given[1], ~given[0].bool(), None
    return None


def _is_low(value: Any) -> bool:
    return isinstance(value, int | float) and value <= LOW


def is_causal(hidden: Tensor, rest: Tensor | None = None) -> bool:
    """Whether a mask hides what comes later, and nothing else.

    Parameters
    ----------
    hidden : Tensor of bool, shape (..., tokens, tokens)
        The last axis is that of the keys.
    rest : Tensor, optional
        What is added where nothing is hidden; it has to be zero.
    """
    if hidden.ndim < 2 or hidden.shape[-1] != hidden.shape[-2]:
        return False
    wanted = torch.ones(hidden.shape[-2:], dtype=torch.bool).triu(1)
    added = torch.zeros(()) if rest is None else torch.where(hidden, 0.0, rest)
    return bool((hidden == wanted).all()) and not bool(added.any())
