"""Overlays by name alone: the example that comes with the package, and overlays that are put beside it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from pyqkit.errors import UserError
from pyqkit.overlay import install
from pyqkit.overlay.manifest import OverlayError, read
from pyqkit.runtime import Driver

BOARDS = ("PYNQ-Z2", "ZCU104")


@pytest.mark.parametrize("board", BOARDS)
def test_the_example(board: str) -> None:
    data = np.load(Path(__file__).parent.parent.parent / "notebooks" / "board" / "digits.npz")
    with Driver.load("digits", board=board) as driver:
        assert (driver.board, driver.source, driver.selftest()) == (board, "emulated", 0)
        scores = driver(data["images"][:, None] / np.float32(16))
    assert (scores.argmax(axis=1) == data["labels"]).mean() > 0.98


def test_names_find_variants() -> None:
    for board in BOARDS:
        assert install.locate("digits.bit", board.lower()) == install.locate("digits", board)
        assert install.locate("digits", board).name == f"digits.{board}.bit"
    with pytest.raises(
        OverlayError,
        match="one of the boards PYNQ-Z2, ZCU104 was expected for overlay digits, but None came; pass board=",
    ):
        Driver.load("digits")
    with pytest.raises(
        OverlayError,
        match="one of the boards PYNQ-Z2, ZCU104 was expected for overlay digits, but KV260 came",
    ):
        Driver.load("digits", board="KV260")
    with pytest.raises(
        OverlayError,
        match=r"'letters' is neither a path nor one of those installed \(digits, lpa8x8, msq8x8\); give",
    ):
        Driver.load("letters")
    assert install.is_installed("digits") and not install.is_installed("letters")


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(install, "folder", lambda: tmp_path / "installed")
    return tmp_path


def test_installing(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = elsewhere / "digits.ZCU104.bit"
    for ending in (".bit", ".hwh", ".json", ".zip"):
        shutil.copy(
            Path(__file__).parents[2] / "overlays" / "digits" / "digits.bit.d" / f"digits.ZCU104{ending}",
            elsewhere,
        )
    monkeypatch.setattr(sys, "argv", ["install", str(source)])
    assert install.main() == 0
    made = Path(capsys.readouterr().out.strip())
    assert (
        made == elsewhere / "installed" / "digits.ZCU104" / "digits.ZCU104.bit"
        and read(made).name == "digits.ZCU104"
    )
    assert install.locate("digits.ZCU104", None) == made
    assert len(list(made.parent.iterdir())) == 4
    monkeypatch.setattr(sys, "argv", ["install"])
    assert install.main() == 2
    assert capsys.readouterr().err == "pyqkit: the path of one .bit file was expected, but 0 arguments came\n"
    (elsewhere / "digits.ZCU104.hwh").unlink()
    with pytest.raises(OverlayError, match=r"digits\.ZCU104\.hwh was expected beside"):
        install.install(source)


def test_a_place_that_cannot_be_written(elsewhere: Path) -> None:
    (elsewhere / "installed").write_text("a file")
    with pytest.raises(
        UserError, match="a folder that can be written was expected, but .* cannot .*; run as root on a board"
    ):
        install.install(
            Path(__file__).parents[2] / "overlays" / "digits" / "digits.bit.d" / "digits.ZCU104.bit"
        )
