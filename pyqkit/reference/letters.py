"""Einsum: sums of products of two tensors, whose axes letters name as ONNX' specification says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from pyqkit.reference.attention import product_of_tensors
from pyqkit.reference.linear import matrix_product
from pyqkit.reference.node import Node, one
from pyqkit.reference.quantised import Value

Names = list[str]  # of axes: letters, and numbers from the end for those under an ellipsis


@dataclass(frozen=True, eq=False)
class _Named:
    """A tensor and the names of its axes."""

    value: Value
    names: Names

    @property
    def lengths(self) -> dict[str, int]:
        return dict(zip(self.names, self.value.shape))

    def grouped(self, *groups: Names) -> Value:
        """The tensor with an axis for each group of its axes."""
        order = [self.names.index(name) for group in groups for name in group]
        shape = [prod(self.lengths[name] for name in group) for group in groups]
        return _moved(self.value, lambda a: a.transpose(order).reshape(shape))


def _moved(value: Value, how: Callable[[np.ndarray], np.ndarray]) -> Value:
    return how(value) if isinstance(value, np.ndarray) else value.map(how)


def _einsum(node: Node) -> Value:
    """The result has the axes common to both tensors, then those of each; in between is a matrix product."""
    left, right, out = _operands(node)
    lengths = _lengths(node, left, right)
    both = [name for name in left.names if name in right.names]
    summed, shared = ([name for name in both if (name in out) == kept] for kept in (False, True))
    rows, columns = ([name for name in side.names if name not in both] for side in (left, right))
    if not summed or {*shared, *rows, *columns} != set(out) or len(set(out)) != len(out):
        node.refuse("a product of two matrices was", "another sum came", "multiply matrices")
    made: Value
    if all(node.varies):
        matrices = [left.grouped(shared, rows, summed), right.grouped(shared, summed, columns)]
        made = product_of_tensors(replace(node, inputs=[*matrices]))
    elif shared:
        node.refuse("one matrix of weights was", "several came", "multiply by one")
    else:
        matrices = [left.grouped(rows, summed), right.grouped(summed, columns)]
        made = matrix_product(replace(node, inputs=[*matrices], varies=[True, False]))
    names = [*shared, *rows, *columns]
    apart = _moved(made, lambda a: a.reshape([lengths[name] for name in names]))
    return _Named(apart, names).grouped(*([name] for name in out))


def _operands(node: Node) -> tuple[_Named, _Named, Names]:
    """Both tensors, constants right, and the names of the result's axes."""
    read, arrow, written = str(node.attributes["equation"]).replace(" ", "").partition("->")
    terms = read.split(",")
    if len(terms) != 2 or len(node.inputs) != 2:
        node.refuse("two tensors were", f"{len(node.inputs)} came", "multiply two at a time")
    values = [node.value(index) for index in range(2)]
    named = [_Named(value, _names(node, term, len(value.shape))) for value, term in zip(values, terms)]
    hidden = max(([name for name in side.names if not name.isalpha()] for side in named), key=len)
    if arrow:
        out = _names(node, written, len(written.replace("...", "")) + len(hidden) * ("..." in written))
    else:
        letters = read.replace(",", "").replace(".", "")
        out = hidden + sorted(letter for letter in letters if letters.count(letter) == 1)
    left, right = named if node.varies[0] else named[::-1]
    of_frames = [out, left.names, right.names if all(node.varies) else left.names]
    if len({tuple(names[:1]) for names in of_frames}) > 1:
        node.refuse("the batch as the first axis was", "another came", "keep it there")
    return left, right, out


def _names(node: Node, term: str, axes: int) -> Names:
    """A name for each axis of a tensor."""
    before, dots, behind = term.partition("...")
    hidden = axes - len(before) - len(behind)
    letters = before + behind
    if hidden < 0 or (hidden and not dots) or (letters and not letters.isalpha()):
        node.refuse(f"letters for {axes} axes were", f"{term} came", "check the equation")
    if len(set(letters)) != len(letters):
        node.refuse("a letter for each axis was", f"{term} came", "take no diagonal")
    return [*before, *(str(place - hidden) for place in range(hidden)), *behind]


def _lengths(node: Node, left: _Named, right: _Named) -> dict[str, int]:
    """How long the axis of each name is."""
    for name, length in left.lengths.items():
        other = right.lengths.get(name, length)
        if other != length:
            node.refuse(f"{length} elements along {name} were", f"{other} came", "give both as many")
    return left.lengths | right.lengths


OPERATIONS = {"Einsum": one(_einsum, "equation")}
