"""What every product of two formats has."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from pyqkit.formats.base import MAX_TABLE_BITS, FormatError, NumberFormat
from pyqkit.formats.widths import signed_range_bits

WIDEST = 64  # bits of a product and of a sum in every engine


@dataclass(frozen=True, eq=False)
class Product(ABC):
    """Exact products of the codes of two formats.

    Codes that are no numbers (NaN, the code that a narrow range leaves out) have the product 0.

    Attributes
    ----------
    left, right : NumberFormat
        Their `prescale` has no part in products: it goes into the scale.
    unit_exponent : int
        Products are in units of ``2**unit_exponent``.
    low, high : int
        Smallest and largest product.
    """

    left: NumberFormat
    right: NumberFormat
    unit_exponent: int
    low: int
    high: int

    operation: ClassVar[str]  # what a multiplier of this kind does, as a predicate

    @property
    def bits(self) -> int:
        """Width of a signed integer that holds every product."""
        return signed_range_bits(self.low, self.high)

    @cached_property
    def table(self) -> np.ndarray:
        """Products of all pairs of codes, (2**left.bits, 2**right.bits).

        Int64, or object where int64 is too short.

        Raises
        ------
        FormatError
            If the codes have too many bits for a table.
        """
        if self.left.bits + self.right.bits > MAX_TABLE_BITS:
            raise FormatError(
                f"formats of at most {MAX_TABLE_BITS} bits together were expected for a table of products, "
                f"but {self.left} times {self.right} came; multiply their integers"
            )
        return narrowed(self._all_products())

    @property
    @abstractmethod
    def factors(self) -> tuple[np.ndarray, np.ndarray]:
        """Integers of both sides with ``table == left @ right.T``.

        Of shapes (2**left.bits, copies) and (2**right.bits, copies).

        In each row of the left one at most one integer is not zero. Int64, or object where int64 is too
        short.
        """

    @abstractmethod
    def of(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Products of codes, arrays that broadcast.

        Int64, or object where a product of these codes could need more.
        """

    @abstractmethod
    def _all_products(self) -> np.ndarray:
        """`table` as Python integers."""


def narrowed(integers: np.ndarray) -> np.ndarray:
    """Python integers as int64 where they fit, read-only."""
    fits = signed_range_bits(int(integers.min()), int(integers.max())) <= 64
    integers = integers.astype(np.int64) if fits else integers
    integers.setflags(write=False)
    return integers
