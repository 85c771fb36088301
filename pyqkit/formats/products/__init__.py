"""How codes of two formats are multiplied."""

from pyqkit.formats.products.base import WIDEST, Product, accumulator, product

__all__ = ["WIDEST", "Product", "accumulator", "product"]
