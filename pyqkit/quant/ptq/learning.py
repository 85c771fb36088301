"""Gradient descent on the weights and biases of quantised layers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pyqkit.quant.ptq.layers import QuantLayer


class Learner:
    """Adam whose rate falls as a cosine, with steps in proportion to each layer's weights.

    Layers into which batch norms were merged have weights of very different sizes.

    Parameters
    ----------
    layers : sequence of QuantLayer
        Only their weights and biases learn.
    rate : float
        At the beginning, relative to the mean magnitude of a layer's weights.
    steps : int
    """

    def __init__(self, layers: Sequence[QuantLayer], rate: float, steps: int) -> None:
        self._parameters: list[Tensor] = []
        groups = []
        for layer in layers:
            learning = [layer.weight] if layer.bias is None else [layer.weight, layer.bias]
            size = float(layer.weight.detach().abs().mean())
            groups.append({"params": learning, "lr": rate * size})
            self._parameters += learning
        for parameter in self._parameters:
            parameter.requires_grad_()
        self._optimiser = torch.optim.Adam(groups)
        self._schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self._optimiser, max(steps, 1))

    def step(self, loss: Tensor) -> float:
        """One step down; the loss before it."""
        gradients = torch.autograd.grad(loss, self._parameters, allow_unused=True)
        for parameter, gradient in zip(self._parameters, gradients):
            parameter.grad = gradient
        self._optimiser.step()
        self._schedule.step()
        return float(loss.detach())

    def close(self) -> None:
        """Drop the gradients."""
        for parameter in self._parameters:
            parameter.grad = None
