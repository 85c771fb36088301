"""What a command writes is whole or not there, and replaces nothing unasked."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")

from tests.cli.calls import refused, run


def test_existing_outputs_stay(built: Path, tmp_path: Path) -> None:
    before = (built / "net" / "manifest.json").read_bytes()
    refused(
        run("compile", built / "net.onnx", "-o", built / "net"),
        f"a new folder was expected, but {built / 'net'} exists; choose another name or pass --force",
    )
    assert (built / "net" / "manifest.json").read_bytes() == before
    (tmp_path / "y.npy").write_text("mine")
    result = run("emulate", built / "net", "--input", built / "x.npy", "--output", tmp_path / "y.npy")
    refused(
        result,
        f"a new file was expected, but {tmp_path / 'y.npy'} exists; choose another name or pass --force",
    )
    assert (tmp_path / "y.npy").read_text() == "mine"
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.txt").write_text("mine")
    result = run("compile", built / "net.onnx", "-o", tmp_path / "folder", "--force")
    refused(
        result,
        f"a build folder to replace was expected, but {tmp_path / 'folder'} is something else; "
        "choose another name",
    )
    assert (tmp_path / "folder" / "thesis.txt").read_text() == "mine"


def test_force_replaces_outputs(built: Path, tmp_path: Path) -> None:
    assert run("compile", built / "net.onnx", "-o", tmp_path / "net").exit_code == 0
    assert (
        run("compile", built / "net.onnx", "-o", tmp_path / "net", "--board", "KV260", "--force").exit_code
        == 0
    )
    assert json.loads(run("report", tmp_path / "net", "--json").output)["board"] == "KV260"
    (tmp_path / "y.npy").write_text("old")
    result = run(
        "emulate", tmp_path / "net", "--input", built / "x.npy", "--output", tmp_path / "y.npy", "--force"
    )
    assert result.exit_code == 0 and np.load(tmp_path / "y.npy").shape == (7, 3)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["net", "y.npy"]


def test_places_that_cannot_be_written(built: Path, tmp_path: Path) -> None:
    target = tmp_path / "none" / "y.npy"
    refused(
        run("emulate", built / "net", "--input", built / "x.npy", "--output", target),
        f"a file in a folder that exists was expected, but {tmp_path / 'none'} is none; make it first",
    )
    (tmp_path / "file").write_text("mine")
    result = run("compile", built / "net.onnx", "-o", tmp_path / "file" / "b")
    assert result.exit_code == 2
    assert result.output.startswith(
        f"pyqkit: a folder that can be written was expected, but {tmp_path / 'file' / 'b'} cannot ("
    )
    assert result.output.endswith("); choose another place\n")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_nothing_stays_behind_when_an_output_cannot_be_finished(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    refused(
        run("emulate", built / "net", "--input", built / "x.npy", "--output", tmp_path / "y.npy"),
        f"a file that can be written was expected, but {tmp_path / 'y.npy'} cannot (No space left "
        "on device); choose another place",
    )
    assert not list(tmp_path.iterdir())


def test_ctrl_c_exits_with_130(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pyqkit.emulate.exact import ExactEngine

    def interrupted(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ExactEngine, "run", interrupted)
    result = run("emulate", built / "net", "--input", built / "x.npy", "--output", tmp_path / "y.npy")
    assert (result.exit_code, result.output) == (130, "pyqkit: interrupted\n")
    result = run("compile", built / "net.onnx", "-o", tmp_path / "b")
    assert (result.exit_code, result.output) == (130, "pyqkit: interrupted\n")
    assert not list(tmp_path.iterdir())
