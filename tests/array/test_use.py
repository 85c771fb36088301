"""Arrays as they are used: an engine beside the others, a program from the command line, a report."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import pyqkit
from pyqkit.array import file, machine, plots, report
from pyqkit.array.checks import check
from pyqkit.array.compiler import compile_graph
from pyqkit.errors import UserError
from pyqkit.formats import parse
from pyqkit.graph.ops.pool import SumPool
from tests.array.networks import everything, requantised
from tests.array.running import agrees
from tests.cli.calls import run
from tests.emulate.networks import Net
from tests.graph.qonnx_builder import Builder


def digits(weights: str, activations: str) -> Builder:
    """A small network with a residual sum, in one pair of formats."""
    b = Builder(1, 8, 8, seed=3)
    x = b.quantise("x", activations, 0.25)
    y = b.quantise(b.node("Relu", b.conv(x, weights, 8, 1)), activations, 0.5)
    z = b.quantise(b.node("Relu", b.conv(y, weights, 8, 8)), activations, 0.5)
    joined = b.quantise(b.node("Relu", b.node("Add", y, z)), activations, 0.5)
    pooled = b.quantise(b.node("GlobalAveragePool", joined), activations, 0.25)
    return b.model(b.node("Gemm", b.node("Flatten", pooled), b.weights(weights, 5, 8, scale=0.25), transB=1))


@pytest.mark.parametrize(
    "engine, weights, activations",
    [("lpa8x8", "lp4_0_3", "lp8_1_2"), ("lpa4x4", "lp2_0_1", "lp4_1_2"), ("int8x8", "int4", "int8")],
)
def test_an_array_verifies_as_an_engine(engine: str, weights: str, activations: str) -> None:
    accelerator = pyqkit.compile(digits(weights, activations), target_fps=100)
    x = np.random.default_rng(0).normal(0, 0.5, (20, 1, 8, 8)).clip(-1.5, 1.5).astype(np.float32)
    result = accelerator.verify(x, engines=("exact", engine))
    assert (result["engines"], result["mismatches"]) == (["exact", engine], 0)
    np.testing.assert_array_equal(accelerator.emulate(x, engine=engine), accelerator(x))


def test_a_layer_that_the_array_lacks_is_named() -> None:
    accelerator = pyqkit.compile(digits("int4", "int8"), target_fps=100)
    with pytest.raises(UserError, match=r"the array lpa8x8 has were expected, but \w+ cannot be multiplied"):
        accelerator.engine("lpa8x8")


def test_a_program_from_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(digits("lp4_0_3", "lp8_1_2").SerializeToString())
    given = ("compile", tmp_path / "net.onnx", "--array", "lpa8x8", "--board", "PYNQ-Z2", "--output")
    result = run(*given, tmp_path / "net.zip", "--json")
    said = json.loads(result.stdout)
    program = file.load(tmp_path / "net.zip")
    found = report.report(program)
    assert (said["array"], said["cycles"]) == ("lpa8x8", found.frame_cycles)
    assert said["frames_per_second"] == said["clock_mhz"] * 1e6 / found.frame_cycles
    shown = run(*given, tmp_path / "net.zip", "--force")
    assert f"{found.frame_cycles:,} cycles a frame (modelled)" in shown.stdout
    again = run(*given, tmp_path / "net.zip")
    assert again.exit_code == 2 and "--force" in again.stderr
    wished = run(*given, tmp_path / "other.zip", "--target-fps", "100")
    assert wished.exit_code == 2 and "with --array" in wished.stderr


def test_the_report_says_where_cycles_go() -> None:
    program = compile_graph(everything("lp4_1_2", "lp4_0_3").graph, machine.named("lpa8x8"))
    found = report.report(program)
    by_layer = {layer.layers[0]: layer for layer in found.layers}
    assert sum(layer.cycles for layer in found.layers) <= found.frame_cycles
    assert by_layer["depthwise"].filled < 0.1 < by_layer["strided"].filled < 1
    assert all(0 <= layer.utilisation <= layer.filled for layer in found.layers)
    assert {layer.bound for layer in found.layers} <= {"compute", "post", "load"}
    assert found.frame_bytes[0] == 7 * 6 * 8


def test_large_layers_keep_the_array_busy() -> None:
    """A layer of ResNet-20: 16 channels in and out, 3 x 3, on 8 x 8 elements of two lanes each."""
    net = Net(parse("lp4_1_2"), parse("lp4_0_3"), shape=(32, 32, 16), frames=2)
    net.finish(requantised(net, "y", net.conv("conv", "x", 16)))
    (layer,) = report.report(compile_graph(net.graph, machine.named("lpa8x8"))).layers
    assert layer.macs == 32 * 32 * 9 * 16 * 16
    assert layer.filled == 1
    loaded = 32 * 32 * 2  # words of the input, which come first
    assert layer.ideal / (layer.cycles - loaded) > 0.97


def test_passes_overlap() -> None:
    """Results of a layer are taken beside the products of the next one, and sums of an image by columns."""
    net = Net(parse("lp8_1_2"), parse("lp4_0_3"), shape=(16, 16, 16), frames=2)
    source = "x"
    for name in "abcd":
        source = requantised(net, name, net.conv(f"{name}_sums", source, 16))
    net.add(SumPool("pool", [source], ["pool"], (16, 16), (1, 1)))
    net.finish(requantised(net, "pooled", "pool"))
    program = compile_graph(net.graph, machine.named("lpa8x8"))
    check(program)
    agrees(net, program)
    layers = report.report(program).layers
    assert all(layer.utilisation > 0.96 for layer in layers[1:3])
    assert layers[-1].cycles < 2 * 16 * 16 * 8 / 4  # of as many cycles for each place as there are rows


def test_tables_are_filled_beside_products() -> None:
    """Six formats of activations in turn, on a machine that holds four tables, cost no cycles of products."""
    net = Net(parse("lp8_1_2"), parse("lp4_0_3"), shape=(16, 16, 16), frames=2)
    source = "x"
    for name, fmt in zip("abcdefgh", ("lp8_0_3", "lp8_1_3", "lp8_2_2", "lp7_1_2", "lp6_1_2", "lp8_1_2") * 2):
        net.activations = parse(fmt)
        source = requantised(net, name, net.conv(f"{name}_sums", source, 16), 0, shift=0)
    net.finish(source)
    program = compile_graph(net.graph, machine.named("lpa8x8"))
    check(program)
    agrees(net, program)
    assert all(layer.utilisation > 0.98 for layer in report.report(program).layers[1:-1])
    single = compile_graph(net.graph, replace(machine.named("lpa8x8"), operand_tables=1))
    check(single)
    assert all(layer.utilisation < 0.98 for layer in report.report(single).layers[1:-1])


def test_a_roofline_has_a_point_for_each_layer() -> None:
    """Bytes of a layer are its weights, and what it reads and writes; points lie under their roofs."""
    from matplotlib.figure import Figure

    net, array = Net(parse("lp8_1_2"), parse("lp4_0_3"), shape=(8, 8, 16), frames=2), machine.named("lpa8x8")
    a = requantised(net, "a", net.conv("first", "x", 32))
    net.finish(requantised(net, "b", net.conv("second", a, 16)))
    found = report.report(compile_graph(net.graph, array))
    first, second = (layer for layer in found.layers if layer.macs)
    assert first.nbytes == 32 * 16 * 9 // 2 + 64 * 16 + 64 * 32
    assert (first.peak, first.intensity) == (8 * 8 * 2, 64 * 32 * 16 * 9 / first.nbytes)
    axes = Figure().subplots()
    plots.roofline(axes, found, array)
    points = np.concatenate([np.asarray(c.get_offsets()) for c in axes.collections])
    assert sorted(points.tolist()) == sorted(
        [layer.intensity, layer.macs / layer.cycles] for layer in (first, second)
    )
    assert all(0 < height <= 128 for height in points[:, 1])
    assert [line.get_ydata().max() for line in axes.lines] == [128]
