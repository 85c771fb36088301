"""Overlays of designs whose layers share hardware: codes on the emulated board, and what C++ is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from pyqkit.accelerator import Accelerator
from pyqkit.board_emulation.board import overlay_models
from pyqkit.board_emulation.network import Network
from pyqkit.board_emulation.streams import Stream
from pyqkit.overlay import hwh, vendor
from pyqkit.overlay.emulated import write
from pyqkit.overlay.plan import plan
from pyqkit.runtime import Driver
from tests.cli.calls import run
from tests.graph.test_reuse import chain, compiled
from tests.rtl.bench import needs_verilator


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


@needs_verilator
def test_verify_takes_systemverilog_by_itself(shared: Accelerator, build: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", frames(shared)[:3])
    found = run("verify", build, "--input", tmp_path / "x.npy")
    assert found.exit_code == 0 and "engines exact, rtl: 0 codes differ" in found.output


def test_a_project_in_systemverilog_holds_the_loop(build: Path, tmp_path: Path) -> None:
    project = vendor.write_project(plan(build), tmp_path / "project", "rtl")
    names = {file.name for file in (project / "rtl").rglob("*.sv")}
    assert {"pqk_loop_entry.sv", "pqk_loop_exit.sv", "pqk_pass_address.sv"} <= names


@pytest.mark.parametrize("command", ["overlay", "report"])
def test_c_is_refused_in_a_sentence(command: str, build: Path, tmp_path: Path) -> None:
    target = tmp_path / "overlay"
    more = ["-o", str(target)] if command == "overlay" else []
    found = run(command, build, "--backend", "hls", *more)
    assert found.exit_code == 2
    assert "frames pass that of layer_0_sums 3 times; take SystemVerilog" in found.output
    assert "compile with --reuse off" in found.output and not target.exists()
