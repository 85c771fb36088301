"""The table of all products."""

from __future__ import annotations

from math import ceil

from pyqkit.formats import Product
from pyqkit.rtl.emitter import Parameters
from pyqkit.rtl.products.base import LUT_BITS, ProductBlock, literal, multiplies

TABLE_BITS = 8  # bits of both codes together up to which a table of all products is considered


@multiplies(Product)
def table_block(pair: Product, width: int) -> ProductBlock:
    """A look-up of both codes at once: fits every kind of product."""
    table = literal(pair.table.ravel().tolist(), width)
    parameters: Parameters = {"A": pair.left.bits, "B": pair.right.bits, "W": width, "TABLE": table}
    more = max(0, pair.left.bits + pair.right.bits - LUT_BITS)  # bits that choose among LUTs
    choice = 0.8 * ceil(more / 2)
    return ProductBlock("product_table", parameters, width, delays_ns=(1.4 + choice, 1.0 + choice))
