"""Scales of either sign, and numbers of one bit, against QONNX's own executor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pyqkit
from pyqkit.emulate.exact import ExactEngine
from pyqkit.graph.graph import to_integers
from tests.graph.models import assert_right
from tests.graph.models import frames as model_frames
from tests.graph.numerics import CHANNELS, SIGNS, agree, frames, quarters
from tests.graph.qonnx_builder import GENERAL, Builder


@pytest.mark.parametrize("scale", [-0.5, -0.5 * np.ones((CHANNELS, 1, 1, 1)), 0.5 * SIGNS])
@pytest.mark.parametrize(
    "fmt", ["int4", "int4narrow", "uint4", "uint4z5", "int12", "e2m1", "FLOOR", "CEIL", "DOWN"]
)
def test_weight_scales_of_either_sign(fmt: str, scale: Any) -> None:
    b = Builder(CHANNELS, 5, 5)
    mode = {"rounding_mode": fmt} if fmt.isupper() else {}
    weights = b.quantise(quarters(b, CHANNELS, CHANNELS, 3, 3), "int4" if mode else fmt, scale, **mode)
    y = b.node(
        "Conv", b.quantise("x", "int8", 0.125), weights, b.quantise(quarters(b, CHANNELS), "int8", -0.25)
    )
    agree(b.model(b.quantise(y, "int8", 2.0)), frames())


@pytest.mark.parametrize("scale", [-0.5, 0.5 * SIGNS])
def test_bipolar_scales_of_either_sign(scale: Any) -> None:
    """BipolarQuant multiplies the sign of its input by the scale.

    It does not divide by it first, as Quant does.
    """
    b = Builder(CHANNELS, 5, 5)
    weights = b.node("BipolarQuant", quarters(b, CHANNELS, CHANNELS, 3, 3), b.constant(scale), domain=GENERAL)
    y = b.node("Conv", b.quantise("x", "int8", 0.125), weights)
    y = b.node("BipolarQuant", y, b.constant(np.reshape(scale, (1, -1, 1, 1))), domain=GENERAL)
    agree(b.model(y), frames())


@pytest.mark.parametrize("fmt", ["int4", "uint4", "uint4z5", "e2m1", "int12"])
@pytest.mark.parametrize("scale", [-2.0, 2 * SIGNS.reshape(1, -1, 1, 1)])
def test_activation_scales_of_either_sign(fmt: str, scale: Any) -> None:
    b = Builder(CHANNELS, 5, 5)
    y = b.node(
        "Conv", b.quantise("x", "int8", 0.125), b.quantise(quarters(b, CHANNELS, CHANNELS, 3, 3), "int4", 0.5)
    )
    y = b.quantise(y, fmt, scale)
    y = (
        y
        if np.size(scale) > 1
        else b.node("Conv", y, b.quantise(quarters(b, 2, CHANNELS, 1, 1), "int4", 0.5))
    )
    agree(b.model(y), frames())


def test_a_scale_without_axes_of_its_own_counts_from_the_last() -> None:
    """Weights (inputs, outputs) of a MatMul with a scale of shape (outputs,), as broadcasting has it."""
    b = Builder(6)
    weights = b.quantise(quarters(b, 6, 6), "int4", np.array([0.25, -0.25, 0.5, 1, 2, -4]))
    y = b.node("MatMul", b.quantise("x", "int8", 0.125), weights)
    agree(b.model(b.quantise(y, "int8", 0.5)), frames().reshape(-1, 6)[:8])


NEGATIVE: dict[str, Callable[[Builder, str], str]] = {
    "Neg": lambda b, x: b.node("Neg", x),
    "Mul": lambda b, x: b.node("Mul", x, b.constant(-1.0)),
    "Mul mixed": lambda b, x: b.node("Mul", x, b.constant(SIGNS.reshape(1, -1, 1, 1))),
    "Div": lambda b, x: b.node("Div", x, b.constant(-2.0)),
    "Sub": lambda b, x: b.node("Sub", b.constant(0.0), x),
    "Sub offset": lambda b, x: b.node("Sub", b.constant(0.5), x),
    "batch norm": lambda b, x: b.node(
        "BatchNormalization",
        x,
        *(b.constant(v) for v in (SIGNS.ravel(), [0] * 4, [0] * 4, [1] * 4)),
        epsilon=0.0,
    ),
    "convolution": lambda b, x: b.node(
        "Conv", x, b.quantise(quarters(b, CHANNELS, CHANNELS, 1, 1), "int4", 0.5 * SIGNS)
    ),
}


POOLS: dict[str, dict[str, Any]] = {
    "MaxPool": {"kernel_shape": [2, 2], "strides": [2, 2]},
    "padded MaxPool": {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]},
    "GlobalMaxPool": {},
}


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("before", NEGATIVE)
@pytest.mark.parametrize("fmt", ["int8", "e3m2"])
def test_a_maximum_behind_a_negative_factor(before: str, pool: str, fmt: str) -> None:
    b = Builder(CHANNELS, 5, 5)
    y = NEGATIVE[before](b, b.quantise("x", fmt, 0.25))
    y = b.node(pool.split()[-1], y, **POOLS[pool])
    agree(b.model(b.quantise(y, "int8", 0.125)), frames())


@pytest.mark.parametrize("fmt", ["int8", "uint4", "e3m2"])
def test_a_maximum_that_is_an_output_or_goes_on_unquantised(fmt: str) -> None:
    b = Builder(CHANNELS, 6, 6)
    y = b.node("MaxPool", b.node("Neg", b.quantise("x", fmt, 0.25)), kernel_shape=[2, 2], strides=[2, 2])
    agree(b.model(y), frames(size=6))
    y = b.node("Conv", y, b.quantise(quarters(b, 3, CHANNELS, 3, 3), "int4", 0.5))
    accelerator = agree(b.model(y), frames(size=6))
    x = frames(size=6)
    np.testing.assert_array_equal(
        accelerator.emulate(x, codes=True),
        next(iter(accelerator.graph.execute(accelerator.encode(x)).values())).transpose(0, 3, 1, 2),
    )


def test_a_maximum_of_sums_needs_no_table_of_them() -> None:
    """Sums of 33 bits, behind a negative factor; a table of their ranks would take 64 GiB."""
    b = Builder(CHANNELS, 5, 5)
    x = b.quantise(
        b.conv(b.quantise("x", "int8", 0.125), "int8", CHANNELS, CHANNELS, scale=2.0**-6), "int16", 2.0**-9
    )
    weights = b.quantise(b.constant(b.random.integers(-(2**15), 2**15, (3, CHANNELS, 1, 1))), "int16", 1.0)
    y = b.node("MaxPool", b.node("Neg", b.node("Conv", x, weights)), kernel_shape=[2, 2])
    accelerator = pyqkit.compile(b.model(y, x), fold={})
    codes = accelerator.encode(frames())
    wanted, found = (
        accelerator.graph.execute(codes, keep=True),
        ExactEngine(accelerator.graph).run(codes, keep=True),
    )
    layers = [op for op in accelerator.graph.operators if op.kind == "convolution"]
    sums = accelerator.graph.tensors[layers[1].outputs[0]]
    largest, before = accelerator.graph.outputs[0].tensor, to_integers(wanted[sums.name], sums.format)
    windows = np.lib.stride_tricks.sliding_window_view(before, (2, 2), axis=(1, 2)).min(axis=(-2, -1))
    assert sums.format.bits == 33
    for made in (wanted, found):
        np.testing.assert_array_equal(
            to_integers(made[largest], accelerator.graph.tensors[largest].format), windows
        )


def test_joined_branches_with_scales_of_different_sign() -> None:
    b = Builder(CHANNELS, 5, 5)
    x = b.quantise("x", "int8", 0.25)
    agree(b.model(b.conv(b.node("Concat", x, b.node("Neg", x), axis=1), "int4", 3, 2 * CHANNELS)), frames())


@pytest.mark.parametrize("scale", [0.5, -0.5, 0.5 * SIGNS])
@pytest.mark.parametrize(("signed", "narrow"), [(1, 0), (1, 1), (0, 0)])
def test_one_bit(signed: int, narrow: int, scale: Any) -> None:
    """Signed means -1 and 1, narrow or not; unsigned 0 and 1. Zeros are among the weights and the sums."""
    b = Builder(CHANNELS, 5, 5)

    def quantise(source: str, step: Any) -> str:
        numbers = [b.constant(v) for v in (step, 0.0, 1.0)]
        return b.node(
            "Quant", source, *numbers, domain=GENERAL, signed=signed, narrow=narrow, rounding_mode="ROUND"
        )

    y = b.node("Conv", b.quantise("x", "int8", 0.125), quantise(quarters(b, CHANNELS, CHANNELS, 1, 1), scale))
    x = frames()
    x[:, :, 0] = 0
    agree(b.model(quantise(y, np.reshape(scale, (1, -1, 1, 1)))), x)


@pytest.mark.parametrize("fmt", ["odd1", "odd2", "uint4z20"])
@pytest.mark.parametrize("padded_by", ["Conv", "Pad"])
def test_codes_without_a_zero_are_padded_with_zeros(fmt: str, padded_by: str) -> None:
    b = Builder(3, 4, 4)
    x = b.quantise(b.conv(b.quantise("x", "int4", 0.5), "int4", 4, 3), fmt, 0.75)
    if padded_by == "Pad":
        x = b.node("Pad", x, b.constant([0, 0, 1, 2, 0, 0, 0, 1], np.int64))
    model = b.model(b.quantise(b.conv(x, "odd1", 2, 4, pads=[padded_by == "Conv"] * 4), "int8", 0.5))
    accelerator = assert_right(model)
    if (fmt, padded_by) == ("odd1", "Conv"):  # one of them in C++ too
        found = accelerator.verify(model_frames(model), ["exact", "hls"])
        assert found["mismatches"] == found["reference"]["codes_differing"] == 0
