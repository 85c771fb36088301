"""A small residual network through FINN's passes.

Simulated, reported, and built up to the vendor's tools, which are stubs here.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

pytest.importorskip("finn.custom_op", reason="finn-plus is not installed; make test-finn")

import onnx
from finn.analysis.fpgadataflow.dataflow_performance import dataflow_performance
from finn.analysis.fpgadataflow.exp_cycles_per_layer import exp_cycles_per_layer
from finn.analysis.fpgadataflow.op_and_param_counts import op_and_param_counts
from finn.analysis.fpgadataflow.res_estimation import res_estimation
from finn.transformation.fpgadataflow.annotate_cycles import AnnotateCycles
from finn.transformation.fpgadataflow.create_stitched_ip import CreateStitchedIP
from finn.transformation.fpgadataflow.make_driver import MakePYNQDriver
from finn.transformation.fpgadataflow.make_zynq_proj import ZynqBuild
from finn.transformation.fpgadataflow.prepare_ip import PrepareIP
from finn.util.basic import getHWCustomOp
from finn.util.data_packing import finnpy_to_packed_bytearray, packed_bytearray_to_finnpy
from finn.util.exception import FINNUserError
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp

from pyqkit.emulate.exact import ExactEngine
from pyqkit.finn.flow import simulated
from pyqkit.finn.passes import HLSSynthIP
from pyqkit.formats.packing import pack, unpack
from pyqkit.graph.graph import Graph
from pyqkit.graph.importer import import_qonnx
from pyqkit.graph.ops.convolution import Convolution
from pyqkit.hls.generate import library
from tests.finn.models import PART, assert_executes, streamed
from tests.graph.qonnx_builder import Builder
from tests.small_networks import residual

ROOT = Path(__file__).parent.parent.parent
TOOLS = Path(__file__).parent / "tools"
CLOCK_NS = 5.0


@pytest.fixture(scope="module")
def graph() -> Graph:
    """Weights e2m1 and lp4_0_3, activations e3m2, a residual sum, two pools and a linear layer."""
    return import_qonnx(residual(size=4))


@pytest.fixture(scope="module")
def model(graph: Graph) -> ModelWrapper:
    return streamed(graph, largest=4)


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stubs of Vivado and Vitis HLS that FINN finds."""
    if shutil.which("tclsh") is None:
        pytest.skip("tclsh is not installed; apt install tcl")
    folder = tmp_path / "2024.2"
    folder.mkdir()
    (folder / "vitis_hls").write_text(f'#!/bin/sh\nexec tclsh {TOOLS / "vitis_hls.tcl"} "$1"\n')
    shutil.copy(TOOLS / "vivado.sh", folder / "vivado")
    for tool in folder.iterdir():
        tool.chmod(0o755)
    monkeypatch.setenv("FINN_TOOL_DIR_OVERRIDE", str(folder))
    monkeypatch.setenv("XILINX_VIVADO", str(folder))
    monkeypatch.setenv("NUM_DEFAULT_WORKERS", "1")
    return folder


def ours(model: ModelWrapper) -> list[str]:
    """Names of the Pq nodes."""
    return [node.name for node in model.graph.node if node.op_type.startswith("Pq")]


def test_cppsim_equals_the_engine(graph: Graph, model: ModelWrapper) -> None:
    frames, random = 6, np.random.default_rng(0)
    (entry,) = graph.inputs
    tensor = graph.tensors[entry.tensor]
    codes = {entry.tensor: random.choice(tensor.format.codes, (frames, *tensor.shape))}
    expected = ExactEngine(graph).run(codes)
    assert_executes(simulated(model), graph, codes, expected, frames)
    (result,) = expected.values()
    assert len(np.unique(result)) > 10


def test_every_node_is_reported(graph: Graph, model: ModelWrapper) -> None:
    cycles = model.analysis(exp_cycles_per_layer)
    resources = model.analysis(partial(res_estimation, fpgapart=PART))
    counts = model.analysis(op_and_param_counts)
    sources = {getHWCustomOp(model.get_node_from_name(name)).get_nodeattr("source") for name in ours(model)}
    assert {op.name for op in graph.operators} <= sources
    for name in ours(model):
        assert cycles[name] > 0 and resources[name]["LUT"] > 0
    convolutions = [op for op in graph.operators if isinstance(op, Convolution)]
    assert counts["total"]["op_mac"] == sum(op.macs(graph.input_tensors(op)) for op in convolutions)
    assert counts["total"]["param_weights"] == sum(op.weights.size for op in convolutions)
    performance = model.transform(AnnotateCycles()).analysis(dataflow_performance)
    assert performance["max_cycles"] == max(cycles.values())


def test_code_for_synthesis_needs_nothing_else(model: ModelWrapper) -> None:
    """Of one node of each kind, with the branches that only synthesis sees, in C++14 as the script says."""
    prepared = model.transform(PrepareIP(PART, CLOCK_NS))
    for node in {node.op_type: node for node in prepared.graph.node if node.name in ours(prepared)}.values():
        folder = getHWCustomOp(node).get_nodeattr("code_gen_dir_ipgen")
        stand_ins = [f"-I{library() / 'simulation' / name}" for name in ("native", "")]
        command = [
            "g++",
            "-std=c++14",
            "-w",
            "-fsyntax-only",
            "-D__SYNTHESIS__",
            "-I.",
            *stand_ins,
            f"top_{node.name}.cpp",
        ]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_stitched_design(model: ModelWrapper, tools: Path) -> None:
    """FINN's script instantiates every node and joins pins that the generated C++ has."""
    stitched = (
        model.transform(PrepareIP(PART, CLOCK_NS))
        .transform(HLSSynthIP(PART))
        .transform(CreateStitchedIP(PART, CLOCK_NS))
    )
    script = (Path(stitched.get_metadata_prop("vivado_stitch_proj")) / "make_project.tcl").read_text()
    joined = set(re.findall(r"get_bd_intf_pins (\w+)/(\w+)", script))
    for name in ours(stitched):
        node = getHWCustomOp(stitched.get_node_from_name(name))
        top = (Path(node.get_nodeattr("code_gen_dir_ipgen")) / "network.hpp").read_text()
        assert f"create_bd_cell -type ip -vlnv xilinx.com:hls:{name}:1.0 {name}" in script
        ports = set(re.findall(r"axis port = (\w+)", top))
        assert ports == {pin for node_name, pin in joined if node_name == name}
        widths = {port: int(bits) for bits, port in re.findall(r"ap_uint<(\d+)>> &(\w+)", top)}
        interfaces = node.get_verilog_top_module_intf_names()
        assert dict([*interfaces["s_axis"], *interfaces["m_axis"]]) == {
            port: -(-bits // 8) * 8 for port, bits in widths.items()
        }


def test_zynq_build_and_driver(graph: Graph, model: ModelWrapper, tools: Path) -> None:
    built = model.transform(ZynqBuild("ZCU104", CLOCK_NS)).transform(
        MakePYNQDriver("zynq-iodma", "FINNDMAOverlay", CLOCK_NS)
    )
    partitions = [getCustomOp(node) for node in built.graph.node]
    kernels = [ModelWrapper(partition.get_nodeattr("model")) for partition in partitions]
    assert [kernel.graph.node[0].op_type for kernel in kernels if len(kernel.graph.node) == 1] == [
        "IODMA_hls",
        "IODMA_hls",
    ]
    assert sorted(len(ours(kernel)) for kernel in kernels) == [0, 0, len(ours(model))]
    for kernel in kernels:
        for name in ours(kernel):
            assert Path(getHWCustomOp(kernel.get_node_from_name(name)).get_nodeattr("ip_path")).is_dir()
    shell = (Path(built.get_metadata_prop("vivado_pynq_proj")) / "ip_config.tcl").read_text()
    assert all(partition.get_nodeattr("instance_name") in shell for partition in partitions)
    settings = json.loads((Path(built.get_metadata_prop("pynq_driver_dir")) / "settings.json").read_text())
    shapes = settings["driver_information"]["io_shape_dict"]
    for side, port in (("i", graph.inputs[0]), ("o", graph.outputs[0])):
        tensor = graph.tensors[port.tensor]
        assert shapes[f"{side}dt"] == [f"DataType['UINT{tensor.format.bits}']"]
        assert shapes[f"{side}shape_normal"] == [[1, *tensor.shape]]
        lanes = shapes[f"{side}shape_folded"][0][-1]
        assert shapes[f"{side}shape_packed"][0][-1] == -(-lanes * tensor.format.bits // 8)


def test_the_documented_lines_run(tools: Path, tmp_path: Path) -> None:
    b = Builder(2, 3, 3)
    onnx.save(
        b.model(b.quantise(b.conv(b.quantise("x", "e2m1", 0.5), "int4", 2, 2), "e3m2")), tmp_path / "net.onnx"
    )
    (snippet,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "finn.md").read_text(), flags=re.S)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", snippet],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (settings,) = (tmp_path / "build" / "finn").glob("pynq_driver_*/settings.json")
    assert json.loads(settings.read_text())["driver_information"]["platform"] == "zynq-iodma"


def test_without_the_tools_it_says_so(
    model: ModelWrapper, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FINN_TOOL_DIR_OVERRIDE", str(tmp_path))
    monkeypatch.setenv("XILINX_VIVADO", str(tmp_path / "2024.2"))
    monkeypatch.setenv("NUM_DEFAULT_WORKERS", "1")
    with pytest.raises(FINNUserError, match="vitis_hls not found"):
        model.transform(PrepareIP(PART, CLOCK_NS)).transform(HLSSynthIP(PART))


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("lanes", [1, 3, 8, 13])
def test_packing_is_that_of_finn(bits: int, lanes: int) -> None:
    codes = np.random.default_rng(bits).integers(0, 2**bits, (5, lanes), dtype=np.uint8)
    kind = DataType[f"UINT{bits}"]
    packed = finnpy_to_packed_bytearray(
        codes.astype(np.float32), kind, reverse_inner=True, reverse_endian=True
    )
    assert_array_equal(pack(codes, bits), packed)
    back = packed_bytearray_to_finnpy(
        pack(codes, bits), kind, output_shape=codes.shape, reverse_inner=True, reverse_endian=True
    )
    assert_array_equal(back, codes)
    assert_array_equal(unpack(np.ascontiguousarray(packed), bits, lanes), codes)
