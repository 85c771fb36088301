"""Projects for AMD's tools: what is packaged, and where they may stand."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("onnx")

from pyqkit.overlay import vendor
from pyqkit.overlay.manifest import read
from pyqkit.overlay.plan import plan
from tests.overlay.bench import Bench, needs_tcl
from tests.overlays import build

PROBES = ("relu_18", "conv_43")


@needs_tcl
@pytest.mark.parametrize("backend", ["rtl", "hls"])
def test_paths_may_have_blanks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: str) -> None:
    folder = tmp_path / "my {over} lays [1] $x"
    folder.mkdir()
    bench = Bench(folder, monkeypatch)
    bench.install("vivado", "vitis_hls")
    bench.expect("ZCU104")
    assert not read(bench.make(backend=backend)).emulated


@needs_tcl
def test_both_backends_may_be_built(bench: Bench) -> None:
    bench.install("vivado", "vitis_hls")
    bench.expect("ZCU104")
    made = {backend: bench.make(backend=backend, force=True) for backend in ("rtl", "hls")}
    assert made["rtl"] == made["hls"]
    for backend in made:
        assert read(bench.project(backend) / "overlay" / "residual.bit").name == "residual"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    planned = plan(build("ZCU104", *PROBES))
    return vendor.write_project(planned, tmp_path_factory.mktemp("project") / "rtl", "rtl")


def test_the_packaged_top_is_verilog(project: Path) -> None:
    """Of 2005, read by a front end that is told so; with the ports that the SystemVerilog has."""
    if importlib.util.find_spec("pyosys") is None:
        pytest.skip("Yosys is not installed; pip install 'pyqkit[synth]'")
    (top,) = (project / "rtl").glob("*.v")
    script = (
        f"read_verilog -sv -defer {' '.join(str(p) for p in sorted((project / 'rtl').glob('*.sv')))}; "
        f"read_verilog {top}; hierarchy -check -top {top.stem}; proc; check -assert"
    )
    run = "import sys; from pyosys import libyosys; libyosys.run_pass(sys.argv[1], libyosys.Design())"
    command = [sys.executable, "-c", run, script]
    done = subprocess.run(command, cwd=project / "rtl", capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "ERROR" not in done.stdout + done.stderr, done.stdout[-2000:]
    text = top.read_text()
    for stream in ("s_axis_0", "m_axis_0", "m_axis_1", "m_axis_2"):
        assert text.count(f".{stream}_tvalid({stream}_tvalid)") == 1
    associated = "s_axis_0:m_axis_0:m_axis_1:m_axis_2, ASSOCIATED_RESET aresetn"
    assert f"ASSOCIATED_BUSIF {associated}" in text
