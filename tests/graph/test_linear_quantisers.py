"""QuantizeLinear, Clip and DequantizeLinear, as Brevitas and onnxruntime write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import pyqkit
from pyqkit.emulate.exact import ExactEngine
from pyqkit.graph.model import load_model
from pyqkit.reference.quantised import real_of
from pyqkit.reference.reference import Reference
from pyqkit.verify import float32
from tests.graph.checked import check, frames
from tests.graph.models import refusal
from tests.graph.qonnx_builder import Builder

Scale = float | np.ndarray


def stored(
    b: Builder,
    x: str,
    kind: Any = np.int8,
    scale: Scale = 0.25,
    zero: int = 0,
    ends: tuple[int, int] | None = None,
) -> str:
    """Integers of a QuantizeLinear, within limits where there are any."""
    x = b.node("QuantizeLinear", x, b.constant(scale), b.constant(zero, kind))
    return x if ends is None else b.node("Clip", x, *(b.constant(end, kind) for end in ends))


def quantised(
    b: Builder,
    x: str,
    kind: Any = np.int8,
    scale: Scale = 0.25,
    zero: int = 0,
    ends: tuple[int, int] | None = None,
) -> str:
    """Numbers of a QuantizeLinear, a Clip where there are limits, and a DequantizeLinear."""
    integers = stored(b, x, kind, scale, zero, ends)
    return b.node("DequantizeLinear", integers, b.constant(scale), b.constant(zero, kind))


def convolution(b: Builder, x: str, kind: Any = np.int8, bits: int = 4, **axis: Any) -> str:
    """Weights that the file holds as integers, one scale for each output, and biases of 32 bits."""
    draw = b.random
    scales, zeros = draw.uniform(0.05, 0.2, 4), np.zeros(4, kind)
    ends = (0, 2**bits) if np.dtype(kind).kind == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1))
    if np.dtype(kind).kind == "u":
        zeros = draw.integers(3, 9, 4).astype(kind)
    weights = b.constant(draw.integers(*ends, (4, 3, 3, 3)), kind)
    biases = b.constant(draw.integers(-(2**20), 2**20, 4), np.int32)
    w = b.node("DequantizeLinear", weights, b.constant(scales), b.constant(zeros, kind), axis=0)
    c = b.node(
        "DequantizeLinear", biases, b.constant(scales / 2**18), b.constant(np.zeros(4), np.int32), axis=0
    )
    return b.node("Conv", x, w, c, pads=[1, 1, 1, 1])


FORMATS: dict[str, tuple[str, dict[str, Any]]] = {
    "int8": ("int8", {}),
    "int8narrow": ("int8narrow", {"ends": (-127, 127)}),
    "int4": ("int4", {"ends": (-8, 7)}),
    "uint8": ("uint8", {"kind": np.uint8}),
    "uint4": ("uint4", {"kind": np.uint8, "ends": (0, 15)}),
    "uint1": ("uint1", {"kind": np.uint8, "ends": (0, 1)}),
    "int2narrow": ("int2narrow", {"ends": (-1, 1)}),
    "int8_from_zero": ("uint7", {"ends": (0, 127)}),
    "zero_point_even": ("uint8z128", {"kind": np.uint8, "zero": 128}),
    "zero_point_odd": ("uint8z117", {"kind": np.uint8, "zero": 117}),
    "int8_zero_point": ("int8z-3", {"zero": -3}),
    "int4_zero_point": ("int4z3", {"zero": 3, "ends": (-8, 7)}),
}


@pytest.mark.parametrize("name", FORMATS)
def test_activations_of_every_range(name: str) -> None:
    fmt, how = FORMATS[name]
    b = Builder(3, 4, 4)
    x = convolution(b, quantised(b, "x", **how))
    graph = check(b.model(quantised(b, b.node("Relu", x), **how)))
    assert {str(graph.tensors[port.tensor].format) for port in (*graph.inputs, *graph.outputs)} == {fmt}


@pytest.mark.parametrize("kind", [np.int8, np.uint8], ids=["int8", "uint8"])
def test_weights_are_as_wide_as_their_integers(kind: Any) -> None:
    b = Builder(3, 4, 4)
    graph = check(b.model(quantised(b, convolution(b, quantised(b, "x"), kind), scale=1.5)))
    layer = graph.operators[0]
    assert layer.weight_format.bits <= 5  # type: ignore[attr-defined]


def test_weights_that_the_file_quantises() -> None:
    b = Builder(3, 4, 4)
    scales = b.random.uniform(0.05, 0.2, 4)
    steps = np.array([-0.5, 0.5, 1.5, 2.5, -7.5, 9.0]) * scales[0].astype(np.float32)  # ties
    weights = b.random.normal(0, 0.5, (4, 3, 3, 3))
    weights[0].ravel()[:6] = steps
    zero = b.constant(np.zeros((), np.int8), np.int8)
    integers = b.node("QuantizeLinear", b.constant(weights), b.constant(np.float32(scales[0])), zero)
    integers = b.node("Clip", integers, b.constant(-7, np.int8), b.constant(7, np.int8))
    w = b.node("DequantizeLinear", integers, b.constant(np.float32(scales[0])), zero)
    x = b.node("Conv", quantised(b, "x"), w, pads=[1, 1, 1, 1])
    graph = check(b.model(quantised(b, x)))
    assert str(graph.operators[0].weight_format) == "int4narrow"  # type: ignore[attr-defined]
    first = graph.operators[0].weights[0].transpose(2, 0, 1).ravel()[:6]  # type: ignore[attr-defined]
    np.testing.assert_array_equal(np.where(first > 7, first.astype(int) - 16, first), [0, 0, 2, 2, -7, 7])


@pytest.mark.parametrize("zero", [0, 3, 4])
def test_a_tie_goes_to_the_even_number_before_the_zero_point(zero: int) -> None:
    """QONNX' Quant adds its zero point first, so that an odd one turns ties."""
    b = Builder(1, 1, 4)
    model = b.model(quantised(b, "x", scale=1.0, zero=zero))
    x = np.array([0.5, 1.5, 2.5, -0.5], np.float32).reshape(1, 1, 1, 4)
    found = pyqkit.compile(model).emulate(x)
    np.testing.assert_array_equal(found.ravel(), [0, 2, 2, 0])
    np.testing.assert_array_equal(real_of(next(iter(Reference(model).run(x).values()))).high, found)


def test_one_quantiser_for_several_readers() -> None:
    b = Builder(3, 4, 4)
    integers = stored(b, convolution(b, quantised(b, "x")), np.uint8)
    parts = [
        b.node("DequantizeLinear", integers, b.constant(0.25), b.constant(0, np.uint8)) for _ in range(2)
    ]
    graph = check(b.model(quantised(b, b.node("Add", *parts))))
    assert [op.kind for op in graph.operators].count("rescale") <= 2


REFUSED: dict[str, tuple[Any, str]] = {
    "another_scale": (
        lambda b, x: b.node("DequantizeLinear", stored(b, x), b.constant(0.5), b.constant(0, np.int8)),
        "its scale or zero point is not that of its QuantizeLinear",
    ),
    "another_zero_point": (
        lambda b, x: b.node("DequantizeLinear", stored(b, x), b.constant(0.25), b.constant(1, np.int8)),
        "its scale or zero point is not that of its QuantizeLinear",
    ),
    "limits_of_no_format": (
        lambda b, x: quantised(b, x, ends=(-100, 50)),
        "its integers from -100 to 50 are no range of a number format",
    ),
    "one_value": (lambda b, x: quantised(b, x, ends=(5, 5)), "its limits 5 and 5 leave one value"),
    "integers_moved": (
        lambda b, x: b.node("Flatten", stored(b, x)),
        "it reads the integers of a QuantizeLinear",
    ),
    "a_scale_of_zero": (
        lambda b, x: quantised(b, x, scale=0.0),
        "its scale is not one of finite positive float32 numbers",
    ),
    "a_scale_that_does_not_fit": (
        lambda b, x: quantised(b, x, scale=np.ones(3, np.float32)),
        "its scale of shape (3,) does not fit axis 1 of (1, 4, 4, 4)",
    ),
    "sixteen_bits": (
        lambda b, x: quantised(b, x, kind=np.int16),
        "it makes something other than int8 or uint8 numbers",
    ),
    "numbers_dequantised": (
        lambda b, x: b.node("DequantizeLinear", x, b.constant(0.25), b.constant(0, np.int8)),
        "its input is no integer",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_quantiser_is_refused(name: str) -> None:
    make, reason = REFUSED[name]
    b = Builder(3, 4, 4)
    assert refusal(b.model(make(b, convolution(b, quantised(b, "x"))))).split(": ", 1)[1] == reason


@pytest.mark.parametrize("ends", [(-1.0, 1.5), (-0.5, 3.0), (9.0, 12.0), (-2.0, 2.0)], ids=str)
def test_clip_of_whole_numbers_of_scale_1_is_no_quantiser(ends: tuple[float, float]) -> None:
    b = Builder(3, 4, 4)
    x = b.node("Clip", b.quantise("x", "int4", 1.0), *(b.constant(end) for end in ends))
    check(b.model(b.quantise(x, "int4", 0.25)))


def compared(model: Any, x: np.ndarray) -> Any:
    """The model's graph, after engine `exact` was compared with the reference and with float32."""
    graph = check(model, x)
    accelerator = pyqkit.compile(model)
    found = float32.compare(accelerator.exact, model, x)
    assert found["codes"] > 0
    assert found["unexplained_layers"] == found["over_excused_layers"] == []
    return graph


def test_float32_confirms_the_codes() -> None:
    b = Builder(3, 4, 4)
    x = convolution(b, quantised(b, "x", np.uint8, 0.037, 117), np.uint8)
    model = b.model(quantised(b, b.batch_norm(x, 4), np.int8, 0.31, 5, (-8, 7)))
    compared(model, frames(model)[2:])


def float_model() -> Any:
    """A small network without quantisers."""
    draw = np.random.default_rng(0)
    shapes = {"w": (4, 3, 3, 3), "b": (4,), "v": (5, 144), "c": (5,)}
    constants = [
        numpy_helper.from_array(draw.normal(0, 0.3, s).astype(np.float32), n) for n, s in shapes.items()
    ]
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["y"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["y"], ["z"]),
        helper.make_node("Flatten", ["z"], ["f"]),
        helper.make_node("Gemm", ["f", "v", "c"], ["o"], transB=1),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 6, 6])
    o = helper.make_tensor_value_info("o", TensorProto.FLOAT, ["N", 5])
    graph = helper.make_graph(nodes, "net", [x], [o], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


@pytest.mark.parametrize("per_channel", [False, True], ids=["per_tensor", "per_channel"])
def test_files_of_the_static_quantiser_of_onnxruntime(per_channel: bool, tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    quantization = pytest.importorskip("onnxruntime.quantization")

    class Frames(quantization.CalibrationDataReader):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            draw = np.random.default_rng(1)
            self.left = [{"x": draw.normal(0, 1, (1, 3, 6, 6)).astype(np.float32)} for _ in range(4)]

        def get_next(self) -> Any:
            return self.left.pop() if self.left else None

    onnx.save(float_model(), tmp_path / "float.onnx")
    quantization.quantize_static(
        tmp_path / "float.onnx",
        tmp_path / "net.onnx",
        Frames(),
        quant_format=quantization.QuantFormat.QDQ,
        per_channel=per_channel,
    )
    model = load_model(tmp_path / "net.onnx")
    x = np.random.default_rng(2).normal(0, 1, (10, 3, 6, 6)).astype(np.float32)
    graph = compared(model, x)
    assert graph.notes == ["input x has a batch of any length: 1 is assumed"]
    # As the file is written: fused products of bytes saturate on processors without VNNI.
    options = runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = runtime.InferenceSession(tmp_path / "net.onnx", options)
    found = np.concatenate([session.run(None, {"x": frame[None]})[0] for frame in x])
    wanted = real_of(Reference(model).run(x)["o"]).high
    step = float(graph.outputs[0].scale[0])
    np.testing.assert_array_equal(np.rint(found / step), np.rint(wanted / step))


def _attention(folder: Path, x: np.ndarray, symmetric: bool, dynamo: bool) -> Any:
    """A block of timm that onnxruntime has quantised."""
    torch = pytest.importorskip("torch")
    quantization = pytest.importorskip("onnxruntime.quantization")
    from tests.quant.ptq.test_attention_forms import Network, Timm

    torch.manual_seed(1)
    options = {"dynamo": dynamo, "opset_version": 18, "input_names": ["x"]}
    options |= {"verbose": False, "external_data": False} if dynamo else {}
    network, example = Network(Timm(fused=True)).eval(), torch.from_numpy(x[:1])
    torch.onnx.export(network, (example,), folder / "float.onnx", **options)
    left = [{"x": frame[None]} for frame in x]

    class Frames(quantization.CalibrationDataReader):  # type: ignore[misc, name-defined]
        def get_next(self) -> Any:
            return left.pop() if left else None

    quantization.quantize_static(
        folder / "float.onnx",
        folder / "net.onnx",
        Frames(),
        activation_type=quantization.QuantType.QInt8,
        extra_options={"ActivationSymmetric": symmetric},
    )
    return load_model(folder / "net.onnx")


@pytest.mark.parametrize("dynamo", [True, False], ids=["dynamo", "torchscript"])
def test_attention_that_onnxruntime_has_quantised(dynamo: bool, tmp_path: Path) -> None:
    """Queries, keys and values are rounded where they stand before the batch; sizes are, too."""
    x = np.random.default_rng(5).normal(0, 1, (8, 8, 6)).astype(np.float32)
    model = _attention(tmp_path, x, True, dynamo)
    found = float32.compare(ExactEngine(check(model, x[:2])), model, x[:2])
    assert found["codes"] > 1000 and not found["unexplained_layers"]


def test_shares_and_norms_with_an_odd_zero_point_are_refused_with_what_works(tmp_path: Path) -> None:
    x = np.random.default_rng(5).normal(0, 1, (8, 8, 6)).astype(np.float32)
    model = _attention(tmp_path, x, False, False)
    assert "more than 8 bits or otherwise than to nearest" in refusal(model)


@pytest.mark.parametrize("dynamo", [True, False], ids=["dynamo", "torchscript"])
def test_files_of_brevitas(tmp_path: Path, dynamo: bool) -> None:
    torch = pytest.importorskip("torch")
    layers = pytest.importorskip("brevitas.nn")
    export = pytest.importorskip("brevitas.export")
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        layers.QuantIdentity(bit_width=8),
        layers.QuantConv2d(3, 4, 3, padding=1, weight_bit_width=4),
        torch.nn.BatchNorm2d(4),
        layers.QuantReLU(bit_width=4),
        torch.nn.Flatten(),
        layers.QuantLinear(64, 5, bias=True, weight_bit_width=4),
        layers.QuantIdentity(bit_width=8),
    )
    net(torch.randn(8, 3, 4, 4))
    net.eval()
    example, path = torch.randn(1, 3, 4, 4), tmp_path / "net.onnx"
    export.export_onnx_qcdq(net, args=example, export_path=str(path), dynamo=dynamo)
    model = load_model(tmp_path / "net.onnx")
    x = np.random.default_rng(2).normal(0, 1, (10, 3, 4, 4)).astype(np.float32)
    graph = compared(model, x)
    formats = [str(graph.tensors[name].format) for name in graph.sources]
    assert formats == ["int8", "uint4", "int8"]


def parameter(b: Builder, kind: Any, integers: Any, scale: float) -> str:
    """A constant that a static quantiser has stored as integers."""
    return b.node("DequantizeLinear", b.constant(integers, kind), b.constant(scale), b.constant(0, kind))


@pytest.mark.parametrize("stored_as_integer", [True, False], ids=["stored", "quantised"])
def test_padding_with_a_zero_that_is_quantised(stored_as_integer: bool) -> None:
    b = Builder(3, 4, 4)
    pads = b.constant([0, 0, 0, 1, 0, 0, 1, 0], np.int64)
    zero = parameter(b, np.int8, 0, 0.013) if stored_as_integer else quantised(b, b.constant(0.0))
    x = b.node("Pad", quantised(b, "x"), pads, zero)
    model = b.model(quantised(b, convolution(b, x)))
    compared(model, frames(model))


def test_a_batch_norm_whose_parameters_are_stored_as_integers() -> None:
    b = Builder(3, 4, 4)
    gain = parameter(b, np.int8, b.random.integers(1, 128, 4), 0.013)
    bias = parameter(b, np.int32, b.random.integers(-(2**27), 2**27, 4), 0.03 / 2**24)
    rest = [b.constant(b.random.uniform(low, 1, 4)) for low in (-1, 0.5)]
    x = b.node("BatchNormalization", convolution(b, quantised(b, "x")), gain, bias, *rest)
    model = b.model(quantised(b, x, scale=0.3))
    compared(model, frames(model))
