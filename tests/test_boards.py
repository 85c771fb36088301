"""Board files: complete, consistent, and refused in one sentence when they are not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pyqkit import boards
from pyqkit.errors import UserError

NAMES = ["AUP-ZU3", "Arty-Z7-20", "KR260", "KV260", "PYNQ-Z1", "PYNQ-Z2", "RFSoC2x2", "RFSoC4x2", "Ultra96-V2", "ZCU104"]
CLOCKS = {"zynq-7000": 1000.0, "zynq-mpsoc": 1500.0}  # MHz of the IO PLL that divides down to the clock


def test_all_boards_are_there() -> None:
    assert sorted(boards.names()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_figures_have_sources(name: str) -> None:
    board = boards.load(name)
    assert board.name == name
    assert set(board.sources) == {"part", "resources", "clock_mhz"} and all(board.sources.values())
    assert "clock_mhz" in board.unconfirmed
    assert ("resources" in board.unconfirmed) == name.startswith("RFSoC")
    assert board.part.startswith("xc7" if board.family == "zynq-7000" else ("xczu", "xck26"))
    assert board.resources["ff"] == 2 * board.resources["lut"]
    divider = CLOCKS[board.family] / board.clock_mhz
    assert divider == int(divider)


@pytest.mark.parametrize("name", NAMES)
def test_names_in_any_case_and_through_json(name: str) -> None:
    board = boards.load(name)
    assert boards.load(name.lower()) == boards.load(name.upper()) == board
    assert boards.from_data(json.loads(json.dumps(board.to_json())), "json") == board


def test_boards_with_the_same_chip_have_the_same_resources() -> None:
    by_chip: dict[str, set[tuple[int, ...]]] = {}
    for name in NAMES:
        board = boards.load(name)
        by_chip.setdefault(board.part.split("-")[0].removesuffix("clg400"), set()).add(tuple(board.resources.values()))
    assert all(len(found) == 1 for found in by_chip.values())
    assert len(by_chip) == 6


@pytest.mark.parametrize(
    ("name", "hint"),
    [("zcu14", "did you mean 'ZCU104'?"), ("pynqz2", "did you mean 'PYNQ-Z2'?"), ("??", f"known are {', '.join(boards.names())}")],
)
def test_unknown_names(name: str, hint: str) -> None:
    with pytest.raises(UserError) as caught:
        boards.load(name)
    assert str(caught.value) == f"a board was expected, but {name!r} is none; {hint}"


def written(folder: Path, **changes: Any) -> Path:
    data = {**boards.load("ZCU104").to_json(), **changes}
    lines = [f"{key} = {json.dumps(value)}" for key, value in data.items() if not isinstance(value, dict)]
    lines += ["[resources]", *(f"{key} = {json.dumps(value)}" for key, value in data["resources"].items())]
    (folder / "mine.toml").write_text("\n".join(lines))
    return folder / "mine.toml"


def test_a_board_of_the_user(tmp_path: Path) -> None:
    board = boards.load(written(tmp_path, name="Mine", clock_mhz=250))
    assert (board.name, board.clock_mhz, board.resources["lut"]) == ("Mine", 250.0, 230400)


RESOURCES = boards.load("ZCU104").resources


@pytest.mark.parametrize(
    "changes",
    [
        {"name": 5},
        {"family": "versal"},
        {"clock_mhz": 0},
        {"clock_mhz": "fast"},
        {"clock_mhz": True},
        {"clock_mhz": 1e9},
        {"resources": {**RESOURCES, "lut": -1}},
        {"resources": {**RESOURCES, "lut": 0}},
        {"resources": {**RESOURCES, "dsp": 1.5}},
        {"resources": {k: v for k, v in RESOURCES.items() if k != "uram"}},
    ],
)
def test_impossible_entries(tmp_path: Path, changes: dict[str, Any]) -> None:
    path = written(tmp_path, **changes)
    with pytest.raises(UserError) as caught:
        boards.load(path)
    assert str(caught.value) == (
        "a board with name, part, board_part, family (zynq-7000 or zynq-mpsoc), clock_mhz and [resources] lut, ff, bram36, uram, dsp was "
        f"expected, but {path} lacks one or has an impossible value; compare it with boards/zcu104.toml"
    )


@pytest.mark.parametrize("content", [None, b"name = ", b"\xff\xfe"])
def test_files_that_are_no_toml(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "mine.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(
        UserError, match=f"^a board file in TOML was expected, but {path} cannot be read \\(.*\\); compare it with boards/zcu104.toml$"
    ):
        boards.load(path)
