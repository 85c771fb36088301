"""Both codes are decoded to integers, which are multiplied."""

from __future__ import annotations

from pyqkit.formats import Product
from pyqkit.formats.products import DecodedProduct
from pyqkit.hls.emitter import Emitter
from pyqkit.hls.products.base import multiplies


@multiplies(DecodedProduct)
def decoded(e: Emitter, pair: Product, width: int, dsp: bool) -> str:
    kind = "DspProduct" if dsp else "IntegerProduct"
    return f"pyqkit::{kind}<{e.format(pair.left)}, {e.format(pair.right)}, {width}>"
