"""Overlays on emulated boards, with and without PYNQ."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pyqkit.runtime import Driver

needs_pynq = pytest.mark.skipif(
    not importlib.util.find_spec("pynq"), reason="PYNQ is not installed; pip install 'pyqkit[board]'"
)
PLACES = [
    "ZCU104 emulated",
    *(pytest.param(f"{name} pynq", marks=needs_pynq) for name in ("ZCU104", "PYNQ-Z2")),
]


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    board, backend = request.param.split()
    if backend == "emulated":
        yield board, backend
        return
    import pyqkit.board_emulation

    with pyqkit.board_emulation.use(board):
        yield board, backend


@pytest.fixture
def load(place: tuple[str, str]) -> Iterator[Callable[..., Driver]]:
    """`Driver.load` of the overlay of the place; closed at the end."""
    made = []

    def make(path: Path | None = None, **options: Any) -> Driver:
        made.append(Driver.load(path or _overlay(place[0]), backend=place[1], **options))
        return made[-1]

    yield make
    for driver in made:
        driver.close()


@pytest.fixture
def here() -> Iterator[Driver]:
    """Without PYNQ."""
    with Driver.load(_overlay("ZCU104"), backend="emulated", batch=7) as driver:
        yield driver


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the overlay to damage: its .bit."""
    for ending in (".bit", ".hwh", ".json", ".zip"):
        shutil.copy(_overlay("ZCU104").with_suffix(ending), tmp_path / f"residual{ending}")
    return tmp_path / "residual.bit"


def _overlay(board: str) -> Path:
    from tests.overlays import overlay  # needs onnx, which not every test here does

    return overlay(board)
