"""Channels-last inputs and outputs: the array is as the ONNX file says, and nothing is moved in hardware."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import pyqkit
from tests.graph.qonnx_builder import Builder
from tests.graph.qonnx_executor import execute

Make = Callable[[Builder], str]
TO_FIRST, TO_LAST = [0, 3, 1, 2], [0, 2, 3, 1]


def quantised(b: Builder, x: str) -> str:
    return b.quantise(x, "int8", 1 / 16)


def layer(b: Builder, x: str, channels: int = 3) -> str:
    return b.quantise(b.conv(x, "int4", 4, channels), "int4", 0.5)


def dense(b: Builder, x: str, inputs: int = 90) -> str:
    return b.quantise(b.node("MatMul", b.node("Flatten", x), b.weights("int4", inputs, 5)), "int8", 0.5)


def normalised(b: Builder) -> str:
    """One mean a channel, along the last axis, and no transposition that says so."""
    x = b.node("Sub", quantised(b, "x"), b.constant([0.5, 0.25, 1.0]))
    return dense(b, b.quantise(x, "int8", 1 / 16))


def padded(b: Builder) -> str:
    x = b.node("Pad", quantised(b, "x"), b.constant([0, 1, 1, 0, 0, 1, 1, 0], np.int64))
    return b.quantise(b.conv(b.node("Transpose", x, perm=TO_FIRST), "int4", 4, 3, pads=[0] * 4), "int4", 0.5)


FREE: dict[str, tuple[Make, tuple[int, int, int]]] = {
    "quantiser first": (lambda b: layer(b, b.node("Transpose", quantised(b, "x"), perm=TO_FIRST)), (5, 6, 3)),
    "quantiser second": (
        lambda b: layer(b, quantised(b, b.node("Transpose", "x", perm=TO_FIRST))),
        (5, 6, 3),
    ),
    "reshape of one channel": (
        lambda b: layer(b, b.node("Reshape", quantised(b, "x"), b.constant([1, 1, 5, 6], np.int64)), 1),
        (5, 6, 1),
    ),
    "out again": (
        lambda b: b.node(
            "Transpose", layer(b, b.node("Transpose", quantised(b, "x"), perm=TO_FIRST)), perm=TO_LAST
        ),
        (5, 6, 3),
    ),
    "dense layer": (lambda b: dense(b, quantised(b, "x")), (5, 6, 3)),
    "normalised dense layer": (normalised, (5, 6, 3)),
    "transposed dense layer": (
        lambda b: dense(b, b.node("Transpose", quantised(b, "x"), perm=TO_FIRST)),
        (5, 6, 3),
    ),
}


@pytest.mark.parametrize("name", FREE)
def test_channels_last(name: str) -> None:
    make, shape = FREE[name]
    b = Builder(*shape)
    model = b.model(make(b))
    accelerator = pyqkit.compile(model)
    kinds = {op.kind for op in accelerator.graph.operators}
    assert kinds <= {"convolution", "rescale", "threshold", "reshape"}, kinds
    x = (np.random.default_rng(0).integers(-40, 41, (3, *shape)) / 16).astype(np.float32)
    assert_array_equal(accelerator.emulate(x), execute(model, x))
    result = accelerator.verify(x, engines=["exact"])
    assert result["reference"]["codes_differing"] == 0
    assert not result["reference"]["float32"]["unexplained_layers"]


def test_padding_before_the_transposition() -> None:
    b = Builder(5, 6, 3)
    model = b.model(padded(b))
    accelerator = pyqkit.compile(model)
    assert [op.kind for op in accelerator.graph.operators] == ["pad", "convolution", "rescale"]
    x = (np.random.default_rng(0).integers(-40, 41, (3, 5, 6, 3)) / 16).astype(np.float32)
    assert_array_equal(accelerator.emulate(x), execute(model, x))


def test_declared_pixels_with_channels_last() -> None:
    b = Builder(6, 6, 3)
    x = b.node("Div", b.node("Sub", "x", b.constant([120.0, 110.0, 100.0])), b.constant([60.0, 50.0, 40.0]))
    model = b.model(layer(b, quantised(b, b.node("Transpose", x, perm=TO_FIRST))))
    accelerator = pyqkit.compile(model, input_format="uint8")
    pixels = np.random.default_rng(0).integers(0, 256, (3, 6, 6, 3)).astype(np.uint8)
    assert accelerator.graph.inputs[0].in_order
    assert_array_equal(accelerator.emulate(pixels), execute(model, pixels.astype(np.float32)))
