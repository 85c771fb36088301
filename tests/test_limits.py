"""The table of limits says what the constants say, and misses none."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROWS = re.findall(
    r"^\| (.+?) \| (\d+) \| `(pyqkit[\w.]*)\.(\w+)` \|$",
    (ROOT / "docs" / "limits.md").read_text(),
    re.MULTILINE,
)


@pytest.mark.parametrize(
    ("what", "most", "module", "name"), ROWS, ids=[f"{module}.{name}" for *_, module, name in ROWS]
)
def test_the_table_is_true(what: str, most: str, module: str, name: str) -> None:
    assert getattr(importlib.import_module(module), name) == int(most), what


def test_no_limit_is_missing() -> None:
    listed = {(module, name) for *_, module, name in ROWS}
    assert len(listed) == len(ROWS) > 30
    for path in (ROOT / "pyqkit").rglob("*.py"):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for name in re.findall(r"^(MAX_\w+) =", path.read_text(), re.MULTILINE):
            assert (module, name) in listed or (module, name) == ("pyqkit.quant.quantisers", "MAX_BITS"), (
                f"{module}.{name}"
            )
    for name in vars(importlib.import_module("pyqkit.graph.limits")):
        assert not name.isupper() or ("pyqkit.graph.limits", name) in listed, name


def test_other_numbers_of_the_page() -> None:
    from pyqkit import boards
    from pyqkit.hardware import folding

    assert boards.CLOCKS_MHZ == (1, 1000) and folding.LEAST_FPS == 0.001
