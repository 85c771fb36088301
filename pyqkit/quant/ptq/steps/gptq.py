"""GPTQ (Frantar et al., 2023) on the grid of any format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from pyqkit.quant.ptq.moments import damped, inverted
from pyqkit.quant.ptq.problems import LayerStep, Problem
from pyqkit.quant.ptq.step import steps

Nearest = Callable[[Tensor, int], Tensor]


@dataclass(frozen=True)
class Compensation:
    """Columns in the order in which they are rounded, and what the rounding of each does to the later ones.

    Attributes
    ----------
    order : Tensor, int64, shape (groups, columns)
        Which column comes when.
    factor : Tensor, float64, shape (groups, columns, columns)
        Upper Cholesky factor of the inverse of the moments, in this order.
    """

    order: Tensor
    factor: Tensor

    @classmethod
    def of(cls, moments: Tensor, damping: float = 0.01, ordered: bool = True) -> Compensation:
        """From second moments of the inputs, (groups, columns, columns).

        Parameters
        ----------
        moments : Tensor
        damping : float
            Share of the mean moment that is added to each.
        ordered : bool
            Begin with the columns of the largest moments.
        """
        moments = damped(moments.double(), damping)
        order = _order(moments, ordered)
        with inverted(moments.shape[-1], damping):
            return cls(order, torch.linalg.cholesky(torch.linalg.inv(_sorted(moments, order)), upper=True))

    def rounded(self, weight: Tensor, nearest: Nearest, block: int = 64) -> Tensor:
        """Weights that `nearest` has rounded column by column, the later ones making up for the errors.

        Parameters
        ----------
        weight : Tensor
            (groups, outputs, columns).
        nearest : callable
            Gets all weights in order, float64, as they are now, and the number of a column; gives this column
            rounded, (groups, outputs, 1). Weights of the block around the column are up to date.
        block : int
            Columns whose errors reach those behind them together.
        """
        by_column = self.order[:, None, :].expand_as(weight)
        left, factor = weight.double().gather(2, by_column), self.factor
        rounded = torch.empty_like(left)
        for first in range(0, left.shape[-1], block):
            last = min(first + block, left.shape[-1])
            errors = torch.zeros_like(left[:, :, first:last])
            for at in range(first, last):
                rounded[:, :, at : at + 1] = nearest(left, at)
                error = left[:, :, at : at + 1] - rounded[:, :, at : at + 1]
                error = error / factor[:, at : at + 1, at : at + 1]
                left[:, :, at:last] -= error @ factor[:, at : at + 1, at:last]
                errors[:, :, at - first : at - first + 1] = error
            left[:, :, last:] -= errors @ factor[:, first:last, last:]
        return torch.empty_like(left).scatter(2, by_column, rounded)


def gptq(
    weight: Tensor,
    moments: Tensor,
    nearest: Callable[[Tensor], Tensor],
    damping: float = 0.01,
    ordered: bool = True,
    block: int = 64,
) -> Tensor:
    """Round weights column by column; the columns still to come make up for the error of each.

    Parameters
    ----------
    weight : Tensor
        (groups, outputs, columns).
    moments : Tensor
        Second moments of the inputs, (groups, columns, columns).
    nearest : callable
        Rounds a column of all outputs, (groups, outputs, 1), to the grid.
    damping, ordered, block
        See `Compensation`.

    Returns
    -------
    Tensor
        Values of the grid, in the shape of `weight`.
    """

    def column(left: Tensor, at: int) -> Tensor:
        return nearest(left[:, :, at : at + 1].to(weight))

    return Compensation.of(moments, damping, ordered).rounded(weight, column, block).to(weight)


def _order(moments: Tensor, ordered: bool) -> Tensor:
    """Columns of each group in the order in which they are rounded."""
    sizes = moments.diagonal(dim1=-2, dim2=-1)
    if ordered:
        return sizes.argsort(dim=-1, descending=True, stable=True)
    return torch.arange(sizes.shape[-1]).expand(sizes.shape)


def _sorted(moments: Tensor, order: Tensor) -> Tensor:
    by_row, by_column = order[:, :, None].expand_as(moments), order[:, None, :].expand_as(moments)
    return moments.gather(1, by_row).gather(2, by_column)


@steps.register("gptq")
@dataclass(frozen=True)
class Gptq(LayerStep):
    """Round all weights by GPTQ, layer after layer.

    Attributes
    ----------
    ordered : bool
        Begin with the columns of the largest moments.
    """

    rank: ClassVar[int] = 40

    ordered: bool = True

    def rounded(self, problem: Problem) -> Tensor:
        return gptq(problem.weight, problem.moments, problem.grid.nearest, self.damping, self.ordered)
