"""Nodes that only move elements, in every form that ONNX has for them: what QONNX' executor computes, or the
reason why not.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pyqkit.graph.importer import import_qonnx
from pyqkit.graph.lowering.errors import ConversionError
from tests.graph.numerics import CHANNELS, agree, frames
from tests.graph.qonnx_builder import Builder

Make = Callable[[Builder, str], str]


def whole(b: Builder, *values: int) -> str:
    return b.constant(values, np.int64)


def unsqueezed(b: Builder, x: str) -> str:
    """An axis in and out again, counted from either end."""
    wide = b.node("Unsqueeze", x, whole(b, -1, 1))
    return b.node("Squeeze", b.node("Transpose", wide, perm=[0, 1, 2, 4, 3, 5]), whole(b, 1, -1))


def split(b: Builder, x: str) -> str:
    """Two parts whose sizes nobody states, in the other order."""
    left, right = b.node("Split", x, outputs=2, axis=1)
    return b.node("Concat", right, left, axis=1)


def shaped(b: Builder, x: str) -> str:
    """A shape that the file computes from the tensor."""
    batch = b.node("Slice", b.node("Shape", x), whole(b, 0), whole(b, 1))
    return b.node("Reshape", x, b.node("Concat", batch, whole(b, -1, 5), axis=0))


def reduced(b: Builder, x: str) -> str:
    return b.node("ReduceMean", x, axes=[2, 3], keepdims=0)


MOVES: dict[str, Make] = {
    "reshape that keeps an axis": lambda b, x: b.node("Reshape", x, whole(b, 0, 2, -1)),
    "shape of a tensor": shaped,
    "transpose of the image": lambda b, x: b.node("Transpose", x, perm=[0, 1, 3, 2]),
    "unsqueeze and squeeze": unsqueezed,
    "slice of every axis": lambda b, x: b.node("Slice", x, whole(b, 0, 1, 2), whole(b, 1, 3, 5)),
    "slice backwards": lambda b, x: b.node(
        "Slice", x, whole(b, -1), whole(b, -(2**31)), whole(b, 1), whole(b, -1)
    ),
    "slice from the end": lambda b, x: b.node("Slice", x, whole(b, -3), whole(b, 2**31), whole(b, -1)),
    "gather with repeats": lambda b, x: b.node("Gather", x, whole(b, 3, 0, -1, 1), axis=1),
    "split without sizes": split,
    "pad the image": lambda b, x: b.node("Pad", x, whole(b, 0, 0, 1, 0, 0, 0, 0, 2)),
    "average without its axes": reduced,
}


@pytest.mark.parametrize("name", MOVES)
def test_moved_elements_are_those_that_qonnx_moves(name: str) -> None:
    b = Builder(CHANNELS, 5, 5)
    moved = MOVES[name](b, b.quantise("x", "int4", 0.5))
    accelerator = agree(b.model(b.quantise(moved, "int8", 0.25)), frames())
    assert accelerator.graph.outputs


REFUSED: dict[str, tuple[Make, str]] = {
    "batch": (
        lambda b, x: b.node("MaxPool", b.node("Transpose", x, perm=[1, 0, 2, 3]), kernel_shape=[1, 1]),
        "the batch is not the first axis of its input; move it there before",
    ),
    "batch reshaped": (
        lambda b, x: b.node("Reshape", x, whole(b, 2, 50)),
        "the batch is not its first axis; move it there, as it is in the input",
    ),
    "batch flattened": (lambda b, x: b.node("Flatten", x, axis=0), "it flattens the batch"),
    "unnamed axes": (lambda b, x: b.node("Squeeze", b.node("Unsqueeze", x, whole(b, 1))), "name the axes"),
    "negative padding": (
        lambda b, x: b.node("Pad", x, whole(b, 0, 0, -1, 0, 0, 0, 0, 0)),
        "it pads by -1 and 0",
    ),
    "padding with ones": (
        lambda b, x: b.node("Pad", x, whole(b, 0, 0, 1, 0, 0, 0, 0, 0), b.constant(1.0)),
        "it pads with something other than zeros",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_moved_is_refused(name: str) -> None:
    make, sentence = REFUSED[name]
    b = Builder(CHANNELS, 5, 5)
    with pytest.raises(ConversionError) as caught:
        import_qonnx(b.model(b.quantise(make(b, b.quantise("x", "int4", 0.5)), "int8", 0.25)))
    assert sentence in str(caught.value)
