"""Verification: what it counts, and that it sees single wrong codes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")

import pyqkit
from tests.graph.qonnx_builder import Builder
from tests.small_networks import mixed_layout, residual, two_heads


def frames(accelerator: pyqkit.Accelerator, count: int, spread: float = 1.0, seed: int = 0) -> np.ndarray:
    shape = accelerator.graph.inputs[0].onnx_shape
    return np.random.default_rng(seed).normal(0, spread, (count, *shape)).astype(np.float32)


@pytest.mark.parametrize("network, top1", [(residual, 1.0), (mixed_layout, None)])
def test_everything_agrees(network: Any, top1: float | None) -> None:
    accelerator = pyqkit.compile(network(), target_fps=1000)
    said: list[str] = []
    result = accelerator.verify(frames(accelerator, 60), progress=said.append)
    frames_done = [f"reference in exact arithmetic, {done} of 60 frames" for done in (0, 50)]
    assert said == ["engine exact", "engine hls", *frames_done, "float32 execution"]
    reference = result["reference"]
    assert (result["frames"], result["engines"], result["mismatches"]) == (60, ["exact", "hls"], 0)
    assert (reference["codes_differing"], reference["differing_layers"]) == (0, [])
    assert reference["top1_agreement"] == top1  # None: an image is no vote
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
    assert reference["differing_layers"] == [victim]


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
    assert result["reference"]["differing_layers"] == [accelerator.graph.outputs[0].tensor]


@pytest.mark.parametrize("part", ["offset", "scale"])
def test_an_output_that_is_off_by_less_than_a_step_is_seen(part: str) -> None:
    accelerator = pyqkit.compile(residual(), target_fps=1000)
    (port,) = accelerator.graph.outputs
    wrong = {"offset": port.offset + port.scale / 1000, "scale": port.scale * (1 + 1e-9)}[part]
    accelerator.graph.outputs[0] = replace(port, **{part: wrong})
    reference = accelerator.verify(frames(accelerator, 3), engines=["exact"])["reference"]
    assert reference["codes_differing"] > 10
    assert reference["differing_layers"] == [port.tensor]


def test_two_outputs_are_no_vote() -> None:
    accelerator = pyqkit.compile(two_heads(), target_fps=10)
    reference = accelerator.verify(frames(accelerator, 3), engines=["exact"])["reference"]
    assert (reference["codes_differing"], reference["top1_agreement"]) == (0, None)


def test_a_model_that_is_not_at_hand_leaves_the_engines() -> None:
    compiled = pyqkit.compile(residual(), target_fps=1000).compiled
    accelerator = pyqkit.Accelerator(replace(compiled, model=None))
    result = accelerator.verify(frames(accelerator, 3))
    assert result.pop("input")["values"] == 3 * 72
    assert result == {
        "frames": 3,
        "engines": ["exact", "hls"],
        "mismatches": 0,
        "rounded": {},
        "reference": None,
    }


def test_what_a_relu_cuts_off_is_not_saturated() -> None:
    b = Builder(2, 4, 4)
    x = b.quantise("x", "int4", 1.0)
    accelerator = pyqkit.compile(
        b.model(b.quantise(b.node("Relu", b.conv(x, "int2", 4, 2, 1, scale=1.0)), "uint4", 0.5)),
        target_fps=10,
    )
    x_low, x_high = np.full((1, 2, 4, 4), -8.0, np.float32), np.full((1, 2, 4, 4), 7.0, np.float32)
    for frames_in in (x_low, x_high):
        _, layer = accelerator.verify(frames_in, engines=["exact"])["reference"]["layers"].values()
        codes = accelerator.emulate(frames_in, codes=True)
        assert layer["saturated"] == (codes == 15).sum()
        assert (codes == 0).any()
