"""A design that its board cannot hold, on the command line.

Refused with figures, or emulated where that is asked for.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np

from tests.cli.calls import run
from tests.graph.qonnx_builder import Builder
from tests.small_networks import compiled_for


def test_weights_beyond_the_block_memory_are_refused(tmp_path: Path) -> None:
    """Two layers with 8 Mbit of weights, of which a PYNQ-Z2 holds 5."""
    b = Builder(1024)
    draw = np.random.default_rng(0)
    x = b.quantise("x", "int4", 0.5)
    for outputs in (1024, 10):
        weights = b.quantise(
            b.constant(draw.integers(-128, 128, (outputs, 1024)).astype(np.float32) / 64), "int8", 2.0**-6
        )
        x = b.quantise(b.node("Relu", b.node("Gemm", x, weights, transB=1)), "uint4", 4.0)
    (tmp_path / "perceptron.onnx").write_bytes(b.model(x).SerializeToString())
    result = run("compile", tmp_path / "perceptron.onnx", "-o", tmp_path / "net", "--board", "PYNQ-Z2")
    assert result.exit_code == 2
    assert re.fullmatch(
        r"pyqkit: a design that fits its board was expected, but the design does not fit PYNQ-Z2: "
        r"it takes 2\d\d(\.5)? of 140 BRAM "
        r"\(1\d\d %\) \(estimated\); take a larger board.*--allow-overflow.*\n",
        result.output,
    )
    assert [path.name for path in tmp_path.iterdir()] == ["perceptron.onnx"]


def test_a_design_that_does_not_fit_says_so_wherever_it_goes(built: Path, tmp_path: Path) -> None:
    from pyqkit import boards

    described = boards.load("PYNQ-Z2").to_json()
    described["resources"]["lut"] = 500
    compiled_for(tmp_path, described, allow_overflow=True)  # writes mine.toml
    too_much = r"the design does not fit PYNQ-Z2: it takes [\d,]+ of 500 LUT \(\d+ %\) \(estimated\)"
    network, build, board = built / "net.onnx", tmp_path / "net", tmp_path / "mine.toml"
    folding = tmp_path / "folding.json"
    folding.write_text(json.dumps({}))
    for options in ([], ["--fold", folding], ["--target-fps", 10]):
        refused = run("compile", network, "-o", build, "--board", board, *options)
        assert refused.exit_code == 2 and "500" in refused.output and not build.exists()
    allowed = run("compile", network, "-o", build, "--board", board, "--allow-overflow")
    assert allowed.exit_code == 0 and re.search(f"note: {too_much}", allowed.output)
    shown = run("report", build)
    assert re.search(f"warning: .*{too_much}", " ".join(shown.output.split()))
    assert shown.exit_code == 0 and re.search(too_much, " ".join(shown.output.split()))
    refused = run("overlay", build, "--emulated", "-o", tmp_path / "overlay")
    assert (
        refused.exit_code == 2 and re.search(too_much, refused.output) and not (tmp_path / "overlay").exists()
    )
    assert run("overlay", build, "--emulated", "-o", tmp_path / "overlay", "--allow-overflow").exit_code == 0
