"""What steps that round weights solve: layer after layer, a least-squares problem on a grid."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from pyqkit.quant.ptq.grid import Grid
from pyqkit.quant.ptq.layers import QuantLayer
from pyqkit.quant.ptq.moments import matched, moments_with, rows
from pyqkit.quant.ptq.network import Network
from pyqkit.quant.ptq.step import Stage, Step
from pyqkit.quant.ptq.walk import Walk


@dataclass(frozen=True)
class Problem:
    """Find values of the grid that make a layer's outputs come close to those of real weights.

    Attributes
    ----------
    layer : QuantLayer
    weight : Tensor
        The real ones; shape (groups, outputs, columns).
    moments : Tensor
        Second moments of the layer's inputs as they are now, (groups, columns, columns), float64.
    grid : Grid
        In the shape of `weight`.
    """

    layer: QuantLayer
    weight: Tensor
    moments: Tensor
    grid: Grid

    @property
    def present(self) -> Tensor:
        """Values of the grid that the layer has now, in the shape of `weight`."""
        return self.grid.nearest(rows(self.layer, self.layer.weight.detach()))

    def settle(self, values: Tensor) -> None:
        """Give the layer these weights."""
        with torch.no_grad():
            self.layer.weight.copy_(values.reshape(self.layer.weight.shape))


def problems(network: Network, to_match: bool, damping: float) -> Iterator[Problem]:
    """Those of all layers in order of execution; each is settled before the next is asked for.

    Parameters
    ----------
    network : Network
    to_match : bool
        Aim at the outputs of the float network, so that a layer makes up for the rounding of those before it;
        otherwise at those of the float weights on quantised inputs.
    damping : float
        See `pyqkit.quant.ptq.moments.matched`.
    """
    true, now = Walk(network.float, network.batches()), Walk(network.quantised, network.batches())
    for name in network.layers:
        layer, inputs = network.quant_layer(name), now.inputs(name)
        weight = rows(layer, network.float_layer(name).weight.detach())
        moments, cross = moments_with(layer, inputs, true.inputs(name) if to_match else None)
        if to_match:
            weight = matched(weight, moments, cross, damping)
        grid = Grid(layer.weight_quant.format, rows(layer, layer.weight_quant.scale))
        yield Problem(layer, weight, moments, grid)


@dataclass(frozen=True)
class LayerStep(Step):
    """A step that rounds the weights of one layer after the other, from moments of what each reads.

    Attributes
    ----------
    damping : float
        Share of the mean second moment that is added to each.
    matched : bool
        Aim at the outputs of the float network, not at those of the float weights on quantised inputs: so a
        layer makes up for the rounding of those before it.
    """

    stage: ClassVar[Stage] = "calibrated"

    damping: float = 0.01
    matched: bool = True

    @abstractmethod
    def rounded(self, problem: Problem) -> Tensor:
        """Values of the grid, in the shape of the problem's weights; of the problem nothing is changed."""

    def apply(self, network: Network, seed: int) -> None:
        """Set the weights of every layer to values of its grid."""
        for problem in problems(network, self.matched, self.damping):
            problem.settle(self.rounded(problem))
