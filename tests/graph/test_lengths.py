"""Layers of one dimension and tensors of tokens: what the reference and QONNX' executor compute."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pyqkit.graph.importer import import_qonnx
from pyqkit.graph.lowering.errors import ConversionError
from tests.graph.checked import check
from tests.graph.numerics import agree
from tests.graph.qonnx_builder import Builder

Make = Callable[[Builder, str], str]
CHANNELS, LENGTH = 4, 12


def conv(b: Builder, x: str, outputs: int, inputs: int, kernel: int = 3, **attributes: Any) -> str:
    groups = attributes.get("group", 1)
    return b.node("Conv", x, b.weights("int4", outputs, inputs // groups, kernel), **attributes)


def coded(b: Builder, x: str, name: str = "int8") -> str:
    return b.quantise(x, name, 0.5)


def last(b: Builder, x: str) -> str:
    """(batch, channels, length) as (batch, length, channels), or back."""
    return b.node("Transpose", x, perm=[0, 2, 1])


def linear(b: Builder, x: str, inputs: int, outputs: int) -> str:
    return b.node("MatMul", x, b.weights("int4", inputs, outputs))


def normalised(b: Builder, x: str) -> str:
    """Factors of a batch norm that float32 holds."""
    numbers = ([0.5, 1, 2, -1], [1, 0, -2, 0.5], [0.25, 1, 0, -1], [1, 4, 0.25, 1])
    return b.node("BatchNormalization", x, *[b.constant(n) for n in numbers], epsilon=0.0)


def keywords(b: Builder, x: str) -> str:
    """Strided, batch norm, pool, depthwise and pointwise, average, linear layer."""
    x = b.node("Relu", normalised(b, conv(b, x, 4, CHANNELS, pads=[1, 1])))
    x = b.node("MaxPool", coded(b, x, "uint4"), kernel_shape=[2], strides=[2])
    x = coded(b, conv(b, x, 4, 4, group=4, dilations=[2], pads=[2, 2]))
    x = coded(b, b.node("GlobalAveragePool", coded(b, conv(b, x, 6, 4, 1))))
    return b.node("Gemm", b.node("Flatten", x), b.weights("int4", 6, 5))


def residual(b: Builder, x: str) -> str:
    return b.node("Add", x, coded(b, conv(b, x, CHANNELS, CHANNELS, pads=[1, 1])))


def squeezed(b: Builder, x: str) -> str:
    """A layer of two dimensions between Unsqueeze and Squeeze, as some exporters write it."""
    axis = b.constant([2], np.int64)
    image = b.node("Unsqueeze", x, axis)
    found = b.node("Conv", image, b.weights("int4", 4, CHANNELS, 1, 3), pads=[0, 1, 0, 1])
    return conv(b, coded(b, b.node("Squeeze", found, axis)), 3, 4)


def column(b: Builder, x: str) -> str:
    """The length along the height."""
    image = b.node("Unsqueeze", x, b.constant([3], np.int64))
    return b.node("Conv", image, b.weights("int4", 3, CHANNELS, 3, 1), strides=[2, 1])


def tokens(b: Builder, x: str) -> str:
    """A perceptron of every token, added to what it reads, between layers that see neighbours."""
    x = last(b, coded(b, conv(b, x, 4, CHANNELS, strides=[2])))
    inner = coded(b, b.node("Add", linear(b, x, 4, 6), b.constant([1, -2, 0.5, 0, 4, -1])), "int4")
    x = coded(b, b.node("Add", x, coded(b, linear(b, inner, 6, 4))))
    return conv(b, last(b, x), 3, 4)


def patches(b: Builder, x: str) -> str:
    """Pixels of an image as tokens, averaged over all."""
    image = b.node("Reshape", x, b.constant([1, CHANNELS, 3, 4], np.int64))
    flat = b.node("Reshape", coded(b, b.conv(image, "int4", 4, CHANNELS)), b.constant([0, 0, -1], np.int64))
    x = coded(b, linear(b, last(b, flat), 4, 6))
    return b.node("ReduceMean", x, axes=[1], keepdims=0)


NETS: dict[str, Make] = {
    "keywords": keywords,
    "residual": residual,
    "squeezed": squeezed,
    "column": column,
    "tokens": tokens,
    "patches": patches,
    "same_padding": lambda b, x: conv(b, x, 3, CHANNELS, 4, auto_pad="SAME_UPPER", strides=[3]),
    "grouped": lambda b, x: conv(b, x, 6, CHANNELS, group=2, strides=[2], dilations=[3]),
    "average": lambda b, x: b.node("AveragePool", x, kernel_shape=[4], strides=[3]),
    "largest_of_all": lambda b, x: b.node("GlobalMaxPool", x),
    "largest_of_padded": lambda b, x: b.node("MaxPool", x, kernel_shape=[3], strides=[2], pads=[1, 1]),
    "average_that_keeps_its_axis": lambda b, x: b.node("ReduceMean", x, axes=[-1]),
    "layer_over_the_length": lambda b, x: linear(b, x, LENGTH, 2),
    "last_step": lambda b, x: b.node("Gather", conv(b, x, 3, CHANNELS), b.constant(-1, np.int64), axis=2),
    "joined": lambda b, x: b.node("Concat", x, coded(b, conv(b, x, 3, CHANNELS, pads=[1, 1])), axis=1),
    "joined_lengths": lambda b, x: b.node("Concat", coded(b, conv(b, x, 4, CHANNELS)), x, axis=-1),
    "joined_tokens": lambda b, x: b.node(
        "Concat", last(b, x), coded(b, linear(b, last(b, x), CHANNELS, 4)), axis=1
    ),
    "joined_features": lambda b, x: linear(
        b, b.node("Concat", coded(b, linear(b, last(b, x), CHANNELS, 3)), last(b, x), axis=2), 7, 3
    ),
}


def frames(count: int = 3) -> np.ndarray:
    """Multiples of an eighth, so that many values lie on ties."""
    draw = np.random.default_rng(7)
    return (draw.integers(-60, 61, (count, CHANNELS, LENGTH)) / 8).astype(np.float32)


@pytest.mark.parametrize("name", NETS)
def test_agrees(name: str) -> None:
    b = Builder(CHANNELS, LENGTH)
    model = b.model(coded(b, NETS[name](b, b.quantise("x", "int8", 0.125))))
    agree(model, frames())
    graph = check(model)
    layers = [node for node in model.graph.node if node.op_type == "Quant" and "weight" not in node.input[0]]
    assert len(graph.sources) > 1 and len(layers) >= len(graph.sources)


def test_channels_change_places_without_hardware() -> None:
    b = Builder(CHANNELS, LENGTH)
    graph = import_qonnx(b.model(coded(b, tokens(b, b.quantise("x", "int8", 0.125)))))
    assert {op.kind for op in graph.operators} == {"convolution", "rescale", "add"}
    assert len(graph.channels_last) == 3
    assert [graph.tensors[name].shape for name in graph.channels_last] == [(1, 5, 6), (1, 5, 4), (1, 5, 4)]


def test_the_input_holds_tokens() -> None:
    """Channels are the last axis where a linear layer reads them."""
    b = Builder(CHANNELS, LENGTH)
    model = b.model(coded(b, linear(b, b.quantise("x", "int8", 0.125), LENGTH, 3)))
    agree(model, frames())
    graph = check(model)
    assert [op.kind for op in graph.operators] == ["convolution", "rescale"]
    (port,) = graph.inputs
    assert port.onnx_shape == (CHANNELS, LENGTH) and graph.tensors[port.tensor].shape == (1, CHANNELS, LENGTH)


REFUSED: dict[str, tuple[Make, str]] = {
    "image with kernels of a length": (
        lambda b, x: conv(b, b.node("Unsqueeze", x, b.constant([2], np.int64)), 3, CHANNELS),
        "its input 1 has 3 axes, and 4 axes are understood",
    ),
    "average over channels": (lambda b, x: b.node("ReduceMean", x, axes=[1]), "it reduces channels"),
    "average over all": (
        lambda b, x: b.node("ReduceMean", x, axes=[1, 2]),
        "it reduces the batch, everything",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    make, sentence = REFUSED[name]
    b = Builder(CHANNELS, LENGTH)
    with pytest.raises(ConversionError) as caught:
        import_qonnx(b.model(coded(b, make(b, b.quantise("x", "int8", 0.125)))))
    assert sentence in str(caught.value)
