"""The authors' two optimisers as one: SGD for weights, Adam for what quantisers learn."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from pyqkit.quant.palquant.grids import Grid

MOMENTUM = 0.9


def optimiser(network: nn.Module, rate: float, grid_rate: float, decay: float) -> torch.optim.Optimizer:
    """For a network of `Grid` layers, or of none.

    Parameters
    ----------
    rate, decay : float
        Of weights, for SGD.
    grid_rate : float
        Of learned ends and steps, for Adam; they do not decay.
    """
    grids = [p for layer in network.modules() if isinstance(layer, Grid) for p in layer.learned()]
    known = {id(parameter) for parameter in grids}
    weights = [parameter for parameter in network.parameters() if id(parameter) not in known]
    if not grids:
        return torch.optim.SGD(weights, rate, MOMENTUM, weight_decay=decay)
    return SgdAndAdam(weights, grids, rate, grid_rate, decay)


class SgdAndAdam(torch.optim.Optimizer):
    """Steps of both at once; a schedule moves the rates of both.

    Parameters
    ----------
    weights, grids : iterable of Parameter
    rate, grid_rate, decay : float
    """

    def __init__(
        self,
        weights: Iterable[nn.Parameter],
        grids: Iterable[nn.Parameter],
        rate: float,
        grid_rate: float,
        decay: float,
    ) -> None:
        # Not the base class' own: groups and states are those of the two.
        self._both = (
            torch.optim.SGD(weights, rate, MOMENTUM, weight_decay=decay),
            torch.optim.Adam(grids, grid_rate),
        )

    @property
    def param_groups(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """Groups of both."""
        return [group for part in self._both for group in part.param_groups]

    def zero_grad(self, set_to_none: bool = True) -> None:
        for part in self._both:
            part.zero_grad(set_to_none)

    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for part in self._both:
            part.step()

    def state_dict(self) -> dict[str, Any]:
        sgd, adam = self._both
        return {"sgd": sgd.state_dict(), "adam": adam.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        sgd, adam = self._both
        sgd.load_state_dict(state_dict["sgd"])
        adam.load_state_dict(state_dict["adam"])
