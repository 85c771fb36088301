"""The C++ type that multiplies codes of two formats: one file a kind of `pyqkit.formats.products`."""

from pyqkit.hls.products.base import product_policy

__all__ = ["product_policy"]
