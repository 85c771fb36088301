"""Means and deviations of a layer's outputs, channel by channel."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pyqkit.quant.ptq.layers import WeightLayer


def by_channel(layer: WeightLayer, outputs: Sequence[Tensor]) -> Tensor:
    """All outputs of a layer as (channels, numbers), float64."""
    axis = -1 if isinstance(layer, nn.Linear) else 1
    return torch.cat([batch.movedim(axis, 0).flatten(1) for batch in outputs], 1).double()


def means(layer: WeightLayer, outputs: Sequence[Tensor]) -> Tensor:
    """Mean of each channel of a layer's outputs; shape (channels,), float64."""
    return by_channel(layer, outputs).mean(1)
