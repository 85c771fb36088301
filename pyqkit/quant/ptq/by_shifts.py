"""Second moments of a convolution's inputs without its columns, in a fraction of the time.

Where the window moves by one, the product of an input at one place of the window with that at another depends
on how far these are apart, but for the border: of 81 pairs of places in a window of 3 by 3, 25 differ. Sums
over all frames of inputs times inputs so far away are what a convolution's weights have as their gradient,
which PyTorch computes without writing a column.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, product

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.grad import conv2d_weight

from pyqkit.quant.ptq.layers import WeightLayer, padded

_WIDEST = 3  # a wider window has more border than it saves
Range = tuple[int, int]  # the first and the one behind the last
Part = tuple[Range, Range]  # of rows and of columns


def serves(layer: WeightLayer) -> bool:
    """Whether `sums` is made for a layer."""
    return (
        isinstance(layer, nn.Conv2d)
        and layer.groups == 1
        and {*layer.stride, *layer.dilation} == {1}
        and 1 < max(layer.kernel_size) <= _WIDEST
    )


def sums(layer: WeightLayer, inputs: Sequence[Tensor], others: Sequence[Tensor]) -> Tensor:
    """Sums of products of columns of `others` and of `inputs`: (1, columns, columns), float64."""
    assert isinstance(layer, nn.Conv2d)
    high, wide = layer.kernel_size
    shape = (layer.in_channels, layer.in_channels, 2 * high - 1, 2 * wide - 1)
    (rows, down), (across, right) = (
        _parts(length, reach)
        for length, reach in zip(padded(layer, inputs[0][:1]).shape[2:], layer.kernel_size)
    )
    found = torch.zeros(*shape[:2], high, wide, high, wide, dtype=torch.float64)
    apart = _apart(shape, layer, inputs, others, list(product(pairwise(rows), pairwise(across))))
    for ((top, bottom), (left, end)), far in apart.items():
        for y, x in product(range(high), range(wide)):
            if y <= top and bottom <= y + down and x <= left and end <= x + right:
                found[..., y, x] += far[:, :, high - 1 - y :, wide - 1 - x :][:, :, :high, :wide]
    return found.permute(1, 2, 3, 0, 4, 5).flatten(3).flatten(0, 2)[None]


def _parts(length: int, reach: int) -> tuple[list[int], int]:
    """Where an axis is cut so that each place of the window sees whole parts; how many each sees."""
    seen = length - reach + 1
    return sorted({*range(reach), *range(seen, length + 1)}), seen


def _apart(
    shape: tuple[int, ...],
    layer: nn.Conv2d,
    inputs: Sequence[Tensor],
    others: Sequence[Tensor],
    parts: Sequence[Part],
) -> dict[Part, Tensor]:
    """Sums over parts of all frames: (channels of inputs, of others, how far down, how far right)."""
    found = {part: torch.zeros(shape, dtype=torch.float64) for part in parts}
    border = (shape[3] // 2, shape[3] // 2, shape[2] // 2, shape[2] // 2)
    for x, y in zip(inputs, others):
        x = padded(layer, x).contiguous(memory_format=torch.channels_last)
        y = functional.pad(padded(layer, y), border).contiguous(memory_format=torch.channels_last)
        for part in parts:
            (top, bottom), (left, end) = part
            here = x[:, :, top:bottom, left:end]
            if min(here.shape[2:]) > 1 or bool(here.any()):  # a border of zeros gives nothing
                around = y[:, :, top : bottom + shape[2] - 1, left : end + shape[3] - 1]
                found[part] += conv2d_weight(around, shape, here)
    return found
