"""Data beside a model are read, data elsewhere are not."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import onnx
import pytest

import pyqkit
from pyqkit.errors import UserError
from pyqkit.graph import limits
from pyqkit.graph.external_data import ExternalDataError
from pyqkit.graph.model import ModelError, load_model
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
        ({"location": "second"}, "second has a second name (a hard link), so copy it"),
        ({"length": "7"}, "its length is 7 bytes, and its type and shape need"),
    ],
)
def test_external_data_come_from_nowhere_else(outside: Path, entries: dict[str, str], sentence: str) -> None:
    secret = outside.parent.parent / "secret"
    secret.write_bytes(bytes(10_000))
    (outside.parent / "link").symlink_to(secret)
    (outside.parent / "second").hardlink_to(secret)
    os.mkfifo(outside.parent / "pipe")
    _relocate(outside, **entries)
    with pytest.raises(ExternalDataError) as caught:
        load_model(outside)
    assert sentence in str(caught.value)


def test_checksums_are_those_of_the_files(outside: Path) -> None:
    digest = hashlib.sha1((outside.parent / "weights.bin").read_bytes()).hexdigest()
    _state(outside, digest.upper())
    load_model(outside)
    _state(outside, "0" * 40)
    with pytest.raises(ExternalDataError, match=f"has the SHA-1 {digest}, and the model states '0{{40}}'"):
        load_model(outside)


def _state(path: Path, checksum: str) -> None:
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        kept = [entry for entry in tensor.external_data if entry.key != "checksum"]
        del tensor.external_data[:]
        tensor.external_data.extend(kept)
        tensor.external_data.add(key="checksum", value=checksum)
    path.write_bytes(model.SerializeToString())


def test_files_larger_than_any_model(outside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "EXTERNAL_BYTES", 100)
    with pytest.raises(ExternalDataError, match="bytes, and at most 100 can be read"):
        load_model(outside)
    monkeypatch.setattr(limits, "MODEL_BYTES", 100)
    with pytest.raises(ModelError, match="at most 100 can be read; keep large tensors in files beside"):
        load_model(outside)


def test_a_model_without_a_folder_has_no_external_data(outside: Path) -> None:
    with pytest.raises(
        UserError, match="lie in another file; pass the path of the ONNX file, or load it with onnx.load$"
    ):
        pyqkit.compile(onnx.load(outside, load_external_data=False))
