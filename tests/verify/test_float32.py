"""Why float32 execution differs: excuses have to be shown, are few, and nothing else passes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")

import pyqkit
from pyqkit.errors import MissingToolError, UserError
from pyqkit.reference.quantised import real_of
from pyqkit.reference.reference import Reference
from pyqkit.verify import float32, float_error
from tests.cli.calls import run
from tests.graph.qonnx_builder import Builder
from tests.small_networks import mixed_layout, residual, two_heads


def frames(accelerator: pyqkit.Accelerator, count: int, spread: float = 1.0, seed: int = 0) -> np.ndarray:
    shape = accelerator.graph.inputs[0].onnx_shape
    return np.random.default_rng(seed).normal(0, spread, (count, *shape)).astype(np.float32)


def compared(model: Any, count: int = 2, spread: float = 1.0) -> dict[str, Any]:
    accelerator = pyqkit.compile(model, target_fps=10)
    return float32.compare(accelerator.exact, model, frames(accelerator, count, spread))


def totals(found: dict[str, Any]) -> dict[str, int]:
    return {reason: sum(layer[reason] for layer in found["layers"].values()) for reason in float32.REASONS}


def rounded(value: float) -> float:
    return float(np.float32(value))


def float_scales(outputs: str = "int8", channels: int = 32) -> Any:
    """Two convolutions with a batch norm between them, and scales that are no powers of two."""
    b = Builder(8, 16, 16)
    x = b.quantise("x", "int8", rounded(0.013))
    y = b.node("Relu", b.batch_norm(b.conv(x, "int8", channels, 8, scale=rounded(0.0041)), channels))
    step = rounded(0.1 if outputs == "int8" else 0.00037)
    y = b.quantise(y, outputs, step)
    return b.model(b.quantise(b.conv(y, "int8", channels, channels, scale=rounded(0.0019)), outputs, step))


def ties() -> Any:
    """Sums are multiples of half a step of the output: every second one is a tie."""
    b = Builder(8, 12, 12)
    scale = rounded(0.1)
    return b.model(b.quantise(b.conv(b.quantise("x", "int8", scale), "int4", 8, 8, scale=0.5), "int8", scale))


def test_ties_that_inexact_sums_decide_are_too_many_to_confirm_a_layer() -> None:
    found = compared(ties(), spread=2.0)
    reasons = totals(found)
    assert reasons["ties"] > 20
    assert found["codes_differing"] == found["codes_excused"] == reasons["ties"] < found["codes"] // 4
    (output,) = (name for name in found["layers"] if found["layers"][name]["ties"])
    assert (found["over_excused_layers"], found["unexplained_layers"]) == ([output], [])


@pytest.mark.parametrize("network", [residual, mixed_layout, two_heads])
def test_power_of_two_scales_leave_float32_exact(network: Callable[[], Any]) -> None:
    found = compared(network(), count=30)
    assert found["codes"] >= 1000
    assert found["codes_differing"] == found["codes_unexplained"] == 0


def test_a_tie_that_float32_computes_exactly_is_no_excuse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both sides round ties away from even: float32 execution alone tells."""
    b = Builder(8, 12, 12)
    model = b.model(
        b.quantise(b.conv(b.quantise("x", "int8", 0.125), "int4", 8, 8, scale=0.5), "int8", 0.125)
    )
    accelerator = pyqkit.compile(model, target_fps=10)
    x = frames(accelerator, 2, 2.0)
    assert float32.compare(accelerator.exact, model, x)["codes_differing"] == 0
    _, (name, source) = accelerator.graph.sources.items()
    exact, run_engine = Reference(model).run(x, keep=True), accelerator.exact.run
    sums = real_of(exact[model.graph.node[-1].input[0]]).high / 0.125
    wrong = np.clip(np.where(sums % 1 == 0.5, 2 * np.floor(sums / 2) + 1, np.rint(sums)), -128, 127).astype(
        np.int64
    )
    assert (wrong != exact[source].content).any()

    class Wrong(Reference):
        def run(self, *arguments: Any, **options: Any) -> Any:
            found = super().run(*arguments, **options)
            old = found[source]
            return {**found, source: type(old)(wrong, old.format, old.scale)}

    def engine(codes: Any, **options: Any) -> Any:
        return {**run_engine(codes, **options), name: (wrong & 255).astype(np.uint8).transpose(0, 2, 3, 1)}

    monkeypatch.setattr(float32, "Reference", Wrong)
    monkeypatch.setattr(accelerator.exact, "run", engine)
    found = float32.compare(accelerator.exact, model, x)
    assert found["codes_unexplained"] == int((wrong != exact[source].content).sum())
    assert found["unexplained_layers"] == [name]


def test_differences_within_the_bound_are_counted_and_few() -> None:
    found = compared(float_scales("int16"))
    reasons = totals(found)
    assert reasons["float32_bound"] > 5 and reasons["unexplained"] == 0
    assert reasons["earlier_layers"] > reasons["float32_bound"]
    assert found["over_excused_layers"] == []
    for layer in found["layers"].values():
        assert layer["differing"] == sum(layer[reason] for reason in float32.REASONS)


def test_a_narrower_bound_explains_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """The codes that differ need most of the bound that they are given.

    A thousandth of it leaves nearly all unexplained.
    """
    right = float_error.ErrorBounds.of
    monkeypatch.setattr(float_error.ErrorBounds, "of", lambda self, name: right(self, name) / 1000)
    monkeypatch.setattr(float_error, "UNIT", float_error.UNIT / 1000)
    assert totals(compared(float_scales("int16")))["unexplained"] > 5


def test_a_bound_that_excuses_everything_convicts_by_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both sides read a bias that is a tenth of a step off.

    A bound a million times too wide excuses what follows.
    """
    model, wrong = float_scales(), float_scales()
    (bias,) = (node.input[2] for node in wrong.graph.node if node.op_type == "BatchNormalization")
    change(wrong, bias, lambda values: values + 0.01)
    accelerator = pyqkit.compile(wrong, target_fps=10)
    x = frames(accelerator, 2)
    monkeypatch.setattr(float32, "Reference", lambda model: Reference(wrong))
    layer = list(accelerator.graph.sources)[1]  # the input is the first
    assert float32.compare(accelerator.exact, model, x)["unexplained_layers"] == [layer]
    right = float_error.ErrorBounds.of
    monkeypatch.setattr(float_error.ErrorBounds, "of", lambda self, name: right(self, name) * 1e6)
    found = float32.compare(accelerator.exact, model, x)
    assert (found["unexplained_layers"], found["over_excused_layers"]) == ([], [layer])


def change(model: Any, name: str, how: Callable[[np.ndarray], np.ndarray]) -> None:
    """Replace a constant of a model."""
    from onnx import numpy_helper

    (tensor,) = (t for t in model.graph.initializer if t.name == name)
    tensor.CopyFrom(numpy_helper.from_array(how(numpy_helper.to_array(tensor)).astype(np.float32), name))


def wrong_signs(model: Any) -> Any:
    """A copy in which the weights of the first layer have the opposite sign."""
    copy = type(model).FromString(model.SerializeToString())
    producers = {node.output[0]: node for node in copy.graph.node}
    layer = next(node for node in copy.graph.node if node.op_type in ("Conv", "MatMul"))
    change(copy, producers[layer.input[1]].input[0], np.negative)
    return copy


@pytest.mark.parametrize("network", [residual, mixed_layout, two_heads, float_scales])
def test_float32_alone_convicts_signs_that_reference_and_lowering_read_wrongly(
    network: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = network()
    wrong = wrong_signs(model)
    accelerator = pyqkit.compile(wrong, target_fps=10)
    monkeypatch.setattr(float32, "Reference", lambda model: Reference(wrong))
    found = float32.compare(accelerator.exact, model, frames(accelerator, 3))
    assert found["codes_unexplained"] > found["layers"][found["unexplained_layers"][0]]["codes"] // 4
    (first, *_) = [name for name in accelerator.graph.sources if found["layers"][name]["differing"]]
    assert found["unexplained_layers"][0] == first


def test_a_linear_output_is_compared_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing rounds the sums of the last layer, so no code tells that its weights have wrong signs."""
    b = Builder(12)
    model = b.model(
        b.node(
            "MatMul", b.quantise("x", "int8", rounded(0.1)), b.weights("int8", 12, 5, scale=rounded(0.013))
        )
    )
    accelerator = pyqkit.compile(model, target_fps=10)
    x = frames(accelerator, 4)
    assert float32.compare(accelerator.exact, model, x)["codes_unexplained"] == 0
    wrong = wrong_signs(model)
    monkeypatch.setattr(float32, "Reference", lambda model: Reference(wrong))
    found = float32.compare(accelerator.exact, model, x)
    assert found["unexplained_layers"] == [accelerator.graph.outputs[0].onnx_name]


def test_a_wrong_graph_is_convicted_and_verify_ends_with_1(tmp_path: Path) -> None:
    model = float_scales()
    wrong = pyqkit.compile(wrong_signs(model), target_fps=10).compiled
    accelerator = pyqkit.Accelerator(replace(wrong, model=model.SerializeToString()))
    accelerator.save(tmp_path / "net")
    np.save(tmp_path / "x.npy", frames(accelerator, 2))
    result = run("verify", tmp_path / "net", "--input", tmp_path / "x.npy", "--engine", "exact", "--json")
    layer = list(accelerator.graph.sources)[1]  # the input is the first
    assert result.exit_code == 1
    assert layer in json.loads(result.stdout)["reference"]["float32"]["unexplained_layers"]
    said = " ".join(
        run("verify", tmp_path / "net", "--input", tmp_path / "x.npy", "--engine", "exact").output.split()
    )
    assert f"codes in {layer}" in said
    assert "differ from float32 execution, and neither a tie nor the error of float32 explains them" in said


def test_over_excused_layers_end_verify_with_1(tmp_path: Path) -> None:
    accelerator = pyqkit.compile(ties(), target_fps=10)
    accelerator.save(tmp_path / "net")
    np.save(tmp_path / "x.npy", frames(accelerator, 2, 2.0))
    result = run("verify", tmp_path / "net", "--input", tmp_path / "x.npy", "--engine", "exact")
    assert result.exit_code == 1
    assert "lie on ties or within the error of float32 that its execution does not confirm" in " ".join(
        result.output.split()
    )


def test_the_log_to_linear_table_and_what_follows_from_it() -> None:
    b = Builder(8, 12, 12)
    x = b.quantise("x", "lp8_1_3", 1.0)
    y = b.quantise(b.conv(x, "lp8_1_3", 8, 8, scale=1.0), "int8", 0.125)
    found = compared(b.model(b.quantise(b.conv(y, "int8", 8, 8, scale=0.125), "int8", 0.125)))
    _, first, second = found["layers"].values()
    assert first["log_table"] > 50 and first["earlier_layers"] == 0
    assert (
        second["earlier_layers"] > 10
        and second["log_table"] == second["ties"] == second["float32_bound"] == 0
    )
    assert found["codes_unexplained"] == 0 and found["over_excused_layers"] == []
    assert found["codes_excused"] == first["ties"] + first["float32_bound"] <= 2
    for layer in (first, second):
        assert layer["differing"] == sum(layer[reason] for reason in float32.REASONS)


def test_the_table_excuses_no_wrong_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    b = Builder(8, 12, 12)
    model = b.model(
        b.quantise(b.conv(b.quantise("x", "lp8_1_3", 1.0), "lp8_1_3", 8, 8, scale=1.0), "int8", 0.125)
    )
    wrong = wrong_signs(model)
    accelerator = pyqkit.compile(wrong, target_fps=10)
    monkeypatch.setattr(float32, "Reference", lambda model: Reference(wrong))
    found = float32.compare(accelerator.exact, model, frames(accelerator, 2))
    assert found["codes_unexplained"] > found["codes"] // 4
    assert totals(found)["log_table"] <= found["codes"] // 1000


def test_a_layer_that_nothing_before_it_explains(monkeypatch: pytest.MonkeyPatch) -> None:
    """A difference of the whole run alone, where no earlier layer differs."""
    model = residual()
    accelerator = pyqkit.compile(model, target_fps=10)
    victim = list(accelerator.graph.sources)[3]
    source = accelerator.graph.sources[victim]
    right = float32.Execution.whole

    def wrong(self: Any, given: Any) -> Any:
        found = right(self, given)
        found[source].flat[7] = 0.25 if found[source].flat[7] == 0 else 0
        return found

    monkeypatch.setattr(float32.Execution, "whole", wrong)
    found = float32.compare(accelerator.exact, model, frames(accelerator, 2))
    assert found["layers"][victim]["unexplained"] == found["codes_unexplained"] == 2


@pytest.mark.parametrize(
    ("excused", "codes", "over"), [(1, 20, False), (2, 20, True), (2, 2000, False), (3, 2000, True)]
)
def test_how_many_codes_may_be_excused(excused: int, codes: int, over: bool) -> None:
    counts = float32.Counts(codes=codes, allowed=float32.EXCUSED_SHARE * codes, ties=excused)
    assert counts.over_excused == over


@pytest.mark.parametrize(("codes", "frames_taken"), [(10, 20), (100, 10), (501, 2), (1000, 2), (100_000, 2)])
def test_small_networks_run_more_frames(codes: int, frames_taken: int) -> None:
    assert len(float32.enough(np.zeros((50, 1)), codes)) == frames_taken


def test_a_file_for_several_frames() -> None:
    model = float_scales("int16")
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 3
    found = compared(model)
    assert found == compared(float_scales("int16")) and found["codes_differing"] > 0


def test_a_file_for_pixels() -> None:
    from onnx import TensorProto

    b = Builder(2, 8, 8)
    x = b.quantise(b.node("Cast", "x", to=TensorProto.FLOAT), "uint8", 1.0)
    model = b.model(b.quantise(b.conv(x, "int4", 4, 2), "int8", rounded(0.3)))
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    accelerator = pyqkit.compile(model, target_fps=10)
    x = np.random.default_rng(0).integers(0, 256, (4, 2, 8, 8)).astype(np.uint8)
    found = float32.compare(accelerator.exact, model, x)
    assert found["codes"] >= 1000 and found["codes_unexplained"] == 0


def test_what_qonnx_wants_written_out() -> None:
    def network() -> Any:
        b = Builder(2, 6, 6)
        x = b.quantise(b.conv(b.quantise("x", "e3m2", 0.25), "int4", 3, 2), "int8", rounded(0.3))
        return b.model(b.node("MaxPool", x, kernel_shape=[2, 2]))

    model = network()
    model.opset_import[0].domain = "ai.onnx"
    for node in model.graph.node:
        if node.op_type in ("Quant", "FloatQuant"):
            del node.attribute[:]
        else:
            node.domain = "ai.onnx"
    assert compared(model)["layers"] == compared(network())["layers"]


def test_nodes_that_no_output_needs_are_not_executed() -> None:
    b = Builder(2, 6, 6)
    b.node("Unknown", b.node("NonMaxSuppression", "x", domain="somewhere"))
    model = b.model(b.quantise(b.conv(b.quantise("x", "int8", 0.25), "int4", 3, 2), "int8", rounded(0.3)))
    found = compared(model)
    assert found["codes"] == 2 * 36 * (2 + 3) and found["codes_unexplained"] == 0


def test_what_qonnx_cannot_execute_is_one_sentence() -> None:
    b = Builder(2, 3, 3)
    y = b.node("Clip", b.conv(b.quantise("x", "int8", 0.25), "int4", 2, 2), min=0.5, max=-0.5)
    model = b.model(b.quantise(y, "int8", 0.25))
    model.opset_import[0].version = 7
    with pytest.raises(
        UserError, match=r"a model that qonnx executes was expected, but it refuses this one \(.*min_ <= max_"
    ):
        compared(model)


def test_what_float64_cannot_hold_beside_a_tie_is_within_the_bound() -> None:
    b = Builder(2, 4, 4)
    y = b.node("Add", b.conv(b.quantise("x", "int8", 0.25), "int4", 2, 2, scale=0.25), b.constant(1e-40))
    found = compared(b.model(b.quantise(y, "int8", 0.125)), count=20)
    assert found["codes_unexplained"] == 0
    assert totals(found)["float32_bound"] == found["codes_differing"] > 10  # ties, which the constant decides


def test_a_missing_qonnx_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "qonnx.core.onnx_exec", None)
    accelerator = pyqkit.compile(residual(), target_fps=1000)
    with pytest.raises(MissingToolError) as caught:
        accelerator.verify(frames(accelerator, 1), engines=["exact"])
    assert (
        str(caught.value)
        == "qonnx was expected for the float32 comparison, but it is not installed; pip install "
        "'pyqkit[host]'"
    )
