"""What Vitis HLS would see, with __SYNTHESIS__ defined, is C++14 without errors.

Its streams have AMD's type, which has a TLAST.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("onnx")

import pyqkit
from pyqkit.hls.generate import generate, library
from tests import small_networks

if not shutil.which("g++"):
    pytest.skip("g++ is not installed", allow_module_level=True)


def errors(folder: Path, include: Path) -> str:
    (folder / "top.cpp").write_text('#include "network.hpp"\n')
    here = Path(__file__).parent / "vitis"
    folders = [here, folder, include, include / "simulation" / "native"]
    command = [
        "g++",
        "-std=c++14",
        "-w",
        "-D__SYNTHESIS__",
        "-fsyntax-only",
        *(f"-I{f}" for f in folders),
        str(folder / "top.cpp"),
    ]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr


def written(folder: Path, name: str) -> Path:
    accelerator = pyqkit.compile(getattr(small_networks, name)(), board="ZCU104")
    for file, text in generate(accelerator.graph, accelerator.foldings).files.items():
        (folder / file).write_text(text)
    return folder


@pytest.mark.parametrize("name", ["residual", "mixed_layout"])
def test_synthesis_text_compiles(name: str, tmp_path: Path) -> None:
    assert errors(written(tmp_path, name), library()) == ""


def test_a_beat_of_our_own_type_would_be_noticed(tmp_path: Path) -> None:
    copy = tmp_path / "hls"
    shutil.copytree(library(), copy)
    text = (copy / "axi_stream.hpp").read_text()
    (copy / "axi_stream.hpp").write_text(text.replace("ap_axiu<8 * BYTES, 0, 0, 0>", "ap_uint<8 * BYTES>"))
    assert "last" in errors(written(tmp_path, "residual"), copy)
