"""Inputs whose format is declared: what may be declared, and networks that need it, against the reference."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from onnx import TensorProto

import pyqkit
from pyqkit.errors import UserError
from pyqkit.formats import Boundary, Integer, parse
from pyqkit.formats.input_frames import InputWarning
from pyqkit.graph.input_format import InputFormat
from pyqkit.graph.lowering.errors import ConversionError
from pyqkit.graph.lowering.quantise import _wide_limits
from tests.graph.checked import check
from tests.graph.qonnx_builder import Builder

UNSW = Path(__file__).parents[3] / "shared/models/unsw_nb15-mlp-w2a2.onnx"
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def test_what_is_declared() -> None:
    declared = InputFormat.parse("input:0=uint8:1/255")
    assert (declared.name, str(declared.format), declared.scale) == ("input:0", "uint8", Fraction(1, 255))
    assert str(declared) == "uint8:1/255"
    assert InputFormat.parse("int12:0.25").scale == Fraction(1, 4)
    assert InputFormat.parse("e4m3:5e-1").scale == InputFormat.parse("e4m3:1/2").scale
    assert InputFormat.parse("uint8:0.5/127.5").scale == Fraction(1, 255)
    assert str(InputFormat.parse("bipolar").format) == "odd1"


@pytest.mark.parametrize(
    "text", ["uint8:", "uint8:0", "uint8:-1", "uint8:1/0", "uint8:1e99", "uint8:2**9", "uint8:1e999999999"]
)
def test_scales_that_are_none(text: str) -> None:
    with pytest.raises(UserError, match=r"a scale such as 0.5 or 1/255 was expected"):
        InputFormat.parse(text)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("uint99z", "an input format is uint8 for pixels"),
        ("", "an input format is uint8 for pixels"),
        ("mx32_e2m1", "a format of single codes was expected"),
        ("y=uint8", "the name of an input out of x was expected, but y came"),
    ],
)
def test_declarations_that_are_none(text: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        pyqkit.compile(normalised(), input_format=text)


def normalised(channels: int = 3, quantise: bool = True, pads: int = 1, divisor: float = 255.0) -> Any:
    """Pixels, their normalisation, a quantiser or none, a convolution."""
    b = Builder(channels, 6, 6)
    mean, deviation = (b.constant(np.reshape(v[:channels], (1, -1, 1, 1))) for v in (MEAN, DEVIATION))
    x = b.node("Div", b.node("Sub", b.node("Div", "x", b.constant(divisor)), mean), deviation)
    x = b.quantise(x, "int8", 1 / 32) if quantise else x
    x = b.conv(x, "int4", 4, channels, pads=[pads] * 4)
    return b.model(b.quantise(b.node("Relu", x), "uint4", 0.5))


def linear(scale: float = 1.0) -> Any:
    b = Builder(16)
    return b.model(b.quantise(b.node("MatMul", "x", b.weights("int4", 16, 5)), "int8", scale))


def pixels(channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (4, channels, 6, 6)).astype(np.uint8)


def batch_normed() -> Any:
    b = Builder(2, 6, 6)
    x = b.conv(b.batch_norm("x", 2), "int4", 4, 2, group=2, pads=[0] * 4)
    return b.model(b.quantise(x, "int8", 64.0))


def centred() -> Any:
    """Pixels less 128 meet zero padding: a zero point."""
    b = Builder(1, 6, 6)
    x = b.node("Div", b.node("Sub", "x", b.constant(128.0)), b.constant(64.0))
    return b.model(b.quantise(b.conv(x, "int4", 4, 1), "int8", 0.25))


def of_bytes() -> Any:
    """An input that is uint8 in the file, too."""
    b = Builder(2, 6, 6)
    x = b.node("Mul", b.node("Cast", "x", to=TensorProto.FLOAT), b.constant(1 / 255))
    model = b.model(b.quantise(b.conv(x, "int4", 4, 2), "int8", 0.25))
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    return model


NETWORKS = {
    "normalised, quantised": (normalised, "uint8", pixels()),
    "normalised before": (lambda: normalised(divisor=1.0), "uint8:1/255", pixels().astype(np.float32) / 255),
    "normalised, layer at once": (lambda: normalised(1, False, 0), "uint8", pixels(1)),
    "normalised per channel, layer at once": (lambda: normalised(3, False, 0), "uint8", pixels()),
    "normalised, padded layer at once": (lambda: normalised(1, False), "uint8", pixels(1)),
    "normalised per channel, padded layer at once": (lambda: normalised(3, False), "uint8", pixels()),
    "bytes in the file": (of_bytes, "uint8", pixels(2)),
    "batch norm, layer at once": (batch_normed, "uint8", pixels(2)),
    "zero point and padding": (centred, "uint8", pixels(1)),
    "bipolar": (linear, "bipolar", np.where(np.arange(64).reshape(4, 16) % 3, 1.0, -1.0)),
    "0/1 features": (linear, "uint1", (np.arange(64).reshape(4, 16) % 3 == 0).astype(np.int64)),
    "minifloat": (linear, "x=e4m3:1/4", np.arange(-16, 16, dtype=np.float32).reshape(2, 16) / 4),
    "10 bits": (lambda: linear(256.0), "uint10", np.arange(0, 1024, 16).reshape(4, 16).astype(np.uint16)),
    "16 bits": (lambda: linear(8192.0), "int16", np.arange(-(2**15), 2**15, 1024).reshape(4, 16)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_declared_inputs(name: str, recwarn: pytest.WarningsRecorder) -> None:
    make, text, x = NETWORKS[name]
    model = make()
    accelerator = pyqkit.compile(model, input_format=text)
    declared = InputFormat.parse(text)
    (port,) = accelerator.graph.inputs
    assert accelerator.graph.tensors[port.tensor].format == declared.format
    assert port.declared == str(declared)
    check(declared.declared(model), x)
    result = accelerator.verify(x, engines=["exact"])
    assert result["reference"]["codes_differing"] == 0
    assert not result["reference"]["float32"]["unexplained_layers"]
    assert (result["input"]["saturated"], result["input"]["rounded"]) == (0, 0)
    assert not [w for w in recwarn if issubclass(w.category, InputWarning)]


@pytest.mark.skipif(not UNSW.exists(), reason="the published networks are not here")
def test_published_intrusion_detection() -> None:
    with pytest.raises(ConversionError, match="--input-format uint8 .* uint1 for features 0 and 1"):
        pyqkit.compile(UNSW)
    accelerator = pyqkit.compile(UNSW, input_format="uint1")
    x = np.random.default_rng(0).integers(0, 2, (20, 600)).astype(np.float32)
    assert accelerator.verify(x, engines=["exact"])["reference"]["codes_differing"] == 0


UNDECLARED = {
    "normalised per channel": (
        normalised,
        "normalised per channel before its first quantiser; --input-format",
    ),
    "layer at once": (
        lambda: normalised(1, False),
        "the network's input reaches it unquantised; --input-format",
    ),
}


@pytest.mark.parametrize("name", UNDECLARED)
def test_what_is_to_be_declared(name: str) -> None:
    make, sentence = UNDECLARED[name]
    with pytest.raises(ConversionError, match=sentence):
        pyqkit.compile(make())


def test_other_numbers_are_counted() -> None:
    accelerator = pyqkit.compile(linear(), input_format="uint4:1/4")
    x = np.tile(np.float32([0, 0.25, 0.3, 3.75, 3.8, 9, -1, 2]), (3, 2))
    with pytest.warns(InputWarning, match="of 48 values for input x 12 saturate and 12 are rounded"):
        found = accelerator.emulate(x)
    assert_array_equal(found, accelerator.emulate(np.clip(np.rint(x * 4), 0, 15) / 4))


def test_a_build_folder_keeps_it(tmp_path: Path) -> None:
    accelerator = pyqkit.compile(linear(), input_format="uint8:1/255")
    again = pyqkit.Accelerator.load(accelerator.save(tmp_path / "build"))
    assert again.graph.inputs[0].declared == "uint8:1/255"
    x = np.arange(32, dtype=np.float32).reshape(2, 16) / 255
    assert again.verify(x, engines=["exact"])["reference"]["codes_differing"] == 0
    assert any("declared as uint8:1/255" in note for note in again.report().notes)


@pytest.mark.parametrize("name", ["int9", "uint10z3", "int12narrow"])
def test_limits_of_wide_inputs(name: str) -> None:
    fmt = parse(name)
    assert isinstance(fmt, Integer)
    third, float32 = Fraction(1, 3), Fraction(8421505, 2**31)  # the second is next to 1/255
    for slope, offset in [(Fraction(1), 0 * third), (float32, third), (Fraction(1, 7), Fraction(-5))]:
        exact = [Boundary(b.position * slope + offset, b.inclusive) for b in fmt.boundaries()]
        assert_array_equal(
            _wide_limits(fmt, slope, offset), [boundary.smallest(np.float32) for boundary in exact]
        )
