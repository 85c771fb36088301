"""The network of the demo: three residual stages for images of 8x8 pixels, in four number formats."""

from __future__ import annotations

from collections import OrderedDict

import brevitas.nn as qnn
import torch
from torch import nn

from pyqkit.quant import act_quantizer, weight_quantizer


class Layers:
    """Brevitas' layers, with quantisers or without.

    Parameters
    ----------
    quantised : bool
    """

    def __init__(self, quantised: bool) -> None:
        self.quantised = quantised

    def conv(self, inputs: int, outputs: int, size: int, name: str, stride: int = 1) -> nn.Module:
        """Convolution without bias that keeps the size at stride 1."""
        return qnn.QuantConv2d(
            inputs,
            outputs,
            size,
            stride=stride,
            padding=size // 2,
            bias=False,
            weight_quant=weight_quantizer(name) if self.quantised else None,
        )

    def relu(self, name: str) -> nn.Module:
        """ReLU, and the quantiser after it."""
        return qnn.QuantReLU(act_quant=act_quantizer(name) if self.quantised else None)

    def identity(self, name: str) -> nn.Module:
        """Quantiser alone."""
        return qnn.QuantIdentity(act_quant=act_quantizer(name) if self.quantised else None)

    def linear(self, inputs: int, outputs: int, name: str) -> nn.Module:
        """Classifier with bias and one scale for all weights."""
        quantiser = weight_quantizer(name, per="tensor") if self.quantised else None
        return qnn.QuantLinear(inputs, outputs, bias=True, weight_quant=quantiser)


class Block(nn.Module):
    """Two convolutions beside a shortcut, the shortcut a 1x1 convolution where the size changes."""

    def __init__(
        self, layers: Layers, inputs: int, outputs: int, stride: int, name: str, shortcut: str | None = None
    ) -> None:
        super().__init__()
        self.conv1 = layers.conv(inputs, outputs, 3, name, stride)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.act1 = layers.relu(name)
        self.conv2 = layers.conv(outputs, outputs, 3, name)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.branch = layers.identity("int8")
        self.act2 = layers.relu(name)
        self.shortcut: nn.Module = nn.Identity()
        if shortcut:
            projection = layers.conv(inputs, outputs, 1, shortcut, stride)
            self.shortcut = nn.Sequential(projection, nn.BatchNorm2d(outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.branch(self.norm2(self.conv2(self.act1(self.norm1(self.conv1(x))))))
        z = self.shortcut(x)
        if not isinstance(self.shortcut, nn.Identity):
            z = self.branch(z)  # one quantiser for both branches: the sum needs no multiplier
        return self.act2(y + z)


def network(quantised: bool) -> nn.Module:
    """Stages of e2m1, lp4_0_3 and int4, e3m2 shortcuts, 8-bit ends; float without quantisers.

    It takes (frames, 1, 8, 8) in 0..1 and gives ten logits.
    """
    layers = Layers(quantised)
    return nn.Sequential(
        OrderedDict[str, nn.Module](
            {
                "image": layers.identity("uint4"),
                "stem": layers.conv(1, 16, 3, "int8"),
                "stem_norm": nn.BatchNorm2d(16),
                "stem_act": layers.relu("e2m1"),
                "block1": Block(layers, 16, 16, 1, "e2m1"),
                "block2": Block(layers, 16, 24, 2, "lp4_0_3", shortcut="e3m2"),
                "block3": Block(layers, 24, 32, 2, "int4", shortcut="e3m2"),
                "pool": nn.AdaptiveAvgPool2d(1),
                "flatten": nn.Flatten(),
                "features": layers.identity("int8"),
                "classifier": layers.linear(32, 10, "int8"),
            }
        )
    )
