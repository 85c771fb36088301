"""Convolutions and linear layers whose weights are rounded: PyTorch's own, with a quantiser beside."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional

from pyqkit.quant.ptq.quantiser import Quantiser


class QuantConv1d(nn.Conv1d):
    """`torch.nn.Conv1d` that computes with ``weight_quant(weight)``."""

    weight_quant: Quantiser

    def forward(self, x: Tensor) -> Tensor:
        return self._conv_forward(x, self.weight_quant(self.weight), self.bias)


class QuantConv2d(nn.Conv2d):
    """`torch.nn.Conv2d` that computes with ``weight_quant(weight)``."""

    weight_quant: Quantiser

    def forward(self, x: Tensor) -> Tensor:
        return self._conv_forward(x, self.weight_quant(self.weight), self.bias)


class QuantLinear(nn.Linear):
    """`torch.nn.Linear` that computes with ``weight_quant(weight)``."""

    weight_quant: Quantiser

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.weight_quant(self.weight), self.bias)


QuantLayer = QuantConv1d | QuantConv2d | QuantLinear
WeightLayer = nn.Conv1d | nn.Conv2d | nn.Linear
WEIGHT_LAYERS: tuple[type[nn.Module], ...] = (nn.Conv1d, nn.Conv2d, nn.Linear)
_TWINS = ((nn.Conv1d, QuantConv1d), (nn.Conv2d, QuantConv2d), (nn.Linear, QuantLinear))


def channel_axis(layer: nn.Module) -> int:
    """Where channels are in what a layer reads and makes: last for a linear layer, else behind the frames."""
    return -1 if isinstance(layer, nn.Linear) else 1


def padded(layer: nn.Conv1d | nn.Conv2d, x: Tensor) -> Tensor:
    """Inputs of a convolution with all that its window lies on."""
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    return functional.pad(x, layer._reversed_padding_repeated_twice, mode=mode)


def rounding(layer: WeightLayer, quantiser: Quantiser) -> QuantLayer:
    """The layer with a quantiser of its weights.

    It keeps what the float one says of shape, stride and padding, and has weights and bias of its own.
    """
    twin = next(twin for plain, twin in _TWINS if isinstance(layer, plain))
    made = twin.__new__(twin)
    made.__dict__.update({key: value for key, value in layer.__dict__.items() if key != "_parameters"})
    made.__dict__.update(_modules={}, _parameters={})
    for name, parameter in layer._parameters.items():
        own = None if parameter is None else nn.Parameter(parameter.detach().clone())
        made.register_parameter(name, own)
    made.weight_quant = quantiser
    assert isinstance(made, QuantLayer)
    return made


@contextmanager
def rounded_once(module: nn.Module) -> Iterator[None]:
    """Round the weights of a network's layers now, and not for each batch; nobody may change them inside."""
    layers = [layer for layer in module.modules() if isinstance(layer, QuantLayer)]
    layers = [layer for layer in layers if layer.weight_quant.enabled]
    before = [layer.weight for layer in layers]
    with torch.no_grad():
        for layer in layers:
            layer.weight = nn.Parameter(layer.weight_quant(layer.weight))
            layer.weight_quant.enabled = False
    try:
        yield
    finally:
        for layer, weight in zip(layers, before):
            layer.weight, layer.weight_quant.enabled = weight, True
