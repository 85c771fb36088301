"""Logarithms add, and the sum passes the log-to-linear table; tables decode both codes."""

from __future__ import annotations

import numpy as np

from pyqkit.formats import Product
from pyqkit.formats.products import LogProduct
from pyqkit.hls.emitter import Emitter
from pyqkit.hls.products.base import multiplies


@multiplies(LogProduct)
def logarithms(e: Emitter, pair: Product, width: int, dsp: bool) -> str:
    assert isinstance(pair, LogProduct)
    left, right, f = pair.left.bits, pair.right.bits, pair.fraction_bits
    numbers = f"{left}, {right}, {pair.offset_bits}, {f}, {pair.lowest_fraction}, {width}"
    return f"pyqkit::LogProduct<{numbers}, {_tables(e, pair)}>"


def _tables(e: Emitter, pair: LogProduct) -> str:
    """Struct of the tables of a pair, which all layers share."""
    name = f"log_{pair.left.name}_{pair.right.name}"
    if name not in e.tables:
        functions = {}
        for side, codes in zip(("left", "right"), pair.sides):
            # a logarithm above the bits that say negative and zero, as `LogMultiplier::unpack` reads them
            entries = np.where(codes.zero, 1, codes.offset << 2 | codes.negative << 1)
            functions[side] = ("int code", f"{e.array(f'{name}_{side}', entries)}[code]")
        significands = e.array(f"{name}_significands", np.array(pair.significands))
        functions["significand"] = ("int fraction", f"{significands}[fraction]")
        e.tables[name] = e.struct(f"{name}_tables", functions)
    return e.tables[name]
