"""Overlays of designs whose layers share hardware: codes on the emulated board, C++ as Vitis compiles it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from pyqkit.accelerator import Accelerator
from pyqkit.board_emulation.board import overlay_models
from pyqkit.board_emulation.network import Network
from pyqkit.board_emulation.streams import Stream
from pyqkit.hls.generate import library
from pyqkit.overlay import hwh, vendor
from pyqkit.overlay.emulated import write
from pyqkit.overlay.plan import plan
from pyqkit.runtime import Driver
from tests.cli.calls import run
from tests.emulate.test_engines import needs_compiler
from tests.graph.test_reuse import chain, compiled
from tests.rtl.bench import needs_verilator

HLS = Path(__file__).parent.parent / "hls"


@pytest.fixture(scope="module")
def shared() -> Accelerator:
    return compiled(chain(3), "on")


@pytest.fixture(scope="module")
def build(shared: Accelerator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared.save(tmp_path_factory.mktemp("shared") / "net")


def frames(accelerator: Accelerator) -> np.ndarray:
    shape = accelerator.graph.inputs[0].onnx_shape
    return np.random.default_rng(0).normal(0, 2, (20, *shape)).astype(np.float32)


def test_codes_on_the_emulated_board(shared: Accelerator, build: Path, tmp_path: Path) -> None:
    x = frames(shared)
    with Driver.load(write(build, tmp_path), backend="emulated", batch=7) as driver:
        assert driver.selftest() == 0
        found = driver.execute(x, codes=True)
    assert_array_equal(found, shared.emulate(x, codes=True))
    assert len(np.unique(np.asarray(found))) > 10


@needs_verilator
def test_the_overlay_s_own_hardware_computes_them(shared: Accelerator, build: Path, tmp_path: Path) -> None:
    """The emulated accelerator with engine rtl: what is packed with the bitstream, simulated."""
    planned, x = plan(build), frames(shared)
    made = overlay_models(write(build, tmp_path), planned.board.part, "rtl")[hwh.ACCELERATOR_VLNV]
    (given,), (taken,) = planned.inputs, planned.outputs
    ends = {"in_0": Stream("in_0", given.beat_bytes), "out_0": Stream("out_0", taken.beat_bytes)}
    network = made(planned.design.blocks[0], ends)
    assert isinstance(network, Network)
    (found,) = network.engine(given.to_bytes(shared.encode(x)[given.tensor]))
    (expected,) = shared.exact.run(shared.encode(x)).values()
    assert_array_equal(taken.from_bytes(found), expected)


@needs_compiler
def test_verify_takes_the_cpp(shared: Accelerator, build: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", frames(shared)[:3])
    found = run("verify", build, "--input", tmp_path / "x.npy")
    assert found.exit_code == 0 and "engines exact, hls: 0 codes differ" in found.output


def test_a_project_in_systemverilog_holds_the_loop(build: Path, tmp_path: Path) -> None:
    project = vendor.write_project(plan(build), tmp_path / "project", "rtl")
    names = {file.name for file in (project / "rtl").rglob("*.sv")}
    assert {"pqk_loop_entry.sv", "pqk_loop_exit.sv", "pqk_pass_address.sv"} <= names


@needs_compiler
def test_golden_vectors_through_the_cpp_as_vitis_compiles_it(build: Path, tmp_path: Path) -> None:
    """What a project in C++ has: processes in turn, whose frames come back through a stream."""
    project = vendor.write_project(plan(build), tmp_path / "project", "hls")
    assert "static void pyqkit_passes(" in (project / "hls" / "network.hpp").read_text()
    include = [f"-I{HLS / 'vitis'}", f"-I{library() / 'simulation' / 'native'}"]
    files = [project / "hls" / name for name in ("top.cpp", "test_bench.cpp")]
    command = ["g++", "-std=c++14", "-O0", "-w", *include, *map(str, files), "-o", str(tmp_path / "csim")]
    compiled = subprocess.run(command, capture_output=True, text=True, check=False)
    assert compiled.returncode == 0, compiled.stderr
    done = subprocess.run(
        [tmp_path / "csim"], cwd=project / "golden", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and "golden vectors: 0 of " in done.stdout, done.stdout
