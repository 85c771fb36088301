"""Products and sums of codes in exact integers: what every engine's multiplier and accumulator must reproduce."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from pyqkit.formats.base import NumberFormat
from pyqkit.formats.integer import Integer
from pyqkit.formats.logposit import LogPosit, linear_bits, linear_table


@dataclass(frozen=True, eq=False)
class Product:
    """Exact products of all pairs of codes.

    Attributes
    ----------
    table : numpy.ndarray, shape (2**left.bits, 2**right.bits)
        Product of two codes in units of ``2**unit_exponent``; int64, or object where int64 is too short.
    unit_exponent : int
    """

    table: np.ndarray
    unit_exponent: int


@lru_cache(maxsize=256)
def product(left: NumberFormat, right: NumberFormat) -> Product:
    """All products of `left` and `right`.

    Two Logarithmic Posits add logarithms and pass the log-to-linear table once; every other pair multiplies the
    integers of the two codes.
    """
    left, right = left.base, right.base
    if isinstance(left, LogPosit) and isinstance(right, LogPosit):
        return _log_product(left, right)
    table = np.multiply.outer(left.integers.astype(object), right.integers.astype(object))
    return Product(_narrow(table), left.unit_exponent + right.unit_exponent)


def _narrow(table: np.ndarray) -> np.ndarray:
    fits = max(-int(table.min()) - 1, int(table.max())) < 2**63
    table = table.astype(np.int64) if fits else table
    table.setflags(write=False)
    return table


def _log_product(left: LogPosit, right: LogPosit) -> Product:
    f = max(left.fraction_bits, right.fraction_bits)
    significands = linear_table(f)

    def logarithms(fmt: LogPosit) -> list[tuple[bool, int] | None]:
        found = [fmt.logarithm(code) for code in range(2**fmt.bits)]
        return [x and (x[0], x[1] << (f - fmt.fraction_bits)) for x in found]

    lefts, rights = logarithms(left), logarithms(right)
    lowest = min(x[1] for x in lefts if x) + min(y[1] for y in rights if y) >> f
    table = np.zeros((len(lefts), len(rights)), dtype=object)
    for i, x in enumerate(lefts):
        for j, y in enumerate(rights):
            if x and y:
                total = x[1] + y[1]
                magnitude = significands[total & (2**f - 1)] << ((total >> f) - lowest)
                table[i, j] = -magnitude if x[0] != y[0] else magnitude
    return Product(_narrow(table), lowest - linear_bits(f))


def accumulator(left: NumberFormat, right: NumberFormat, count: int) -> Integer:
    """Narrowest integer format that holds any sum of `count` products; wider than 64 bits raises `FormatError`."""
    table = product(left, right).table
    return Integer.for_range(min(0, int(table.min()) * count), max(0, int(table.max()) * count))
