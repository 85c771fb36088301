"""Products of codes of so few bits that LUTs look them up while they are added.

A product is ``unit * entries[left, right] - shared_unit * shared[left]``: entries are never negative, and
what is taken off depends on the left code alone, so that all sums which share left codes share its sum. Odd
levels times unsigned integers are ``w a = 2 c a - (2**bits - 1) a`` with the code c of w.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from pyqkit.formats.base import NumberFormat
from pyqkit.formats.products.decoded import DecodedProduct
from pyqkit.formats.products.pairs import product

CODE_BITS = 5  # of both codes: with a bit of the sum that they are added to, what a LUT takes
ENTRY_BITS = 6  # wider ones are multiplied


@dataclass(frozen=True, eq=False)
class NarrowProduct:
    """How products are made of entries that are not negative.

    Attributes
    ----------
    left, right : NumberFormat
    entries : numpy.ndarray, int64, shape (2**left.bits, 2**right.bits)
    unit : int
    shared : numpy.ndarray, int64, shape (2**left.bits,)
    shared_unit : int
    low, high : int
        Smallest and largest product.
    """

    left: NumberFormat
    right: NumberFormat
    entries: np.ndarray
    unit: int
    shared: np.ndarray
    shared_unit: int
    low: int
    high: int


@lru_cache(maxsize=256)
def narrow(left: NumberFormat, right: NumberFormat) -> NarrowProduct | None:
    """How codes of two formats are looked up; None if they are multiplied.

    Examples
    --------
    >>> from pyqkit.formats import parse
    >>> found = narrow(parse("uint2"), parse("odd2"))
    >>> found.entries.tolist()[3], found.unit, found.shared.tolist(), found.shared_unit
    ([0, 3, 6, 9], 2, [0, 1, 2, 3], 3)
    """
    if left.bits + right.bits > CODE_BITS:
        return None
    pair = product(left, right)
    if type(pair) is not DecodedProduct:  # other kinds have multipliers of their own
        return None
    taken_off = np.maximum(0, -pair.table.min(axis=1))
    entries, unit = _in_units(pair.table + taken_off[:, None])
    if int(entries.max()).bit_length() > ENTRY_BITS:
        return None
    return NarrowProduct(left, right, entries, unit, *_in_units(taken_off), pair.low, pair.high)


def _in_units(values: np.ndarray) -> tuple[np.ndarray, int]:
    unit = int(np.gcd.reduce(values, axis=None)) or 1
    return values // unit, unit
