"""Products of two integers, by Booth recoding or in a DSP."""

from __future__ import annotations

from pyqkit.formats import Product
from pyqkit.formats.products import IntegerProduct
from pyqkit.rtl.emitter import Parameters
from pyqkit.rtl.products.base import ProductBlock, multiplier_ns, multiplies
from pyqkit.rtl.products.decoded import decoded_block

ZERO_BITS = 32  # of a zero point, a parameter of type int
OFFSET_NS = 1.8  # of the subtraction of a zero point


@multiplies(IntegerProduct)
def integer_block(pair: Product, width: int) -> ProductBlock:
    """Integers as they are; decoded by tables where a zero point is no parameter."""
    assert isinstance(pair, IntegerProduct)
    if max(abs(codes.zero_point) for codes in pair.sides) >= 2 ** (ZERO_BITS - 1):
        return decoded_block(pair, width)
    parameters: Parameters = {}
    for side, codes in zip("AB", pair.sides):
        parameters |= {
            side: codes.bits,
            f"{side}_SIGNED": int(codes.signed),
            f"{side}_ZERO": codes.zero_point,
            f"{side}_WIDTH": codes.width,
        }
    return ProductBlock("product_integer", {**parameters, "W": width}, width, delays_ns=_delays_ns(pair))


def _delays_ns(pair: IntegerProduct) -> tuple[float, ...]:
    rows = multiplier_ns(*((codes.width, codes.signed or codes.zero_point != 0) for codes in pair.sides))
    if not any(codes.zero_point for codes in pair.sides):
        return rows
    return (rows[0] + OFFSET_NS, *rows)
