"""Means and deviations of a layer's outputs, channel by channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pyqkit.quant.ptq.layers import WeightLayer, channel_axis


@dataclass(frozen=True)
class Channels:
    """What the outputs of a layer are like.

    Attributes
    ----------
    mean, deviation : Tensor
        Of each channel, float64.
    """

    mean: Tensor
    deviation: Tensor

    @classmethod
    def of(cls, layer: WeightLayer, outputs: Sequence[Tensor]) -> Channels:
        """From batches of outputs."""
        rows = _rows(layer, outputs)
        mean = _means(rows)
        squares = [(row.double() - mean[:, None]).square().sum(1) for row in rows]
        return cls(mean, (torch.stack(squares).sum(0) / _count(rows)).sqrt())


def means(layer: WeightLayer, outputs: Sequence[Tensor]) -> Tensor:
    """Mean of each channel, float64, from batches of outputs."""
    axis = channel_axis(layer)
    others = [other for other in range(outputs[0].ndim) if other != axis % outputs[0].ndim]
    sums = torch.stack([batch.sum(others, dtype=torch.float64) for batch in outputs]).sum(0)
    return sums / (sum(batch.numel() for batch in outputs) / len(sums))


def add_to_channels(layer: WeightLayer, outputs: Tensor, numbers: Tensor) -> Tensor:
    """Outputs of a layer to which a number is added in each channel, in place."""
    axis = channel_axis(layer)
    return outputs.movedim(axis, -1).add_(numbers.to(outputs)).movedim(-1, axis)


def _rows(layer: WeightLayer, outputs: Sequence[Tensor]) -> list[Tensor]:
    axis = channel_axis(layer)
    return [batch.movedim(axis, 0).flatten(1) for batch in outputs]


def _means(rows: Sequence[Tensor]) -> Tensor:
    return torch.stack([row.double().sum(1) for row in rows]).sum(0) / _count(rows)


def _count(rows: Sequence[Tensor]) -> int:
    return sum(row.shape[1] for row in rows)
