"""Significands multiply, shifts add; DSPs multiply integers."""

from __future__ import annotations

from pyqkit.formats import Product
from pyqkit.formats.products.minifloats import MinifloatProduct
from pyqkit.hls.emitter import Emitter
from pyqkit.hls.products.base import multiplies


@multiplies(MinifloatProduct)
def minifloats(e: Emitter, pair: Product, width: int, dsp: bool) -> str:
    kind = "DspProduct" if dsp else "MinifloatProduct"
    return f"pyqkit::{kind}<{e.format(pair.left)}, {e.format(pair.right)}, {width}>"
