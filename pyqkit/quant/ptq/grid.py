"""The values that the weights of a layer can take: a format times scales that no longer move."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pyqkit.formats import NumberFormat
from pyqkit.quant.ptq.lookup import lookup
from pyqkit.quant.ptq.quantiser import nearest


@dataclass(frozen=True)
class Grid:
    """Values of a format times a scale; how far apart neighbours are may differ everywhere.

    Attributes
    ----------
    format : NumberFormat
        Of single values; no blocks, whose scales follow the weights.
    scale : Tensor
        Positive; broadcasts with the weights.
    """

    format: NumberFormat
    scale: Tensor

    def nearest(self, weight: Tensor) -> Tensor:
        """The values that weights are rounded to by the format's own rule."""
        return self.scale * nearest(self.format)(weight / self.scale)

    def cell(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """The value at or below each weight, and the next one above; their distance is the local step.

        What lies outside of the range has the outermost cell on its side.
        """
        values = lookup(self.format).values
        x = (weight / self.scale).contiguous()
        at = (torch.searchsorted(values, x, right=True) - 1).clamp(0, len(values) - 2)
        return self.scale * values[at], self.scale * values[at + 1]
