"""Brevitas layers in every format.

The same rounding as `pyqkit.formats`, training, post-training methods, export.
"""

from __future__ import annotations

import copy
import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
import brevitas.nn as qnn
from brevitas.export.inference.manager import quant_inference_mode
from torch import nn

from pyqkit.emulate.exact import ExactEngine
from pyqkit.emulate.hls import HlsEngine
from pyqkit.errors import UserError
from pyqkit.formats import FormatError, Microscaled, Minifloat, NumberFormat, examples, parse, register
from pyqkit.graph.graph import decode_output, encode_input
from pyqkit.graph.importer import import_qonnx
from pyqkit.quant import (
    FastInference,
    act_quantizer,
    calibrate,
    export_qonnx,
    weight_quantizer,
)
from pyqkit.reference.quantised import real_of
from pyqkit.reference.reference import Reference

FORMATS = [
    "e2m1",
    "e3m2",
    "e4m3",
    "e4m3fn",
    "e3m0",
    "int4",
    "int4narrow",
    "lp4_0_3",
    "lp8_1_3",
    "lp8_1_3@-0.25",
    "e1m6",
]
ACTIVATIONS = [*FORMATS, "ue3m2", "uint4"]
WEIGHTS = [*FORMATS, "odd2", "mx32_e2m1", "mx16_int4_mse"]


@register
@dataclass(frozen=True)
class Toy(NumberFormat):
    """A format of its own, {-5, -2, -1, 0, 1, 2, 5}: everything it needs stands in this class."""

    @property
    def name(self) -> str:
        return "toy3"

    @property
    def bits(self) -> int:
        return 3

    @property
    def unit_exponent(self) -> int:
        return 0

    def integer(self, code: int) -> int | None:
        return [0, 1, 2, 5, None, -5, -2, -1][code]

    @classmethod
    def parse(cls, name: str) -> Toy | None:
        return cls() if name == "toy3" else None

    @classmethod
    def examples(cls):
        yield cls()


class Net(nn.Module):
    """Two convolutions, a residual sum of codes, a linear layer."""

    def __init__(self, weights: str, activations: str, **options: str) -> None:
        super().__init__()
        weight, act = weight_quantizer(weights, **options), act_quantizer(activations)
        self.image = qnn.QuantIdentity(act_quant=act_quantizer("int8"))
        self.conv1, self.norm1, self.act1 = (
            qnn.QuantConv2d(2, 8, 3, padding=1, bias=False, weight_quant=weight),
            nn.BatchNorm2d(8),
            qnn.QuantReLU(act_quant=act),
        )
        self.conv2, self.norm2, self.act2 = (
            qnn.QuantConv2d(8, 8, 3, padding=1, bias=True, weight_quant=weight),
            nn.BatchNorm2d(8),
            qnn.QuantReLU(act_quant=act),
        )
        self.branch = qnn.QuantIdentity(act_quant=act_quantizer("int8"))
        self.pool, self.features = nn.AdaptiveAvgPool2d(1), qnn.QuantIdentity(act_quant=act_quantizer("int8"))
        self.linear = qnn.QuantLinear(8, 10, bias=True, weight_quant=weight_quantizer("int8", per="tensor"))

    def forward(self, x):
        x = self.branch(self.act1(self.norm1(self.conv1(self.image(x)))))
        x = self.act2(self.branch(self.norm2(self.conv2(x))) + x)
        return self.linear(torch.flatten(self.features(self.pool(x)), 1))


def made(weights: str, activations: str, **options: str) -> tuple[Net, torch.Tensor]:
    """A calibrated network and its data."""
    torch.manual_seed(0)
    x = torch.randn(24, 2, 6, 6)
    net = Net(weights, activations, **options)
    calibrate(net, [x])
    return net, x


def boundary_values(fmt: NumberFormat) -> np.ndarray:
    """Every limit of a format and its float32 neighbours, both ends, and random numbers."""
    limits = fmt.limits(np.float32)
    random = np.random.default_rng(0).normal(0, max(fmt.maximum, 1.0) / 2, 5000).astype(np.float32)
    return np.concatenate(
        [
            limits,
            np.nextafter(limits, np.float32(-np.inf)),
            np.nextafter(limits, np.float32(np.inf)),
            random,
            [1e30, -1e30],
        ]
    ).astype(np.float32)


@pytest.mark.parametrize("name", [*ACTIVATIONS, "odd2", "toy3", "e2m3", "e5m2ieee", "ue4m2"])
def test_quantisers_round_as_the_format_does(name: str) -> None:
    fmt = parse(name)
    layer = qnn.QuantIdentity(
        act_quant=act_quantizer(
            name, scaling_impl_type="const", scaling_init=fmt.maximum, scaling_stats_op="max"
        )
    )
    layer.eval()
    x = boundary_values(fmt)
    scale = float(layer.act_quant.scale())
    assert scale == 2.0 ** round(np.log2(scale))  # a power of two, so that the product below is exact
    with torch.no_grad():
        found = layer(torch.from_numpy(x * np.float32(scale))).numpy()
    np.testing.assert_array_equal(found, (fmt.quantise(x) * scale).astype(np.float32) + 0.0)


@pytest.mark.parametrize(
    "fmt",
    [
        f
        for f in examples()
        if isinstance(f, Minifloat) and f.signed and not f.variant and f.exponent_bits <= 6
    ],
    ids=str,
)
def test_float_quantisers_of_brevitas_and_qonnx_agree_with_the_format(fmt: Minifloat) -> None:
    from qonnx.custom_op.general.floatquant import float_quant

    random = np.random.default_rng(1)
    x = (
        random.choice([-1, 1], 400_000)
        * np.exp2(
            random.uniform(np.log2(fmt.values[fmt.values > 0][0]) - 3, np.log2(fmt.maximum) + 1, 400_000)
        )
    ).astype(np.float32)
    expected = fmt.quantise(x).astype(np.float32)
    one, number = np.float32(1), lambda v: np.array(v, np.float32)
    found = float_quant(
        x,
        one,
        number(fmt.exponent_bits),
        number(fmt.significand_bits),
        number(fmt.bias),
        max_val=number(fmt.maximum),
        has_subnormal=True,
    )
    np.testing.assert_array_equal(found.astype(np.float32), expected)
    layer = qnn.QuantIdentity(
        act_quant=act_quantizer(
            fmt.name, scaling_impl_type="const", scaling_init=fmt.maximum, scaling_stats_op="max"
        )
    ).eval()
    scale = float(layer.act_quant.scale())
    with torch.no_grad():
        np.testing.assert_array_equal(
            layer(torch.from_numpy(x * np.float32(scale))).numpy(), expected * np.float32(scale)
        )


@pytest.mark.parametrize("rule", ["floor", "ceil", "even", "mse"])
def test_block_weights_round_as_the_format_does(rule: str) -> None:
    fmt = parse(f"mx16_e2m1_{rule}" if rule != "floor" else "mx16_e2m1")
    assert isinstance(fmt, Microscaled)
    layer = qnn.QuantLinear(40, 5, bias=False, weight_quant=weight_quantizer(fmt.name))
    weight = layer.weight.detach().numpy()
    np.testing.assert_array_equal(
        layer.quant_weight().value.detach().numpy(), fmt.quantise(weight, 1).astype(np.float32)
    )


def test_block_scales_just_below_powers_of_two() -> None:
    fmt = parse("mx32_int8")
    wrong = 0
    for k in range(-100, 101):
        block = np.zeros((1, 32), np.float32)
        block[0, 0] = np.nextafter(np.float32(2.0**k), np.float32(0))
        wrong += int(fmt.scale_exponents(block)[0] != k - 1 - 6)  # type: ignore[union-attr]
    assert wrong == 0


@pytest.mark.parametrize(
    ("weights", "activations"),
    [*((w, "uint4") for w in WEIGHTS), *(("int4", a) for a in ACTIVATIONS), ("toy3", "toy3")],
)
def test_networks_train_export_and_lower(weights: str, activations: str, tmp_path: Path) -> None:
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx

    net, x = made(weights, activations)
    before = net.conv1.weight.detach().clone()
    optimiser = torch.optim.SGD(net.parameters(), 0.1)
    net.train()
    nn.functional.cross_entropy(net(x), torch.arange(24) % 10).backward()
    optimiser.step()
    assert not torch.equal(before, net.conv1.weight)
    net.eval()
    with torch.no_grad():
        y = net(x).numpy()
    again = Net(weights, activations)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        again.load_state_dict(net.state_dict())
    again.eval()
    with torch.no_grad():
        np.testing.assert_array_equal(again(x).numpy(), y)
        np.testing.assert_array_equal(copy.deepcopy(net)(x).numpy(), y)
    path = export_qonnx(net, x, tmp_path / "net.onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        executed = execute_onnx(ModelWrapper(str(path)), {"input": x[:1].numpy()})["output"]
    # Scales are powers of two: float32 sums are exact at this size.
    np.testing.assert_array_equal(executed, y[:1])
    graph = import_qonnx(path)
    port, out = graph.inputs[0], graph.outputs[0]
    codes = {port.tensor: encode_input(port, graph.tensors[port.tensor], x.numpy())}
    found = ExactEngine(graph).run(codes)
    np.testing.assert_array_equal(found[out.tensor], graph.execute(codes)[out.tensor])
    ours = decode_output(out, graph.tensors[out.tensor], found[out.tensor])
    np.testing.assert_array_equal(
        ours, real_of(Reference(path).run(x.numpy())["output"]).high.astype(np.float32)
    )


@pytest.mark.parametrize("fmt", ["lp4_0_3", "e2m1", "int4"])
def test_a_quantiser_that_two_places_share(fmt: str, tmp_path: Path) -> None:
    """As in a network whose branches meet in one format without being rounded twice."""

    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.quantiser = qnn.QuantIdentity(act_quant=act_quantizer(fmt))
            self.conv = qnn.QuantConv2d(4, 4, 1, bias=False, weight_quant=weight_quantizer(fmt))
            self.branch = nn.Sequential(self.conv, self.quantiser)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            first = self.quantiser(x)
            return self.quantiser(self.branch(first) + first)

    torch.manual_seed(4)
    net, x = Shared(), torch.randn(8, 4, 5, 5)
    calibrate(net, [x])
    path = export_qonnx(net, x, tmp_path / "net.onnx")
    graph = import_qonnx(path)
    port, out = graph.inputs[0], graph.outputs[0]
    found = ExactEngine(graph).run({port.tensor: encode_input(port, graph.tensors[port.tensor], x.numpy())})
    ours = decode_output(out, graph.tensors[out.tensor], found[out.tensor])
    np.testing.assert_array_equal(
        ours, real_of(Reference(path).run(x.numpy())["output"]).high.astype(np.float32)
    )


def test_a_new_format_runs_in_the_generated_hardware(tmp_path: Path) -> None:
    """One class, above, and a format goes from encoding to the C++ engine."""
    net, x = made("toy3", "toy3")
    graph = import_qonnx(export_qonnx(net, x, tmp_path / "net.onnx"))
    assert {op.weight_format.name for op in graph.operators if op.kind == "convolution"} == {"toy3", "int8"}  # type: ignore[attr-defined]
    port = graph.inputs[0]
    codes = {port.tensor: encode_input(port, graph.tensors[port.tensor], x.numpy())}
    expected = graph.execute(codes)
    for engine in (
        ExactEngine(graph),
        HlsEngine(graph, flags=("-std=c++17", "-O1", "-fPIC", "-shared", "-w")),
    ):
        for name, values in engine.run(codes).items():
            np.testing.assert_array_equal(values, expected[name])


@pytest.mark.parametrize("name", ["e2m1", "int4", "lp4_0_3", "ue3m2"])
def test_inference_mode_gives_the_same(name: str) -> None:
    net, x = made("lp4_0_3", name)
    with torch.no_grad():
        y = net(x)
        with quant_inference_mode(net, export_manager=FastInference):
            net(x)
            np.testing.assert_array_equal(net(x).numpy(), y.numpy())


def test_gradient_is_zero_where_values_clip() -> None:
    layer = qnn.QuantIdentity(
        act_quant=act_quantizer(
            "lp4_0_3", scaling_impl_type="const", scaling_init=4.0, scaling_stats_op="max"
        )
    )
    x = torch.tensor([0.3, 2.0, 5.0, -7.0], requires_grad=True)
    layer(x).sum().backward()
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy(), [1, 1, 0, 0])


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (
            lambda: weight_quantizer("e2m9"),
            "a minifloat of 3 to 8 bits with at least 1 exponent bit was expected, but e2m9 has 12 "
            "bits and 2 exponent bits",
        ),
        (
            lambda: act_quantizer("int24"),
            "a format of at most 16 bits was expected for a quantiser, but int24 came; choose a narrower one",
        ),
        (
            lambda: weight_quantizer("e2m1", scale_search="best"),
            "scale_search 'max' or 'mse' was expected, but 'best' came; use one of them",
        ),
    ],
)
def test_refusals(make, sentence: str) -> None:
    with pytest.raises(FormatError, match=f"^{re.escape(sentence)}$"):
        make()


def test_export_keeps_existing_files(tmp_path: Path) -> None:
    net, x = made("e2m1", "e2m1")
    path = tmp_path / "net.onnx"
    path.write_text("mine")
    with pytest.raises(
        UserError,
        match=rf"^a new file was expected, but {re.escape(str(path))} exists; choose another name or pass "
        rf"--force$",
    ):
        export_qonnx(net, x, path)
    assert path.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [path]
