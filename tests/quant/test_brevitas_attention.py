"""Brevitas' own attention: files of both exporters, and what it computes; and refusals."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import brevitas.nn as qnn
import onnx
import pytest
import torch
from brevitas.export import export_onnx_qcdq
from brevitas.export import export_qonnx as brevitas_export
from brevitas.quant import Int8ActPerTensorFloat, Uint8ActPerTensorFloat
from torch import Tensor, nn

from pyqkit.emulate.exact import ExactEngine
from pyqkit.errors import UserError
from pyqkit.graph.importer import import_qonnx
from pyqkit.graph.lowering.errors import ConversionError
from pyqkit.quant import export_qonnx
from pyqkit.quant.attention import write_out_attention
from pyqkit.verify import float32
from tests.graph.checked import check

WIDTH, HEADS, TOKENS = 16, 4, 5


class Network(nn.Module):
    """Attention of every token to all of them."""

    def __init__(self, batch_first: bool = True, **options: Any) -> None:
        super().__init__()
        self.batch_first = batch_first
        self.mask: Tensor | None = None
        self.first, self.last = (qnn.QuantIdentity(act_quant=Int8ActPerTensorFloat) for _ in range(2))
        scores = {"softmax_input_quant": Int8ActPerTensorFloat} | options
        self.attention = qnn.QuantMultiheadAttention(WIDTH, HEADS, batch_first=batch_first, **scores)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        x = x if self.batch_first else x.transpose(0, 1)
        made: Tensor = self.attention(x, x, x, attn_mask=self.mask)[0]
        return self.last(made if self.batch_first else made.transpose(0, 1))


def calibrated(**options: Any) -> tuple[Network, Tensor]:
    torch.manual_seed(2)
    network, x = Network(**options), torch.randn(12, TOKENS, WIDTH)
    network.train()(x)
    return network.eval(), x


FORMS: dict[str, dict[str, bool]] = {
    "one projection": {},
    "three projections": {"packed_in_proj": False},
    "tokens first": {"batch_first": False},
}


@pytest.mark.parametrize("form", FORMS)
def test_attention_is_what_brevitas_computes(form: str, tmp_path: Path) -> None:
    network, x = calibrated(**FORMS[form])
    graph = check(onnx.load(export_qonnx(network, x, tmp_path / "net.onnx")), x.numpy())
    kinds = [op.kind for op in graph.operators]
    assert kinds.count("matrix_product") == 2 and kinds.count("softmax") == 1
    assert type(network.attention) is qnn.QuantMultiheadAttention
    rewritten = deepcopy(network)
    write_out_attention(rewritten)
    torch.testing.assert_close(rewritten(x), network(x))


class ByLetters(nn.Module):
    """Attention whose products torch.einsum computes, with quantisers between."""

    def __init__(self) -> None:
        super().__init__()
        for name in ("first", "packed_out", "scores", "shares", "last"):
            quantiser = Uint8ActPerTensorFloat if name == "shares" else Int8ActPerTensorFloat
            self.add_module(name, qnn.QuantIdentity(act_quant=quantiser))
        self.packed = qnn.QuantLinear(WIDTH, 3 * WIDTH, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        packed = self.packed_out(self.packed(self.first(x)))
        q, k, v = packed.reshape(-1, TOKENS, 3, HEADS, WIDTH // HEADS).unbind(2)
        scores = self.scores(torch.einsum("bihd,bjhd->bhij", q, k) * 0.5)
        shares = self.shares(scores.softmax(-1))
        made: Tensor = self.last(torch.einsum("bhij,bjhd->bihd", shares, v).reshape(-1, TOKENS, WIDTH))
        return made


@pytest.mark.parametrize("export", [export_qonnx, brevitas_export, export_onnx_qcdq])
def test_products_by_letters_are_those_of_matrices(export: Callable[..., Any], tmp_path: Path) -> None:
    torch.manual_seed(2)
    network, x = ByLetters(), torch.randn(12, TOKENS, WIDTH)
    network.train()(x)
    export(network.eval(), x[:1], str(tmp_path / "net.onnx"))
    model = onnx.load(tmp_path / "net.onnx")
    assert [node.op_type for node in model.graph.node].count("Einsum") == 2
    graph = check(model, x.numpy())
    assert [op.kind for op in graph.operators].count("matrix_product") == 2
    compared = float32.compare(ExactEngine(graph), model, x.numpy())
    assert compared["codes"] > 100 and not compared["unexplained_layers"]


def test_what_attention_must_not_have(tmp_path: Path) -> None:
    network, x = calibrated(add_zero_attn=True)
    with pytest.raises(UserError, match="of whole frames was expected, but add_zero_attn came; leave it out"):
        export_qonnx(network, x, tmp_path / "net.onnx")
    network, x = calibrated()
    network.mask = torch.zeros(TOKENS, TOKENS)
    with pytest.raises(
        UserError, match="an attn_mask, .* came; quantise the float network by pyqkit quantise"
    ):
        export_qonnx(network, x, tmp_path / "net.onnx")
    network, x = calibrated(softmax_input_quant=None)
    with pytest.raises(ConversionError, match="its scores are not quantised .* softmax_input_quant"):
        import_qonnx(onnx.load(export_qonnx(network, x, tmp_path / "net.onnx")))


@pytest.mark.parametrize("other", ["key", "value"])
def test_one_projection_of_two_tensors_is_refused(other: str) -> None:
    network, x = calibrated()
    write_out_attention(network)
    given = {"query": x, "key": x, "value": x, other: x + 1}
    with pytest.raises(UserError, match="keys or values of another tensor came; pack no projections"):
        network.attention(**given)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("export", [brevitas_export, export_onnx_qcdq], ids=["qonnx", "qcdq"])
def test_a_file_of_brevitas_own_export_runs_as_the_reference_says(
    form: str, export: Callable[..., Any], tmp_path: Path
) -> None:
    """It has tokens in front, then the batch with the heads."""
    network, x = calibrated(**FORMS[form])
    export(network, x[:1], str(tmp_path / "net.onnx"), dynamo=False, opset_version=17)
    model = onnx.load(tmp_path / "net.onnx")
    compared = float32.compare(ExactEngine(check(model, x.numpy())), model, x.numpy())
    assert compared["codes"] > 1000 and not compared["codes_unexplained"]
