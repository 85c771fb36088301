"""What is said where FINN, or the folder for what it generates, is not as expected; needs no FINN."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from pyqkit.errors import MissingToolError, UserError
from pyqkit.finn import environment


def test_without_finn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(environment, "version", missing)
    with pytest.raises(
        MissingToolError, match=r"finn-plus 1\.6\.1 was expected.*pip install --no-deps finn-plus==1\.6\.1"
    ):
        environment.use_folder(tmp_path / "finn")
    assert not (tmp_path / "finn").exists()


def test_another_version(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(environment, "version", lambda name: "1.7.0")
    with pytest.raises(UserError, match=r"finn-plus 1\.6 was expected, but 1\.7\.0 is installed"):
        environment.use_folder(tmp_path)


def test_a_folder_that_is_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(environment, "version", lambda name: "1.6.1")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="a folder that can be made was expected"):
        environment.use_folder(tmp_path / "file")
