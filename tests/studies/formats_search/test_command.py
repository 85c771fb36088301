"""``pyqkit search formats`` from a module to a build folder."""

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
from click.testing import CliRunner

from pyqkit.accelerator import Accelerator
from pyqkit.cli import main
from tests.studies.formats_search.network import images

MODULE = Path(__file__).parent / "network.py"


def search(folder: Path, *more: str) -> list[str]:
    """A command line; frames and labels are written to the folder."""
    np.save(folder / "x.npy", images(24))
    np.save(folder / "y.npy", np.arange(24) % 10)
    return [
        *("search", "formats", f"{MODULE}:perceptron", "--calib", str(folder / "x.npy"), "--images", "16"),
        *("--labelled", str(folder / "x.npy"), str(folder / "y.npy"), "--target-fps", "100000"),
        *("--weights-formats", "int3,e2m1,lp4_0_3", "--acts-formats", "int4,e2m1", "--sizes", "2"),
        *("--evaluations", "8", "-o", str(folder / "out"), *more),
    ]


def test_front_is_found_compiled_and_verified(tmp_path: Path) -> None:
    build = ("--compile", "point-1", "--build", str(tmp_path / "build"))
    result = CliRunner().invoke(main, search(tmp_path, "--compare", "int4", "--recipe", "bias", *build))
    assert result.exit_code == 0, result.output
    data = json.loads((tmp_path / "out" / "front.json").read_text())
    networks = {each["name"]: each for each in data["networks"]}
    assert {"point-1", "uniform-int4"} <= set(networks)
    point = networks["point-1"]
    assert point["fps"] >= 100_000
    assert 0 <= point["accuracy"] <= 100
    assert abs(point["summed_luts"] - point["luts"]) < 0.15 * point["luts"]
    loaded = Accelerator.from_build_folder(tmp_path / "build")
    assert loaded.selftest(tmp_path / "build") == 0
    formats = [op.weight_format.name for op in loaded.graph.operators if op.kind == "convolution"]
    assert formats == [name for place, name in point["formats"].items() if place.endswith("weights")]
    again = CliRunner().invoke(main, [*search(tmp_path, "--compare", "int4", "--recipe", "bias"), "--resume"])
    assert again.exit_code == 0, again.output
    assert json.loads((tmp_path / "out" / "front.json").read_text()) == data


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (("--compile", "point-1"), "were expected together"),
        (("--acts-formats", "odd3"), "a zero if of activations"),
        (("--board", "nothing"), "board"),
        (("--target-fps", "0"), "a rate above 0"),
        (("--recipe", "magic"), "magic"),
    ],
    ids=["compile alone", "no zero", "no board", "no rate", "no step"],
)
def test_bad_wishes_are_refused_in_a_sentence(tmp_path: Path, more: tuple[str, ...], sentence: str) -> None:
    result = CliRunner().invoke(main, search(tmp_path, *more))
    assert result.exit_code == 2
    assert sentence in result.output
    assert not (tmp_path / "out").exists()


def test_rate_that_no_network_reaches_is_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, search(tmp_path, "--target-fps", "90000000"))
    assert result.exit_code == 2
    assert "where the parallelism of linear" in result.output


def test_labels_of_other_images_are_refused(tmp_path: Path) -> None:
    arguments = search(tmp_path)
    np.save(tmp_path / "y.npy", np.arange(3))
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert "a whole number for each of 24 images" in result.output


@pytest.mark.parametrize(
    ("frames", "reason"),
    [
        (images(7), "8 calibration frames"),
        (np.full_like(images(), np.nan), "NaN"),
        (images().reshape(-1, 1, 4, 16)[:, :, :3], "runs on a frame of shape .1, 3, 16. was expected"),
        (np.zeros(3, "U3"), "real numbers|plain numbers|cannot be read"),
    ],
    ids=["few", "nan", "misshapen", "text"],
)
def test_frames_that_are_refused(tmp_path: Path, frames: np.ndarray, reason: str) -> None:
    arguments = search(tmp_path)
    np.save(tmp_path / "x.npy", frames)
    np.save(tmp_path / "y.npy", np.arange(len(frames)))
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2 and re.search(reason, result.output), result.output
    assert not (tmp_path / "out").exists()


def test_killed_it_goes_on_but_not_with_another_network(tmp_path: Path) -> None:
    arguments = search(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-m", "pyqkit", *arguments, "--every", "0"],
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    ) as running:
        deadline = time.monotonic() + 400
        while not list((tmp_path / "out").glob("alone/tasks/*")) and time.monotonic() < deadline:
            time.sleep(0.02)
        os.killpg(running.pid, signal.SIGKILL)
    assert not (tmp_path / "out" / "front.json").exists()
    other = [word.replace(":perceptron", ":make") for word in arguments]
    refused = CliRunner().invoke(main, [*other, "--target-fps", "1000", "--resume"])
    assert refused.exit_code == 2 and "was expected, but" in refused.output
    resumed = CliRunner().invoke(main, [*arguments, "--resume"])
    assert resumed.exit_code == 0, resumed.output
    whole = [word.replace("/out", "/whole") for word in arguments]
    assert CliRunner().invoke(main, whole).exit_code == 0
    assert (tmp_path / "out" / "front.json").read_text() == (tmp_path / "whole" / "front.json").read_text()
