"""`pyqkit search lpq`: from a user's file to a network that compiles, and what it refuses."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from pyqkit.cli import main
from tests.studies.small import images, network

MODULE = "tests.studies.small:network"
SHORT = ("--evaluations", "26")


@pytest.fixture(scope="module")
def calib(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lpq") / "x.npy"
    np.save(path, images())
    return path


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["search", "lpq", *map(str, arguments)])


def test_a_search_and_what_it_writes(calib: Path, tmp_path: Path) -> None:
    out, onnx, plot = tmp_path / "lpq", tmp_path / "n.onnx", tmp_path / "p.png"
    wanted = (MODULE, "--calib", calib, "-o", out, "--onnx", onnx, "--plot", plot, *SHORT)
    done = call(*wanted, "--json")
    assert done.exit_code == 0, done.output
    (result,) = json.loads(done.stdout)["results"]
    assert result["values"]["evaluations"] == 26 and len(result["values"]["layers"]) == 8
    assert plot.read_bytes().startswith(b"\x89PNG") and onnx.stat().st_size > 1000
    again = call(*wanted)
    assert again.exit_code == 2 and "exists" in again.output
    resumed = call(*wanted, "--resume")
    assert resumed.exit_code == 0 and "blocks.1.conv2" in resumed.output


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"--max-accumulator-bits": "33,40"}, "one width of 2 to 64 bits, or three"),
        ({"--max-accumulator-bits": "9"}, "allow wider ones with --max-accumulator-bits"),
        ({"--plot": "p.bmp"}, "a file that ends in .png"),
        ({"--evaluations": "5"}, "range"),
    ],
    ids=["two-widths", "narrow", "picture", "few"],
)
def test_options_that_make_no_search(
    calib: Path, tmp_path: Path, changes: dict[str, str], reason: str
) -> None:
    given = {"--calib": str(calib), "-o": str(tmp_path / "lpq"), **changes}
    done = call(MODULE, *(word for pair in given.items() for word in pair))
    assert done.exit_code == 2 and reason in done.output
    assert not (tmp_path / "lpq").exists()


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (images(7), "8 calibration frames"),
        (images()[:, :2], "fails on an array of shape"),
        (np.full_like(images(), np.nan), "NaN"),
        (np.zeros(3, "U3"), "real numbers|plain numbers|cannot be read"),
    ],
    ids=["few", "channels", "nan", "text"],
)
def test_images_that_are_refused(given: np.ndarray, reason: str, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", given)
    done = call(MODULE, "--calib", tmp_path / "x.npy", "-o", tmp_path / "lpq", *SHORT)
    assert done.exit_code == 2 and re.search(reason, done.output), done.output


@pytest.mark.parametrize(("kind", "options"), [("lpq", ()), ("formats", ("--target-fps", "10"))])
def test_a_factory_that_draws_its_weights(
    kind: str, options: tuple[str, ...], calib: Path, tmp_path: Path
) -> None:
    """A search reads the network more than once."""
    (tmp_path / "net.py").write_text(
        "from tests.studies.small import Small\n\n\ndef drawn():\n    return Small().eval()\n"
    )
    wanted = (f"{tmp_path / 'net.py'}:drawn", "--calib", calib, "-o", tmp_path / "out", *options)
    done = CliRunner().invoke(main, ["search", kind, *map(str, wanted)])
    assert done.exit_code == 2 and "give weights to a factory that draws its own" in done.output


def test_another_network_cannot_go_on(calib: Path, tmp_path: Path) -> None:
    wanted = ("--calib", calib, "-o", tmp_path / "lpq", *SHORT)
    assert call(MODULE, *wanted).exit_code == 0
    model = network()
    weights = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    np.savez(tmp_path / "w.npz", **(weights | {"stem.bias": weights["stem.bias"] + 1}))
    other = call(MODULE, *wanted, "--weights", tmp_path / "w.npz", "--resume")
    assert other.exit_code == 2 and "was defined otherwise" in other.output


def test_killed_and_resumed(calib: Path, tmp_path: Path) -> None:
    program = [sys.executable, "-m", "pyqkit", "search", "lpq", MODULE, "--calib", str(calib), "--json"]
    program += ["--evaluations", "86", "-o", str(tmp_path / "killed")]
    with subprocess.Popen(program, stdout=subprocess.DEVNULL, start_new_session=True) as running:
        curve = tmp_path / "killed" / "curves" / "lpq.jsonl"
        deadline = time.monotonic() + 400
        while not (curve.exists() and curve.read_text().count("\n") >= 2) and time.monotonic() < deadline:
            time.sleep(0.05)
        os.killpg(running.pid, signal.SIGKILL)
    kept = curve.read_text().count("\n")
    assert 2 <= kept < 12
    resumed = call(
        MODULE, "--calib", calib, "--evaluations", 86, "-o", tmp_path / "killed", "--resume", "--json"
    )
    whole = call(MODULE, "--calib", calib, "--evaluations", 86, "-o", tmp_path / "whole", "--json")
    assert json.loads(resumed.stdout)["digest"] == json.loads(whole.stdout)["digest"]
