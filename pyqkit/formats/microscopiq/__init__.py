"""MicroScopiQ (Ramachandran et al., ISCA 2025): outliers take two slots, one of a weight that is pruned."""

from pyqkit.formats.microscopiq.activations import Scaled, microscale
from pyqkit.formats.microscopiq.blocks import Blocks, Counts, Rule, Window, encode, outliers, spread_window
from pyqkit.formats.microscopiq.routing import routes
from pyqkit.formats.microscopiq.stream import from_bytes, pack, to_bytes, unpack
from pyqkit.formats.microscopiq.tensor import MicroscopiqTensor, Plan, Slots
from pyqkit.formats.microscopiq.values import BlockActivation, BlockWeight

__all__ = [
    "BlockActivation",
    "BlockWeight",
    "Blocks",
    "Counts",
    "MicroscopiqTensor",
    "Plan",
    "Rule",
    "Scaled",
    "Slots",
    "Window",
    "encode",
    "from_bytes",
    "microscale",
    "outliers",
    "pack",
    "routes",
    "spread_window",
    "to_bytes",
    "unpack",
]
