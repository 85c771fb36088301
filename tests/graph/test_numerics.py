"""Numbers at the ends of their range, and sums as wide as real weights make them.

What is right is said by QONNX's own executor or by numpy, written out here; small integers and powers of two
keep float32 exact.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import reduce
from typing import Any

import numpy as np
import pytest

import pyqkit
from pyqkit.emulate.exact import ExactEngine
from pyqkit.emulate.hls import HlsEngine
from pyqkit.formats import Integer, parse
from pyqkit.graph.lowering.constants import without_common_powers
from pyqkit.graph.lowering.errors import ConversionError
from tests.emulate.test_engines import FAST, needs_compiler
from tests.graph.numerics import CHANNELS, agree, frames, quarters
from tests.graph.qonnx_builder import GENERAL, Builder

# ---- ranges of numbers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("gain", [0.0, 1e-15, 1e-18, -1e-18, 1e-30, 1e-38, 1e-44])
@pytest.mark.parametrize("bias", [0.0, 0.1])
def test_a_dead_channel_leaves_the_others_alone(gain: float, bias: float) -> None:
    """On a residual branch.

    Where there is no bias, many sums lie on a tie that the dead branch alone decides.
    """
    b = Builder(CHANNELS, 5, 5)
    x = b.quantise("x", "int8", 0.125)
    y = b.conv(x, "int4", CHANNELS, CHANNELS, scale=2.0**-5)
    y = b.node(
        "BatchNormalization",
        y,
        *(b.constant(v) for v in ([1, 0.9, gain, 0.8], [bias] * 4, [0] * 4, [1, 1.2, 1, 0.9])),
        epsilon=0.0,
    )
    accelerator = pyqkit.compile(
        b.model(b.quantise(b.node("Relu", b.node("Add", y, x)), "uint4", 1.0)), fold={}
    )
    weights = next(op for op in accelerator.graph.operators if op.kind == "convolution").weights  # type: ignore[attr-defined]
    integers = np.rint(frames() * 8).clip(-128, 127)
    sums = np.zeros((3, CHANNELS, 5, 5))
    padded = np.pad(integers, ((0, 0), (0, 0), (1, 1), (1, 1)))
    for row in range(3):
        for column in range(3):
            part = Integer(4).to_integers(weights[:, row, column])
            sums += np.einsum("oc,fchw->fohw", part, padded[:, :, row : row + 5, column : column + 5])
    factor = [
        Fraction(float(np.float32(np.float32(g) / np.sqrt(np.float64(np.float32(v))))))
        for g, v in zip([1, 0.9, gain, 0.8], [1, 1.2, 1, 0.9])
    ]
    found = accelerator.emulate(frames(), codes=True)
    for at in np.ndindex(*sums.shape):
        exact = (
            factor[at[1]] * Fraction(int(sums[at])) / 256
            + Fraction(int(integers[at]), 8)
            + Fraction(float(np.float32(bias)))
        )
        assert found[at] == min(max(round(exact), 0), 15), at


def test_three_branches_of_which_one_is_dead() -> None:
    b = Builder(CHANNELS, 5, 5)
    x = b.quantise("x", "int8", 0.125)
    tiny = b.node("Mul", x, b.constant(np.array([1, 1e-25, 1, 1e-30]).reshape(1, 4, 1, 1)))
    y = b.node(
        "Add",
        b.node(
            "Add",
            b.conv(x, "int4", CHANNELS, CHANNELS, scale=0.25),
            b.conv(x, "int4", CHANNELS, CHANNELS, scale=0.125),
        ),
        tiny,
    )
    accelerator = agree(b.model(b.quantise(y, "int8", 0.37)), frames())
    assert [
        note for note in accelerator.graph.notes if "rounded in 2 of 4 channels (channel 1 first)" in note
    ]


def test_limits_out_of_order_give_the_upper_one() -> None:
    """As ONNX says of Clip."""
    b = Builder(CHANNELS, 5, 5)
    y = b.node(
        "Clip",
        b.conv(b.quantise("x", "int8", 0.125), "int4", CHANNELS, CHANNELS),
        b.constant(3.0),
        b.constant(-2.0),
    )
    agree(b.model(b.quantise(y, "int8", 0.25)), frames())


def test_infinite_weights_saturate_as_in_qonnx() -> None:
    b = Builder(CHANNELS, 5, 5)
    weights = np.zeros((2, CHANNELS, 1, 1))
    weights[0, 0], weights[1, 1] = np.inf, -np.inf
    agree(
        b.model(b.node("Conv", b.quantise("x", "int8", 0.125), b.quantise(b.constant(weights), "int4", 0.5))),
        frames(),
    )


@pytest.mark.parametrize("gain", [1e30, -1e30])
def test_a_huge_gain_saturates(gain: float) -> None:
    b = Builder(CHANNELS, 5, 5)
    y = b.conv(b.quantise("x", "int8", 0.125), "int4", CHANNELS, CHANNELS)
    y = b.node(
        "BatchNormalization",
        y,
        *(b.constant(v) for v in ([1, gain, 1, 2], [0] * 4, [0] * 4, [1] * 4)),
        epsilon=0.0,
    )
    agree(b.model(b.quantise(y, "int8", 0.5)), frames())


@pytest.mark.parametrize("scale", [3e38, 1e-310, 1e-44])
def test_scales_at_the_ends_of_their_range(scale: float) -> None:
    """Of weights, whose values are then all the smallest or the largest code.

    And of the input, which is read exactly.
    """
    b = Builder(CHANNELS, 5, 5)
    weights = b.random.normal(0, 1, (CHANNELS, CHANNELS, 1, 1)).astype(np.float32)
    step = b.constant(scale, np.float64)
    numbers = b.constant(0.0), b.constant(4.0)
    coded = b.node(
        "Quant",
        b.constant(weights),
        step,
        *numbers,
        domain=GENERAL,
        signed=1,
        narrow=0,
        rounding_mode="ROUND",
    )
    y = b.node("Conv", b.quantise("x", "int8", 0.125), coded)
    accelerator = pyqkit.compile(b.model(b.quantise(y, "int8", 1.0)), fold={})
    (layer,) = [op for op in accelerator.graph.operators if op.kind == "convolution"]
    wanted = np.zeros(weights.shape) if scale > 1 else np.where(weights > 0, 7, -8)
    np.testing.assert_array_equal(Integer(4).to_integers(layer.weights).transpose(0, 3, 1, 2), wanted)  # type: ignore[attr-defined]
    b = Builder(CHANNELS, 5, 5)
    numbers = b.constant(scale, np.float64), b.constant(0.0), b.constant(4.0)
    source = b.node("Quant", "x", *numbers, domain=GENERAL, signed=1, narrow=0, rounding_mode="ROUND")
    accelerator = pyqkit.compile(b.model(b.conv(source, "int4", 2, CHANNELS)), fold={})
    wanted = (
        np.zeros(frames().shape) if scale > 1 else np.where(frames() > 0, 7, np.where(frames() < 0, -8, 0))
    )
    found = next(iter(accelerator.encode(frames()).values())).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(Integer(4).to_integers(found), wanted)


def _quant(b: Builder, source: str, **numbers: Any) -> str:
    values = {"scale": 0.5, "zero": 0.0, "bits": 4.0, **numbers}
    inputs = [b.constant(values[key], np.float64) for key in ("scale", "zero", "bits")]
    return b.node("Quant", source, *inputs, domain=GENERAL, signed=1, narrow=0, rounding_mode="ROUND")


def _weights(**numbers: Any) -> Callable[[Builder, str], str]:
    return lambda b, x: b.node("Conv", x, _quant(b, quarters(b, 2, CHANNELS, 1, 1), **numbers))


def _norm(*parameters: Any, epsilon: float = 0.0) -> Callable[[Builder, str], str]:
    def make(b: Builder, x: str) -> str:
        y = b.conv(x, "int4", CHANNELS, CHANNELS)
        y = b.node("BatchNormalization", y, *(b.constant([v, 1, 1, 1]) for v in parameters), epsilon=epsilon)
        return b.quantise(y, "int4", 0.5)

    return make


def _spoilt(kind: str, value: float) -> Callable[[Builder, str], str]:
    def make(b: Builder, x: str) -> str:
        values = np.ones((2, CHANNELS, 1, 1))
        values[1, 2] = value
        return b.node("Conv", x, b.quantise(b.constant(values), kind, 0.5))

    return make


REFUSED: dict[str, tuple[Callable[[Builder, str], str], str]] = {
    "NaN in weights": (_spoilt("int4", np.nan), "(Quant): the constant that it quantises holds NaN"),
    "NaN in minifloat weights": (
        _spoilt("e2m1", np.nan),
        "(FloatQuant): the constant that it quantises holds NaN",
    ),
    "NaN in blocks": (
        _spoilt("mx32_e2m1", np.nan),
        "(FormatQuant): the constant that it quantises holds NaN",
    ),
    "infinite minifloat weights": (_spoilt("e2m1", np.inf), "an infinity, of which FloatQuant makes NaN"),
    "NaN in a bias": (
        lambda b, x: b.node("Conv", x, b.weights("int4", 2, 4, 1, 1), b.constant([1, np.nan])),
        "(Conv): a constant of it is nan",
    ),
    "scale 0": (_weights(scale=0.0), "(Quant): its scale is 0"),
    "NaN scale": (_weights(scale=np.nan), "(Quant): its scale is nan"),
    "infinite scale": (_weights(scale=-np.inf), "(Quant): its scale is -inf"),
    "activation scale 0": (
        lambda b, x: b.quantise(b.conv(x, "int4", 2, 4), "e2m1", 0.0),
        "(FloatQuant): its scale is 0",
    ),
    "bipolar scale 0": (
        lambda b, x: b.node("BipolarQuant", x, b.constant(0.0), domain=GENERAL),
        "(BipolarQuant): its scale is 0",
    ),
    "bits 0": (_weights(bits=0.0), "but 0 bits came"),
    "bits 1.5": (_weights(bits=1.5), "its bit width is not one integer"),
    "bits 65": (_weights(bits=65.0), "65 bits are more than the 32 of a constant"),
    "bits 1e300": (_weights(bits=1e300), "1e+300 bits are more than the 32 of a constant"),
    "bits NaN": (_weights(bits=np.nan), "its bit width is not one integer"),
    "zero point inf": (_weights(zero=np.inf), "its zero point is not one integer"),
    "zero point 1e30": (_weights(zero=1e30), "a zero point of magnitude up to"),
    "one bit with a zero point": (_weights(bits=1.0, zero=1.0), "have the zero point 1"),
    "scale of another shape": (
        _weights(scale=np.ones((3, 1, 1, 1))),
        "its scale of shape (3, 1, 1, 1) does not fit",
    ),
    "variance 0": (_norm(1, 0, 0, 0), "its channel 0 has gain 1 and variance 0, which make the factor inf"),
    "variance -1": (
        _norm(1, 0, 0, -1),
        "its channel 0 has gain 1 and variance -1, which make the factor nan",
    ),
    "variance below 0 and above -epsilon": (
        _norm(1, 0, 0, -1e-6, epsilon=1e-5),
        "gain 1 and variance -1e-06",
    ),
    "infinite gain": (_norm(np.inf, 0, 0, 1), "which make the factor inf"),
    "NaN mean": (_norm(1, 0, np.nan, 1), "(BatchNormalization): a constant of it is nan"),
    "infinite offset": (_norm(1, -np.inf, 0, 1), "(BatchNormalization): a constant of it is -inf"),
    "NaN limit": (
        lambda b, x: b.quantise(b.node("Clip", b.conv(x, "int4", 2, 4), b.constant(np.nan)), "int4", 0.5),
        "(Clip): a constant of it is nan",
    ),
    "infinite lower limit": (
        lambda b, x: b.quantise(b.node("Clip", b.conv(x, "int4", 2, 4), b.constant(np.inf)), "int4", 0.5),
        "is inf",
    ),
    "NaN factor": (
        lambda b, x: b.quantise(b.node("Mul", x, b.constant(np.nan)), "int4", 0.5),
        "(Mul): a constant of it is nan",
    ),
    "infinite summand": (
        lambda b, x: b.quantise(b.node("Add", x, b.constant(np.inf)), "int4", 0.5),
        "(Add): a constant of it is inf",
    ),
    "NaN slope": (
        lambda b, x: b.quantise(
            b.node("LeakyRelu", b.conv(x, "int4", 2, 4), alpha=float("nan")), "int4", 0.5
        ),
        "is nan",
    ),
    "infinite alpha": (
        lambda b, x: b.quantise(b.node("Elu", b.conv(x, "int4", 2, 4), alpha=float("inf")), "int4", 0.5),
        "is inf",
    ),
    "channels too different for one shift": (
        lambda b, x: b.quantise(
            b.node("Mul", b.conv(x, "int4", 4, 4), b.constant(np.array([1.1, 1e15, 1, 1]).reshape(4, 1, 1))),
            "int12",
            0.3,
        ),
        "bits of fraction: too few",
    ),
    "output scale beyond float64": (
        lambda b, x: reduce(lambda y, _: b.node("Mul", y, b.constant(1e38)), range(9), x),
        "its scale is beyond float64",
    ),
    "ties of an odd zero point": (
        lambda b, x: b.quantise(b.conv(x, "int4", 2, 4), "uint12z5", 0.3),
        "whose zero point is odd",
    ),
    "sums beyond 64 bits": (
        lambda b, x: b.conv(b.quantise(b.conv(x, "int4", 4, 4), "lp8_2_7", 0.5), "lp8_2_7", 2, 4),
        "its sums of lp8_2_7 times lp8_2_7 need",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_number_is_refused_by_name(case: str) -> None:
    make, sentence = REFUSED[case]
    b = Builder(CHANNELS, 5, 5)
    with pytest.raises(ConversionError) as caught:
        pyqkit.compile(b.model(make(b, b.quantise("x", "int8", 0.125))))
    assert sentence in str(caught.value)
    assert all(problem.reason and problem.remedy for problem in caught.value.problems)


# ---- accumulators and memory -------------------------------------------------------------------------------


def test_16_bit_operands_need_no_table_of_their_products() -> None:
    b = Builder(CHANNELS, 5, 5)
    x = b.quantise(
        b.conv(b.quantise("x", "int8", 0.125), "int8", CHANNELS, CHANNELS, scale=2.0**-6), "int16", 2.0**-9
    )
    weights = b.random.integers(-(2**15), 2**15, (3, CHANNELS, 3, 3))
    y = b.node("Conv", x, b.quantise(b.constant(weights / 2.0**10), "int16", 2.0**-10))
    accelerator = pyqkit.compile(b.model(y, x), fold={})
    found = accelerator.emulate_outputs(frames())
    windows = np.lib.stride_tricks.sliding_window_view(
        np.rint(found[x].astype(np.float64) * 512), (3, 3), axis=(2, 3)
    )
    exact = np.einsum("fchwij,ocij->fohw", windows, weights.astype(np.float64))  # below 2**53
    np.testing.assert_array_equal(found[y], (exact / 2.0**19).astype(np.float32))


@pytest.mark.parametrize("fmt", ["e5m2", "e5m2ieee", "e4m3"])
def test_weights_lose_common_powers_of_two_alone(fmt: str) -> None:
    """The divided weights are codes of the format, each output's value over a power of two."""
    number = parse(fmt)
    codes = np.random.default_rng(0).choice(number.codes, (5, 40))
    codes[1] = number.encode(np.full(40, number.maximum))
    codes[2] = number.zero_code
    codes[3] = number.encode(np.random.default_rng(1).normal(0, number.maximum / 4, 40))
    found, powers = without_common_powers(codes, number)
    before, after = (number.integers[c].astype(object) for c in (codes, found))
    np.testing.assert_array_equal(after * 2 ** powers.astype(object)[:, None], before)
    assert all((row % 2).any() for row in after[[0, 1, 3]])


@needs_compiler
@pytest.mark.parametrize("fmt", ["e5m2", "e5m2ieee"])
def test_networks_of_5_exponent_bits(fmt: str) -> None:
    """Weights scaled as calibration does: the largest one is the format's maximum."""
    b, number = Builder(CHANNELS, 5, 5), parse(fmt)
    weights = b.random.normal(0, 1, (CHANNELS, CHANNELS, 3, 3)).astype(np.float32)
    x = b.quantise("x", fmt, np.float32(8 / number.maximum))
    y = b.node(
        "Conv", x, b.quantise(b.constant(weights), fmt, np.float32(abs(weights).max() / number.maximum))
    )
    accelerator = agree(b.model(b.quantise(b.batch_norm(y, CHANNELS), fmt, 2.0**-11)), frames())
    assert max(t.format.bits for t in accelerator.graph.tensors.values()) < 64
    codes = accelerator.encode(frames())
    (wanted,) = accelerator.graph.execute(codes).values()
    for engine in (ExactEngine(accelerator.graph), HlsEngine(accelerator.graph, flags=FAST)):
        (found,) = engine.run(codes).values()
        np.testing.assert_array_equal(found, wanted)
