"""Bias correction: the mean error of every output channel is added to its bias."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from pyqkit.quant.ptq.channels import Channels
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
        true, now = Walk(network.float, network.batches()), Walk(network.quantised, network.batches())
        for name in network.layers:
            layer = network.quant_layer(name)
            wanted, found = (Channels.of(layer, walk.outputs(name)) for walk in (true, now))
            before = 0 if layer.bias is None else layer.bias.detach()
            layer.bias = nn.Parameter((before + wanted.mean - found.mean).to(torch.float32))
