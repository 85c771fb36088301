"""Both codes are decoded by tables to integers, which are multiplied: in LUTs or in a DSP."""

from __future__ import annotations

from pyqkit.formats import Product
from pyqkit.formats.products import DecodedProduct
from pyqkit.rtl.emitter import Parameters
from pyqkit.rtl.products.base import ProductBlock, literal, multiplier_ns, multiplies

DECODING_NS = 1.0  # of a table
DIGITS_NS = 0.7  # from a factor to the multiple that a row adds, where the first step beyond rows stands


def decoded_block(pair: DecodedProduct, width: int) -> ProductBlock:
    """Both codes decoded by tables and multiplied."""
    parameters: Parameters = {}
    formats = pair.left, pair.right
    for side, fmt, integers, bits in zip("AB", formats, pair.integers, pair.integer_bits):
        parameters |= {
            side: fmt.bits,
            f"{side}_WIDTH": bits,
            f"{side}_TABLE": literal(integers.tolist(), bits),
        }
    rows = multiplier_ns(*((bits, True) for bits in pair.integer_bits))
    behind_digits = rows[-1] - DIGITS_NS
    delays = (DECODING_NS + rows[0], *rows, behind_digits)
    return ProductBlock("product_decoded", {**parameters, "W": width}, width, delays_ns=delays)


@multiplies(DecodedProduct)
def decoded(pair: Product, width: int) -> ProductBlock:
    assert isinstance(pair, DecodedProduct)
    return decoded_block(pair, width)
