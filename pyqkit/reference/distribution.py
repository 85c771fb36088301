"""The error function and the normal distribution, to about 90 bits, with a bound of their error.

Near zero by the series of Abramowitz and Stegun 7.1.6, whose terms have one sign; the tail by float64's own
complementary error function, where no more than its relative precision is of use.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import erfc

import numpy as np

from pyqkit.reference.doubledouble import DoubleDouble, where
from pyqkit.reference.smooth import exponential

_ONE = DoubleDouble.of(1.0)
_TWO_OVER_ROOT_PI = DoubleDouble.of_fraction(
    Fraction("1.128379167095512573896158903121545171688101258657997713688171443")
)
_ROOT_HALF = DoubleDouble.of_fraction(
    Fraction("0.707106781186547524400844362104849039284835937688474036588339868")
)
_ROOT_TWO_OVER_PI = DoubleDouble.of_fraction(
    Fraction("0.797884560802865355879892119868763736951717262329869315331851659")
)
_SERIES_END = 6.5  # where the complement is below 2**-64
# Beyond, float64 cannot hold the complement, which stays at this value: no boundary lies between it and zero.
_FAR = 26.0
_SERIES = 2.0**-84  # error of the series, beside the exponential's: two hundred rounded sums
_COMPLEMENT = 2.0**-40  # relative error of float64's complement, far more than it has


def distinct(function: Callable[[DoubleDouble], DoubleDouble]) -> Callable[[DoubleDouble], DoubleDouble]:
    """The function, computed once for all elements that are equal: behind a quantiser there are few."""

    def computed(x: DoubleDouble) -> DoubleDouble:
        parts = np.stack([x.high.ravel(), x.low.ravel(), x.spread_error().ravel()])
        few, places = np.unique(parts, axis=1, return_inverse=True)
        found = function(DoubleDouble(*few))
        return found.map(lambda a: np.broadcast_to(a, few.shape[1:])[places.ravel()].reshape(x.shape))

    return computed


def error_function(x: DoubleDouble) -> DoubleDouble:
    """2 / sqrt(pi) times the integral of e**(-t**2) from 0 to x; it keeps its distance from 1 far out."""
    size = where(x.high < 0, -x, x)
    far = size.high > _SERIES_END
    inner = _series(where(far, DoubleDouble.of(1.0), size))
    held = np.clip(size.high, _SERIES_END, _FAR)
    rest = np.array([erfc(number) for number in held.ravel()]).reshape(x.shape)
    outer = DoubleDouble(np.ones_like(rest), -rest, rest * _COMPLEMENT)
    error = size.spread_error()
    slope = 2 * np.exp(-np.square(np.maximum(np.minimum(size.high, _FAR) - error, 0)))
    found = where(far, outer, inner).within(slope * error)
    return where(x.high < 0, -found, found)


def normal(x: DoubleDouble) -> DoubleDouble:
    """(1 + erf(x / sqrt(2))) / 2."""
    return (error_function(x * _ROOT_HALF) + _ONE).map(lambda a: a / 2)


def gelu(x: DoubleDouble) -> DoubleDouble:
    """x times the normal distribution (ONNX: Gelu)."""
    return x * normal(x)


def gelu_tanh(x: DoubleDouble, tanh: Callable[[DoubleDouble], DoubleDouble]) -> DoubleDouble:
    """``0.5 * x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))``."""
    cubic = DoubleDouble.of_fraction(Fraction("0.044715")) * (x * x * x)
    return x.map(lambda a: a / 2) * (_ONE + tanh(_ROOT_TWO_OVER_PI * (x + cubic)))


def _series(x: DoubleDouble) -> DoubleDouble:
    """``2 / sqrt(pi) * e**(-x**2) * (x + 2/3 x**3 + 4/15 x**5 + ...)``, x from 0 to 6.5."""
    square = DoubleDouble(x.high, x.low) * DoubleDouble(x.high, x.low)
    twice = square.map(lambda a: 2 * a)
    total = term = DoubleDouble(x.high, x.low)
    for factor in range(3, 2000, 2):
        term = _given((term * twice).divided(float(factor)))
        total = _given(total + term)
        falls = twice.high.max(initial=0) * 2 < factor
        if falls and (abs(term.high) <= 2.0**-110 * abs(total.high)).all():
            break
    decay = exponential(-square)
    found = _TWO_OVER_ROOT_PI * decay * total
    return found.within(abs(found.high) * _SERIES)


def _given(x: DoubleDouble) -> DoubleDouble:
    return DoubleDouble(x.high, x.low)
