"""Products of two integers, two's complement or plain binary, with zero points."""

from __future__ import annotations

from dataclasses import dataclass

from pyqkit.formats.integer import Integer
from pyqkit.formats.products.base import Product
from pyqkit.formats.products.decoded import DecodedProduct, unit_and_range
from pyqkit.formats.products.pairs import multiplies
from pyqkit.formats.widths import signed_bits


@dataclass(frozen=True)
class IntegerCodes:
    """Codes of one side as integers: the number that the bits are, minus the zero point.

    Attributes
    ----------
    bits : int
        Of a code.
    signed : bool
        Whether a code is two's complement rather than plain binary.
    zero_point : int
    width : int
        Bits of the integers: those of the code, or of signed integers if there is a zero point.
    """

    bits: int
    signed: bool
    zero_point: int
    width: int

    @classmethod
    def of(cls, fmt: Integer) -> IntegerCodes:
        """Codes of a format."""
        width = signed_bits(fmt.integers) if fmt.zero_point else fmt.bits
        return cls(fmt.bits, fmt.signed, fmt.zero_point, width)


@dataclass(frozen=True, eq=False)
class IntegerProduct(DecodedProduct):
    """The codes are integers as they are, at most with a zero point to subtract.

    Attributes
    ----------
    sides : tuple of IntegerCodes
        Left, right.
    """

    sides: tuple[IntegerCodes, IntegerCodes]


@multiplies(Integer, Integer)
def _integers(left: Integer, right: Integer) -> Product:
    sides = IntegerCodes.of(left), IntegerCodes.of(right)
    return IntegerProduct(left, right, *unit_and_range(left, right), sides)
