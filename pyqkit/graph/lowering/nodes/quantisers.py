"""Quant, FloatQuant, BipolarQuant and FormatQuant nodes: what they say about format, scale and rounding."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import cast

import numpy as np

from pyqkit.formats import Boundary, Integer, Microscaled, Minifloat, OddLevels, parse
from pyqkit.graph.lowering.constants import Coded, code_blocks
from pyqkit.graph.lowering.errors import Unlowerable
from pyqkit.graph.lowering.layers import Layer
from pyqkit.graph.lowering.quantise import quantise
from pyqkit.graph.lowering.quantiser import Quantiser
from pyqkit.graph.lowering.real import Real, fractions
from pyqkit.graph.lowering.rules import OWN, QONNX, Node, handles
from pyqkit.graph.lowering.session import Lowering, Value, shape_of

_ROUNDINGS = {
    "ROUND": "nearest",
    "HALF_EVEN": "nearest",
    "ROUND_TO_ZERO": "to_zero",
    "DOWN": "to_zero",
    "FLOOR": "floor",
    "CEIL": "ceil",
    "UP": "from_zero",
    "HALF_UP": "half_from_zero",
    "HALF_DOWN": "half_to_zero",
}
_QUANTISING = ("QuantIdentity", "QuantReLU", "QuantConv2d", "QuantLinear")
_WIDEST, _WIDEST_CONSTANT = 16, 32  # bits; biases are as wide as the sums that they are added to
LARGEST_BIAS = 256  # distance from the bias of the format: scales stay far from the ends of float64


def rounding_of(node: Node, default: str = "ROUND") -> str:
    """Rounding mode of a Quant, FloatQuant or Trunc node, by pyqkit's name."""
    mode = str(node.attributes.get("rounding_mode", default)).upper()
    if mode not in _ROUNDINGS:
        raise Unlowerable(
            f"rounding mode {mode} is not supported", f"use one of {', '.join(sorted(_ROUNDINGS))}"
        )
    return _ROUNDINGS[mode]


def quantised_shape(node: Node) -> tuple[int, ...]:
    """Shape of what a quantiser reads and makes, to which its scale broadcasts."""
    shape, scale = shape_of(node.needed(0)), shape_of(node.needed(1))
    if len(scale) > len(shape) or any(n not in (1, m) for n, m in zip(scale[::-1], shape[::-1])):
        raise Unlowerable(
            f"its scale of shape {scale} does not fit a tensor of shape {shape}",
            "give one scale a channel, or for all",
        )
    return shape


def whole_number(node: Node, index: int, what: str) -> int:
    """Input `index`, which must be one whole number, maybe said of every channel."""
    number = np.unique(np.asarray(node.constant(index, what), np.float64))
    if number.size != 1 or not np.isfinite(number[0]) or number[0] != np.rint(number[0]):
        raise Unlowerable(f"its {what} is not one integer", f"use an integer {what} for the whole tensor")
    return int(number[0])


def scale_of(node: Node, factor: float = 1.0, index: int = 1) -> np.ndarray:
    """A scale of a quantiser node times a factor of its format; of either sign, never zero."""
    scale = node.constant(index, "scale")
    scale = scale if factor == 1 else np.asarray(scale, np.float64) * factor
    wrong = np.asarray(scale)[~np.isfinite(scale) | (np.asarray(scale) == 0)]
    if wrong.size:
        raise Unlowerable(
            f"its scale is {wrong.ravel()[0]:g}",
            "use a scale that is finite and not zero; check how it was calibrated",
        )
    return scale


def integer_quantiser(node: Node) -> Quantiser:
    """What a Quant node says.

    Signed numbers of 1 bit are -1 and 1 in QONNX, and its narrow range and rounding mode then say nothing.
    """
    signed, narrow = bool(node.attributes.get("signed", 1)), bool(node.attributes.get("narrow", 0))
    bits, zero_point = (whole_number(node, i, what) for i, what in ((3, "bit width"), (2, "zero point")))
    if bits > _WIDEST_CONSTANT:
        raise Unlowerable(f"{bits:g} bits are more than the 32 of a constant", "quantise to at most 32 bits")
    if bits > _WIDEST and isinstance(node.needed(0), Real):
        raise Unlowerable(
            f"{bits:g} bits are more than the 16 that a quantiser takes", "quantise to at most 16 bits"
        )
    if bits == 1 and signed:
        if zero_point:
            raise Unlowerable(
                f"its bipolar values -1 and 1 have the zero point {zero_point:g}", "use the zero point 0"
            )
        return _bipolar(scale_of(node))
    return Quantiser.of(Integer(bits, signed, narrow, zero_point), scale_of(node), rounding_of(node))


def _bipolar(scale: np.ndarray) -> Quantiser:
    return Quantiser(OddLevels(1), scale, (Boundary(Fraction(0), True),))


def float_quantiser(node: Node) -> Quantiser:
    """What a FloatQuant node says; another exponent bias is a factor of the scale."""
    exponent, significand, bias = (
        whole_number(node, i, what)
        for i, what in ((2, "exponent width"), (3, "mantissa width"), (4, "exponent bias"))
    )
    has_inf, has_nan = bool(node.attributes.get("has_inf", 0)), bool(node.attributes.get("has_nan", 0))
    if not node.attributes.get("has_subnormal", 1):
        raise Unlowerable("a minifloat without subnormals is not supported", "use one with subnormals")
    fmt = Minifloat(exponent, significand, variant="ieee" if has_inf else "fn" if has_nan else "")
    if abs(fmt.bias - bias) > LARGEST_BIAS:
        raise Unlowerable(f"its exponent bias is {bias:g}", f"use a bias within {LARGEST_BIAS} of {fmt.bias}")
    factor = 2.0 ** (fmt.bias - bias)
    largest = float(np.asarray(node.constant(5, "largest value")).ravel()[0])
    if largest != fmt.maximum * factor:
        raise Unlowerable(
            f"its largest value is {largest:g}, but that of {fmt} with bias {bias} is "
            f"{fmt.maximum * factor:g}",
            "use a saturating minifloat that reaches its largest code",
        )
    return Quantiser.of(fmt, scale_of(node, factor), rounding_of(node))


def bipolar_quantiser(node: Node) -> Quantiser:
    """What a BipolarQuant node says: -1 below zero, 1 from zero on."""
    return _bipolar(scale_of(node))


@handles(
    Layer(
        "Quant",
        brevitas=_QUANTISING,
        note="integers of 1 to 16 bits, constants (biases) of up to 32; a signed bit is -1 or 1",
    ),
    Layer("IntQuant", brevitas=_QUANTISING, note="as Quant"),
    domains=QONNX,
    inputs=4,
    shape=quantised_shape,
    attributes={"signed": int, "narrow": int, "rounding_mode": str},
)
def lower_integer(lowering: Lowering, node: Node) -> list[Value]:
    if np.unique(node.constant(2, "zero point")).size > 1 and not isinstance(node.needed(0), Real):
        return [_with_zero_points(node)]
    return [apply(lowering, node, integer_quantiser(node))]


def _with_zero_points(node: Node) -> Coded:
    """A constant with a zero point for each channel: integers less their own, in one format for all."""
    source, zero = node.needed(0), node.constant(2, "zero point")
    values = _numbers(node, source.values() if isinstance(source, Coded) else source)
    spread = _spread(zero, values.shape)
    levels = np.zeros(values.shape, np.int64)
    for zero_point in np.unique(zero):
        inputs = [*node.inputs[:2], np.asarray(zero_point), *node.inputs[3:]]
        quantiser = integer_quantiser(replace(node, inputs=inputs))
        found = quantiser.format.decode(quantiser.encode(values)).astype(np.int64)
        levels = np.where(spread == zero_point, found, levels)
    scale = scale_of(node)
    return Coded.of_integers(levels, scale.reshape(()) if scale.size == 1 else scale)


def _spread(zero: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    if zero.ndim > len(shape) or any(n not in (1, m) for n, m in zip(zero.shape[::-1], shape[::-1])):
        raise Unlowerable(
            f"its zero point of shape {zero.shape} does not fit a tensor of shape {shape}",
            "give one zero point a channel, or for all",
        )
    return np.broadcast_to(zero, shape)


@handles(
    Layer("FloatQuant", brevitas=_QUANTISING, note="minifloats of up to 16 bits that saturate"),
    domains=QONNX,
    inputs=6,
    shape=quantised_shape,
    attributes={"rounding_mode": str, "has_inf": int, "has_nan": int, "has_subnormal": int},
    only={"saturation": 1, "signed": 1},
)
def lower_float(lowering: Lowering, node: Node) -> list[Value]:
    return [apply(lowering, node, float_quantiser(node))]


@handles(
    Layer("BipolarQuant", brevitas=_QUANTISING, note="-1 and 1"),
    domains=QONNX,
    inputs=2,
    shape=quantised_shape,
)
def lower_bipolar(lowering: Lowering, node: Node) -> list[Value]:
    quantiser = bipolar_quantiser(node)
    sign, source = np.sign(quantiser.scale), node.needed(0)
    # BipolarQuant does not divide by its scale as other quantisers do: it multiplies the sign of what comes.
    if (sign < 0).any():
        if isinstance(source, Real):
            node.inputs[0] = source.affine(source.per_channel(sign), fractions(0, source.channels))
        else:
            node.inputs[0] = (source.values() if isinstance(source, Coded) else source) * sign
    return [apply(lowering, node, quantiser)]


@handles(
    Layer("FormatQuant", brevitas=_QUANTISING, note="any format of pyqkit, written by pyqkit.quant"),
    domains=OWN,
    inputs=2,
    shape=quantised_shape,
    attributes={"format": str, "axis": int},
)
def lower_format(lowering: Lowering, node: Node) -> list[Value]:
    fmt = parse(str(node.attributes.get("format", "")))
    scale = scale_of(node)
    if not fmt.block:
        return [apply(lowering, node, Quantiser.of(fmt, scale))]
    source = node.needed(0)
    if isinstance(source, Real):
        raise Unlowerable(
            f"activations in blocks ({fmt}) need a scale found while the network runs",
            "use a static per-tensor scale for activations",
        )
    source = _numbers(node, source.values() if isinstance(source, Coded) else source)
    axis = int(node.attributes.get("axis", -1))
    if not -source.ndim <= axis < source.ndim:
        raise Unlowerable(
            f"its blocks lie along axis {axis} of {source.ndim}", "block along an axis of the weights"
        )
    return [code_blocks(source, cast("Microscaled", fmt), scale, axis)]


def apply(lowering: Lowering, node: Node, quantiser: Quantiser) -> Value:
    """Quantise a constant now, or a `Real` by operators."""
    source = node.needed(0)
    if isinstance(source, Coded):
        source = source.values()
    if isinstance(source, Real):
        return quantise(lowering, source, quantiser, node.outputs[0])
    scale = np.asarray(quantiser.scale)
    if scale.size == 1:
        scale = scale.reshape(())
    quantiser = Quantiser(quantiser.format, scale, quantiser.boundaries, quantiser.prescale)
    return Coded(quantiser.encode(_numbers(node, source)), quantiser)


def _numbers(node: Node, values: Value) -> np.ndarray:
    """Constants that may be quantised: infinities saturate, but QONNX' FloatQuant makes NaN of them."""
    assert isinstance(values, np.ndarray)  # `Rule.check` has refused integers that wait to be numbers
    if np.isnan(values).any() or (node.type == "FloatQuant" and np.isinf(values).any()):
        what = "NaN" if np.isnan(values).any() else "an infinity, of which FloatQuant makes NaN"
        raise Unlowerable(
            f"the constant that it quantises holds {what}",
            "check the weights, and train or export them again",
        )
    return values
