"""Gradient descent on the weights and biases of quantised layers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pyqkit.quant.ptq.layers import QuantLayer

_ROUNDS = 20  # between outputs and inputs, until their sizes fit


class Learner:
    """Adam whose rate falls as a cosine, with steps in proportion to the weights of each channel.

    Layers into which batch norms were merged, and channels that were equalised or smoothed, have weights of
    very different sizes: one rate for a layer would move its small channels by more than they are.

    Parameters
    ----------
    layers : sequence of QuantLayer
        Only their weights and biases learn.
    rate : float
        At the beginning, relative to the mean magnitude of a channel's weights.
    steps : int
    """

    def __init__(self, layers: Sequence[QuantLayer], rate: float, steps: int) -> None:
        self._parameters: list[Tensor] = []
        self._sizes: list[Tensor] = []
        for layer in layers:
            weights, biases = _sizes(layer.weight.detach())
            self._learn(layer.weight, weights)
            if layer.bias is not None:
                self._learn(layer.bias, biases)
        self._begun = [parameter.detach().clone() for parameter in self._parameters]
        self._moved = [torch.zeros_like(begun) for begun in self._begun]  # in units of the sizes
        self._optimiser = torch.optim.Adam(self._moved, lr=rate)
        self._schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self._optimiser, max(steps, 1))

    def _learn(self, parameter: Tensor, sizes: Tensor) -> None:
        self._parameters.append(parameter.requires_grad_())
        self._sizes.append(sizes)

    def step(self, loss: Tensor) -> float:
        """One step down; the loss before it."""
        gradients = torch.autograd.grad(loss, self._parameters, allow_unused=True)
        for moved, gradient, sizes in zip(self._moved, gradients, self._sizes):
            moved.grad = None if gradient is None else gradient * sizes
        self._optimiser.step()
        self._schedule.step()
        with torch.no_grad():
            for parameter, begun, moved, sizes in zip(
                self._parameters, self._begun, self._moved, self._sizes
            ):
                parameter.copy_(begun + moved * sizes)
        return float(loss.detach())


def _sizes(weight: Tensor) -> tuple[Tensor, Tensor]:
    """What is usual for the weights of an output and an input channel, and for the bias of an output.

    The product of a size of the output and one of the input, fitted to the logarithms of the weights that are
    not 0 and brought to the mean magnitude: a channel that is scaled has its sizes scaled by as much.
    """
    magnitudes = weight.abs().unsqueeze(-1).flatten(2)  # outputs, inputs, taps
    known = magnitudes > 0
    logs = torch.where(known, magnitudes.log(), 0.0)
    outputs = inputs = logs.new_zeros(1, 1, 1)
    for _ in range(_ROUNDS):
        inputs = _mean(logs - outputs, known, 0)
        outputs = _mean(logs - inputs, known, 1)
    usual = (outputs + inputs).exp().expand_as(logs)
    usual = usual * (magnitudes / usual).mean()
    return usual.reshape(weight.shape), usual.log().mean((1, 2)).exp()


def _mean(values: Tensor, known: Tensor, axis: int) -> Tensor:
    """Over this axis and the taps, of what is known; 0 where nothing is."""
    count = known.sum((axis, 2), keepdim=True).clamp_min(1)
    return torch.where(known, values, 0.0).sum((axis, 2), keepdim=True) / count
