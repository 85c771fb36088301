"""Quant, FloatQuant, BipolarQuant and FormatQuant nodes: what they say about format, scale and rounding."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from pyqkit.formats import Boundary, Integer, Microscaled, Minifloat, OddLevels, parse
from pyqkit.graph.importer import Lowering
from pyqkit.graph.lowering.constants import Coded, code_blocks
from pyqkit.graph.lowering.errors import Unlowerable
from pyqkit.graph.lowering.quantise import Quantiser, quantise
from pyqkit.graph.lowering.real import Real
from pyqkit.graph.lowering.rules import OWN, QONNX, Node, handles

_ROUNDINGS = {"ROUND": "nearest", "HALF_EVEN": "nearest", "ROUND_TO_ZERO": "to_zero", "DOWN": "to_zero", "FLOOR": "floor", "CEIL": "ceil"}


def rounding_of(node: Node) -> str:
    """Rounding mode of a Quant or FloatQuant node, by pyqkit's name."""
    mode = str(node.attributes.get("rounding_mode", "ROUND")).upper()
    if mode not in _ROUNDINGS:
        raise Unlowerable(f"rounding mode {mode} is not supported", f"use one of {', '.join(sorted(_ROUNDINGS))}")
    return _ROUNDINGS[mode]


def _integer(value: np.ndarray, what: str) -> int:
    number = np.asarray(value)
    if number.size != 1 or float(number.ravel()[0]) != round(float(number.ravel()[0])):
        raise Unlowerable(f"its {what} is not one integer", f"use an integer {what} for the whole tensor")
    return round(float(number.ravel()[0]))


def integer_quantiser(node: Node) -> Quantiser:
    """What a Quant node says."""
    signed, narrow = bool(node.attributes.get("signed", 1)), bool(node.attributes.get("narrow", 0))
    if narrow and not signed:
        raise Unlowerable("an unsigned narrow range is not supported", "use the full range")
    bits, zero_point = _integer(node.constant(3, "bit width"), "bit width"), _integer(node.constant(2, "zero point"), "zero point")
    if bits > 16:
        raise Unlowerable(f"{bits} bits are more than the 16 that a quantiser takes", "quantise to at most 16 bits")
    return Quantiser.of(Integer(bits, signed, narrow, zero_point), node.constant(1, "scale"), rounding_of(node))


def float_quantiser(node: Node) -> Quantiser:
    """What a FloatQuant node says; another exponent bias is a factor of the scale."""
    exponent, significand, bias = (
        _integer(node.constant(i, what), what) for i, what in ((2, "exponent width"), (3, "mantissa width"), (4, "exponent bias"))
    )
    has_inf, has_nan = bool(node.attributes.get("has_inf", 0)), bool(node.attributes.get("has_nan", 0))
    if not node.attributes.get("has_subnormal", 1):
        raise Unlowerable("a minifloat without subnormals is not supported", "use one with subnormals")
    fmt = Minifloat(exponent, significand, variant="ieee" if has_inf else "fn" if has_nan else "")
    factor = 2.0 ** (fmt.bias - bias)
    largest = float(np.asarray(node.constant(5, "largest value")).ravel()[0])
    if largest != fmt.maximum * factor:
        raise Unlowerable(
            f"its largest value is {largest:g}, but that of {fmt} with bias {bias} is {fmt.maximum * factor:g}",
            "use a saturating minifloat that reaches its largest code",
        )
    return Quantiser.of(fmt, np.asarray(node.constant(1, "scale"), np.float64) * factor, rounding_of(node))


def bipolar_quantiser(node: Node) -> Quantiser:
    """What a BipolarQuant node says: -1 below zero, 1 from zero on."""
    return Quantiser(OddLevels(1), node.constant(1, "scale"), (Boundary(Fraction(0), True),))


@handles("Quant", "IntQuant", domains=QONNX, inputs=4, attributes={"signed": int, "narrow": int, "rounding_mode": str})
def lower_integer(lowering: Lowering, node: Node) -> list[Any]:
    return [apply(lowering, node, integer_quantiser(node))]


@handles(
    "FloatQuant",
    domains=QONNX,
    inputs=6,
    attributes={"rounding_mode": str, "has_inf": int, "has_nan": int, "has_subnormal": int},
    only={"saturation": 1, "signed": 1},
)
def lower_float(lowering: Lowering, node: Node) -> list[Any]:
    return [apply(lowering, node, float_quantiser(node))]


@handles("BipolarQuant", domains=QONNX, inputs=2)
def lower_bipolar(lowering: Lowering, node: Node) -> list[Any]:
    return [apply(lowering, node, bipolar_quantiser(node))]


@handles("FormatQuant", domains=OWN, inputs=2, attributes={"format": str, "axis": int})
def lower_format(lowering: Lowering, node: Node) -> list[Any]:
    fmt = parse(str(node.attributes.get("format", "")))
    scale = node.constant(1, "scale")
    if not isinstance(fmt, Microscaled):
        return [apply(lowering, node, Quantiser.of(fmt, scale))]
    source = node.inputs[0]
    if isinstance(source, Real):
        raise Unlowerable(
            f"activations in blocks ({fmt}) need a scale found while the network runs", "use a static per-tensor scale for activations"
        )
    return [code_blocks(source, fmt, scale, int(node.attributes.get("axis", -1)))]


def apply(lowering: Lowering, node: Node, quantiser: Quantiser) -> Any:
    """Quantise a constant now, or a `Real` by operators."""
    source = node.inputs[0]
    if isinstance(source, Coded):
        source = source.values()
    if isinstance(source, Real):
        return quantise(lowering, source, quantiser, node.outputs[0])
    scale = np.asarray(quantiser.scale)
    if scale.size == 1:
        scale = scale.reshape(())
    quantiser = Quantiser(quantiser.format, scale, quantiser.boundaries, quantiser.prescale)
    return Coded(quantiser.encode(source), quantiser)
