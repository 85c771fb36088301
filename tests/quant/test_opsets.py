"""A transformer's layer of Brevitas layers, as its exporters write it for op-sets 13 to 24."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import brevitas.nn as qnn
import onnx
import pytest
import torch
from brevitas.export import export_qonnx
from brevitas.quant import Int8ActPerTensorFloat, Int8WeightPerTensorFloat, Uint8ActPerTensorFloat
from torch import Tensor, nn
from torch.nn import functional

from tests.graph.checked import check

WIDTH, HEADS, TOKENS = 16, 4, 5


def _rounded(unsigned: bool = False) -> qnn.QuantIdentity:
    return qnn.QuantIdentity(act_quant=Uint8ActPerTensorFloat if unsigned else Int8ActPerTensorFloat)


def _linear(inputs: int, outputs: int) -> qnn.QuantLinear:
    return qnn.QuantLinear(inputs, outputs, bias=True, weight_quant=Int8WeightPerTensorFloat)


class Layer(nn.Module):
    """Attention, a layer norm and two linear layers, the mean of all tokens classified."""

    def __init__(self) -> None:
        super().__init__()
        self.rounded = nn.ModuleDict({name: _rounded(name == "shares") for name in Layer.ROUNDED})
        self.together, self.out, self.head = (_linear(WIDTH, n) for n in (3 * WIDTH, WIDTH, 3))
        self.first, self.second = _linear(WIDTH, 2 * WIDTH), _linear(2 * WIDTH, WIDTH)
        self.norm = nn.LayerNorm(WIDTH)

    ROUNDED = ("x", "q", "k", "v", "scores", "shares", "context", "made", "sum", "norm", "gelu", "mean")

    def forward(self, x: Tensor) -> Tensor:
        x = self.rounded["x"](x)
        frames, tokens, _ = x.shape
        apart = self.together(x).reshape(frames, tokens, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        q, k, v = (self.rounded[name](part) for name, part in zip("qkv", apart.unbind(0)))
        scores = self.rounded["scores"](torch.matmul(q, k.transpose(-2, -1)) * 0.5)
        shares = self.rounded["shares"](scores.softmax(-1))
        context = torch.matmul(shares, v).transpose(1, 2).reshape(frames, tokens, WIDTH)
        made = self.rounded["made"](self.out(self.rounded["context"](context)))
        x = self.rounded["norm"](self.norm(self.rounded["sum"](x + made)))
        x = self.second(self.rounded["gelu"](functional.gelu(self.first(x))))
        return self.head(self.rounded["mean"](x.mean(1)))  # type: ignore[no-any-return]


_LONG = [pytest.param(version, dynamo, marks=pytest.mark.long) for version, dynamo in (
    *((version, False) for version in (14, 16, 17, 18, 19)),
    *((version, True) for version in (20, 21, 24)),
)]  # fmt: skip


@pytest.mark.parametrize(("version", "dynamo"), [(13, False), (20, False), (18, True), (23, True), *_LONG])
def test_op_sets(version: int, dynamo: bool, tmp_path: Path) -> None:
    torch.manual_seed(1)
    layer, x, path = Layer(), torch.randn(8, TOKENS, WIDTH), tmp_path / "layer.onnx"
    layer.train()(x)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        export_qonnx(layer.eval(), x[:1], str(path), dynamo=dynamo, opset_version=version)
    model = onnx.load(path)
    assert {entry.version for entry in model.opset_import if not entry.domain} == {version}
    kinds = [op.kind for op in check(model, x.numpy()).operators]
    assert kinds.count("matrix_product") == 2 and {"softmax", "layer_norm"} <= set(kinds)
