"""Products of two minifloats: significands multiply, shifts add."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pyqkit.formats.minifloat import Minifloat
from pyqkit.formats.products.base import Product
from pyqkit.formats.products.decoded import DecodedProduct, unit_and_range
from pyqkit.formats.products.pairs import multiplies
from pyqkit.formats.widths import signed_range_bits


@dataclass(frozen=True, eq=False)
class Significands:
    """Codes of one side as signed significands that are shifted left.

    Attributes
    ----------
    exponent_bits, significand_bits : int
        Fields of a code, below the sign.
    signed : bool
        Whether the top bit of a code is a sign.
    significand : numpy.ndarray, int64, shape (codes,)
        The hidden bit included; 0 for infinities and NaN.
    shift : numpy.ndarray, int64, shape (codes,)
    negative : numpy.ndarray, bool, shape (codes,)
    """

    exponent_bits: int
    significand_bits: int
    signed: bool
    significand: np.ndarray
    shift: np.ndarray
    negative: np.ndarray

    @classmethod
    def of(cls, fmt: Minifloat) -> Significands:
        """Codes of a format."""
        fields = [fmt.fields(code) for code in range(2**fmt.bits)]
        negative, exponent, stored = np.array(fields, dtype=np.int64).T
        hidden = (exponent > 0).astype(np.int64) << fmt.significand_bits
        finite = np.array([fmt.integer(code) is not None for code in range(2**fmt.bits)])
        return cls(
            fmt.exponent_bits,
            fmt.significand_bits,
            fmt.signed,
            np.where(finite, hidden + stored, 0),
            np.maximum(exponent, 1) - 1,
            negative.astype(bool),
        )


@dataclass(frozen=True, eq=False)
class MinifloatProduct(DecodedProduct):
    """Significands multiply, shifts add; the product is negative if one of the numbers is.

    Attributes
    ----------
    sides : tuple of Significands
        Left, right.
    full_bits : int
        Width of a signed product of any two codes, those of infinities and NaN read as numbers: what a
        multiplier makes that has no case for them.
    """

    sides: tuple[Significands, Significands]
    full_bits: int


@multiplies(Minifloat, Minifloat)
def _minifloats(left: Minifloat, right: Minifloat) -> Product:
    _, low, high = unit_and_range(replace(left, variant=""), replace(right, variant=""))
    sides = Significands.of(left), Significands.of(right)
    return MinifloatProduct(left, right, *unit_and_range(left, right), sides, signed_range_bits(low, high))
