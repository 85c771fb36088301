"""Products of integers that both codes are decoded to: fits any two formats."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pyqkit.formats.base import NumberFormat
from pyqkit.formats.products.base import Product
from pyqkit.formats.widths import signed_bits


@dataclass(frozen=True, eq=False)
class DecodedProduct(Product):
    """Both codes are decoded to integers, which are multiplied."""

    operation = "multiplies integers"

    @cached_property
    def integers(self) -> tuple[np.ndarray, np.ndarray]:
        """Integer of every code of the left and of the right format, `NumberFormat.integers`."""
        return self.left.integers, self.right.integers

    @property
    def integer_bits(self) -> tuple[int, int]:
        """Widths of signed integers that hold those of the left and of the right format."""
        left, right = self.integers
        return signed_bits(left), signed_bits(right)

    @property
    def factors(self) -> tuple[np.ndarray, np.ndarray]:
        left, right = self.integers
        return left[:, None], right[:, None]

    def of(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        a, b = self.integers[0][left], self.integers[1][right]
        if a.size and b.size and int(abs(a).max()) * int(abs(b).max()) >= 2**63:
            a = a.astype(object)
        return a * b

    def _all_products(self) -> np.ndarray:
        left, right = self.integers
        return np.multiply.outer(left.astype(object), right.astype(object))


def unit_and_range(left: NumberFormat, right: NumberFormat) -> tuple[int, int, int]:
    """Unit exponent, smallest and largest product of the integers of two formats."""
    ends = [a * b for a in _ends(left) for b in _ends(right)]
    return left.unit_exponent + right.unit_exponent, min(ends), max(ends)


def _ends(fmt: NumberFormat) -> tuple[int, int]:
    return int(fmt.integers.min()), int(fmt.integers.max())


def decoded(left: NumberFormat, right: NumberFormat) -> DecodedProduct:
    """The product of any two formats."""
    return DecodedProduct(left, right, *unit_and_range(left, right))
