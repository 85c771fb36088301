"""Norms that a forward writes out become ``layer_norm`` and ``rms_norm``, as if it had called them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx
from torch.nn import functional

from pyqkit.errors import UserError, listed
from pyqkit.quant.ptq.constants import constants_and_shapes
from pyqkit.quant.ptq.norm_pieces import MEANS, SPREADS, Norm, found_norms, shape
from pyqkit.quant.ptq.parts import Kind, is_call, kind
from pyqkit.quant.ptq.paths import place, stand_in

_CASTS = frozenset({"float", "to", "type", "type_as"})


def norms_as_functions(graph: fx.GraphModule, frames: Tensor) -> None:
    """Replace norms of the last axis that are written out, with their gains and offsets, in place."""
    if not _has_statistics(graph):
        return
    known = constants_and_shapes(graph, frames)
    _drop_casts(graph)
    for node, norm in reversed(found_norms(graph, known).items()):  # what an earlier one is, later ones read
        if not norm.fault:
            _Writer(graph, known, norm).write(node)
    graph.graph.eliminate_dead_code()


def refuse_near_norms(graph: fx.GraphModule, frames: Tensor) -> None:
    """Refuse what divides numbers by the root of their spread and is no norm of PyTorch's.

    Raises
    ------
    UserError
        With the names and reasons of all.
    """
    if not _has_statistics(graph):
        return
    found = found_norms(graph, constants_and_shapes(graph, frames))
    refused = [f"{place(node)} ({norm.fault})" for node, norm in found.items() if norm.fault]
    if refused:
        raise UserError(
            "layer norms and RMS norms as PyTorch defines them were expected, but these are others: "
            f"{listed(refused, 8)}; use torch.nn.LayerNorm or torch.nn.RMSNorm"
        )


def _has_statistics(graph: fx.GraphModule) -> bool:
    return any(is_call(node, MEANS | SPREADS) for node in graph.graph.nodes)


def _drop_casts(graph: fx.GraphModule) -> None:
    """Casts go that change nothing, as norms have them for networks in half precision."""
    for node in list(graph.graph.nodes):
        if not is_call(node, _CASTS):
            continue
        x = node.all_input_nodes[0]
        if _dtype(node) is not None and _dtype(node) == _dtype(x):
            node.replace_all_uses_with(x)
            graph.graph.erase_node(node)


def _dtype(node: fx.Node) -> torch.dtype | None:
    return getattr(node.meta.get("tensor_meta"), "dtype", None)


class _Writer:
    """Writes one norm."""

    def __init__(self, graph: fx.GraphModule, known: dict[fx.Node, Any], norm: Norm) -> None:
        self.graph, self.known, self.norm = graph, known, norm
        self.channels = shape(norm.x)[-1]

    def write(self, node: fx.Node) -> None:
        """The norm in the place of its last piece, or of its gain and its offset behind that."""
        end, gains, offset = node, list(self.norm.gains), None
        if not gains:
            end, gain = self._behind(end, Kind.PRODUCT)
            gains = [gain] if gain else []
        weight = gains[0] if len(gains) == 1 and self._fits(gains[0]) else None
        if self.norm.centred and (weight or not gains):
            end, offset = self._behind(end, Kind.ADD)
        with self.graph.graph.inserting_before(end):
            made = self._called(end, weight, offset)
            for gain in () if weight else gains:
                made = self.graph.graph.call_function(torch.mul, (made, gain))
        stand_in(end, made)

    def _behind(self, node: fx.Node, does: Kind) -> tuple[fx.Node, fx.Node | None]:
        """The only reader and the constant of each channel in it, if it does this; else the node alone."""
        user = next(iter(node.users))
        given: list[Any] = [each for each in user.args if each is not node]
        alone = len(node.users) == 1 and kind(self.graph, user) is does and not user.kwargs
        return (user, given[0]) if alone and len(given) == 1 and self._fits(given[0]) else (node, None)

    def _fits(self, constant: Any) -> bool:
        """Whether a constant has one number for each channel."""
        value = self.known.get(constant) if isinstance(constant, fx.Node) else None
        if not isinstance(value, Tensor) or value.ndim > len(shape(self.norm.x)):
            return False
        return value.numel() == value.shape[-1:].numel() == self.channels

    def _called(self, beside: fx.Node, weight: fx.Node | None, offset: fx.Node | None) -> fx.Node:
        call, own = self.graph.graph.call_function, beside.meta.get("nn_module_stack")
        flat = [call(torch.flatten, (each,)) if each else None for each in (weight, offset)]
        function = functional.layer_norm if self.norm.centred else functional.rms_norm
        given = flat if self.norm.centred else flat[:1]
        made = call(function, (self.norm.x, (self.channels,), *given, self.norm.epsilon))
        if own:  # where `place` reads the layer's name
            made.meta["nn_module_stack"] = own
        return made
