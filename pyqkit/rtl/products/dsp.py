"""Products in a DSP."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from pyqkit.formats import NumberFormat, product
from pyqkit.formats.products import DecodedProduct, IntegerProduct
from pyqkit.rtl.products.base import ProductBlock
from pyqkit.rtl.products.decoded import decoded_block
from pyqkit.rtl.products.integers import integer_block


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
    return replace(found, parameters={**found.parameters, "DSP": 1})
