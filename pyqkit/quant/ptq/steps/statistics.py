"""What batch norms did: every channel has the mean and the deviation of the float network again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from pyqkit.quant.ptq.channels import Channels
from pyqkit.quant.ptq.layers import QuantLayer
from pyqkit.quant.ptq.network import Network
from pyqkit.quant.ptq.step import Stage, Step, steps
from pyqkit.quant.ptq.walk import Walk

_FARTHEST = 2.0  # what a deviation is changed by at most; channels that hardly vary would go astray


@steps.register("statistics")
@dataclass(frozen=True)
class Statistics(Step):
    """Estimate the statistics of batch norms anew, which have been merged into the layers before them.

    A batch norm with new statistics would move the mean of each channel and stretch it. Merged, it moves the
    bias, and stretches weights and their scale together, so that their codes stay. Scales that are powers of
    two, or one for a whole tensor, are left as they are; then only biases move.
    """

    stage: ClassVar[Stage] = "calibrated"
    rank: ClassVar[int] = 65

    def apply(self, network: Network, seed: int) -> None:
        true, now = Walk(network.float, network.batches()), Walk(network.quantised, network.batches())
        for name in network.layers:
            layer = network.quant_layer(name)
            _restore(layer, *(Channels.of(layer, walk.outputs(name)) for walk in (true, now)))


@torch.no_grad()
def _restore(layer: QuantLayer, true: Channels, now: Channels) -> None:
    """Give a layer's channels the mean and deviation that they should have."""
    stretch = torch.where(now.deviation > 0, true.deviation / now.deviation, 1.0)
    stretch = stretch.clamp(1 / _FARTHEST, _FARTHEST)
    scale = layer.weight_quant.scale
    if scale.numel() != len(stretch) or bool((torch.frexp(scale).mantissa == 0.5).all()):
        stretch = torch.ones_like(stretch)
    factor = stretch.to(scale).reshape(-1, *(1,) * (layer.weight.ndim - 1))
    layer.weight_quant.scale = scale * factor if scale.numel() > 1 else scale
    layer.weight.mul_(factor)
    before = torch.zeros(len(stretch)) if layer.bias is None else layer.bias.detach()
    layer.bias = nn.Parameter((true.mean - stretch * (now.mean - before)).to(torch.float32))
