"""SmoothQuant (Xiao et al., 2023): large activations are made smaller at the cost of the weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from pyqkit.quant.ptq.layers import channel_axis
from pyqkit.quant.ptq.network import Network
from pyqkit.quant.ptq.spaces import Space, spaces
from pyqkit.quant.ptq.step import Stage, Step, steps
from pyqkit.quant.ptq.walk import Walk


@steps.register("smooth")
@dataclass(frozen=True)
class Smooth(Step):
    """Scale channels by how large activations and the weights that read them are.

    Attributes
    ----------
    strength : float
        0 leaves weights as even as they can be, 1 activations.
    """

    stage: ClassVar[Stage] = "float"
    rank: ClassVar[int] = 20

    strength: float = 0.5

    def apply(self, network: Network, seed: int) -> None:
        """Change weights and biases of the float network, which computes what it did."""
        largest: dict[str, Tensor] = {}
        walk = Walk(network.float, network.batches())
        for name in network.layers:
            axis = channel_axis(network.layer(name))
            inputs = [x.abs().movedim(axis, 0).flatten(1).amax(1) for x in walk.inputs(name)]
            largest[name] = torch.stack(inputs).amax(0)
        for space in spaces(network):
            self._smooth(space, torch.stack([largest[name] for name in space.read]).amax(0))

    def _smooth(self, space: Space, largest: Tensor) -> None:
        weights = space.read_by()
        usable = (largest > 0) & (weights > 0)
        factor = torch.where(usable, largest**self.strength / weights ** (1 - self.strength), 1.0)
        if bool(usable.any()):  # channels on average as large as before
            factor = torch.where(usable, factor / factor[usable].log().mean().exp(), 1.0)
        space.divide(factor)
