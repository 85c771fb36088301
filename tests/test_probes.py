"""Probes in a compiled network: names, outputs, report, build folder, command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

pytest.importorskip("onnx")
from click.testing import CliRunner

import pyqkit
from pyqkit.cli import main
from pyqkit.errors import UserError
from pyqkit.graph.ops.convolution import ConvolutionFolding
from pyqkit.graph.serialise import from_json, to_json
from tests.graph.qonnx_builder import Builder
from tests.overlays import frames
from tests.small_networks import residual

PROBES = ["relu_51", "conv_43", "relu_18"]  # not in the order of the graph
ORDERED = ["relu_18", "conv_43", "relu_51"]


@pytest.fixture(scope="module")
def probed() -> pyqkit.Accelerator:
    return pyqkit.compile(residual(), board="ZCU104", target_fps=2000, probes=PROBES)


def test_results_are_those_without_probes(probed: pyqkit.Accelerator) -> None:
    plain, x = pyqkit.compile(residual(), board="ZCU104", target_fps=2000), frames(20)
    assert_array_equal(probed(x), plain(x))
    assert list(probed.emulate_outputs(x, codes=True)) == ["gemm_70"]
    assert probed.foldings == plain.foldings


def test_engines_give_the_codes_of_every_tensor(probed: pyqkit.Accelerator) -> None:
    codes = probed.encode(frames(5))
    expected = probed.graph.execute(codes, keep=True)
    for engine in ("exact", "hls"):
        found = probed.engine(engine).run(codes)
        assert list(found) == ["gemm_70", *ORDERED]
        for name, values in found.items():
            assert_array_equal(values, expected[name], err_msg=f"{engine} {name}")
    result = probed.verify(frames(5))
    assert result["mismatches"] == result["reference"]["codes_differing"] == 0


def test_probes_survive_the_build_folder(probed: pyqkit.Accelerator, tmp_path: Path) -> None:
    again = pyqkit.Accelerator.load(probed.save(tmp_path / "net"))
    assert again.graph.probes == ORDERED and [port.onnx_name for port in again.graph.results] == ["gemm_70"]
    assert again.selftest(tmp_path / "net") == 0
    assert {layer.name for layer in again.report().layers if layer.probe} == set(ORDERED)


def test_damaged_probes_are_refused(probed: pyqkit.Accelerator) -> None:
    data, arrays = to_json(probed.graph)
    first, *others = data["outputs"]
    for outputs in ([*others, first], others, [{**first, "probe": 1}]):
        with pytest.raises(UserError, match="a graph as pyqkit writes it was expected, but it is damaged"):
            from_json({**data, "outputs": outputs}, arrays)
    older = {key: value for key, value in first.items() if key != "probe"}
    assert from_json({**data, "outputs": [older]}, arrays).probes == []


@pytest.mark.parametrize(
    ("probes", "sentence"),
    [
        (
            ["conv_4"],
            "a layer was expected as a probe, but 'conv_4' is none; take conv_43 or conv_32 or conv_12",
        ),
        (
            ["gemm_70"],
            "a layer inside the network was expected as a probe, but gemm_70 is an output already; "
            "leave it out",
        ),
        (
            ["x"],
            "a layer was expected as a probe, but 'x' is none; there are conv_12, relu_18, "
            ".*, globalaveragepool_59_threshold$",
        ),
        ("layer", "a layer was expected as a probe, but 'layer' is none"),
    ],
)
def test_names_that_are_no_layers(probes: list[str], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        pyqkit.compile(residual(), probes=probes)


def test_a_wide_probe_that_limits_the_rate_is_named() -> None:
    """Sixteen sums of 17 bits or more leave in two beats; the convolution makes all in every cycle."""
    b = Builder(4, 6, 6)
    network = b.model(b.quantise(b.conv(b.quantise("x", "int8", 0.25), "int8", 16, 4, 1), "int4", 2.0))
    layer = pyqkit.compile(network).graph.operators[0].name
    plain, probed = (
        pyqkit.compile(network, fold={layer: ConvolutionFolding(16, 4)}, probes=names).report()
        for names in ([], [layer])
    )
    assert plain.initiation_interval_cycles == 36 and plain.bottleneck == layer
    assert probed.initiation_interval_cycles == 72 and probed.bottleneck == f"the stream of {layer}"
    assert probed.next_step is None and max(entry.busy for entry in probed.layers) == 0.5


def test_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(residual().SerializeToString())
    compile_ = ["compile", str(tmp_path / "net.onnx"), "-o", str(tmp_path / "net"), "--probe", "conv_43"]
    done = CliRunner().invoke(main, [*compile_, "--probe", "nothing"])
    assert done.exit_code == 2 and done.output.count("\n") == 1 and not (tmp_path / "net").exists()
    assert CliRunner().invoke(main, [*compile_, "--probe", "relu_18"]).exit_code == 0
    assert "conv_43 (probe)" in CliRunner().invoke(main, ["report", str(tmp_path / "net")]).output
    np.save(tmp_path / "x.npy", frames(3))
    emulate = [
        "emulate",
        str(tmp_path / "net"),
        "--input",
        str(tmp_path / "x.npy"),
        "--output",
        str(tmp_path / "y.npy"),
    ]
    assert CliRunner().invoke(main, emulate).exit_code == 0
    assert np.load(tmp_path / "y.npy").shape == (3, 5)
