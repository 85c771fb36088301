"""MicroScopiQ (Ramachandran et al., ISCA 2025): weights of 2 or 4 bits that keep their outliers."""

from pyqkit.quant.microscopiq.activations import Microscale
from pyqkit.quant.microscopiq.layer import Options, Rounded, microscopiq
from pyqkit.quant.microscopiq.network import LayerReport, quantised, report

__all__ = ["LayerReport", "Microscale", "Options", "Rounded", "microscopiq", "quantised", "report"]
