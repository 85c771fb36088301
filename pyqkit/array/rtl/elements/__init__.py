"""Elements in SystemVerilog: one file a family, found by being there.

A family says how wide the sums of a column are, how they lie in accumulators, and which blocks make them.
"""

from pyqkit.array.rtl.elements.base import Columns, Elements, Inside, elements, of

__all__ = ["Columns", "Elements", "Inside", "elements", "of"]
