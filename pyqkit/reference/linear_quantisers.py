"""QuantizeLinear and DequantizeLinear, ONNX's own quantisers, and Clip between them.

The integers that they exchange are a `Quantised` tensor of scale 1: its numbers are the integers themselves.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pyqkit.formats import Integer
from pyqkit.reference.doubledouble import DoubleDouble
from pyqkit.reference.node import Node, Operation
from pyqkit.reference.quantised import Quantised, Value
from pyqkit.reference.quantisers import Quantiser, quantise
from pyqkit.reference.rounding import Grid

_ONE = DoubleDouble.of(1.0)
_TYPES = {"int8": (-128, 127), "uint8": (0, 255)}


def _spread(node: Node, index: int, what: str) -> np.ndarray:
    """A scale or zero point: one number, or one for each place along the axis of the node."""
    values = node.constant(index, what)
    if values.size == 1:
        return values.reshape(())
    shape = node.value(0).shape
    axis = int(node.attributes.get("axis", 1))
    if not -len(shape) <= axis < len(shape) or values.shape != (shape[axis],):
        node.refuse(f"one {what} for each place of an axis was", f"{values.shape} came", "check the axis")
    return values.reshape(-1, *(1,) * (len(shape) - axis % len(shape) - 1))


def _scale(node: Node) -> DoubleDouble:
    scale = _spread(node, 1, "scale")
    if scale.dtype != np.float32 or not (np.isfinite(scale) & (scale > 0)).all():
        node.refuse("finite positive float32 scales were", "others came", "calibrate the network again")
    return DoubleDouble.of(scale)


def _zero_point(node: Node) -> np.ndarray:
    if node.given(2) is None:
        return np.zeros((), np.uint8)
    zero_point = _spread(node, 2, "zero point")
    return zero_point.ravel()[0].reshape(()) if len(np.unique(zero_point)) == 1 else zero_point


def _to_integers(node: Node) -> list[Value]:
    """``clip(round(x / scale) + zero point)``: a tie goes to the even number *before* the zero point."""
    zero_point = _zero_point(node)
    if zero_point.dtype.name not in _TYPES or (zero_point.shape and node.varies[0]):
        node.refuse(
            "one zero point of type int8 or uint8 was", f"{zero_point.dtype.name} came", "quantise to 8 bits"
        )
    low, high = _TYPES[zero_point.dtype.name]
    if zero_point.shape:
        grid = Grid.of_integers(low - high, high - low, 0, "HALF_EVEN")
        made = quantise(node, node.value(0), Quantiser(Integer(10), grid, _scale(node)))
        return [np.clip(made.content + zero_point, low, high).astype(zero_point.dtype)]
    grid = Grid.of_integers(low - int(zero_point), high - int(zero_point), 0, "HALF_EVEN")
    fmt = Integer(8, low < 0)
    made = quantise(node, node.value(0), Quantiser(fmt, grid, _scale(node)))
    return [replace(made, content=made.content + int(zero_point), scale=_ONE)]


def is_integers(value: Value | None) -> bool:
    """Whether a value is what a QuantizeLinear makes."""
    return (
        isinstance(value, Quantised)
        and isinstance(value.format, Integer)
        and not value.format.zero_point
        and value.scale.shape == ()
        and float(value.scale.high) == 1.0
        and float(value.scale.low) == 0.0
    )


def clipped(source: Value, lowest: float | None, highest: float | None) -> Quantised | None:
    """Integers within limits, in the format that these are the ends of; None for anything else.

    The integers of a QONNX quantiser of scale 1 are the same numbers either way.
    """
    if not is_integers(source):
        return None
    assert isinstance(source, Quantised)
    fmt = source.format
    assert isinstance(fmt, Integer)
    low = fmt.low if lowest is None else max(fmt.low, lowest)
    high = fmt.high if highest is None else min(fmt.high, highest)
    if low >= high or low != int(low) or high != int(high):
        return None
    sign = low < 0
    width = max(int(high).bit_length(), int(-low - 1).bit_length() if sign else 0) + sign
    within = Integer(width, sign, narrow=-low == high)
    return replace(source, content=np.clip(source.content, int(low), int(high)), format=within)


def _to_numbers(node: Node) -> list[Value]:
    """``(integer - zero point) * scale``."""
    source, scale, zero_point = node.value(0), _scale(node), _zero_point(node).astype(np.int64)
    if isinstance(source, np.ndarray) and source.dtype.kind in "iu":
        levels = source.astype(np.int64) - zero_point
        width = int(np.abs(levels).max(initial=1)).bit_length() + 1
        return [Quantised(levels, Integer(width), scale)]
    if not is_integers(source) or zero_point.shape:
        node.refuse("integers of a QuantizeLinear were", "other numbers came", "quantise them first")
    assert isinstance(source, Quantised)
    assert isinstance(source.format, Integer)
    fmt = replace(source.format, zero_point=int(zero_point))
    return [replace(source, content=source.content - int(zero_point), format=fmt, scale=scale)]


_ATTRIBUTES = frozenset({"axis", "saturate"})
OPERATIONS = {
    "QuantizeLinear": Operation(_to_integers, _ATTRIBUTES),
    "DequantizeLinear": Operation(_to_numbers, _ATTRIBUTES),
}
