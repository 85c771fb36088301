"""Sums that are written otherwise: ``torch.einsum`` as a product of matrices, and sums of stacks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx

from pyqkit.graph.letters import Letters, product_letters
from pyqkit.quant.ptq.constants import constants_and_shapes
from pyqkit.quant.ptq.parts import is_call
from pyqkit.quant.ptq.paths import stand_in


def sums_as_products(graph: fx.GraphModule, frames: Tensor) -> None:
    """Write every ``torch.einsum`` that is a product of matrices as ``torch.matmul``, in place.

    Another stays what it is.
    """
    found = [node for node in graph.graph.nodes if is_call(node, {torch.einsum})]
    if not found:
        return
    known = constants_and_shapes(graph, frames)
    for node in found:
        formula, *given = node.args
        tensors = list(given[0]) if len(given) == 1 and isinstance(given[0], (tuple, list)) else given
        if len(tensors) != 2:
            continue
        shapes = [tuple(tensor.meta["tensor_meta"].shape) for tensor in tensors]
        letters = product_letters(str(formula), *map(len, shapes))
        if letters is not None and tensors[0] in known:  # weights stand right
            letters, tensors = letters.swapped, tensors[::-1]
            shapes = shapes[::-1]
        if letters is not None:
            sizes = dict(zip(letters.left + letters.right, shapes[0] + shapes[1]))
            with graph.graph.inserting_before(node):
                is_weight = tensors[1] in known and not letters.heads
                made = _Writer(node, letters, sizes).written(tensors[0], tensors[1], apart=is_weight)
            stand_in(node, made)


def stacks_as_sums(graph: fx.GraphModule) -> None:
    """``torch.stack(branches, axis).sum(axis)`` becomes a sum of the branches, in place."""
    for node in list(graph.graph.nodes):
        stacked = node.all_input_nodes[0] if is_call(node, {torch.sum, "sum"}) else None
        if stacked is None or not is_call(stacked, {torch.stack}) or len(stacked.users) > 1:
            continue
        tensors = stacked.args[0]
        axes = [_axis(call) for call in (stacked, node)]
        if axes[0] != axes[1] or axes[0] is None or set(node.kwargs) - {"dim", "input"}:
            continue
        made = tensors[0]
        with graph.graph.inserting_before(node):
            for other in tensors[1:]:
                made = graph.graph.call_function(torch.add, (made, other))
        stand_in(node, made)
        graph.graph.erase_node(stacked)


def _axis(node: fx.Node) -> int | None:
    """The one axis that such a call names; a stack has the first by default."""
    named = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else None)
    if named is None and is_call(node, {torch.stack}):
        return 0
    named = named[0] if isinstance(named, (tuple, list)) and len(named) == 1 else named
    return named if isinstance(named, int) else None


@dataclass(frozen=True)
class _Writer:
    """Nodes of a product, in front of the sum that they stand for."""

    node: fx.Node
    letters: Letters
    sizes: dict[str, int]

    def written(self, left: fx.Node, right: fx.Node, *, apart: bool) -> fx.Node:
        """The product; with `apart` the right tensor is a matrix of weights, and rows stay as they are."""
        letters = self.letters
        heads, summed, rows, columns = letters.heads, letters.summed, letters.rows, letters.columns
        x = self.turned(left, letters.left, heads + rows + summed)
        x = self.merged(x, -1, len(summed))
        if not apart:
            x = self.merged(x, -2, len(rows))
        y = self.turned(right, letters.right, heads + summed + columns)
        y = self.merged(self.merged(y, -1, len(columns)), -2, len(summed))
        made = self.call(torch.matmul, x, y)
        made = self.parted(made, -1, columns)
        if not apart:
            made = self.parted(made, -1 - len(columns), rows)
        return self.turned(made, heads + rows + columns, letters.out)

    def turned(self, x: fx.Node, axes: str, wanted: str) -> fx.Node:
        return x if axes == wanted else self.call(torch.permute, x, [axes.index(each) for each in wanted])

    def merged(self, x: fx.Node, last: int, count: int) -> fx.Node:
        """Several axes as one, `last` being the last of them; one of length 1 for none."""
        if count == 0:
            return self.call(torch.unsqueeze, x, last)
        return x if count == 1 else self.call(torch.flatten, x, last + 1 - count, last)

    def parted(self, x: fx.Node, axis: int, letters: str) -> fx.Node:
        if not letters:
            return self.call(torch.squeeze, x, axis)
        sizes = [self.sizes[each] for each in letters]
        return x if len(letters) == 1 else self.call(torch.unflatten, x, axis, sizes)

    def call(self, function: Any, *arguments: Any) -> fx.Node:
        made = self.node.graph.call_function(function, arguments)
        if "nn_module_stack" in self.node.meta:  # where `place` reads the layer's name
            made.meta["nn_module_stack"] = self.node.meta["nn_module_stack"]
        return made
