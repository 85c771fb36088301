"""What tests of overlays share."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("onnx")

from tests.overlay.bench import Bench


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path, monkeypatch)
