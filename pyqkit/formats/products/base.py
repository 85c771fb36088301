"""Products and sums of codes in exact integers.

What every engine's multiplier and accumulator must reproduce.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from pyqkit.formats.base import MAX_TABLE_BITS, FormatError, NumberFormat
from pyqkit.formats.integer import Integer
from pyqkit.formats.logposit import LogPosit, linear_bits, linear_table
from pyqkit.formats.widths import signed_range_bits

WIDEST = 64  # bits of a product and of a sum in every engine


@dataclass(frozen=True, eq=False)
class Product:
    """Exact products of the codes of two formats.

    Attributes
    ----------
    left, right : NumberFormat
    unit_exponent : int
        Products are in units of ``2**unit_exponent``.
    low, high : int
        Smallest and largest product.
    logarithmic : numpy.ndarray or None
        The table of all products, where they are no products of integers: of two Logarithmic Posits.
    """

    left: NumberFormat
    right: NumberFormat
    unit_exponent: int
    low: int
    high: int
    logarithmic: np.ndarray | None = None

    @cached_property
    def table(self) -> np.ndarray:
        """Products of all pairs of codes, (2**left.bits, 2**right.bits).

        Int64, or object where int64 is too short.
        """
        if self.logarithmic is not None:
            return self.logarithmic
        if self.left.bits + self.right.bits > MAX_TABLE_BITS:
            raise FormatError(
                f"formats of at most {MAX_TABLE_BITS} bits together were expected for a table of products, "
                f"but {self.left} times {self.right} came; multiply their integers"
            )
        return _narrow(
            np.multiply.outer(self.left.integers.astype(object), self.right.integers.astype(object))
        )

    @property
    def bits(self) -> int:
        """Width of a signed integer that holds every product."""
        return signed_range_bits(self.low, self.high)

    def of(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Products of codes, arrays that broadcast.

        Int64, or object where a product of these codes could need more.
        """
        if self.logarithmic is not None:
            return self.logarithmic[left, right]
        a, b = self.left.integers[left], self.right.integers[right]
        if a.size and b.size and int(abs(a).max()) * int(abs(b).max()) >= 2**63:
            a = a.astype(object)
        return a * b


@lru_cache(maxsize=256)
def product(left: NumberFormat, right: NumberFormat) -> Product:
    """All products of `left` and `right`.

    Two Logarithmic Posits add logarithms and pass the log-to-linear table once; every other pair multiplies
    the integers of the two codes.
    """
    left, right = left.base, right.base
    if isinstance(left, LogPosit) and isinstance(right, LogPosit):
        return _log_product(left, right)
    ends = [int(a) * int(b) for a in _ends(left) for b in _ends(right)]
    return Product(left, right, left.unit_exponent + right.unit_exponent, min(ends), max(ends))


def _ends(fmt: NumberFormat) -> tuple[int, int]:
    return fmt.integers.min(), fmt.integers.max()


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
    return Product(left, right, lowest - linear_bits(f), int(table.min()), int(table.max()), _narrow(table))


def accumulator(left: NumberFormat, right: NumberFormat, count: int) -> Integer:
    """Narrowest integer format that holds any sum of `count` products.

    Wider than 64 bits raises `FormatError`.
    """
    pair = product(left, right)
    return Integer.for_range(min(0, pair.low * count), max(0, pair.high * count))
