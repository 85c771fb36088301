"""ONNX's own quantisers: QuantizeLinear, a Clip of its integers or none, DequantizeLinear.

QuantizeLinear decides nothing alone: what it makes waits as `Stored` for the DequantizeLinear behind it, and
both are one quantiser. A constant is read from its integers: it gets the smallest format that holds them.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from pyqkit.formats import Boundary, Integer
from pyqkit.formats.widths import signed_range_bits
from pyqkit.graph.lowering.constants import Coded
from pyqkit.graph.lowering.errors import Unlowerable
from pyqkit.graph.lowering.layers import Layer
from pyqkit.graph.lowering.quantise import quantise
from pyqkit.graph.lowering.quantiser import Quantiser
from pyqkit.graph.lowering.real import Real
from pyqkit.graph.lowering.rules import Node, handles
from pyqkit.graph.lowering.session import Lowering, Stored, Value, shape_of

_TYPES = (np.dtype(np.int8), np.dtype(np.uint8))
_BEFORE_ZERO_POINTS = Integer(10)  # what saturates here does so with any zero point of 8 bits
_ATTRIBUTES = {"axis": int, "saturate": int}
_WRITTEN = "written by Brevitas' export_onnx_qcdq and onnxruntime's quantize_static"


def _shape(node: Node) -> tuple[int, ...]:
    return shape_of(node.needed(0))


def _scale(node: Node) -> np.ndarray:
    """The scale with all axes of the tensor, or none; finite and positive."""
    scale = node.constant(1, "scale")
    if scale.dtype != np.float32 or not (np.isfinite(scale) & (scale > 0)).all() or not scale.size:
        raise Unlowerable(
            "its scale is not one of finite positive float32 numbers", "check how it was calibrated"
        )
    return _along(node, scale, "scale")


def _zero_point(node: Node) -> np.ndarray:
    if node.given(2) is None:
        return np.zeros((), np.uint8)
    zero_point = node.constant(2, "zero point")
    same = zero_point.size > 0 and bool((zero_point == zero_point.flat[0]).all())
    return _along(node, zero_point.ravel()[:1] if same else zero_point, "zero point")


def _along(node: Node, values: np.ndarray, what: str) -> np.ndarray:
    """One number, or one for each place of the axis that the node names, with all axes of the tensor."""
    if values.size == 1:
        return values.reshape(())
    shape, axis = _shape(node), int(node.attributes.get("axis", 1))
    if not -len(shape) <= axis < len(shape) or values.shape != (shape[axis],):
        raise Unlowerable(
            f"its {what} of shape {values.shape} does not fit axis {axis} of {shape}",
            "use one for the whole tensor, or one a channel",
        )
    return values.reshape([-1 if i == axis % len(shape) else 1 for i in range(len(shape))])


@handles(
    Layer("QuantizeLinear", ("torch.quantize_per_tensor",), note=_WRITTEN),
    attributes=_ATTRIBUTES,
    only={"block_size": 0, "output_dtype": 0},
    shape=_shape,
)
def quantize_linear(lowering: Lowering, node: Node) -> list[Value]:
    scale, zero_point, source = _scale(node), _zero_point(node), node.needed(0)
    if isinstance(source, Stored) or zero_point.dtype not in _TYPES:
        raise Unlowerable("it makes something other than int8 or uint8 numbers", "quantise to int8 or uint8")
    ends = np.iinfo(zero_point.dtype)
    if zero_point.shape:
        if isinstance(source, Real):
            raise Unlowerable(
                "activations have one zero point per channel", "use one zero point for the whole tensor"
            )
        values = source.values() if isinstance(source, Coded) else source
        nearest = Quantiser.of(_BEFORE_ZERO_POINTS, scale)
        levels = _BEFORE_ZERO_POINTS.to_integers(nearest.encode(_finite(values)))
        return [np.clip(levels + zero_point, ends.min, ends.max).astype(zero_point.dtype)]
    return [Stored(source, scale, int(zero_point), zero_point.dtype, int(ends.min), int(ends.max))]


def _finite(values: np.ndarray) -> np.ndarray:
    if not np.isfinite(values).all():
        raise Unlowerable("the constant that it quantises is not finite", "check the weights")
    return values


def clipped(node: Node, stored: Stored) -> Stored:
    """Integers within limits of their own type."""
    ends = [stored.low, stored.high]
    for index, which in ((1, "min"), (2, "max")):
        if node.given(index) is not None:
            limit = node.constant(index, which)
            if limit.dtype != stored.type or limit.size != 1:
                raise Unlowerable(f"its {which} is not one {stored.type} number", "export the model again")
            ends[index - 1] = max(min(int(limit.ravel()[0]), stored.high), stored.low)
    low, high = ends
    if low >= high:
        raise Unlowerable(f"its limits {low} and {high} leave one value", "check the limits")
    return stored.within(low, high)


@handles(
    Layer("DequantizeLinear", ("torch.dequantize",), note=_WRITTEN),
    attributes=_ATTRIBUTES,
    only={"block_size": 0, "output_dtype": 0},
    shape=_shape,
)
def dequantize_linear(lowering: Lowering, node: Node) -> list[Value]:
    scale, zero_point, source = _scale(node), _zero_point(node), node.needed(0)
    if isinstance(source, np.ndarray):
        return [_constant(source, scale, zero_point)]
    if not isinstance(source, Stored):
        raise Unlowerable("its input is no integer", "put a QuantizeLinear before it")
    if (
        zero_point.shape
        or (node.given(2) is not None and zero_point.dtype != source.type)
        or int(zero_point) != source.zero_point
        or not np.array_equal(scale, source.scale)
    ):
        raise Unlowerable(
            "its scale or zero point is not that of its QuantizeLinear", "use the same for both"
        )
    if isinstance(source.source, Real):
        made = source.made.get((source.low, source.high))
        if made is None:
            made = quantise(lowering, source.source, _quantiser(source), node.outputs[0])
            source.made[source.low, source.high] = made
        return [made]
    constant = _finite(source.source.values() if isinstance(source.source, Coded) else source.source)
    quantiser = _quantiser(source)
    levels = quantiser.format.decode(quantiser.encode(constant)).astype(np.int64)
    return [_constant(levels, scale, np.zeros((), np.int64))]


def _format(stored: Stored) -> Integer:
    """The format of codes from the lowest to the highest."""
    low, high = stored.low, stored.high
    signed = low < 0
    width = signed_range_bits(low, high) if signed else high.bit_length()
    fmt = Integer(width, signed, signed and low != -(2 ** (width - 1)), stored.zero_point)
    if (fmt.low + fmt.zero_point, fmt.high + fmt.zero_point) != (low, high):
        raise Unlowerable(
            f"its integers from {low} to {high} are no range of a number format",
            "limit them to -2**(n-1) or one more, to 2**(n-1) - 1, or to 0 .. 2**n - 1",
        )
    return fmt


def _quantiser(stored: Stored) -> Quantiser:
    """ONNX rounds half to even before it adds the zero point, QONNX after that."""
    fmt = _format(stored)
    steps = range(fmt.low + 1, fmt.high + 1)
    boundaries = tuple(Boundary(Fraction(2 * step - 1, 2), step % 2 == 0) for step in steps)
    return Quantiser(fmt, stored.scale, boundaries)


def _constant(integers: np.ndarray, scale: np.ndarray, zero_point: np.ndarray) -> Coded:
    """Integers times their scale, as codes of the smallest format; biases have up to 32 bits."""
    if integers.dtype.kind not in "iu":
        raise Unlowerable("its input is no integer", "put a QuantizeLinear before it")
    return Coded.of_integers(integers.astype(np.int64) - zero_point.astype(np.int64), scale)
