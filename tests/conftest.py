"""What tests share."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from pyqkit import renaming

os.environ.pop(
    "COLUMNS", None
)  # pytest imports readline, which hands the workers of xdist a terminal's width


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """SIGINT interrupts, even where tests were started in the background and so ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(params=["renameat2", "without"])
def renames(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With and without the system's exchange of two names, which some file systems lack."""
    if request.param == "without":
        monkeypatch.setattr(renaming, "_renameat2", lambda *_: False)
