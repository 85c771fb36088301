"""Networks that round, truncate and add biases in every way of QONNX; float32 is exact in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.graph.qonnx_builder import GENERAL, Builder
from tests.verify.small import Build, image, quant, rounded


def truncated(mode: str, *numbers: float, fmt: str = "uint8", **flags: int) -> Any:
    """Sums of 2x2 pixels less their lowest bits, in front of a convolution.

    `numbers` are what a Trunc node has behind its input; five of them are version 1.
    """

    def build(b: Builder, x: str) -> str:
        sums = b.node("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
        inputs = [b.constant(number) for number in numbers]
        kept = b.node("Trunc", sums, *inputs, domain=GENERAL, rounding_mode=mode, **flags)
        return b.conv(kept, "int4", 3, 4, 1)

    model = image(build, fmt)
    model.opset_import[1].version = 1 if len(numbers) == 4 else 2
    return model


def biased(bits: int) -> Build:
    """A convolution and a linear layer with a bias of that many bits, in the steps of their sums."""

    def build(b: Builder, x: str) -> str:
        bias = [quant(b, b.constant(b.random.normal(0, 9, n)), bits, 2.0**-e) for n, e in ((4, 14), (5, 15))]
        coded = b.quantise(b.node("Conv", x, b.weights("int4", 4, 4, 2, 2), bias[0]), "int8", 0.5)
        weights = b.weights("int4", 5, 48, scale=2.0**-6)
        return b.node("Gemm", b.node("Flatten", coded), weights, bias[1], transB=1)

    return build


def asymmetric(b: Builder, x: str) -> str:
    """A padded convolution and a linear layer whose weights have a zero point for each output."""
    shape, flags = (4, 1, 1, 1), {"signed": 0, "narrow": 0, "rounding_mode": "ROUND"}
    numbers = [np.reshape(v, shape) for v in ([0.25, 0.5, 0.25, 1], [7, 0, 15, 3])]
    given = [b.constant(v) for v in (b.random.normal(0, 1, (4, 4, 3, 3)), *numbers, 4)]
    y = b.node("Conv", x, b.node("Quant", *given, domain=GENERAL, **flags), pads=[1] * 4)
    steps = b.constant([0.25, 0.125, 0.5]), b.constant([7, 200, 31], np.uint8)
    stored = b.node("QuantizeLinear", b.constant(b.random.normal(0, 9, (3, 80))), *steps, axis=0)
    flat = b.node("Flatten", b.quantise(y, "uint8z9", 1.0))
    return b.node("Gemm", flat, b.node("DequantizeLinear", stored, *steps, axis=0), transB=1)


def scaled(*bias: int, **attributes: Any) -> Any:
    """A linear layer with the factors of Gemm."""
    b = Builder(6)
    x = b.quantise("x", "int8", 0.25)
    weights = b.weights("int4", *((5, 6) if attributes.get("transB") else (6, 5)))
    given = [b.constant(b.random.integers(-9, 9, bias) / 4)] if bias != (0,) else []
    return b.model(b.quantise(b.node("Gemm", x, weights, *given, **attributes), "int8", 0.5))


EXACT: dict[str, Callable[[], Any]] = {
    "rounding_up": lambda: rounded("UP"),
    "rounding_half_up": lambda: rounded("HALF_UP"),
    "rounding_half_down": lambda: rounded("HALF_DOWN"),
    "rounding_half_up_with_a_zero_point": lambda: rounded("HALF_UP", "uint4z7"),
    "rounding_half_even": lambda: rounded("HALF_EVEN"),
    "truncated": lambda: truncated("FLOOR", 0.0625, 0, 10, 0.25, 8, signed=0),
    "truncated_to_nearest": lambda: truncated("ROUND", 0.0625, 0, 10, 0.5, 6, signed=1, fmt="int8"),
    "truncated_narrow_with_a_zero_point": lambda: truncated(
        "HALF_UP", 0.0625, 8, 10, 0.5, 7, signed=1, narrow=1, fmt="int8"
    ),
    "truncated_from_zero_on_a_falling_scale": lambda: truncated(
        "UP", -0.0625, 0, 10, -0.5, 8, signed=1, fmt="int8"
    ),
    "truncated_to_more_bits": lambda: truncated("FLOOR", 0.5, 0, 7, 0.25, 8, signed=1, fmt="int8"),
    "truncated_by_version_1": lambda: truncated("FLOOR", 0.0625, 0, 10, 8),
    "truncated_by_version_1_with_signs": lambda: truncated("CEIL", 0.0625, 0, 10, 8, fmt="int8"),
    "biases_of_32_bits": lambda: image(biased(32)),
    "biases_of_24_bits": lambda: image(biased(24)),
    "biases_that_saturate": lambda: image(biased(8)),
    "unsigned_narrow": lambda: image(
        lambda b, x: b.conv(quant(b, b.conv(x, "int4", 4, 4), 3, 2.0, signed=0, narrow=1), "int4", 3, 4)
    ),
    "zero_points_of_channels": lambda: image(asymmetric, "uint8z9"),
    "gemm_with_factors": lambda: scaled(5, alpha=0.5, beta=-2.0, transB=1),
    "gemm_of_one_bias": lambda: scaled(alpha=-0.25, beta=0.5),
    "gemm_of_a_row": lambda: scaled(1, 5, beta=2.0),
    "gemm_of_a_column": lambda: scaled(1, 1),
    "gemm_without_bias": lambda: scaled(0, alpha=4.0, beta=3.0),
}
