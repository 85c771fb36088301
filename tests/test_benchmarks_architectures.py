"""Small networks as people have them, from the file that an exporter writes to codes that agree."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("brevitas")
pytest.importorskip("onnxruntime")

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

import architecture_zoo

CASES = (
    ("lenet", "brevitas_biases"),
    ("resnet", "brevitas_qcdq"),
    ("vgg", "brevitas_binary"),
    ("norm_mlp", "onnxruntime"),
    ("mobilenet_v2", "onnxruntime_13"),
    ("shufflenet_v1", "pyqkit"),
    ("unet", "onnxruntime"),
    ("upsampling_unet", "onnxruntime_13"),
    ("super_resolution", "brevitas"),
    ("detector", "brevitas_qcdq"),
)


@pytest.mark.parametrize(("network", "exporter"), CASES, ids=[" ".join(case) for case in CASES])
def test_every_code_agrees(network: str, exporter: str, tmp_path: Path) -> None:
    said = architecture_zoo.tried(network, exporter, tmp_path / "net.onnx", frames=2)
    assert said == "agrees"


def test_what_is_refused_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def empty(*_: object) -> None:
        (tmp_path / "net.onnx").write_bytes(b"")

    monkeypatch.setitem(architecture_zoo.EXPORTERS, "brevitas", empty)
    assert architecture_zoo.tried("vgg", "brevitas", tmp_path / "net.onnx").startswith("refused: ")
