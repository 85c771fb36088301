"""Rounding of tensors to a format, as fast as a table can make it.

A binary search a number would take most of the time of a quantised network.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache

import numpy as np
import torch
from torch import Tensor

from pyqkit.formats import NumberFormat

_PIECE = 2**14  # numbers that are rounded together, whose temporaries stay in the cache
_MAX_ENTRIES = 2**16


class Lookup:
    """The value of a format that each float32 is rounded to.

    Parameters
    ----------
    fmt : NumberFormat
        Of single values.

    Attributes
    ----------
    values : Tensor
        Of the format, float32 in increasing order.
    """

    def __init__(self, fmt: NumberFormat) -> None:
        self.values = torch.tensor(fmt.values, dtype=torch.float32)
        self._round = _Steps(fmt, self.values) if _has_steps(fmt) else _Halves(fmt, self.values)

    def __call__(self, x: Tensor) -> Tensor:
        """Nearest values by the format's own rule, saturating; NaN becomes one of the values."""
        flat = x.flatten()
        rounded = torch.empty_like(flat)
        for numbers, found in zip(flat.split(_PIECE), rounded.split(_PIECE)):
            self._round(numbers, found)
        return rounded.view(x.shape)


class _Steps:
    """Formats whose limits are multiples of a half unit: integers and small minifloats.

    How many half units lie below a number, and whether it is a multiple itself, decides: twice the number of
    half units, rounded down and up and added. Multiplying by a power of two is exact.
    """

    def __init__(self, fmt: NumberFormat, values: Tensor) -> None:
        half = fmt.unit / 2
        limits = [(int(limit.position / half), limit.inclusive) for limit in fmt.boundaries()]
        first, last = limits[0][0] - 1, limits[-1][0] + 1
        sums = np.arange(2 * first, 2 * last + 1)
        begins = [2 * position + (not inclusive) for position, inclusive in limits]
        self._table = values[torch.from_numpy(np.searchsorted(begins, sums, side="right"))]
        self._scale, self._offset = float(1 / half), float(-2 * first)
        self._ends = float(first * half), float(last * half)

    def __call__(self, x: Tensor, rounded: Tensor) -> None:
        """Write the values of numbers to `rounded`."""
        halves = x.clamp(*self._ends).mul_(self._scale)
        sums = halves.floor().add_(halves.ceil_()).add_(self._offset)
        torch.index_select(self._table, 0, sums.to(torch.int32).clamp_(min=0), out=rounded)


def _has_steps(fmt: NumberFormat) -> bool:
    if fmt.prescale != 1 or fmt.bits > 8:
        return False
    positions = [limit.position / (fmt.unit / 2) for limit in fmt.boundaries()]
    return all(position.denominator == 1 for position in positions) and (
        positions[-1] - positions[0] < Fraction(_MAX_ENTRIES, 2) - 4
    )


class _Halves:
    """Other formats: the upper half of a float32 tells nearly all.

    Of all float32 that share their upper 16 bits, none or one limit of the format separates some from the
    rest, in nearly all formats of up to 8 bits: then one comparison decides. In others each number is
    searched for.
    """

    def __init__(self, fmt: NumberFormat, values: Tensor) -> None:
        self._values = values
        limits = fmt.limits(np.float32)
        self._limits = torch.tensor(limits)
        upper = np.arange(-(2**15), 2**15, dtype=np.int32) << 16
        first, last = upper.view(np.float32), (upper | 0xFFFF).view(np.float32)
        ends = np.stack([first, np.where(np.isnan(last), first, last)])  # infinities share theirs with NaN
        places = np.searchsorted(limits, ends, side="right")
        low, high = places.min(0), places.max(0)
        self._direct = bool((high - low <= 1).all())
        inside = np.append(limits, np.float32(np.nan))[low]
        self._low = torch.from_numpy(low.astype(np.int32))
        self._inside = torch.from_numpy(np.where(high > low, inside, np.float32(np.nan)))

    def __call__(self, x: Tensor, rounded: Tensor) -> None:
        """Write the values of numbers to `rounded`."""
        if self._direct:
            key = (x.view(torch.int32) >> 16).add_(2**15)
            places = self._low.index_select(0, key).add_(x >= self._inside.index_select(0, key))
        else:
            places = torch.bucketize(x, self._limits, right=True)
        torch.index_select(self._values, 0, places, out=rounded)


@cache
def lookup(fmt: NumberFormat) -> Lookup:
    """The table of a format, made once."""
    return Lookup(fmt)
