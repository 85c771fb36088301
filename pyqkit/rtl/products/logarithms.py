"""Products of two Logarithmic Posits: logarithms add, pass the log-to-linear table, one shift aligns."""

from __future__ import annotations

from pyqkit.formats import Product
from pyqkit.formats.products import LogProduct
from pyqkit.rtl.emitter import Parameters
from pyqkit.rtl.products.base import LUT_BITS, ProductBlock, literal, multiplies

SIGNIFICAND_BITS = 8  # of an entry of the log-to-linear table
# Bits of a product that is shifted at once, as in the module.
AT_ONCE = 40
NARROW_AT_ONCE = 36


@multiplies(LogProduct)
def log_block(pair: Product, width: int) -> ProductBlock:
    """Logarithms are looked up by the magnitude's code, which is a code of the positive half."""
    assert isinstance(pair, LogProduct)
    bits = pair.offset_bits
    parameters: Parameters = {
        "A": pair.left.bits,
        "B": pair.right.bits,
        "L": bits,
        "F": pair.fraction_bits,
        "LOWEST": pair.lowest_fraction,
    }
    for side, codes in zip("AB", pair.sides):
        positive = codes.offset[: len(codes.offset) // 2]
        parameters[f"{side}_TABLE"] = literal(positive.tolist(), bits)
    parameters |= {"SIGNIFICANDS": literal(pair.significands, SIGNIFICAND_BITS), "W": width}
    # A table of narrow codes is one LUT a bit; 5.7 is what a magnitude and a table of wide ones take.
    widest = max(pair.left.bits, pair.right.bits)
    narrow = widest <= LUT_BITS
    far = width > (NARROW_AT_ONCE if narrow else AT_ONCE)
    delays: tuple[float, ...]
    if narrow:  # of six bits they have more significands, and so a deeper shift
        delays = (4.9, 5.3, 4.2) if far and widest == LUT_BITS else (4.9, 3.4, 3.4)
    else:
        delays = (9.5, 6.5, 5.7, 5.3, 4.2) if far else (9.5, 6.5, 5.7, 4.2)
    return ProductBlock("product_logposit", parameters, width, True, (True, True), delays)
