"""Layers whose rounding is written for speed: Brevitas' own take three times as long to train.

Scales stay what they are; the gradient passes the rounding unchanged. What has been trained is put back into
a network of Brevitas' layers, which is what is exported.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pyqkit.formats import parse
from pyqkit.studies.networks.layers import Float


class RoundWeights(torch.autograd.Function):
    """Nearest value of a format; the gradient passes unchanged."""

    @staticmethod
    def forward(ctx: Any, weights: Tensor, scale: Tensor, values: Tensor, limits: Tensor) -> Tensor:
        return scale * values[torch.bucketize(weights / scale, limits, right=True)]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        return gradient, None, None, None


class RoundActivations(torch.autograd.Function):
    """ReLU and unsigned integers up to `top`; the gradient passes inside the range."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: float, top: int) -> Tensor:
        x = x / scale
        ctx.save_for_backward((x > 0) & (x < top + 0.5))
        return x.clamp_(0, top).round_().mul_(scale)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return gradient * ctx.saved_tensors[0], None, None


class Activation(nn.Module):
    """ReLU with its quantiser, of unsigned integers."""

    scale, top = 1.0, 1

    def quantise(self, name: str, scale: float) -> None:
        """Set format and scale."""
        self.scale, self.top = scale, int(parse(name).values.max())

    def forward(self, x: Tensor) -> Tensor:
        return RoundActivations.apply(x, self.scale, self.top)


class QuantisedConv(nn.Conv2d):
    """Convolution whose weights are rounded."""

    def quantise(self, name: str, scale: Tensor) -> None:
        """Set format and scales."""
        fmt = parse(name)
        self.scale = scale
        self.values = torch.tensor(fmt.values, dtype=torch.float32)
        self.limits = torch.tensor(fmt.limits(np.float32), dtype=torch.float32)

    def forward(self, x: Tensor) -> Tensor:
        rounded = RoundWeights.apply(self.weight, self.scale, self.values, self.limits)
        return functional.conv2d(x, rounded, self.bias, self.stride, self.padding)


class StraightThrough(Float):
    """Layers of a network while it is trained."""

    def relu(self) -> nn.Module:
        return Activation()

    def conv(self, inputs: int, outputs: int, kernel: int, edge: bool = False, **options: Any) -> nn.Module:
        return QuantisedConv(inputs, outputs, kernel, **{"bias": False, **options})


def put_back(network: nn.Module, trained: nn.Module) -> nn.Module:
    """Trained weights into the network that is exported; scales stay."""
    weights = dict(trained.named_parameters())
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name in weights:
                parameter.copy_(weights[name])
    return network
