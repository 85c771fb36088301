"""The same network, exported twice, is the same file, names of its constants included."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
import brevitas.nn as qnn
from torch import nn

from pyqkit.quant import export_qonnx


class WithConstants(nn.Module):
    """Numbers that forward writes down are no tensors of the module."""

    def __init__(self) -> None:
        super().__init__()
        self.first = qnn.QuantIdentity(bit_width=8, return_quant_tensor=True)
        self.last = qnn.QuantConv2d(2, 4, 3, bias=False, weight_bit_width=4)

    def forward(self, x: Any) -> Any:
        return torch.where(x > 0, self.last(self.first(x)).sum() * 2.0, torch.tensor(0.5)) + 3.0


def test_the_same_network_is_the_same_file(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module, x = WithConstants(), torch.rand(2, 2, 3, 3)
    module(x)  # scales of a quantiser in training mode come from data
    module.eval()
    once, again = (export_qonnx(module, x, tmp_path / f"{name}.onnx").read_bytes() for name in "ab")
    assert once == again and b"/constant_0" in once
