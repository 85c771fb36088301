"""Gains, offsets and the epsilon of norms in few bits, as hardware multiplies by them."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, log2
from typing import ClassVar

import torch
from torch import Tensor, nn

from pyqkit.quant.ptq.network import Network
from pyqkit.quant.ptq.step import Stage, Step, steps


@steps.register("norms")
@dataclass(frozen=True)
class Norms(Step):
    """Round gains and offsets of layer norms and RMS norms to whole numbers of one power of two each.

    Their codes are exact either way; but the digits of the root that decide them, and the products that are
    compared, are as wide as these numbers, and 24 bits of float32 are seldom worth it. Epsilon becomes the
    nearest power of two.

    Attributes
    ----------
    bits : int
        Of the largest gain and of the largest offset of a norm, with their signs.
    """

    stage: ClassVar[Stage] = "float"
    rank: ClassVar[int] = 30

    bits: int = 8

    def apply(self, network: Network, seed: int) -> None:
        """Change the norms of the float network, which the quantised one is made of."""
        with torch.no_grad():
            for module in network.float.modules():
                if isinstance(module, (nn.LayerNorm, nn.RMSNorm)):
                    self._round(module)

    def _round(self, norm: nn.LayerNorm | nn.RMSNorm) -> None:
        for numbers in (norm.weight, getattr(norm, "bias", None)):
            if numbers is not None:
                numbers.copy_(rounded(numbers, self.bits))
        if norm.eps is not None:
            norm.eps = 2.0 ** round(log2(norm.eps))


def rounded(numbers: Tensor, bits: int) -> Tensor:
    """The nearest multiples of the power of two with which the largest magnitude fits signed bits."""
    largest = float(numbers.abs().max())
    if largest == 0:
        return numbers.clone()
    limit = 2 ** (bits - 1) - 1
    step = 2.0 ** (floor(log2(largest)) + 2 - bits)
    return (numbers / step).round().clamp(-limit, limit) * step
