"""Ends as exporters write them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import brevitas.nn as qnn
import numpy as np
import pytest
import torch
from brevitas.export import export_onnx_qcdq, export_qonnx
from torch.nn import functional

import pyqkit


class Network(torch.nn.Module):
    """A linear layer, arithmetic in floating point, and five results."""

    def __init__(self) -> None:
        super().__init__()
        self.taken = qnn.QuantIdentity(bit_width=8)
        self.layer = qnn.QuantLinear(6, 5, bias=True, weight_bit_width=4)
        self.shares = torch.nn.Softmax(dim=1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        logits = self.layer(self.taken(x))
        shares = self.shares((logits - 0.5) / 3.0)
        best, places = torch.topk(functional.log_softmax(logits, dim=1), 2)
        likely = torch.sigmoid(logits[:, :1]).view(x.shape[0])
        return shares, best, places, torch.argmax(logits, dim=1), likely


def torchscript(module: torch.nn.Module, x: torch.Tensor, path: Path) -> None:
    export_qonnx(module, args=(x,), export_path=str(path), dynamo=False)


def dynamo(module: torch.nn.Module, x: torch.Tensor, path: Path) -> None:
    export_qonnx(module, args=(x,), export_path=str(path), dynamo=True)


def qcdq(module: torch.nn.Module, x: torch.Tensor, path: Path) -> None:
    export_onnx_qcdq(module, args=(x,), export_path=str(path), dynamo=False, opset_version=13)


@pytest.mark.parametrize(("export", "batch"), [(torchscript, 1), (dynamo, 3), (qcdq, 1)])
def test_modules(export: Callable[..., None], batch: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = Network().eval()
    x = torch.randn(8, 6)
    module(x)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        export(module, torch.randn(batch, 6), tmp_path / "net.onnx")
    accelerator = pyqkit.compile(tmp_path / "net.onnx")
    with torch.no_grad():
        wanted = [torch.as_tensor(result).numpy() for result in module(x)]
    for ours, theirs in zip(accelerator.emulate_outputs(x.numpy()).values(), wanted, strict=True):
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
        np.testing.assert_allclose(ours, theirs, rtol=2.0**-18, atol=2.0**-20)  # float32 of another order
    result = accelerator.verify(x.numpy(), engines=["exact"])["reference"]
    assert len(result["host"]) > 5 and not any(step["differing"] for step in result["host"].values())
    assert not result["codes_differing"] and not result["float32"]["unexplained_layers"]
