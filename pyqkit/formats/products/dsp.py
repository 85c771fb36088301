"""Which pairs of formats a DSP multiplies."""

from __future__ import annotations

from functools import lru_cache

from pyqkit.formats.base import NumberFormat
from pyqkit.formats.products.decoded import DecodedProduct
from pyqkit.formats.products.pairs import product

DSP_BITS = 25, 18  # signed operands of a DSP of the 7 series; those of later families are no narrower
# Bits; Yosys makes smaller products of LUTs whatever is asked, and a DSP would be wasted on them.
LEAST_DSP_PRODUCT = 9


@lru_cache(maxsize=256)
def dsp_refusal(left: NumberFormat, right: NumberFormat) -> str:
    """Why no DSP multiplies two formats, as what was expected and what came; empty if one does."""
    pair = product(left, right)
    if not isinstance(pair, DecodedProduct):
        return f"products that are multiplications were expected, but {left} times {right} {pair.operation}"
    bits = pair.integer_bits
    if max(bits) > max(DSP_BITS) or min(bits) > min(DSP_BITS):
        wide = f"integers of at most {max(DSP_BITS)} and {min(DSP_BITS)} bits were expected"
        return f"{wide}, but those of {left} and {right} have {bits[0]} and {bits[1]}"
    if pair.bits < LEAST_DSP_PRODUCT:
        return (
            f"products of at least {LEAST_DSP_PRODUCT} bits were expected, but {left} times {right} "
            f"has {pair.bits}"
        )
    return ""
