"""Nodes that act element by element.

Arithmetic with constants and other tensors, activation functions, casts.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pyqkit.graph.conventions import MASKED
from pyqkit.reference import smooth
from pyqkit.reference.doubledouble import DoubleDouble, where
from pyqkit.reference.linear_quantisers import clipped
from pyqkit.reference.node import Node, broadcasting, one
from pyqkit.reference.products import log_elements
from pyqkit.reference.quantised import Masked, Quantised, Value, ratio_of
from pyqkit.reference.ratio import Ratio

_INTEGERS = {
    2: "UINT8",
    3: "INT8",
    4: "UINT16",
    5: "INT16",
    6: "INT32",
    7: "INT64",
    12: "UINT32",
    13: "UINT64",
}
_FLOATS, _BOOL = (1, 11), 9  # FLOAT, DOUBLE; numbers of ONNX's types


def _add(node: Node) -> Value:
    """A sum; quantised scores and minus infinity are scores under a mask."""
    for x, added in ((node.value(0), node.value(1)), (node.value(1), node.value(0))):
        if isinstance(x, Quantised) and isinstance(added, np.ndarray) and (added < MASKED).any():
            return _masked(node, x, added)
    return node.ratio(0) + node.ratio(1)


def _masked(node: Node, x: Quantised, added: np.ndarray) -> Masked:
    hidden = added < MASKED
    if added[~hidden].any() or np.broadcast_shapes(x.shape, added.shape) != x.shape:
        node.refuse("a mask of zeros and minus infinity was", "another came", "quantise behind other sums")
    return Masked(x, np.broadcast_to(hidden, x.shape))


def _multiply(node: Node) -> Value:
    """Codes times constants stay codes, so that their products pass the table of Logarithmic Posits.

    Those of two tensors pass it here; the square of one is a function of it.
    """
    for x, factor in ((node.value(0), node.value(1)), (node.value(1), node.value(0))):
        if isinstance(x, Quantised) and isinstance(factor, np.ndarray) and _scales(x, factor):
            return x.scaled(DoubleDouble.of(factor))
    left, right = node.value(0), node.value(1)
    if isinstance(left, Quantised) and isinstance(right, Quantised) and all(node.varies[:2]):
        both = left.format.is_logarithmic and right.format.is_logarithmic
        if both and left.content is not right.content:
            return log_elements(left, right)
    return node.ratio(0) * node.ratio(1)


def _scales(x: Quantised, factor: np.ndarray) -> bool:
    return bool(factor.all()) and np.broadcast_shapes(x.shape, factor.shape) == x.shape


def _divide(node: Node) -> Value:
    x, divisor = node.value(0), node.ratio(1)
    if (divisor.numerator.high == 0).any():
        node.refuse("a divisor other than zero was", "zero came", "check the constant")
    if isinstance(x, Quantised) and x.format.is_logarithmic and isinstance(node.value(1), np.ndarray):
        return x.scaled(DoubleDouble.of(np.ones(())).divided(divisor.numerator))
    return ratio_of(x).over_ratio(divisor)


def _negate(node: Node) -> Value:
    x = node.value(0)
    return x.scaled(DoubleDouble.of(-1.0)) if isinstance(x, Quantised) else -ratio_of(x)


def _end(node: Node, index: int, key: str) -> float | None:
    """An end of a Clip node: an input, or an attribute in old files."""
    value = node.attributes.get(key) if node.given(index) is None else node.constant(index, key)
    if value is None:
        return None
    end = np.asarray(value, np.float64).ravel()
    if end.size != 1 or np.isnan(end[0]):
        node.refuse(f"one number as {key} was", f"{end} came", "check the constant")
    return float(end[0])


def _clip(node: Node) -> Value:
    """The larger of x and min, then the smaller of that and max: where min is above max, max."""
    source, low, high = node.value(0), _end(node, 1, "min"), _end(node, 2, "max")
    integers = clipped(source, low, high)
    if integers is not None:
        return integers
    x = ratio_of(source)
    if low is not None and np.isfinite(low):
        x = x.at_least(low)
    return x if high is None or not np.isfinite(high) else x.at_most(high)


def _leaky(node: Node) -> Value:
    x = node.ratio(0)
    slope = (
        node.constant(1, "slope")
        if node.type == "PRelu"
        else np.asarray(node.attributes.get("alpha", 0.01), np.float32)
    )
    below = x.numerator.high < 0
    unsure = np.where(abs(x.numerator.high) <= x.numerator.error, (1 + abs(slope)) * x.numerator.error, 0)
    return Ratio(where(below, x.numerator * DoubleDouble.of(slope), x.numerator).within(unsure), x.divisor)


def _hard_sigmoid(node: Node) -> Value:
    slope, shift = (
        np.asarray(node.attributes.get(k, d), np.float32) for k, d in (("alpha", 0.2), ("beta", 0.5))
    )
    return (node.ratio(0) * ratio_of(slope) + ratio_of(shift)).at_least(0.0).at_most(1.0)


def _smooth(function: Callable[[DoubleDouble], DoubleDouble]) -> Callable[[Node], Value]:
    return lambda node: function(node.real(0))


def _elu(node: Node) -> Value:
    return smooth.elu(node.real(0), np.float32(node.attributes.get("alpha", 1.0)))


def _dropout(node: Node) -> Value:
    training = node.given(2)
    if training is not None and np.any(node.constant(2, "training mode")):
        node.refuse(
            "a Dropout that passes its input on was", "training mode came", "call eval() before exporting"
        )
    return node.value(0)


def _cast(node: Node) -> Value:
    """To real types the identity, to integers without the fraction, to bool whether a number is not zero."""
    target = int(node.attributes.get("to", 0))
    if target in _FLOATS:
        return node.value(0)
    x = node.ratio(0)
    if target == _BOOL:
        _sure(node, x.numerator)
        return DoubleDouble.of((x.numerator.high != 0).astype(np.float64))
    if target not in _INTEGERS:
        node.refuse(
            f"a cast to FLOAT, DOUBLE, BOOL or one of {', '.join(_INTEGERS.values())} was",
            f"type {target} came",
            "use FLOAT",
        )
    whole = DoubleDouble.of(np.trunc(x.real.high))
    size, count = where(x.numerator.high < 0, -x.numerator, x.numerator), where(whole.high < 0, -whole, whole)
    below = size - count * x.divisor  # the quotient may have been rounded up to a whole number
    above = below - x.divisor
    _sure(node, below)
    _sure(node, above)
    found = np.copysign(count.high - (below.high < 0) + (above.high >= 0), x.numerator.high) + 0.0
    ends = np.iinfo(_INTEGERS[target].lower())
    if found.min(initial=0) < ends.min or found.max(initial=0) > ends.max:
        node.refuse(
            f"numbers of {_INTEGERS[target]} were",
            f"{found.min():g} to {found.max():g} came",
            "cast to a wider type",
        )
    return DoubleDouble.of(found)


def _sure(node: Node, x: DoubleDouble) -> None:
    """Refuse numbers whose sign is not known."""
    error = x.spread_error()
    if ((abs(x.high) <= error) & (error > 0)).any():
        node.refuse(
            "values that 106 bits hold were",
            "one lies nearer to a whole number than its error",
            "quantise before the cast",
        )


OPERATIONS = {
    "Add": broadcasting(_add),
    "Sub": broadcasting(lambda n: n.ratio(0) - n.ratio(1)),
    "Mul": broadcasting(_multiply),
    "Div": broadcasting(_divide),
    "Neg": one(_negate),
    "Relu": one(lambda n: n.ratio(0).at_least(0.0)),
    "Clip": one(_clip, "min", "max"),
    "LeakyRelu": one(_leaky, "alpha"),
    "PRelu": one(_leaky),
    "HardSigmoid": one(_hard_sigmoid, "alpha", "beta"),
    "Sigmoid": one(_smooth(smooth.sigmoid)),
    "Tanh": one(_smooth(smooth.tanh)),
    "Softplus": one(_smooth(smooth.softplus)),
    "Elu": one(_elu, "alpha"),
    "Identity": one(lambda n: n.value(0)),
    "Dropout": one(_dropout, "ratio", "seed"),
    "Cast": one(_cast, "to", "saturate", "round_mode"),
}
