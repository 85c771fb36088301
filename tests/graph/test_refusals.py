"""Every reason for which lowering refuses a node of a type that it knows, and forms alike that lower."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pyqkit.graph.importer import import_qonnx
from pyqkit.graph.lowering.errors import ConversionError
from tests.graph.numerics import CHANNELS, agree, frames
from tests.graph.qonnx_builder import Builder
from tests.graph.test_moves import whole

Make = Callable[[Builder, str], str]
PAIR = {"kernel_shape": [2, 2]}


def bent(b: Builder, x: str) -> str:
    """A layer behind a function that only a quantiser absorbs."""
    return b.node("Relu", b.conv(x, "int4", CHANNELS, CHANNELS))


def scaled(b: Builder, x: str) -> str:
    """One scale a channel."""
    return b.node("Mul", x, b.constant(np.arange(1, CHANNELS + 1).reshape(1, -1, 1, 1)))


def rounded(b: Builder, x: str) -> str:
    """A layer between the input, whose elements may travel in any order, and what is moved."""
    return b.quantise(b.conv(x, "int4", CHANNELS, CHANNELS, 1), "int4", 0.5)


def narrower(b: Builder, x: str) -> str:
    """Half of the channels of each pixel as a pixel of its own."""
    pixels = b.node("Reshape", b.node("Transpose", x, perm=[0, 2, 3, 1]), whole(b, 1, 5, 10, CHANNELS // 2))
    return b.node("Transpose", pixels, perm=[0, 3, 1, 2])


def padded(b: Builder, x: str, *pads: int) -> str:
    return b.node("Pad", x, whole(b, *pads))


def other(b: Builder) -> str:
    return b.quantise("x", "int4", 0.25)


def crossed(b: Builder, x: str) -> str:
    """Channels in an order that differs from row to row."""
    top, bottom = (
        b.node("Slice", x, whole(b, first), whole(b, last), whole(b, 2)) for first, last in ((0, 2), (2, 5))
    )
    turned = b.node("Gather", bottom, whole(b, 1, 0, 2, 3), axis=1)
    return b.node("Concat", top, turned, axis=2)


def sloped(b: Builder, x: str) -> str:
    slopes = b.constant(np.arange(1, CHANNELS + 1).reshape(-1, 1, 1) / 8)
    return b.node("PRelu", b.conv(x, "int4", CHANNELS, CHANNELS), slopes)


REFUSED: dict[str, tuple[Make, str]] = {
    "sum of a function spread over pixels": (
        lambda b, x: b.node("Add", x, b.node("GlobalMaxPool", bent(b, x))),
        "has passed an activation function or a max pool",
    ),
    "sum of functions": (
        lambda b, x: b.node("Add", x, bent(b, x)),
        "has passed an activation function or a max pool",
    ),
    "quotient of tensors": (
        lambda b, x: b.node("Div", x, other(b)),
        "it divides by another tensor that depends on the input",
    ),
    "quotient by zero": (lambda b, x: b.node("Div", x, b.constant(0.0)), "it divides by zero"),
    "limits of every element": (
        lambda b, x: b.node("Clip", x, b.constant(np.zeros(3)), b.constant(1.0)),
        "its min has 3 elements",
    ),
    "joined frames": (lambda b, x: b.node("Concat", x, other(b), axis=0), "it joins along the batch"),
    "joined sums": (lambda b, x: b.node("Concat", x, bent(b, x), axis=1), "an operand is not quantised"),
    "normalised cubes": (
        lambda b, x: b.batch_norm(b.node("Unsqueeze", x, whole(b, -1)), CHANNELS),
        "it normalises a tensor of 5 axes",
    ),
    "windows that begin behind the image": (
        lambda b, x: b.node(
            "MaxPool", x, kernel_shape=[2, 2], strides=[3, 3], ceil_mode=1, pads=[0, 0, 1, 1]
        ),
        "its last window would start behind the image",
    ),
    "windows that pass over pixels": (
        lambda b, x: b.node("MaxPool", x, kernel_shape=[1, 1], strides=[5, 5], auto_pad="SAME_UPPER"),
        "meets strides that pass over pixels",
    ),
    "largest of a falling function": (
        lambda b, x: b.node("MaxPool", b.node("Neg", bent(b, x)), **PAIR),
        "a falling function precedes it",
    ),
    "average of a function": (
        lambda b, x: b.node("AveragePool", bent(b, x), **PAIR),
        "its input has passed an activation function and is not quantised; put a quantiser (QuantReLU, "
        "QuantIdentity) before it; onnxruntime's quantize_static",
    ),
    "average with a bias over the edge": (
        lambda b, x: b.node(
            "AveragePool", b.node("Add", x, b.constant(1.0)), pads=[1, 1, 1, 1], count_include_pad=1, **PAIR
        ),
        "an unquantised tensor is padded",
    ),
    "average over channels": (
        lambda b, x: b.node("ReduceMean", x, axes=[1]),
        "it reduces channels",
    ),
    "an average that normalises": (
        lambda b, x: b.node("ReduceMean", x, axes=[1, 2, 3]),
        "torch.nn.LayerNorm",
    ),
    "a recurrent layer behind what the host could compute": (
        lambda b, x: b.node("LSTM", b.node("Transpose", x, perm=[1, 0, 2, 3])),
        "it feeds back what it computes",
    ),
    "a product as in attention": (
        lambda b, x: b.node("MatMul", x, b.node("Transpose", other(b), perm=[0, 1, 3, 2])),
        "neither rows nor columns of its second factor are tokens; multiply queries by keys",
    ),
    "a padded vector": (
        lambda b, x: b.node("Flatten", padded(b, x, 0, 0, 1, 0, 0, 0, 0, 0)),
        "a padded tensor is flattened",
    ),
    "nothing but padding": (
        lambda b, x: b.node(
            "Slice", padded(b, x, 0, 0, 2, 0, 0, 0, 0, 0), whole(b, 0), whole(b, 2), whole(b, 2)
        ),
        "a tensor of zeros only is used",
    ),
    "rows for columns": (
        lambda b, x: b.node("MaxPool", b.node("Transpose", rounded(b, x), perm=[0, 1, 3, 2]), **PAIR),
        "it moves elements in a way that no operator does",
    ),
    "rows upside down": (
        lambda b, x: b.node(
            "MaxPool", b.node("Slice", x, whole(b, -1), whole(b, -9), whole(b, 2), whole(b, -1)), **PAIR
        ),
        "it takes rows backwards, and streams go forward",
    ),
    "padding of a function": (
        lambda b, x: b.node("MaxPool", padded(b, bent(b, x), 0, 0, 1, 0, 0, 0, 0, 0), **PAIR),
        "an unquantised tensor is padded with zeros",
    ),
    "scales reshaped": (
        lambda b, x: b.node("MaxPool", narrower(b, scaled(b, rounded(b, x))), **PAIR),
        "a tensor with one scale per channel is reshaped",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_reasons(name: str) -> None:
    make, sentence = REFUSED[name]
    b = Builder(CHANNELS, 5, 5)
    with pytest.raises(ConversionError) as caught:
        import_qonnx(b.model(b.quantise(make(b, b.quantise("x", "int4", 0.5)), "int8", 0.25)))
    assert sentence in str(caught.value)


def test_elements_of_the_input_move_before_they_are_quantised() -> None:
    b = Builder(CHANNELS, 5, 5)
    moved = b.node("Transpose", "x", perm=[0, 2, 1, 3])
    with pytest.raises(ConversionError, match="the network's input reaches it unquantised"):
        import_qonnx(b.model(b.quantise(b.node("GlobalAveragePool", moved), "int8", 0.25)))


ALIKE: dict[str, Make] = {
    "channels that cross": lambda b, x: b.node("MaxPool", crossed(b, x), **PAIR),
    "channels moved behind a function": lambda b, x: b.node(
        "MaxPool", b.node("Gather", sloped(b, x), whole(b, 3, 2, 1, 0), axis=1), **PAIR
    ),
    "difference of tensors": lambda b, x: b.node(
        "Sub", x, b.quantise(b.conv(x, "int4", CHANNELS, CHANNELS), "int4", 0.5)
    ),
    "constant less a tensor": lambda b, x: b.node("Sub", b.constant(2.0), x),
    "quotient by a constant": lambda b, x: b.node("Div", x, b.constant(4.0)),
    "limits the wrong way round": lambda b, x: b.node("Clip", x, b.constant(2.0), b.constant(-1.0)),
    "windows that ceil_mode does not change": lambda b, x: b.node(
        "MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1
    ),
    "average that counts its padding": lambda b, x: b.node(
        "AveragePool", x, pads=[1, 1, 1, 1], count_include_pad=1, **PAIR
    ),
    "pixels made of channels": lambda b, x: b.node("MaxPool", narrower(b, x), **PAIR),
    "scales whose channels move": lambda b, x: b.node("Gather", scaled(b, x), whole(b, 3, 2, 1, 0), axis=1),
}


@pytest.mark.parametrize("name", ALIKE)
def test_what_looks_alike_and_lowers(name: str) -> None:
    b = Builder(CHANNELS, 5, 5)
    agree(b.model(b.quantise(ALIKE[name](b, b.quantise("x", "int4", 0.5)), "int8", 0.25)), frames())
