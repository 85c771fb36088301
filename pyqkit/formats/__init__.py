"""Number formats: what a code means. numpy only; everything else in pyqkit is derived from these objects."""

from pyqkit.formats.base import Boundary, FormatError, NumberFormat
from pyqkit.formats.integer import Integer
from pyqkit.formats.logposit import LogPosit
from pyqkit.formats.microscale import Microscaled
from pyqkit.formats.minifloat import Minifloat
from pyqkit.formats.oddlevels import OddLevels
from pyqkit.formats.packing import pack, packed_bytes, unpack
from pyqkit.formats.parse import examples, parse, register
from pyqkit.formats.products import Product, accumulator, product

__all__ = [
    "Boundary",
    "FormatError",
    "Integer",
    "LogPosit",
    "Microscaled",
    "Minifloat",
    "NumberFormat",
    "OddLevels",
    "Product",
    "accumulator",
    "examples",
    "pack",
    "packed_bytes",
    "parse",
    "product",
    "register",
    "unpack",
]
