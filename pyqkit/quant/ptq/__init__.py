"""Post-training quantisation: a float network and calibration frames become a network in any format."""

from pyqkit.quant.ptq.network import Network
from pyqkit.quant.ptq.pipeline import quantise, quantised
from pyqkit.quant.ptq.recipe import Recipe, parse_steps
from pyqkit.quant.ptq.step import Step

__all__ = ["Network", "Recipe", "Step", "parse_steps", "quantise", "quantised"]
