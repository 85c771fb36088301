"""Exact sums of products.

Integers in float64 where no sum reaches 2**53, numbers cut into digits where one could.

A factor is a tensor of codes with one step for each of its rows; a row is what meets in one sum: a group of
input channels, or the weights of an output. Elements of a row may be shifted left, as weights in blocks are.
What has no such form (a tensor that is not quantised, one scale for each input) is cut into digits on one
binary grid, without rounding. Two Logarithmic Posits add their logarithms, and the sum passes the
log-to-linear table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from pyqkit.formats import LogPosit
from pyqkit.formats.logposit import linear_bits, linear_table
from pyqkit.reference.doubledouble import DoubleDouble
from pyqkit.reference.node import Node
from pyqkit.reference.quantised import Quantised, Value, ratio_of, real_of
from pyqkit.reference.ratio import Ratio

# Adds up products of (frames, channels, ...) and (outputs, channels of a group, ...), both float64.
Sums = Callable[[np.ndarray, np.ndarray], np.ndarray]
_INTEGERS = 53  # bits of the integers that float64 holds
_DIGITS = 16  # of one tensor, at most


@dataclass(frozen=True, eq=False)
class Factor:
    """A tensor of codes with one step for each row.

    Attributes
    ----------
    tensor : Quantised
    steps : DoubleDouble, shape (rows,)
        What the tensor's `scale` is in each row.
    shifts : numpy.ndarray of int
        Bits by which elements are shifted left besides; broadcasts to the tensor.
    """

    tensor: Quantised
    steps: DoubleDouble
    shifts: np.ndarray

    @property
    def integers(self) -> np.ndarray:
        """Float64 integers, in units of the step (and of the format's unit if logarithmic)."""
        return _shifted(self.tensor.integers, self.shifts)


def _shifted(values: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """Values shifted left; most tensors have nothing to shift."""
    return np.ldexp(values, shifts) if shifts.any() else values


def sum_of_products(node: Node, x: Value, w: Value, groups: int, sums: Sums, along: tuple[int, ...]) -> Ratio:
    """Sums of products of activations and constants.

    Parameters
    ----------
    node : Node
    x : Value, shape (frames, channels, ...)
    w : Value, shape (outputs, channels of a group, ...)
    groups : int
    sums : callable
    along : tuple of int
        Shape that lays numbers of each output along the results, with -1 at the outputs' axis.
    """
    if node.varies[1]:
        node.refuse("constant weights were", "they depend on the input", "multiply by constants only")
    coded = products_of_codes(x, w, groups, sums)
    if coded is not None:
        total, steps = coded
        return Ratio(total * steps.map(lambda a: a.reshape(along)))
    if all(isinstance(v, Quantised) and v.format.is_logarithmic for v in (x, w)):
        node.refuse(
            "Logarithmic Posits with one scale for what is added up were", "several came", "use one scale"
        )
    return _real_products(ratio_of(x), real_of(w), sums)


def products_of_codes(
    x: Value, w: Value, groups: int, sums: Sums
) -> tuple[DoubleDouble, DoubleDouble] | None:
    """Sums of products in units of their steps, and the step of each output.

    None if these are no codes with such steps.
    """
    left = _factor(x, lambda a: a.swapaxes(0, 1).reshape(groups, -1))
    right = _factor(w, lambda a: a.reshape(len(a), -1))
    if left is None or right is None:
        return None
    steps = left.steps.map(lambda a: np.repeat(a, len(right.steps.high) // groups)) * right.steps
    if left.tensor.format.is_logarithmic and right.tensor.format.is_logarithmic:
        total, unit = log_products(left, right, sums)
    else:
        units = [Fraction(f.tensor.format.unit) for f in (left, right) if f.tensor.format.is_logarithmic]
        total, unit = exact_sums(left.integers, right.integers, sums), units[0] if units else Fraction(1)
    return total, steps * DoubleDouble.of_fraction(unit)


def _real_products(x: Ratio, w: DoubleDouble, sums: Sums) -> Ratio:
    divisor = x.divisor
    if (
        divisor.high.size > 1
        and ((divisor.high != divisor.high.flat[0]) | (divisor.low != divisor.low.flat[0])).any()
    ):
        return Ratio(_by_digits(x.real, w, sums))
    return Ratio(_by_digits(x.numerator, w, sums), divisor.map(lambda a: a.ravel()[0].reshape(())))


def exact_sums(left: np.ndarray, right: np.ndarray, sums: Sums) -> DoubleDouble:
    """Sums of products of float64 integers."""
    bound = abs(right).reshape(len(right), -1).sum(axis=1).max() * abs(left).max(initial=0)
    if bound < 2.0**_INTEGERS:
        return DoubleDouble.of(sums(left, right))
    return _by_digits(DoubleDouble.of(left), DoubleDouble.of(right), sums)


def _factor(value: Value, rows: Callable[[np.ndarray], np.ndarray]) -> Factor | None:
    """A tensor as a factor; None where it has no such form."""
    if not isinstance(value, Quantised):
        return None
    count = len(rows(value.content))
    if value.scale.high.size == 1:
        return Factor(value, value.scale.map(lambda a: np.repeat(a.ravel(), count)), np.zeros((), np.int64))
    scale = value.scale.map(lambda a: rows(np.broadcast_to(a, value.shape)))
    used = rows(value.content != 0)
    smallest = np.where(used, abs(scale.high), np.inf).argmin(axis=1)  # zeros have no say
    steps = scale.map(lambda a: a[np.arange(count), smallest])
    ratio, shifts = np.frexp(scale.high / steps.high[:, None])
    shifts = np.where(used, shifts - 1, 0)
    shifted = steps.map(lambda a: np.ldexp(a[:, None], shifts))
    if (used & ((ratio != 0.5) | (shifted.high != scale.high) | (shifted.low != scale.low))).any():
        return None
    order = rows(np.arange(value.content.size).reshape(value.shape))
    back = np.empty(value.content.size, np.int64)
    back[order.ravel()] = shifts.ravel()
    return Factor(value, steps, back.reshape(value.shape))


def _by_digits(x: DoubleDouble, w: DoubleDouble, sums: Sums) -> DoubleDouble:
    """Sums of products of real numbers.

    Exact but for the error of the factors, and of 106 bits at the end.
    """
    width = (_INTEGERS - 1 - int(w.high[0].size).bit_length()) // 2
    (lefts, left_error), (rights, right_error) = _digits(x, width), _digits(w, width)
    total = DoubleDouble.of(sums(lefts[0][0] * 0, rights[0][0] * 0))
    for a, a_exponent in reversed(lefts):
        for b, b_exponent in reversed(rights):
            total = total + DoubleDouble.of(np.ldexp(sums(a, b), a_exponent + b_exponent))
    if left_error.any() or right_error.any():
        size = abs(x.high)
        total = total.within(2 * (sums(left_error, abs(w.high) + right_error) + sums(size, right_error)))
    return total


def _digits(x: DoubleDouble, width: int) -> tuple[list[tuple[np.ndarray, int]], np.ndarray]:
    """Integers of at most `width` bits that add up to `x`, and a bound of what is left.

    Each has an exponent; the highest comes first.
    """
    exponent = int(np.frexp(abs(x.high).max(initial=0))[1]) - width
    digits: list[tuple[np.ndarray, int]] = []
    rest = DoubleDouble(x.high, x.low)
    while not digits or (rest.high.any() and len(digits) < _DIGITS):
        digit = np.rint(np.ldexp(rest.high, -exponent))
        digits.append((digit, exponent))
        rest = rest - DoubleDouble.of(np.ldexp(digit, exponent))
        exponent -= width
    return digits, abs(rest.high) + rest.error + x.spread_error()


def log_products(left: Factor, right: Factor, sums: Sums) -> tuple[DoubleDouble, Fraction]:
    """Sums of products of Logarithmic Posits, and their unit; the second axis is what is added up.

    One copy of a channel for each fraction of the activation's logarithm: its weights have passed the table
    with it.
    """
    a, b = left.tensor.format, right.tensor.format
    assert isinstance(a, LogPosit) and isinstance(b, LogPosit)
    f = max(a.fraction_bits, b.fraction_bits)
    significands, size = np.array(linear_table(f), np.float64), 2**f
    (a_sign, a_log), (b_sign, b_log) = _logarithms(a, f), _logarithms(b, f)
    a_low, b_low = (int(log[sign != 0].min()) // size for sign, log in ((a_sign, a_log), (b_sign, b_log)))
    lefts, rights = [], []
    for fraction in np.unique(a_log[a_sign != 0] % size):
        here = (a_sign != 0) & (a_log % size == fraction)
        lefts.append(np.where(here, a_sign * 2.0 ** (a_log // size - a_low), 0.0))
        joint = b_log + fraction
        rights.append(b_sign * significands[joint % size] * 2.0 ** (joint // size - b_low))
    total = exact_sums(_side_by_side(lefts, left), _side_by_side(rights, right), sums)
    return total, Fraction(2) ** (a_low + b_low - linear_bits(f))


def log_elements(left: Quantised, right: Quantised) -> Ratio:
    """Products of Logarithmic Posits, element by element."""
    shape = np.broadcast_shapes(left.shape, right.shape)
    columns = [replace(x, content=np.broadcast_to(x.content, shape).reshape(-1, 1)) for x in (left, right)]
    factors = [Factor(x, x.scale, np.zeros((), np.int64)) for x in columns]
    total, unit = log_products(factors[0], factors[1], lambda a, b: (a * b).sum(axis=1))
    step = left.scale * right.scale * DoubleDouble.of_fraction(unit)
    return Ratio(total.map(lambda a: a.reshape(shape)) * step)


def _side_by_side(tables: list[np.ndarray], factor: Factor) -> np.ndarray:
    """A copy of each channel for each table, beside it, so that groups of channels stay together."""
    copies = np.stack(tables, axis=-1)[factor.tensor.content]
    copies = _shifted(copies, np.broadcast_to(factor.shifts, factor.tensor.shape)[..., None])
    return np.moveaxis(copies, -1, 2).reshape(copies.shape[0], -1, *copies.shape[2:-1])


def _logarithms(fmt: LogPosit, fraction_bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Sign (0: no number) and logarithm of every code, with `fraction_bits`."""
    found = [fmt.logarithm(code) for code in range(2**fmt.bits)]
    signs = np.array([0 if e is None else -1 if e[0] else 1 for e in found])
    return signs, np.array([0 if e is None else e[1] << (fraction_bits - fmt.fraction_bits) for e in found])
