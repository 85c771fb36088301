"""Integers between two learned ends in training: all steps on pieces that stay in the cache."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

_PIECE = 1 << 15  # numbers; three pieces fit into a cache of 512 KiB


def between(x: Tensor, low: Tensor, high: Tensor, top: int) -> Tensor:
    """``round(top clip((x - low) / (high - low), 0, 1))``; rounding has the gradient of the identity.

    Parameters
    ----------
    x : Tensor
    low, high : Tensor
        Scalars.
    top : int
        The largest integer.
    """
    made: Tensor = _Between.apply(x, low, high, top)
    return made


class _Between(torch.autograd.Function):
    """The same numbers as of PyTorch's operators one by one, which pass over the memory fifteen times."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, low: Tensor, high: Tensor, top: int) -> Tensor:
        x, span = _dense(x), high - low
        places, codes = torch.empty_like(x), torch.empty_like(x)
        for numbers, place, code in zip(*map(_pieces, (x, places, codes))):
            torch.sub(numbers, low, out=place).div_(span).mul_(top)
            torch.clamp(place, 0, top, out=code).round_()
        ctx.save_for_backward(places, span)
        ctx.top = top
        return codes

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        places, span = ctx.saved_tensors
        of_x, slope = torch.empty_like(places).copy_(gradient), ctx.top / span
        shift, stretch = 0.0 * span, 0.0 * span
        for made, place in zip(*map(_pieces, (of_x, places))):
            inside = place.clamp(0, ctx.top).eq_(place)
            made.mul_(inside).mul_(slope)
            shift += made.sum()
            stretch += torch.dot(made, place)
        stretch /= ctx.top  # a place is proportional to 1 / (high - low)
        return of_x, stretch - shift, -stretch, None


def _dense(x: Tensor) -> Tensor:
    """Without holes; channels last where they are."""
    last = x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last)
    return x if last else x.contiguous()


def _pieces(x: Tensor) -> tuple[Tensor, ...]:
    """In the order of the memory; one piece where there is no such cache."""
    numbers = (x if x.is_contiguous() else x.movedim(1, -1)).view(-1)
    return numbers.split(_PIECE if x.device.type == "cpu" else max(len(numbers), 1))
