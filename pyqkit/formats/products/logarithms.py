"""Products of two Logarithmic Posits: logarithms add, and the sum passes the log-to-linear table."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from pyqkit.formats.logposit import LogPosit, linear_bits, linear_table
from pyqkit.formats.products.base import Product, narrowed
from pyqkit.formats.products.pairs import multiplies


@dataclass(frozen=True, eq=False)
class Logarithms:
    """Codes of one side as signed logarithms above the smallest of the format.

    Attributes
    ----------
    zero : numpy.ndarray, bool, shape (codes,)
        Zero and Not a Real, which is read as zero.
    negative : numpy.ndarray, bool, shape (codes,)
    offset : numpy.ndarray, int64, shape (codes,)
        Logarithm of the magnitude minus `lowest`; 0 where `zero`.
    lowest : int
        Smallest logarithm of a magnitude.
    """

    zero: np.ndarray
    negative: np.ndarray
    offset: np.ndarray
    lowest: int

    @classmethod
    @cache
    def of(cls, fmt: LogPosit, fraction_bits: int) -> Logarithms:
        """Codes of a format, in units of ``2**-fraction_bits``."""
        found = [fmt.logarithm(code) for code in range(2**fmt.bits)]
        up = fraction_bits - fmt.fraction_bits
        lowest = fmt.smallest_logarithm << up
        return cls(
            np.array([x is None for x in found]),
            np.array([x is not None and x[0] for x in found]),
            np.array([0 if x is None else (x[1] << up) - lowest for x in found], dtype=np.int64),
            lowest,
        )

    def sign(self, code: int) -> int:
        """1 or -1, of a code that is not zero."""
        return -1 if self.negative[code] else 1


@dataclass(frozen=True, eq=False)
class LogProduct(Product):
    """Logarithms add, and the sum leaves the logarithmic domain through the table.

    With ``sum = offset of a + offset of b + lowest_fraction`` the magnitude is
    ``significands[sum % 2**fraction_bits] << (sum >> fraction_bits)`` in units of ``2**unit_exponent``.

    Attributes
    ----------
    sides : tuple of Logarithms
        Left, right, both in units of ``2**-fraction_bits``.
    fraction_bits : int
        Of the finer of the two formats.
    """

    sides: tuple[Logarithms, Logarithms]
    fraction_bits: int

    operation = "adds logarithms"

    @property
    def lowest_fraction(self) -> int:
        """Fraction of the smallest sum of two logarithms, which makes shifts begin at zero."""
        return (self.sides[0].lowest + self.sides[1].lowest) & (2**self.fraction_bits - 1)

    @property
    def significands(self) -> tuple[int, ...]:
        """The log-to-linear table, by fraction."""
        return linear_table(self.fraction_bits)

    @property
    def offset_bits(self) -> int:
        """Width of an unsigned integer that holds the offsets of both sides."""
        return max(1, *(int(side.offset.max()).bit_length() for side in self.sides))

    def magnitude(self, offset: int) -> int:
        """Magnitude of the product of two numbers, given the sum of their offsets."""
        return _linear(offset + self.lowest_fraction, self.fraction_bits)

    @cached_property
    def factors(self) -> tuple[np.ndarray, np.ndarray]:
        """A copy of both sides for each fraction of the left side's logarithms.

        In it the left side's numbers of that fraction are powers of two, and the right side's have passed the
        table with the fraction added.
        """
        left, right = self.sides
        mask = 2**self.fraction_bits - 1
        logarithms = left.lowest + left.offset
        fractions = np.unique(logarithms[~left.zero] & mask).tolist()
        units = [self._unit(fraction) for fraction in fractions]
        lefts, rights = (np.zeros((len(side.zero), len(units)), dtype=object) for side in self.sides)
        for code in np.flatnonzero(~left.zero).tolist():
            logarithm = int(logarithms[code])
            copy = fractions.index(logarithm & mask)
            lefts[code, copy] = left.sign(code) << ((logarithm - units[copy]) >> self.fraction_bits)
        for code in np.flatnonzero(~right.zero).tolist():
            for copy, unit in enumerate(units):
                offset = unit - left.lowest + int(right.offset[code])
                rights[code, copy] = right.sign(code) * self.magnitude(offset)
        return narrowed(lefts), narrowed(rights)

    def _unit(self, fraction: int) -> int:
        """Logarithm of what 1 stands for in the left side's copy of a fraction.

        Its exponent is that of the left side's smallest number, or the next where the product with the right
        side's smallest number were no integer.
        """
        bits = self.fraction_bits
        unit = (self.sides[0].lowest >> bits << bits) + fraction
        return unit if unit - self.sides[0].lowest + self.lowest_fraction >= 0 else unit + (1 << bits)

    def of(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        return self.table[left, right]

    def _all_products(self) -> np.ndarray:
        left, right = self.sides
        largest = int(left.offset.max() + right.offset.max())
        magnitudes = np.array([self.magnitude(offset) for offset in range(largest + 1)], dtype=object)
        found = magnitudes[np.add.outer(left.offset, right.offset)]
        found[np.logical_xor.outer(left.negative, right.negative)] *= -1
        found[np.logical_or.outer(left.zero, right.zero)] = 0
        return found


def _linear(logarithm: int, fraction_bits: int) -> int:
    """A power of two through the log-to-linear table, in units of its last place."""
    significand = linear_table(fraction_bits)[logarithm & (2**fraction_bits - 1)]
    return significand << (logarithm >> fraction_bits)


@multiplies(LogPosit, LogPosit)
def _logarithms(left: LogPosit, right: LogPosit) -> Product:
    fraction_bits = max(left.fraction_bits, right.fraction_bits)
    sides = Logarithms.of(left, fraction_bits), Logarithms.of(right, fraction_bits)
    lowest = (sides[0].lowest + sides[1].lowest) >> fraction_bits
    logarithm = sum(side.lowest + int(side.offset.max()) for side in sides) - (lowest << fraction_bits)
    largest = _linear(logarithm, fraction_bits)  # every magnitude has both signs
    unit_exponent = lowest - linear_bits(fraction_bits)
    return LogProduct(left, right, unit_exponent, -largest, largest, sides, fraction_bits)
