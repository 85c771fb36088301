"""Data beside a model are read, data elsewhere are not."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest

import pyqkit
from pyqkit.errors import UserError
from pyqkit.graph.external_data import ExternalDataError
from pyqkit.graph.model import load_model
from tests.graph.models import frames
from tests.small_networks import residual


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A model whose weights lie in another file."""
    path = tmp_path / "model" / "net.onnx"
    path.parent.mkdir()
    onnx.save_model(residual(), path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    return path


def test_external_data_come_from_beside_the_model(
    outside: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    onnx.save_model(
        residual(seed=1),
        other / "net.onnx",
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=0,
    )
    monkeypatch.chdir(other)  # another file of the same name lies here
    accelerator = pyqkit.compile(outside)
    x = frames(residual())
    np.testing.assert_array_equal(accelerator.emulate(x), pyqkit.compile(residual()).emulate(x))
    accelerator.save(tmp_path / "build")
    (outside.parent / "weights.bin").unlink()
    assert (
        pyqkit.Accelerator.load(tmp_path / "build").verify(x, engines=("exact",))["reference"][
            "codes_differing"
        ]
        == 0
    )


def _relocate(path: Path, **entries: str) -> None:
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            entry.value = entries.get(entry.key, entry.value)
    path.write_bytes(model.SerializeToString())


@pytest.mark.parametrize(
    ("entries", "sentence"),
    [
        ({"location": "/etc/passwd"}, "its location '/etc/passwd' is no path below the model's folder"),
        ({"location": "../secret"}, "its location '../secret' is no path below the model's folder"),
        ({"location": "link"}, "is no regular file below the model's folder"),
        ({"location": "pipe"}, "is no regular file below the model's folder"),
        ({"location": "."}, "is no regular file below the model's folder"),
        ({"location": "x" * 5000}, "cannot be followed"),
        ({"offset": "-1"}, "its offset '-1' is no number of bytes"),
        ({"offset": "1000000000"}, "ends "),
        ({"length": "7"}, "its length is 7 bytes, and its type and shape need"),
    ],
)
def test_external_data_come_from_nowhere_else(outside: Path, entries: dict[str, str], sentence: str) -> None:
    secret = outside.parent.parent / "secret"
    secret.write_bytes(bytes(10_000))
    (outside.parent / "link").symlink_to(secret)
    os.mkfifo(outside.parent / "pipe")
    _relocate(outside, **entries)
    with pytest.raises(ExternalDataError) as caught:
        load_model(outside)
    assert sentence in str(caught.value)


def test_a_model_without_a_folder_has_no_external_data(outside: Path) -> None:
    with pytest.raises(
        UserError, match="lie in another file; pass the path of the ONNX file, or load it with onnx.load$"
    ):
        pyqkit.compile(onnx.load(outside, load_external_data=False))
