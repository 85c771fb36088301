"""How codes of two formats are multiplied: one decomposition of each pair, read by every engine.

`product` gives a frozen `Product`: the unit, range and width of the exact products, the product of any two
codes, and, by its class, the parts that a multiplier is made of. There is one file a kind:

decoded      both codes are decoded to integers, which are multiplied (the fallback, which fits any pair)
integers     the codes are integers already, at most with a zero point to subtract
minifloats   significands multiply, shifts add
logarithms   logarithms add, and the sum passes the log-to-linear table

The fields are plain numbers and arrays by code. Engine `exact` reads `Product.factors`, the generators of C++
and SystemVerilog (`pyqkit.hls.products`, `pyqkit.rtl.products`) the fields of the class, so that alignment,
offsets and widths are stated here alone. `dsp` says which pairs a DSP multiplies.

A new kind is a new file: a subclass of `Product` and a rule registered with `multiplies` for two families. A
pair without a rule is decoded. A subclass of `DecodedProduct` needs nothing else: a generator that does not
know it takes it as what it is derived from.

The reference (`pyqkit.reference`) reads nothing of this package: it makes products of the values of codes.
"""

from pyqkit.formats.products.base import WIDEST, Product
from pyqkit.formats.products.decoded import DecodedProduct
from pyqkit.formats.products.integers import IntegerProduct
from pyqkit.formats.products.logarithms import LogProduct
from pyqkit.formats.products.minifloats import MinifloatProduct
from pyqkit.formats.products.pairs import accumulator, multiplies, product

__all__ = [
    "WIDEST",
    "DecodedProduct",
    "IntegerProduct",
    "LogProduct",
    "MinifloatProduct",
    "Product",
    "accumulator",
    "multiplies",
    "product",
]
