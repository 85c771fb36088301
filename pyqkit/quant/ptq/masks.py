"""Masks of attention in a traced network: constants, of which the causal one is kept."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx, nn


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


def constant(graph: fx.GraphModule, given: Any) -> Tensor | None:
    """The tensor that an argument is where it does not depend on the input: a buffer, or made of some."""
    if isinstance(given, Tensor):
        return given
    if not isinstance(given, fx.Node) or given.op not in ("get_attr", "call_function", "call_method"):
        return None
    if given.op == "get_attr":
        owner, _, name = str(given.target).rpartition(".")
        found = getattr(graph.get_submodule(owner), name)
        return found.detach() if isinstance(found, Tensor) else None
    values = {node: constant(graph, node) for node in given.all_input_nodes}
    if any(value is None for value in values.values()):
        return None
    arguments, named = fx.map_arg((given.args, given.kwargs), lambda node: values[node])
    called = getattr(torch.Tensor, str(given.target)) if given.op == "call_method" else given.target
    made = called(*arguments, **named)  # type: ignore[operator]
    return made if isinstance(made, Tensor) else None


def is_causal(hidden: Tensor, rest: Tensor | None = None) -> bool:
    """Whether a mask hides what comes later, and nothing else.

    Parameters
    ----------
    hidden : Tensor of bool, shape (..., tokens, tokens)
    rest : Tensor, optional
        What is added where nothing is hidden; it has to be zero.
    """
    if hidden.ndim < 2 or hidden.shape[-1] != hidden.shape[-2]:
        return False
    wanted = torch.ones(hidden.shape[-2:], dtype=torch.bool).triu(1)
    added = torch.zeros(()) if rest is None else torch.where(hidden, 0.0, rest)
    return bool((hidden == wanted).all()) and not bool(added.any())
