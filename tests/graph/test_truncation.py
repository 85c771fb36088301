"""Trunc nodes as Brevitas writes them, and those that have no meaning here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

onnx = pytest.importorskip("onnx")
torch = pytest.importorskip("torch")
pytest.importorskip("brevitas")

from pyqkit.graph.importer import import_qonnx
from pyqkit.graph.lowering.errors import ConversionError
from pyqkit.reference.quantised import real_of
from pyqkit.reference.reference import Reference
from tests.graph.checked import check
from tests.graph.qonnx_builder import GENERAL, Builder
from tests.verify.rounded_networks import truncated


@pytest.mark.parametrize("rounding", ["floor", "round"])
def test_pools_of_brevitas_and_wide_biases(rounding: str, tmp_path: Path) -> None:
    from brevitas import nn as qnn
    from brevitas.export import export_qonnx
    from brevitas.quant import Int8ActPerTensorFloat, Int24Bias, Int32Bias

    torch.manual_seed(3)
    network = torch.nn.Sequential(
        qnn.QuantIdentity(act_quant=Int8ActPerTensorFloat, return_quant_tensor=True),
        qnn.QuantConv2d(2, 4, 3, bias=True, bias_quant=Int24Bias, weight_bit_width=4),
        qnn.QuantReLU(bit_width=4, return_quant_tensor=True),
        qnn.TruncAvgPool2d(3, stride=2, bit_width=5, float_to_int_impl_type=rounding),
        qnn.TruncAdaptiveAvgPool2d(1, bit_width=6, float_to_int_impl_type=rounding),
        torch.nn.Flatten(),
        qnn.QuantLinear(4, 3, bias=True, bias_quant=Int32Bias, weight_bit_width=4),
    )
    x = torch.randn(20, 2, 9, 7)
    with torch.no_grad():
        network.train()(x)
        wanted = network.eval()(x).numpy()
    export_qonnx(network, args=x[:1], export_path=str(tmp_path / "net.onnx"), dynamo=False)
    model = onnx.load(tmp_path / "net.onnx")
    assert [node.op_type for node in model.graph.node].count("Trunc") == 2
    graph = check(model, x.numpy())
    assert {op.kind for op in graph.operators} <= {
        "convolution",
        "sum_pool",
        "rescale",
        "threshold",
        "reshape",
    }
    (found,) = Reference(model).run(x.numpy()).values()
    step = graph.outputs[0].scale.min()
    assert abs(real_of(found).high - wanted).max() < step / 2


def numbers(*given: float) -> Callable[[Builder, str], str]:
    return lambda b, x: b.node(
        "Trunc", x, *[b.constant(n) for n in given], domain=GENERAL, signed=1, rounding_mode="FLOOR"
    )


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ((0.25, 0, 8), "it has 4 inputs instead of the 5 or 6"),
        ((0.25, 0, 16, 1.0, 12), "it keeps 12 bits"),
        ((0.25, 3, 8, 1.0, 6), "its zero point 3 is no multiple of 4"),
        ((0.25, 0, 8, -1.0, 6), "is not one power of two for all channels"),
        ((0.25, 0, 4, 8), "it truncates 4 bits to 8"),
        ((0.25, 0, 6, 4), "its input, of 6 bits, reaches from -128 to 127 steps"),
    ],
    ids=["inputs", "wide", "zero point", "sign", "version 1 to more bits", "version 1 of narrow input"],
)
def test_what_is_no_truncation_is_refused(given: tuple[float, ...], sentence: str) -> None:
    b = Builder(2, 3, 3)
    made = numbers(*given)(b, b.quantise("x", "int8", 0.25))
    with pytest.raises(ConversionError) as caught:
        import_qonnx(b.model(b.quantise(made, "int8", 0.5)))
    assert sentence in str(caught.value)


def test_both_roundings_are_one_threshold() -> None:
    """Sums that are no integers of the stated scale: rounded to nearest first, then down."""
    check(truncated("FLOOR", 0.1, 0, 10, 0.4, 8, fmt="int8", signed=1))
