"""Learned rounding (AdaRound, Nagel et al., 2020) between neighbours of any grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from pyqkit.quant.ptq.grid import Grid
from pyqkit.quant.ptq.moments import squared_error
from pyqkit.quant.ptq.problems import LayerStep, Problem
from pyqkit.quant.ptq.step import steps

STRETCH = (-0.1, 1.1)  # the sigmoid before it is cut to 0..1, so that it reaches both ends
_WARM_UP = 0.2  # share of the iterations without regulariser
_SHARPNESS = (20.0, 2.0)  # exponent of the regulariser after the warm-up, and at the end


class Choice:
    """For each weight, how far it is from the value below it to the one above, learned as 0 or 1.

    Parameters
    ----------
    weight : Tensor
        What the choice begins at: the share of the local step that lies between the weight and the value
        below it.
    grid : Grid
    """

    def __init__(self, weight: Tensor, grid: Grid) -> None:
        self.below, self.above = grid.cell(weight)
        low, high = STRETCH
        share = ((weight - self.below) / (self.above - self.below)).clamp(0, 1)
        self.logit = torch.logit((share - low) / (high - low)).requires_grad_()

    def share(self) -> Tensor:
        """0..1."""
        low, high = STRETCH
        return (torch.sigmoid(self.logit) * (high - low) + low).clamp(0, 1)

    def soft(self) -> Tensor:
        """Weights somewhere within their cells."""
        return self.below + (self.above - self.below) * self.share()

    def hard(self) -> Tensor:
        """Weights on the grid."""
        return torch.where(self.share().detach() >= 0.5, self.above, self.below)

    def undecided(self, sharpness: float) -> Tensor:
        """0 where the choice is made, 1 half-way; the larger the sharpness, the flatter between."""
        return 1 - (2 * self.share() - 1).abs() ** sharpness


def sharpness(progress: float) -> float | None:
    """Exponent of the regulariser after a share of the iterations; None during the warm-up."""
    if progress < _WARM_UP:
        return None
    first, last = _SHARPNESS
    cosine = 0.5 * (1 + torch.cos(torch.tensor(torch.pi * (progress - _WARM_UP) / (1 - _WARM_UP))))
    return last + (first - last) * float(cosine)


def learned(
    weight: Tensor,
    moments: Tensor,
    grid: Grid,
    iterations: int = 500,
    rate: float = 0.1,
    pressure: float = 4.0,
) -> Tensor:
    """Round each weight down or up so that the outputs have a small squared error.

    Parameters
    ----------
    weight : Tensor
        (groups, outputs, columns).
    moments : Tensor
        Second moments of the inputs, (groups, columns, columns).
    grid : Grid
        In the shape of `weight`.
    iterations, rate
        Of Adam.
    pressure : float
        Weight of the regulariser, where rounding to nearest has a loss of 1 a weight.

    Returns
    -------
    Tensor
        Values of the grid; an output that rounding to nearest serves better is rounded so.
    """
    nearest = grid.nearest(weight)
    before = squared_error(nearest - weight, moments)
    unit = weight.shape[-1] / before.clamp(min=float(before.max()) * 1e-6 + 1e-30)
    small, unit = moments.to(weight), unit.to(weight)
    choice = Choice(weight, grid)
    optimiser = torch.optim.Adam([choice.logit], rate)
    for iteration in range(iterations):
        optimiser.zero_grad()
        loss = (squared_error(choice.soft() - weight, small) * unit).sum()
        exponent = sharpness(iteration / iterations)
        if exponent is not None:
            loss = loss + pressure * choice.undecided(exponent).sum()
        loss.backward()
        optimiser.step()
    return best(weight, moments, [nearest, choice.hard()])


def best(weight: Tensor, moments: Tensor, candidates: list[Tensor]) -> Tensor:
    """Of several roundings, for each output the one with the smallest error; the earlier one of equals."""
    errors = torch.stack([squared_error(candidate - weight, moments) for candidate in candidates])
    chosen = errors.argmin(0)[None, :, :, None].expand(1, *weight.shape)
    return torch.stack(candidates).gather(0, chosen)[0]


@steps.register("round")
@dataclass(frozen=True)
class Round(LayerStep):
    """Learn the rounding of all weights, layer after layer, where that lowers the error of the outputs.

    Attributes
    ----------
    iterations, rate, pressure
        As for `learned`.
    """

    rank: ClassVar[int] = 50

    iterations: int = 500
    rate: float = 0.1
    pressure: float = 4.0

    def rounded(self, problem: Problem) -> Tensor:
        """What weights are rounded to now, by GPTQ if that went before, is a candidate for every output."""
        found = learned(
            problem.weight, problem.moments, problem.grid, self.iterations, self.rate, self.pressure
        )
        return best(problem.weight, problem.moments, [problem.present, found])
