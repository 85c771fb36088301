"""Layers of parallel groups, and the two moves of channels that join them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from pyqkit.errors import UserError
from pyqkit.quant.palquant.grids import Grid, LearnedEnds, LearnedSteps


class GridConv2d(Grid, nn.Conv2d):
    """Convolution of integers, in groups, without bias: a batch norm comes behind it.

    Parameters
    ----------
    in_channels, out_channels, kernel_size
        As of `torch.nn.Conv2d`; of all groups together.
    weight_bits, act_bits : int
        1 to 8.
    groups, stride, padding, dilation
        As of `torch.nn.Conv2d`. Padding is zeros of the integers.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        *,
        weight_bits: int = 2,
        act_bits: int = 2,
        groups: int = 1,
        **window: Any,
    ) -> None:
        check_groups(groups, in_channels, out_channels)
        super().__init__(in_channels, out_channels, kernel_size, groups=groups, bias=False, **window)
        self.set_bits(weight_bits, act_bits)

    def product(self, x: Tensor, weight: Tensor) -> Tensor:
        return functional.conv2d(x, weight, None, self.stride, self.padding, self.dilation, self.groups)


class GridLinear(Grid, nn.Linear):
    """Linear layer of integers, in groups, without bias.

    Parameters
    ----------
    in_features, out_features : int
        Of all groups together.
    weight_bits, act_bits : int
        1 to 8.
    groups : int
    """

    def __init__(
        self, in_features: int, out_features: int, *, weight_bits: int = 2, act_bits: int = 2, groups: int = 1
    ) -> None:
        check_groups(groups, in_features, out_features)
        super().__init__(in_features // groups, out_features, bias=False)
        self.groups = groups
        self.set_bits(weight_bits, act_bits)

    def product(self, x: Tensor, weight: Tensor) -> Tensor:
        if self.groups == 1:
            return functional.linear(x, weight)
        pixel = functional.conv2d(x[..., None, None], weight[..., None, None], groups=self.groups)
        return pixel.flatten(1)


class PalConv2d(LearnedEnds, GridConv2d):
    """`GridConv2d` with PalQuant's own quantiser."""


class PalLinear(LearnedEnds, GridLinear):
    """`GridLinear` with PalQuant's own quantiser."""


class LsqConv2d(LearnedSteps, GridConv2d):
    """`GridConv2d` with LSQ; not the paper's."""


class LsqLinear(LearnedSteps, GridLinear):
    """`GridLinear` with LSQ; not the paper's."""


def check_groups(groups: int, *channels: int) -> None:
    """Refuse groups of which some would be larger than others."""
    if groups < 1 or any(count % groups for count in channels):
        raise UserError(
            f"channels in groups of equal size were expected, but {groups} groups of "
            f"{' and '.join(map(str, channels))} channels came; take multiples of {max(groups, 1)}"
        )


def rotated(x: Tensor, groups: int) -> Tensor:
    """Channels of group g + 1 in the place of group g, those of the first in that of the last."""
    check_groups(groups, x.shape[1])
    first = x.shape[1] // groups
    return x if groups == 1 else torch.cat((x[:, first:], x[:, :first]), 1)


def channel_shuffle(x: Tensor, groups: int) -> Tensor:
    """The first channel of every group, then the second of every group, and so on (ShuffleNet)."""
    check_groups(groups, x.shape[1])
    return x if groups == 1 else x.unflatten(1, (groups, -1)).transpose(1, 2).flatten(1, 2)


class CyclicShuffle(nn.Module):
    """Each group adds what a 1x1 convolution makes of the next group: ``x + ReLU(norm(conv(rotated(x))))``.

    Parameters
    ----------
    channels, groups : int
    conv : type
        `PalConv2d` or `LsqConv2d`.
    bits : dict
        `weight_bits` and `act_bits` of the convolution.

    Attributes
    ----------
    branch, sum : nn.Module
        What is added, and the sum, as the residual stream holds them; see `pyqkit.quant.palquant.deploy`.
    """

    def __init__(self, channels: int, groups: int, conv: type[GridConv2d], **bits: int) -> None:
        super().__init__()
        self.groups = groups
        self.conv1 = nn.Sequential(
            conv(channels, channels, 1, groups=groups, **bits), nn.BatchNorm2d(channels), nn.ReLU()
        )
        self.branch, self.sum = nn.Identity(), nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.sum(x + self.branch(self.conv1(rotated(x, self.groups))))
