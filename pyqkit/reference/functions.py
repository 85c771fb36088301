"""Activation functions that turn, jump or grow, and the larger and the smaller of numbers.

Formulas are those of ONNX.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np

from pyqkit.reference import smooth
from pyqkit.reference.distribution import distinct, error_function, gelu, gelu_tanh
from pyqkit.reference.doubledouble import DoubleDouble, where
from pyqkit.reference.node import Node, one
from pyqkit.reference.quantised import Value, ratio_of
from pyqkit.reference.ratio import Ratio

_END = 600.0
_ZERO, _ONE = DoubleDouble.of(0.0), DoubleDouble.of(1.0)


def _attribute(node: Node, key: str, default: float) -> np.float32:
    return np.float32(node.attributes.get(key, default))


def _gelu(node: Node) -> Value:
    form = node.attributes.get("approximate", "none")
    if form == "tanh":
        return distinct(lambda x: gelu_tanh(x, smooth.tanh))(node.real(0))
    if form != "none":
        node.refuse("approximation none or tanh was", f"{form} came", "use one of them")
    return distinct(gelu)(node.real(0))


def _hard_swish(node: Node) -> Value:
    """``x * max(0, min(1, x / 6 + 1 / 2))``."""
    x = node.ratio(0)
    share = (x + Ratio(DoubleDouble.of(3.0))).over(DoubleDouble.of(6.0))
    return x * share.at_least(0.0).at_most(1.0)


def _mish(node: Node) -> Value:
    return distinct(lambda x: x * smooth.tanh(smooth.softplus(x)))(node.real(0))


def _selu(node: Node) -> Value:
    """``gamma * x``, or ``gamma * (alpha * e**x - alpha)`` from zero down."""
    alpha, gamma = _attribute(node, "alpha", 1.6732632), _attribute(node, "gamma", 1.050701)
    return distinct(lambda x: DoubleDouble.of(gamma) * smooth.elu(x, alpha))(node.real(0))


def _celu(node: Node) -> Value:
    """``max(0, x) + min(0, alpha * (exp(x / alpha) - 1))``."""
    alpha = DoubleDouble.of(_attribute(node, "alpha", 1.0))
    x = node.real(0)
    below = alpha * smooth.elu(x.divided(alpha), np.float32(1.0))
    return where(x.high < 0, below, x)


def _magnitude(x: Ratio) -> Ratio:
    sign = DoubleDouble.of(np.where(x.numerator.high < 0, -1.0, 1.0))
    unsure = np.where(abs(x.numerator.high) <= x.numerator.error, 2 * x.numerator.error, 0)
    return Ratio((x.numerator * sign).within(unsure), x.divisor)


def _softsign(node: Node) -> Value:
    x = node.ratio(0)
    return x.over_ratio(_magnitude(x) + Ratio(_ONE))


def _sure(node: Node, gap: DoubleDouble) -> np.ndarray:
    """Signs of numbers at which something jumps; refused where they are not known."""
    error = gap.spread_error()
    if ((abs(gap.high) <= error) & (error > 0)).any():
        node.refuse(
            "values that 106 bits hold were",
            "one lies nearer to a jump than its error",
            "quantise before the jump",
        )
    return np.sign(gap.high)


def _sign(node: Node) -> Value:
    return DoubleDouble.of(_sure(node, node.ratio(0).numerator))


def _thresholded(node: Node) -> Value:
    x = node.real(0)
    above = _sure(node, x - DoubleDouble.of(_attribute(node, "alpha", 1.0))) > 0
    return where(above, x, _ZERO.map(lambda a: np.broadcast_to(a, x.shape)))


def _shrink(node: Node) -> Value:
    """``x + bias`` below ``-lambd``, ``x - bias`` above ``lambd``, 0 between."""
    x = node.real(0)
    limit, bias = (DoubleDouble.of(_attribute(node, k, d)) for k, d in (("lambd", 0.5), ("bias", 0.0)))
    inside = _ZERO.map(lambda a: np.broadcast_to(a, x.shape))
    found = where(_sure(node, x - limit) > 0, x - bias, inside)
    return where(_sure(node, x + limit) < 0, x + bias, found)


def _exponential(x: DoubleDouble) -> DoubleDouble:
    """Held where float64 ends: no boundary of a quantiser lies beyond."""
    return smooth.exponential(where(abs(x.high) < _END, x, DoubleDouble.of(np.copysign(_END, x.high))))


def logarithm(x: DoubleDouble) -> DoubleDouble:
    """Natural logarithm of positive numbers, by Newton's method on the exponential."""
    found = DoubleDouble.of(np.log(x.high))
    given = DoubleDouble(x.high, x.low)
    for _ in range(2):
        step = given * smooth.exponential(-found) - _ONE
        found = DoubleDouble(found.high, found.low) + DoubleDouble(step.high, step.low)
    found = DoubleDouble(found.high, found.low).within(2.0**-80 + 2 * x.spread_error() / abs(x.high))
    exact = (x.high == 1) & (x.low == 0) & (x.spread_error() == 0)
    return where(exact, _ZERO.map(lambda a: np.broadcast_to(a, x.shape)), found)


def root(x: DoubleDouble) -> DoubleDouble:
    """Square root, by a step of Newton's method; exact where float64 holds it."""
    near = np.sqrt(np.maximum(x.high, 0))
    rest = DoubleDouble(x.high, x.low) - DoubleDouble.of(near) * DoubleDouble.of(near)
    safe = np.where(near > 0, near, 1.0)
    found = DoubleDouble.of(near) + rest.divided(2 * safe)
    error = x.spread_error()
    passed = np.where(error > 0, np.minimum(np.sqrt(2 * error), 2 * error / safe), 0)
    rounded = np.where((rest.high == 0) & (rest.low == 0), 0, near * 2.0**-98)
    return DoubleDouble(found.high, found.low).within(rounded + passed)


def _positive(node: Node, x: DoubleDouble, zero: bool) -> DoubleDouble:
    low = x.high - x.spread_error()
    if (low < 0).any() or (not zero and (low <= 0).any()):
        node.refuse(
            f"numbers {'from' if zero else 'above'} zero were", f"{low.min():g} came", "clip them before"
        )
    return x


def _power(node: Node) -> Value:
    given = np.asarray(node.constant(1, "exponent"), np.float64).ravel()
    if given.size != 1:
        node.refuse("one exponent was", f"{given.size} came", "use one for the whole tensor")
    exponent, x = float(given[0]), node.ratio(0)
    if exponent == int(exponent) and abs(exponent) <= 16:
        found = Ratio(_ONE.map(lambda a: np.broadcast_to(a, x.shape)))
        for _ in range(abs(int(exponent))):
            found = found * x
        return found if exponent >= 0 else _reciprocal_of(node, found)
    if exponent == 0.5:
        return root(_positive(node, x.real, True))
    share = DoubleDouble.of_fraction(Fraction(exponent))
    return _exponential(logarithm(_positive(node, x.real, False)) * share)


def _reciprocal_of(node: Node, x: Ratio) -> Ratio:
    if (x.numerator.high == 0).any():
        node.refuse("a divisor other than zero was", "zero came", "clip it before")
    return Ratio(_ONE.map(lambda a: np.broadcast_to(a, x.shape))).over_ratio(x)


def _extreme(rising: bool) -> Callable[[Node], Value]:
    """The larger, or the smaller, of all inputs."""

    def rule(node: Node) -> Value:
        found = node.ratio(0)
        for other in node.inputs[1:]:
            found = _larger(found, ratio_of(other), rising)  # type: ignore[arg-type]
        return found

    return rule


def _larger(left: Ratio, right: Ratio, rising: bool) -> Ratio:
    shape = np.broadcast_shapes(left.shape, right.shape)
    first, second = (
        (a.numerator * b.divisor).map(lambda v: np.broadcast_to(v, shape))
        for a, b in ((left, right), (right, left))
    )
    gap = first - second
    takes_first = gap.high >= 0 if rising else gap.high <= 0
    unsure = np.where(abs(gap.high) <= gap.error, gap.error, 0)
    return Ratio(where(takes_first, first, second).within(unsure), left.divisor * right.divisor)


OPERATIONS = {
    "Erf": one(lambda n: distinct(error_function)(n.real(0))),
    "Gelu": one(_gelu, "approximate"),
    "HardSwish": one(_hard_swish),
    "Mish": one(_mish),
    "Selu": one(_selu, "alpha", "gamma"),
    "Celu": one(_celu, "alpha"),
    "Softsign": one(_softsign),
    "Abs": one(lambda n: _magnitude(n.ratio(0))),
    "Sign": one(_sign),
    "ThresholdedRelu": one(_thresholded, "alpha"),
    "Shrink": one(_shrink, "lambd", "bias"),
    "Exp": one(lambda n: distinct(_exponential)(n.real(0))),
    "Log": one(lambda n: distinct(logarithm)(_positive(n, n.real(0), False))),
    "Sqrt": one(lambda n: root(_positive(n, n.real(0), True))),
    "Reciprocal": one(lambda n: _reciprocal_of(n, n.ratio(0))),
    "Pow": one(_power),
    "Max": one(_extreme(True)),
    "Min": one(_extreme(False)),
}
