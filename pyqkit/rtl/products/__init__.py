"""Which block of ``rtl/`` multiplies two formats, and with which parameters."""

from pyqkit.rtl.products.base import ProductBlock, multiplies, product_block
from pyqkit.rtl.products.dsp import dsp_block
from pyqkit.rtl.products.table import TABLE_BITS, table_block

__all__ = ["TABLE_BITS", "ProductBlock", "dsp_block", "multiplies", "product_block", "table_block"]
