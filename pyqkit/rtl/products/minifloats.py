"""Products of two minifloats: significands multiply, exponents add, one shift aligns."""

from __future__ import annotations

from math import ceil

from pyqkit.formats import Product
from pyqkit.formats.products import MinifloatProduct
from pyqkit.formats.products.minifloats import Significands
from pyqkit.rtl.emitter import Parameters
from pyqkit.rtl.products.base import LUT_BITS, ProductBlock, multiplies, unsigned_ns


@multiplies(MinifloatProduct)
def minifloat_block(pair: Product, width: int) -> ProductBlock:
    """Codes of infinities and NaN are read as numbers, so the width is that of all codes."""
    assert isinstance(pair, MinifloatProduct)
    parameters: Parameters = {}
    for side, codes in zip("AB", pair.sides):
        parameters |= {
            f"{side}_EXPONENT": codes.exponent_bits,
            f"{side}_SIGNIFICAND": codes.significand_bits,
            f"{side}_SIGNED": int(codes.signed),
        }
    left, right = pair.sides
    parameters["W"] = pair.full_bits
    signs = left.signed, right.signed
    return ProductBlock("product_minifloat", parameters, pair.full_bits, True, signs, _delays_ns(left, right))


def _delays_ns(left: Significands, right: Significands) -> tuple[float, ...]:
    """Of magnitudes: the products of significands beside the sum of exponents, then the shifter."""
    shift = (2**left.exponent_bits + 2**right.exponent_bits - 4).bit_length()
    significands = left.significand_bits + 1, right.significand_bits + 1
    if sum(significands) - 2 + left.exponent_bits + right.exponent_bits <= LUT_BITS:
        return (2.9,)
    align, product = 0.9 + 1.2 * ceil(shift / 2), unsigned_ns(*significands)
    if len(product) == 1:  # of LUTs
        return (4.4 + 0.75 * ceil(shift / 2), max(4.4, align))
    return (product[0] + 0.75 * ceil(shift / 2), *(max(ns, align) for ns in product))
