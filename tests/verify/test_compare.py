"""Verification: what it counts, that it sees single wrong codes, and why float32 execution differs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")

import pyqkit
from pyqkit.errors import MissingToolError
from pyqkit.verify import float32
from tests.graph.qonnx_builder import Builder
from tests.small_networks import mixed_layout, residual


def frames(accelerator: pyqkit.Accelerator, count: int, spread: float = 1.0, seed: int = 0) -> np.ndarray:
    shape = accelerator.graph.inputs[0].onnx_shape
    return np.random.default_rng(seed).normal(0, spread, (count, *shape)).astype(np.float32)


@pytest.mark.parametrize("network", [residual, mixed_layout])
def test_everything_agrees(network: Any) -> None:
    accelerator = pyqkit.compile(network(), target_fps=1000)
    said: list[str] = []
    result = accelerator.verify(frames(accelerator, 60), progress=said.append)
    assert said == ["engine exact", "engine hls", "reference in exact arithmetic", "float32 execution"]
    reference = result["reference"]
    assert (result["frames"], result["engines"], result["mismatches"]) == (60, ["exact", "hls"], 0)
    assert (reference["codes_differing"], reference["top1_agreement"]) == (0, 1.0)
    outputs = int(np.prod(accelerator.graph.outputs[0].onnx_shape))
    layers = reference["layers"]
    assert reference["codes"] == 60 * outputs + sum(layer["codes"] for layer in layers.values())
    assert set(layers) == set(accelerator.graph.sources)
    assert all(layer["distinct"] > 3 for layer in layers.values())
    assert sum(layer["ties"] for layer in layers.values()) > 0
    assert sum(layer["saturated"] for layer in layers.values()) > 0


def test_a_wrong_layer_is_seen_against_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    accelerator = pyqkit.compile(residual(), target_fps=1000)
    victim = list(accelerator.graph.sources)[1]
    engine = accelerator.engine("exact")
    right = engine.run

    def wrong(codes: Any, **options: Any) -> Any:
        found = right(codes, **options)
        if victim in found:
            found[victim] = found[victim].copy()
            found[victim][0, 0, 0, :3] ^= 1
        return found

    monkeypatch.setattr(engine, "run", wrong)
    reference = accelerator.verify(frames(accelerator, 3), engines=["exact"])["reference"]
    assert reference["layers"][victim]["differing"] == reference["codes_differing"] == 3


def test_a_wrong_output_is_seen_against_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    accelerator = pyqkit.compile(residual(), target_fps=1000)
    engine = accelerator.engine("exact")
    right = engine.run

    def wrong(codes: Any, **options: Any) -> Any:
        found = right(codes, **options)
        (name,) = (port.tensor for port in accelerator.graph.outputs)
        found[name] = found[name] ^ np.array([1, 0, 0, 0, 0], found[name].dtype)
        return found

    monkeypatch.setattr(engine, "run", wrong)
    result = accelerator.verify(frames(accelerator, 4))
    assert result["mismatches"] == 4
    assert result["reference"]["codes_differing"] == 4


def test_a_model_that_is_not_at_hand_leaves_the_engines() -> None:
    accelerator = pyqkit.compile(residual(), target_fps=1000)
    accelerator.model = None
    assert accelerator.verify(frames(accelerator, 3)) == {"frames": 3, "engines": ["exact", "hls"], "mismatches": 0, "reference": None}


def compared(builder: Builder, output: str, count: int = 2, spread: float = 1.0) -> dict[str, Any]:
    model = builder.model(output)
    accelerator = pyqkit.compile(model, target_fps=10)
    return float32.compare(accelerator, model, frames(accelerator, count, spread))


def totals(found: dict[str, Any]) -> dict[str, int]:
    return {reason: sum(layer[reason] for layer in found["layers"].values()) for reason in float32.REASONS}


def test_ties_that_float32_sums_decide() -> None:
    b = Builder(8, 12, 12)
    scale = float(np.float32(0.1))  # sums are multiples of half a step of the output: every second one is a tie
    x = b.quantise("x", "int8", scale)
    found = compared(b, b.quantise(b.conv(x, "int4", 8, 8, scale=0.5), "int8", scale), spread=2.0)
    reasons = totals(found)
    assert reasons["ties"] > 20
    assert reasons["log_table"] == reasons["float32_sums"] == reasons["earlier_layers"] == 0
    assert found["codes_differing"] == reasons["ties"] < found["codes"] // 4


def test_power_of_two_scales_leave_float32_exact() -> None:
    b = Builder(8, 12, 12)
    x = b.quantise("x", "int8", 0.125)
    y = b.quantise(b.conv(x, "e2m1", 8, 8, scale=0.5), "e3m2", 0.5)
    found = compared(b, b.quantise(b.conv(y, "int4", 8, 8, scale=0.5), "int8", 0.25))
    assert found["codes_differing"] == 0 and found["codes"] == 2 * 2 * 8 * 144
    assert found["top1_agreement"] == 1.0


def test_the_log_to_linear_table_and_what_follows_from_it() -> None:
    b = Builder(8, 12, 12)
    x = b.quantise("x", "lp8_1_3", 1.0)
    y = b.quantise(b.conv(x, "lp8_1_3", 8, 8, scale=1.0), "int8", 0.125)
    found = compared(b, b.quantise(b.conv(y, "int8", 8, 8, scale=0.125), "int8", 0.125))
    first, second = (layer for name, layer in found["layers"].items())
    assert first["log_table"] > 10 and first["ties"] == first["float32_sums"] == first["earlier_layers"] == 0
    assert second["earlier_layers"] > 10 and second["log_table"] == second["ties"] == second["float32_sums"] == 0
    for layer in (first, second):
        assert layer["differing"] == sum(layer[reason] for reason in float32.REASONS)


def test_a_missing_qonnx_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "qonnx.core.onnx_exec", None)
    accelerator = pyqkit.compile(residual(), target_fps=1000)
    with pytest.raises(MissingToolError) as caught:
        accelerator.verify(frames(accelerator, 1), engines=["exact"])
    assert str(caught.value) == "qonnx was expected for the float32 comparison, but it is not installed; pip install 'pyqkit[host]'"


def test_what_a_relu_cuts_off_is_not_saturated() -> None:
    b = Builder(2, 4, 4)
    x = b.quantise("x", "int4", 1.0)
    accelerator = pyqkit.compile(b.model(b.quantise(b.node("Relu", b.conv(x, "int2", 4, 2, 1, scale=1.0)), "uint4", 0.5)), target_fps=10)
    x_low, x_high = np.full((1, 2, 4, 4), -8.0, np.float32), np.full((1, 2, 4, 4), 7.0, np.float32)
    for frames_in in (x_low, x_high):
        (layer,) = accelerator.verify(frames_in, engines=["exact"])["reference"]["layers"].values()
        codes = accelerator.emulate(frames_in, codes=True)
        assert layer["saturated"] == (codes == 15).sum()
        assert (codes == 0).any()
