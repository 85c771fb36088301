"""`emulate --explain`, `--json` and `--threads`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")

import pyqkit
from tests.cli.calls import refused, run
from tests.emulate.test_engines import needs_compiler


def emulated(built: Path, target: Path, *options: object) -> str:
    result = run("emulate", built / "net", "--input", built / "x.npy", "--output", target, *options)
    assert result.exit_code == 0, result.output
    return result.output


@needs_compiler
def test_every_operator_is_explained_once(built: Path, tmp_path: Path) -> None:
    found = json.loads(emulated(built, tmp_path / "y.npy", "--explain", "--json", "--threads", 2))
    accelerator = pyqkit.Accelerator.load(built / "net")
    assert {key: found[key] for key in ("frames", "engine", "threads")} == {
        "frames": 7,
        "engine": "exact",
        "threads": 2,
    }
    names = [name for step in found["steps"] for name in step["operators"]]
    assert sorted(names) == sorted(op.name for op in accelerator.graph.operators)
    carriers = accelerator.exact.carriers
    assert carriers
    for step in found["steps"]:
        (carrier,) = {carriers[name] for name in step["operators"] if name in carriers} or {""}
        assert step["carrier"] == carrier
        assert step["seconds"] > 0
        assert (step["macs"] > 0) == bool(carrier)
        assert (step["bound"] is None) == (not carrier)
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), accelerator.emulate(np.load(built / "x.npy")))


@needs_compiler
def test_a_table_for_people(built: Path, tmp_path: Path) -> None:
    text = emulated(built, tmp_path / "y.npy", "--explain")
    for word in ("engine exact (measured", "GMAC/s", "sums up to", "ms a frame on one thread"):
        assert word in " ".join(text.split()), text


def test_json_without_an_explanation(built: Path, tmp_path: Path) -> None:
    target = tmp_path / "y.npy"
    assert json.loads(emulated(built, target, "--json")) == {
        "file": str(target),
        "frames": 7,
        "engine": "exact",
    }


@pytest.mark.parametrize(("option", "value"), [("--threads", [2]), ("--explain", [])])
def test_options_of_engine_exact(built: Path, tmp_path: Path, option: str, value: list[int]) -> None:
    target = tmp_path / "y.npy"
    wrong = run(
        "emulate",
        built / "net",
        "--input",
        built / "x.npy",
        "--output",
        target,
        "--engine",
        "hls",
        option,
        *value,
    )
    refused(wrong, f"engine exact was expected with {option}, but hls came; leave one of them out")
    assert not target.exists()


def test_text_does_not_mix_with_frames(built: Path) -> None:
    wrong = run("emulate", built / "net", "--input", built / "x.npy", "--output", "/dev/stdout", "--explain")
    refused(
        wrong, "a file was expected for --output with --json or --explain, but /dev/stdout came; name one"
    )
