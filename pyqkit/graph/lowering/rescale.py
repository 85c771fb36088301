"""Requantisers as multiply, add, shift and round.

Cheaper than a table of thresholds, and just as exact where they exist.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import lcm

import numpy as np

from pyqkit.formats import Integer, NumberFormat
from pyqkit.graph.graph import Tensor
from pyqkit.graph.lowering.errors import Unlowerable
from pyqkit.graph.lowering.functions import Clip, Fractions
from pyqkit.graph.lowering.real import Real
from pyqkit.graph.lowering.session import Lowering
from pyqkit.graph.steps import ANY, MULTIPLIER_BITS, Rows

FEW_VALUES = 16  # up to here thresholds are cheap: a multiplier has to be a shift
FEW_BITS = 8  # largest shift that is
SUM_BITS = 62
MOST_ERROR = Fraction(1, 256)  # of a step of the output


@dataclass(frozen=True, eq=False)
class Scaling:
    """Attributes of a `Rescale` operator."""

    multiplier: np.ndarray
    offset: np.ndarray
    shift: int
    relu: bool


def equal_to_thresholds(
    tensor: Tensor, fmt: NumberFormat, thresholds: np.ndarray, falling: np.ndarray, slope: Fractions
) -> Scaling | None:
    """A `Rescale` that gives the code of `Threshold` for every integer the tensor can hold, or None.

    Nothing is assumed of where the thresholds come from: each candidate multiplier is the slope rounded to
    some number of fraction bits, and counts only if an offset exists that puts every step on its threshold.

    Parameters
    ----------
    tensor : Tensor
        What is requantised.
    fmt : NumberFormat
    thresholds : numpy.ndarray, int64, shape (channels, values - 1)
    falling : numpy.ndarray, bool, shape (channels,)
    slope : numpy.ndarray of Fraction, shape (channels,)
        Values of the format for one unit of the tensor.
    """
    if not isinstance(fmt, Integer) or len(fmt.codes) != fmt.high - fmt.low + 1:
        return None
    rows = Rows.of(thresholds, falling, tensor)
    values = np.arange(fmt.low + 1, fmt.high + 1)
    reach = max(abs(tensor.low), abs(tensor.high), 1)
    few = len(fmt.codes) <= FEW_VALUES
    # A channel that gives one value takes any slope; a small network has many.
    constant = ((rows.thresholds <= rows.low) | (rows.thresholds > rows.high)).all(axis=1)
    for shift, multiplier in _multipliers(abs(slope) * ~constant, reach):
        # Few values are worth a shift alone: every multiplier is zero or a small power of two.
        if few and (multiplier & (multiplier - 1) | (multiplier > 2**FEW_BITS)).any():
            continue
        for relu in (False, True):
            offset = _offset(rows, values, multiplier, shift, relu)
            if offset is not None:
                return Scaling(multiplier * rows.sign, offset, shift, relu)
    return None


def _multipliers(slope: Fractions, reach: int) -> Iterator[tuple[int, np.ndarray]]:
    """Shifts and multipliers, small ones first."""
    largest = max(slope) or Fraction(1)
    first = max(0, largest.denominator.bit_length() - largest.numerator.bit_length() - 1)
    for shift in range(first, 62):
        multipliers = [round(f * 2**shift) for f in slope]
        most = max(multipliers)
        if (
            most.bit_length() > MULTIPLIER_BITS
            or (most * reach).bit_length() > SUM_BITS - 1
            or shift > SUM_BITS - 20
        ):
            return
        yield shift, np.array(multipliers, np.int64)


def _offset(
    rows: Rows, values: np.ndarray, multiplier: np.ndarray, shift: int, relu: bool
) -> np.ndarray | None:
    """Offsets that put every step on its threshold; None if a channel has none.

    A value v is reached where ``x * multiplier + offset >= v * 2**shift - half``, a tie going to the even
    value.
    """
    half = (1 << shift) >> 1
    reached = (values << shift) - half + (values & 1 if shift else 0)
    each_least, each_most = rows.offsets(reached, multiplier, relu)
    least, most = each_least.max(axis=1), each_most.min(axis=1)
    if (least > most).any() or (relu and not rows.lifted(reached)):
        return None
    return np.where(least == -ANY, most, least)


def rounded_scaling(
    lowering: Lowering, tensor: Tensor, real: Real, fmt: NumberFormat, scale: Fractions, name: str
) -> Scaling:
    """Multiply, shift and round for outputs too wide for thresholds.

    A scale that does not fit is rounded, with a note.

    All channels share the shift, which leaves 63 bits for the largest product. Where that rounds another
    channel's scale so much that its output could move by `MOST_ERROR` of a step, the channels do not fit
    together.
    """
    relu = real.functions == (Clip(Fraction(0), None),)
    if not isinstance(fmt, Integer) or (real.functions and not relu):
        raise Unlowerable(f"a function other than ReLU is rounded to {fmt}", "round to at most 8 bits")
    if fmt.zero_point % 2:
        raise Unlowerable(
            f"ties are rounded to {fmt}, whose zero point is odd", "use an even zero point, or at most 8 bits"
        )
    (term,) = real.terms
    factor, offset = term.factor / scale, real.offset / scale
    reach = max(abs(tensor.low), abs(tensor.high), 1)
    largest = max(abs(f) * reach + abs(o) for f, o in zip(factor, offset)) + 1
    shift = max(0, min(61, SUM_BITS - int(largest).bit_length() - 1))
    denominator = lcm(*(x.denominator for x in (*factor, *offset)))
    if denominator & (denominator - 1) == 0:
        shift = min(shift, max(denominator.bit_length() - 1, 0))
    if denominator & (denominator - 1) or denominator > 2**shift:
        lowering.note(
            f"{lowering.stem(name)}: its scale was rounded to a multiple of 2**-{shift}, so that "
            "products fit 63 bits"
        )
    multiplier, constant = [round(f * 2**shift) for f in factor], [round(o * 2**shift) for o in offset]
    for channel, (f, o, m, c) in enumerate(zip(factor, offset, multiplier, constant)):
        if (
            largest >= 2**SUM_BITS
            or abs(f * 2**shift - m) * reach + abs(o * 2**shift - c) > MOST_ERROR * 2**shift
        ):
            raise Unlowerable(
                f"its largest channel needs {int(largest).bit_length() + 1} of 64 bits before the rounding "
                f"to {fmt}, which leaves channel {channel} {shift} bits of fraction: too few",
                "round to at most 8 bits, or train the layer so that its channels are of similar size",
            )
    return Scaling(np.array(multiplier, np.int64), np.array(constant, np.int64), shift, relu)
