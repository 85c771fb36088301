"""Products in a DSP."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from pyqkit.formats import NumberFormat, product
from pyqkit.formats.products import DecodedProduct, IntegerProduct
from pyqkit.rtl.products.base import ProductBlock
from pyqkit.rtl.products.decoded import decoded_block
from pyqkit.rtl.products.integers import integer_block

DSP_NS = 4.1  # from the register before it to that within
PREPARING_NS = 1.8  # of a table, or of the subtraction of a zero point


@lru_cache(maxsize=256)
def dsp_block(left: NumberFormat, right: NumberFormat) -> ProductBlock:
    """The block that multiplies codes of two formats in a DSP.

    Integers as they are, anything else decoded by tables.

    Not every pair has one; `pyqkit.formats.products.dsp.dsp_refusal` says why.
    """
    pair = product(left, right)
    assert isinstance(pair, DecodedProduct)
    block = integer_block if isinstance(pair, IntegerProduct) else decoded_block
    found = block(pair, pair.bits)
    prepared = found.module == "product_decoded" or any(found.parameters[f"{side}_ZERO"] for side in "AB")
    delays = (DSP_NS + PREPARING_NS, DSP_NS) if prepared else (DSP_NS,)
    return replace(found, parameters={**found.parameters, "DSP": 1}, delays_ns=delays)
