"""Sums that are written otherwise: ``torch.einsum`` as a product of matrices, and sums of stacks."""

from __future__ import annotations

import string
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx

from pyqkit.quant.ptq.constants import constants_and_shapes
from pyqkit.quant.ptq.parts import is_call
from pyqkit.quant.ptq.paths import stand_in


@dataclass(frozen=True)
class _Letters:
    """Letters of axes by what becomes of them, see `_letters`.

    Attributes
    ----------
    left, right, out : str
        Those of both tensors and of the result.
    """

    left: str
    right: str
    out: str

    @property
    def heads(self) -> str:
        """Of both tensors and of the result."""
        return "".join(each for each in self.out if each in self.left and each in self.right)

    @property
    def summed(self) -> str:
        """Of both tensors alone."""
        return "".join(each for each in self.left if each in self.right and each not in self.out)

    @property
    def rows(self) -> str:
        """Of the left tensor and of the result."""
        return "".join(each for each in self.out if each not in self.right)

    @property
    def columns(self) -> str:
        """Of the right tensor and of the result."""
        return "".join(each for each in self.out if each not in self.left)


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
        letters = _letters(str(formula), *map(len, shapes))
        if letters is not None and tensors[0] in known:  # weights stand right
            letters, tensors = _Letters(letters.right, letters.left, letters.out), tensors[::-1]
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


def _letters(formula: str, left_axes: int, right_axes: int) -> _Letters | None:
    """The letters of a formula; None if it is no product of two matrices, with heads or without."""
    read, arrow, out = formula.replace(" ", "").partition("->")
    left, comma, right = read.partition(",")
    if not arrow:
        named = (left + right).replace(".", "")
        rest = sorted(each for each in set(named) if named.count(each) == 1)
        out = ("..." if "..." in read else "") + "".join(rest)
    free = [each for each in string.ascii_letters if each not in formula]
    both = ((left, left_axes), (right, right_axes))
    counts = [axes - len(text) + 3 for text, axes in both if "..." in text]
    if not comma or len(set(counts)) > 1:
        return None
    unnamed = "".join(free[: counts[0]]) if counts else ""
    made = _Letters(*(text.replace("...", unnamed) for text in (left, right, out)))
    texts = (made.left, made.right, made.out)
    plain = all(len(set(text)) == len(text) for text in texts)
    known = set(made.left) ^ set(made.right) <= set(made.out) <= set(made.left + made.right)
    return made if plain and known and made.summed else None


@dataclass(frozen=True)
class _Writer:
    """Nodes of a product, in front of the sum that they stand for."""

    node: fx.Node
    letters: _Letters
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
