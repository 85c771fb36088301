"""Sums of tensors that have scales of their own: one tensor, with integer multipliers of its branches."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from math import gcd, lcm

import numpy as np

from pyqkit.graph.lowering.errors import Unlowerable
from pyqkit.graph.lowering.real import Real, Term, fractions
from pyqkit.graph.lowering.rescale import SUM_BITS
from pyqkit.graph.lowering.session import Lowering
from pyqkit.graph.ops.add import Add

WIDE_SUM_BITS = 48


def single_term(lowering: Lowering, real: Real, name: str) -> Real:
    """`real` as a multiple of one tensor: several terms are added by an `Add` with integer multipliers."""
    if len(real.terms) == 1:
        return real
    tensors = [lowering.graph.tensors[term.tensor] for term in real.terms]
    reaches = [max(abs(tensor.low), abs(tensor.high), 1) for tensor in tensors]
    channels = [_aligned(factors, reaches) for factors in zip(*(term.factor for term in real.terms))]
    stem = lowering.stem(name)
    rounded = [index for index, channel in enumerate(channels) if channel.rounded]
    if rounded:
        lowering.note(
            f"{stem}: the smaller scales of its branches were rounded in {len(rounded)} of {len(channels)} "
            f"channels (channel {rounded[0]} first), so that sums fit {SUM_BITS + 1} bits; power-of-two "
            "scales of similar size avoid this"
        )
    multipliers = np.array([channel.multipliers for channel in channels], np.int64).T
    sources = [tensor.name for tensor in tensors]
    out = lowering.emit(Add, f"{stem}_sum", sources, multipliers=np.ascontiguousarray(multipliers))
    if out.format.bits > WIDE_SUM_BITS:
        lowering.note(
            f"{out.name}: its branches meet in {out.format.bits}-bit sums, because their scales have no "
            "simple ratio; quantise both branches with power-of-two scales for a small adder"
        )
    units = fractions(np.array([channel.unit for channel in channels], object))
    return replace(real, terms=(Term(out.name, units),))


@dataclass(frozen=True)
class _Aligned:
    """Integer multipliers of one channel's branches.

    ``multipliers[i] * unit`` is the factor of branch i, or near it.
    """

    unit: Fraction
    multipliers: list[int]
    rounded: bool


def _aligned(factors: tuple[Fraction, ...], reaches: list[int]) -> _Aligned:
    """The smallest multipliers in the exact ratio of the factors.

    Where their sums are too wide, the largest factors stay exact.

    A factor that is rounded stays other than zero: where the exact branches meet a boundary, the sign of the
    rest decides.
    """
    order = sorted(range(len(factors)), key=lambda i: -abs(factors[i]))
    for kept in range(len(order), 0, -1):
        unit = common_unit([factors[i] for i in order[:kept]])
        if sum(abs(factors[i] / unit) * reaches[i] for i in order[:kept]) < 2**SUM_BITS:
            break
    if kept == len(order):
        return _Aligned(unit, [int(f / unit) for f in factors], False)
    rest = sum(reaches[i] for i in order[kept:])  # the most that rounding a multiplier by one adds
    total = sum(abs(f / unit) * reach for f, reach in zip(factors, reaches))
    spare = (2**SUM_BITS - 1 - rest) / total
    if spare <= 0:
        raise Unlowerable(
            f"sums of its branches need more than {SUM_BITS + 1} bits",
            "quantise the branches before they are added",
        )
    unit /= Fraction(2) ** _floor_log2(spare)
    sign = [(f > 0) - (f < 0) for f in factors]
    return _Aligned(unit, [round(f / unit) or s for f, s in zip(factors, sign)], True)


def _floor_log2(x: Fraction) -> int:
    """Exponent of the largest power of two up to x."""
    found = x.numerator.bit_length() - x.denominator.bit_length()
    return found if Fraction(2) ** found <= x else found - 1


def common_unit(factors: list[Fraction]) -> Fraction:
    """Largest number of which all factors are integer multiples; 1 if all are zero."""
    denominator = lcm(*(f.denominator for f in factors))
    return Fraction(gcd(*(int(f * denominator) for f in factors)), denominator) or Fraction(1)
