"""Trunc nodes: an integer, found by rounding to nearest, that loses its lowest bits.

QONNX: ``stored = round(x / scale + zero_point)``, then ``stored / 2**dropped`` in the rounding mode of the
node. Version 1 (five inputs) drops the difference of its bit widths and keeps the scale; version 2 has an
output scale, saturates, and divides the zero point too.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

from pyqkit.formats import Integer
from pyqkit.reference.doubledouble import DoubleDouble
from pyqkit.reference.node import Node, Operation
from pyqkit.reference.quantised import Quantised, Value, ratio_of
from pyqkit.reference.quantisers import QONNX, Quantiser, mode_of, quantise, scale_of, whole_number
from pyqkit.reference.rounding import Grid

_LARGEST = 2**40
_MOST_DROPPED = 40


def _truncate(node: Node) -> list[Value]:
    scale, zero_point = scale_of(node, 1), whole_number(node, 2, "zero point")
    stored = _stored(node, scale, zero_point)
    if len(node.inputs) == 5:
        bits = whole_number(node, 4, "output bit width")
        dropped, output_scale = whole_number(node, 3, "bit width") - bits, scale
        output_zero_point = zero_point
    else:
        bits, output_scale = whole_number(node, 5, "output bit width"), scale_of(node, 4)
        dropped = _dropped(node, scale, output_scale)
        output_zero_point = _shifted_zero_point(node, zero_point, dropped)
    if abs(dropped) > _MOST_DROPPED:
        node.refuse(f"at most {_MOST_DROPPED} bits to drop were", f"{dropped} came", "check the bit widths")
    kept = _divided(stored.content, dropped, mode_of(node, "FLOOR"))
    # The first version says nothing of signs and saturates nothing.
    first, negative = len(node.inputs) == 5, bool((kept < 0).any())
    signed = negative if first else bool(node.attributes.get("signed", 1))
    fmt = Integer(bits, signed, not first and bool(node.attributes.get("narrow", 0)), output_zero_point)
    low, high = fmt.low + output_zero_point, fmt.high + output_zero_point
    if first and (kept.min(initial=0) < low or kept.max(initial=0) > high):
        node.refuse(f"integers of {bits} bits were", "wider ones came", "state the bit width of its input")
    content = np.clip(kept, low, high) - output_zero_point
    return [Quantised(content, fmt, output_scale, stored.ties)]


def _stored(node: Node, scale: DoubleDouble, zero_point: int) -> Quantised:
    """The integers that the node reads, its zero point not subtracted."""
    with np.errstate(over="ignore", invalid="ignore"):
        quotients = ratio_of(node.value(0)).real.high / scale.high
    if not (abs(quotients) < _LARGEST).all():
        node.refuse(f"integers below {_LARGEST} were", "larger ones came", "check the scale of its input")
    grid = Grid.near(quotients, -_LARGEST, _LARGEST, zero_point, "HALF_EVEN")
    made = quantise(node, node.value(0), Quantiser(Integer(54), grid, scale))
    return replace(made, content=made.content + zero_point)


def _dropped(node: Node, scale: DoubleDouble, output_scale: DoubleDouble) -> int:
    """Bits: the logarithm of the ratio of both scales, rounded."""
    with np.errstate(invalid="ignore", divide="ignore"):
        powers = np.unique(np.rint(np.log2(output_scale.high / scale.high)))
    if powers.size != 1 or not np.isfinite(powers[0]):
        node.refuse("scales in one ratio were", f"the powers {powers} came", "use one scale")
    return int(powers[0])


def _shifted_zero_point(node: Node, zero_point: int, dropped: int) -> int:
    exact = Fraction(zero_point) / Fraction(2) ** dropped
    if exact.denominator != 1:
        node.refuse(f"a zero point that 2**{dropped} divides was", f"{zero_point} came", "leave it at 0")
    return int(exact)


def _divided(stored: np.ndarray, dropped: int, mode: str) -> np.ndarray:
    """``stored / 2**dropped``, rounded; int64."""
    if dropped <= 0:
        return stored << -dropped
    below = stored >> dropped
    rest = stored - (below << dropped)
    half, negative = 1 << (dropped - 1), stored < 0
    up = {
        "FLOOR": np.zeros_like(negative),
        "CEIL": rest > 0,
        "DOWN": negative & (rest > 0),
        "ROUND_TO_ZERO": negative & (rest > 0),
        "UP": ~negative & (rest > 0),
        "HALF_UP": (rest > half) | ((rest == half) & ~negative),
        "HALF_DOWN": (rest > half) | ((rest == half) & negative),
        "HALF_EVEN": (rest > half) | ((rest == half) & (below % 2 == 1)),
        "ROUND": (rest > half) | ((rest == half) & (below % 2 == 1)),
    }[mode]
    return below + up


_ATTRIBUTES = frozenset({"signed", "narrow", "rounding_mode"})
OPERATIONS = {"Trunc": Operation(_truncate, _ATTRIBUTES, QONNX)}
