"""Weights as the steps of a recipe round them, one layer at a time: what a search sees of the recipe.

A step such as GPTQ makes up for most of what rounding to nearest does, and for more of it in some formats
than in others; a search that saw weights rounded to nearest would choose by an error that nobody will have.
What these steps make of a layer depends on what the layer reads, which formats of other layers change; here
it reads what it reads in the float network, so that its weights are made once for each format.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor

from pyqkit.quant.ptq.grid import Grid
from pyqkit.quant.ptq.moments import rows, second_moments
from pyqkit.quant.ptq.network import Network
from pyqkit.quant.ptq.problems import LayerStep, Problem
from pyqkit.quant.ptq.quantiser import Quantiser
from pyqkit.quant.ptq.step import Step
from pyqkit.quant.ptq.walk import Walk


class Mending:
    """What the layer steps of a recipe make of weights.

    Parameters
    ----------
    network : Network
        In the stage "calibrated"; while weights are made, a layer has those that are being made.
    steps : sequence of Step
        Of the recipe; those that are no `LayerStep` are passed over.
    """

    def __init__(self, network: Network, steps: Sequence[Step]) -> None:
        self._network = network
        self._steps = [step for step in steps if isinstance(step, LayerStep)]

    @torch.enable_grad()
    def weight(self, name: str, quantiser: Quantiser) -> Tensor:
        """Weights of a layer, for the quantiser to round; where there is no step, they are the real ones."""
        real = self._network.float_layer(name).weight.detach()
        if not self._steps:
            return real
        layer = self._network.quant_layer(name)
        grid = Grid(quantiser.format, rows(layer, quantiser.scale))
        problem = Problem(layer, rows(layer, real), self._moments[name], grid)
        problem.settle(problem.weight)
        for step in self._steps:
            problem.settle(step.rounded(problem))
        return layer.weight.detach().clone()

    @cached_property
    def _moments(self) -> dict[str, Tensor]:
        """Of what each layer reads in the float network; made once for all formats."""
        walk = Walk(self._network.float, self._network.batches())
        return {
            name: second_moments(self._network.float_layer(name), walk.inputs(name))
            for name in self._network.layers
        }
