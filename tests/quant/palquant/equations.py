"""PalQuant's equations in plain PyTorch, written from the paper's method and nothing of pyqkit."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


def rounded(x: Tensor) -> Tensor:
    """Round with the gradient of the identity."""
    return x + (torch.round(x) - x).detach()


def between(x: Tensor, low: Tensor, high: Tensor, levels: int) -> Tensor:
    """Level of `x` between two ends, 0 to 1."""
    return rounded(((x - low) / (high - low)).clamp(0, 1) * (levels - 1)) / (levels - 1)


@dataclass
class Numbers:
    """What one layer learns."""

    weight: Tensor
    lower_w: Tensor
    upper_w: Tensor
    lower_a: Tensor
    upper_a: Tensor
    scale: Tensor


def convolution(x: Tensor, n: Numbers, bits: tuple[int, int], **window: int) -> Tensor:
    """One layer, its activations in [0, 1] and its weights in [-1, 1]."""
    weights = 2 * (between(n.weight, n.lower_w, n.upper_w, 2 ** bits[0]) - 0.5)
    acts = between(x, n.lower_a, n.upper_a, 2 ** bits[1])
    return n.scale.abs() * functional.conv2d(acts, weights, **window)  # type: ignore[arg-type]
