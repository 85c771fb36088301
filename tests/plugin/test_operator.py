"""A new operator is a file, a header and a module, and no existing file changes.

From ONNX to a build folder.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from numpy.testing import assert_array_equal

pytest.importorskip("onnx")

import pyqkit
from pyqkit.errors import UserError
from pyqkit.hardware.estimator import Estimator
from pyqkit.hardware.folding import spaces
from pyqkit.rtl.generate import generate
from tests.cli.calls import run
from tests.graph.qonnx_builder import Builder

needs_verilator = pytest.mark.skipif(
    shutil.which("g++") is None, reason="g++ is not installed, which compiles what Verilator makes"
)


def network(path: Path) -> Path:
    """A layer, absolute values of its codes, and a layer behind them."""
    import onnx

    b = Builder(2, 5, 4, seed=3)
    x = b.quantise(b.conv(b.quantise("x", "int8", 0.0625), "int4", 12, 2, 1), "int4", 0.5)
    y = b.quantise(b.node("Abs", x), "uint4", 0.5)
    onnx.save(b.model(b.quantise(b.conv(y, "int4", 3, 12, 1), "int8", 0.25)), path)
    return path


@pytest.fixture
def frames() -> np.ndarray:
    return np.random.default_rng(1).normal(0, 4, (7, 2, 5, 4)).astype(np.float32)


@pytest.fixture
def compiled(absolute: ModuleType, tmp_path: Path) -> pyqkit.Accelerator:
    return pyqkit.compile(network(tmp_path / "net.onnx"), board="PYNQ-Z2", target_fps=1000)


def name_of(accelerator: pyqkit.Accelerator) -> str:
    (name,) = (op.name for op in accelerator.graph.operators if op.kind == "absolute")
    return name


def test_all_engines_agree_with_the_definition(compiled, frames):
    codes = compiled.encode(frames)
    expected = compiled.graph.execute(codes)
    for engine in ("exact", "hls", "rtl"):
        found = compiled.engine(engine).run(codes)
        for tensor, values in expected.items():
            assert_array_equal(found[tensor], values, err_msg=engine)
    assert len(np.unique(next(iter(expected.values())))) > 20


def test_the_reference_confirms_it(compiled, frames, tmp_path):
    compiled.save(tmp_path / "build")
    np.save(tmp_path / "x.npy", frames)
    done = run("verify", str(tmp_path / "build"), "--input", str(tmp_path / "x.npy"), "--json")
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["reference"]["codes_differing"] == 0 and found["mismatches"] == 0


def test_its_axis_is_searched(absolute, compiled):
    name = name_of(compiled)
    assert [a.total for a in spaces(compiled.graph)[name].axes] == [12]
    (op,) = (op for op in compiled.graph.operators if op.name == name)
    estimator, words = Estimator(compiled.graph), (12,)  # of twelve codes, so that nothing is converted
    slow, fast = (estimator.estimate_at(op, words, absolute.AbsoluteFolding(n)) for n in (6, 12))
    assert (slow.cycles, fast.cycles) == (5 * 4 * 2, 5 * 4)
    assert 0 < slow.resources.lut_high < fast.resources.lut_high
    # A rate that one code at a time does not reach takes more of them, and only as many as it needs.
    from pyqkit import boards
    from pyqkit.hardware.folding import find

    found = find(compiled.graph, boards.load("PYNQ-Z2"), 100.0, 100e6 / 60)
    assert found[name] == absolute.AbsoluteFolding(4)


def test_what_it_cannot_have_is_refused(compiled, tmp_path):
    path, name = tmp_path / "fold.json", name_of(compiled)
    for entry, sentence in (
        ({"lanes": 5}, f"a LANES that divides 12 was expected for {name}, but 5 came; choose a divisor"),
        ({"pe": 1}, "whole numbers lanes were expected"),
        ({"lanes": 2, "memory": "lut"}, "leave out the rest"),
    ):
        path.write_text(json.dumps({name: entry}))
        with pytest.raises(UserError, match=sentence):
            pyqkit.compile(tmp_path / "net.onnx", board="PYNQ-Z2", fold=path)


def test_the_report_shows_its_folding(compiled):
    report = json.loads(json.dumps(compiled.report().to_json()))
    (layer,) = (entry for entry in report["layers"] if entry["operator"] == "absolute")
    assert layer["lanes"] == compiled.foldings[layer["name"]].lanes
    assert layer["cycles"] == 5 * 4 * 12 // layer["lanes"] and layer["resources"]["lut_high"] > 0


def test_a_build_folder_holds_it(compiled, frames, tmp_path):
    compiled.save(tmp_path / "build")
    again = pyqkit.Accelerator.load(tmp_path / "build")
    assert again.foldings == compiled.foldings
    assert_array_equal(again(frames), compiled(frames))
    assert again.selftest(tmp_path / "build") == 0
    files = {p.relative_to(tmp_path / "build").as_posix() for p in (tmp_path / "build").rglob("*")}
    assert "hls/absolute.hpp" in files and f"rtl/{MODULE_FILE}" in files


def test_the_schedule_is_what_is_simulated(compiled, frames):
    engine = compiled.engine("rtl")
    engine.run(compiled.encode(frames))
    assert engine.counts.interval == generate(compiled.graph, compiled.foldings).interval


MODULE_FILE = "pqk_absolute.sv"
