"""Sums that name axes by letters: a product of matrices between moves of axes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod

import numpy as np

from pyqkit.graph.letters import Letters, product_letters
from pyqkit.graph.lowering.constants import Coded
from pyqkit.graph.lowering.errors import Unlowerable
from pyqkit.graph.lowering.layers import Layer
from pyqkit.graph.lowering.nodes.linear import matrix_product
from pyqkit.graph.lowering.real import Real
from pyqkit.graph.lowering.rules import Node, handles
from pyqkit.graph.lowering.session import Lowering, Stored, Value, shape_of
from pyqkit.graph.model import shown


@handles(
    Layer("Einsum", ("torch.einsum",), note="products of two matrices, with heads or without, as for MatMul"),
    attributes=("equation",),
)
def einsum(lowering: Lowering, node: Node) -> list[Value]:
    letters, left, right = _factors(node)
    sizes = _sizes(letters, left, right)

    def apart(axes: str) -> list[int]:
        return [sizes[each] for each in axes]

    def merged(axes: str) -> list[int]:
        return [prod(apart(axes))]

    heads, rows, summed, columns = letters.heads, letters.rows, letters.summed, letters.columns
    # A linear layer works on the last axis, whatever stands before, and the batch has to stay first
    tokens = merged(rows) if isinstance(right, Real) else apart(rows)
    left = _turned(left, letters.left, heads + rows + summed, [*apart(heads), *tokens, *merged(summed)])
    right = _turned(
        right, letters.right, heads + summed + columns, [*apart(heads), *merged(summed), *merged(columns)]
    )
    (made,) = matrix_product(lowering, replace(node, inputs=[left, right]))
    axes = heads + rows + columns
    made = _moved(made, lambda a: a.reshape(apart(axes)))
    return [_turned(made, axes, letters.out, apart(letters.out))]


def _factors(node: Node) -> tuple[Letters, Value, Value]:
    """Letters of a product and its two tensors, in the order in which matrices multiply them."""
    formula, tensors = str(node.attributes["equation"]), [node.needed(i) for i in range(len(node.inputs))]
    axes = [len(shape_of(tensor)) for tensor in tensors]
    letters = product_letters(formula, *axes) if len(axes) == 2 else None
    if letters is None:
        raise Unlowerable(
            f"its equation {shown(formula)} is no product of two tensors that adds up over letters of both "
            "and keeps all others",
            "write it as torch.matmul and other functions of one or two tensors",
        )
    left, right = tensors
    if _stands_right(letters, left, right):
        letters, left, right = letters.swapped, right, left
    named = ((left, letters.left), (right, letters.right))
    of_frames = [letters.out, *(axes for tensor, axes in named if isinstance(tensor, Real))]
    if len({axes[:1] for axes in of_frames}) > 1:
        raise Unlowerable(
            f"its equation {shown(formula)} sums over the batch or moves it",
            "give the batch the first letter of the result and of each tensor that depends on the input",
        )
    return letters, left, right


def _stands_right(letters: Letters, left: Value, right: Value) -> bool:
    """Whether the left tensor is the right one of matrices: weights, or what is added up over tokens."""
    if not (isinstance(left, Real) and isinstance(right, Real)):
        return isinstance(right, Real)
    return _adds_pixels(left, letters.left, letters.summed) and not _adds_pixels(
        right, letters.right, letters.summed
    )


def _adds_pixels(real: Real, axes: str, summed: str) -> bool:
    """Whether a sum takes more than one pixel."""
    pixels = real.view[None] // real.channels
    return bool(np.ptp(pixels, axis=tuple(axes.index(each) for each in summed)).any())


def _sizes(letters: Letters, left: Value, right: Value) -> dict[str, int]:
    """How many elements the axis of each letter has."""
    first, second = dict(zip(letters.left, shape_of(left))), dict(zip(letters.right, shape_of(right)))
    for letter in letters.heads + letters.summed:
        if first[letter] != second[letter]:
            raise Unlowerable(
                f"axes that share a letter have {first[letter]} and {second[letter]} elements",
                "give both tensors as many",
            )
    return first | second


def _turned(value: Value, axes: str, wanted: str, shape: list[int]) -> Value:
    """A tensor with its axes in another order, and some of them merged."""
    order = [axes.index(each) for each in wanted]
    return _moved(value, lambda a: a.transpose(order).reshape(shape))


def _moved(value: Value, how: Callable[[np.ndarray], np.ndarray]) -> Value:
    """A tensor after a move of its axes, the batch in front of them included."""
    if isinstance(value, Coded):
        return value.moved(how)
    if isinstance(value, Real):
        return replace(value, view=how(value.view[None])[0])
    assert not isinstance(value, Stored)  # the rule reads none
    return how(value)
