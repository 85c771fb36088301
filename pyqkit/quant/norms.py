"""RMS norms as the exporter can write them: in the pieces that the importer reads as one operator."""

from __future__ import annotations

from typing import Any

import torch
from brevitas.quant_tensor import _unpack_quant_tensor
from torch import Tensor, nn


class _InPieces(nn.RMSNorm):
    """``torch.nn.RMSNorm``, which PyTorch's exporter knows from op-set 23 on alone."""

    def forward(self, x: Any) -> Tensor:
        numbers: Tensor = _unpack_quant_tensor(x)
        epsilon = torch.finfo(torch.float32).eps if self.eps is None else self.eps
        spread = numbers.pow(2).mean(-1, keepdim=True) + epsilon
        found = numbers * spread.sqrt().reciprocal()
        return found if self.weight is None else found * self.weight


def write_out_norms(model: nn.Module) -> None:
    """Make every RMS norm over the last axis of a module one that is exported in pieces."""
    for module in model.modules():
        if type(module) is nn.RMSNorm and len(module.normalized_shape) == 1:
            module.__class__ = _InPieces
