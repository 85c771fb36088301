"""Notebooks are committed with the outputs of a run from top to bottom."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
HOST = sorted((ROOT / "notebooks").glob("*.ipynb"))
BOARD = sorted((ROOT / "notebooks" / "board").glob("*.ipynb"))
COPIES = ROOT / "notebooks" / "board_pynq_z2"
ALL = [*HOST, *BOARD, *sorted(COPIES.glob("*.ipynb"))]


def read(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_text())["cells"]


def outputs(path: Path) -> list[dict[str, Any]]:
    return [output for cell in read(path) for output in cell.get("outputs", [])]


def text(path: Path) -> str:
    """What the outputs of a notebook say."""
    parts = (output.get("text") or output.get("data", {}).get("text/plain", "") for output in outputs(path))
    return "".join("".join(part) for part in parts)


@pytest.mark.parametrize("path", ALL, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_outputs_are_those_of_one_run(path: Path) -> None:
    code = [cell for cell in read(path) if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert outputs(path) and not [o for o in outputs(path) if o["output_type"] == "error"]
    for cell in code:
        source = "".join(cell["source"])
        assert cell["outputs"] or not re.search(r"^\s*(print\(|plt\.show)", source, flags=re.M), source


@pytest.mark.parametrize("path", ALL, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_outputs_hold_nothing_of_the_computer(path: Path) -> None:
    content = path.read_text()
    assert len(content) < 300_000
    assert not re.search(r"/(tmp|home|root|work)/|site-packages|\b\d+(\.\d+)? ?(µs|ms) a frame", text(path))
    assert not [o for o in outputs(path) if o.get("name") == "stderr"]
    for output in outputs(path):
        picture = output.get("data", {}).get("image/png")
        if picture:
            assert base64.b64decode(picture).startswith(b"\x89PNG")


@pytest.mark.parametrize("path", BOARD, ids=lambda path: path.stem)
def test_board_notebooks_ran_on_two_emulated_boards(path: Path) -> None:
    copy = COPIES / path.name
    assert [cell["source"] for cell in read(copy)] == [cell["source"] for cell in read(path)]
    for place, board, other in ((path, "ZCU104", "PYNQ-Z2"), (copy, "PYNQ-Z2", "ZCU104")):
        assert f"emulated {board}" in text(place) and other not in text(place)


def test_notebooks_show_their_plots() -> None:
    plots = {path.stem: sum("image/png" in o.get("data", {}) for o in outputs(path)) for path in HOST}
    assert plots == {
        "1_number_formats": 4,
        "2_quantise_compile_verify": 2,
        "3_minifloats": 1,
        "4_lpq": 2,
        "5_palquant": 1,
        "6_vision_transformer": 1,
    }
