"""Bias correction: the mean error of every output channel is added to its bias."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from pyqkit.quant.ptq.channels import add_to_channels, means
from pyqkit.quant.ptq.layers import rounded_once
from pyqkit.quant.ptq.network import Network
from pyqkit.quant.ptq.step import Stage, Step, steps
from pyqkit.quant.ptq.walk import Walk


@steps.register("bias")
@dataclass(frozen=True)
class Bias(Step):
    """Correct biases layer after layer, so that each channel has the mean of the float network.

    Each layer is corrected with the layers before it corrected; one without a bias gets one.
    """

    stage: ClassVar[Stage] = "calibrated"
    rank: ClassVar[int] = 70

    def apply(self, network: Network, seed: int) -> None:
        walk = Walk(network.quantised, network.batches())
        with rounded_once(network.quantised):
            for name, wanted in network.float_means().items():
                layer = network.quant_layer(name)
                outputs = walk.outputs(name)
                error = wanted - means(layer, outputs)
                before = 0 if layer.bias is None else layer.bias.detach()
                layer.bias = nn.Parameter((before + error).to(torch.float32))
                walk.give(name, [add_to_channels(layer, batch, error) for batch in outputs])
