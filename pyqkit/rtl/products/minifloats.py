"""Products of two minifloats: significands multiply, exponents add, one shift aligns."""

from __future__ import annotations

from pyqkit.formats import Product
from pyqkit.formats.products import MinifloatProduct
from pyqkit.rtl.emitter import Parameters
from pyqkit.rtl.products.base import ProductBlock, multiplies


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
    return ProductBlock("product_minifloat", parameters, pair.full_bits, True, (left.signed, right.signed))
