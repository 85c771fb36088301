"""Board files: complete, consistent, and refused in one sentence when they are not."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from pyqkit import boards
from pyqkit.errors import UserError

NAMES = [
    "AUP-ZU3",
    "Arty-Z7-20",
    "KR260",
    "KV260",
    "PYNQ-Z1",
    "PYNQ-Z2",
    "RFSoC2x2",
    "RFSoC4x2",
    "Ultra96-V2",
    "ZCU104",
]
CLOCKS = {"zynq-7000": 1000.0, "zynq-mpsoc": 1500.0}  # MHz of the IO PLL that divides down to the clock


def test_all_boards_are_there() -> None:
    assert sorted(boards.names()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_figures_have_sources(name: str) -> None:
    board = boards.load(name)
    assert board.name == name
    groups = {"part", "resources", "clock_mhz", "aliases", "image", "ports", "clocks", "rails"}
    assert set(board.sources) == groups and all(board.sources.values())
    assert {"clock_mhz", "image"} <= set(board.unconfirmed) <= groups
    assert all("recalled" not in text or group in board.unconfirmed for group, text in board.sources.items())
    assert ("resources" in board.unconfirmed) == name.startswith("RFSoC")
    assert board.part.startswith("xc7" if board.family == "zynq-7000" else ("xczu", "xck26"))
    assert board.resources["ff"] == 2 * board.resources["lut"]
    divider = CLOCKS[board.family] / board.clock_mhz
    assert divider == int(divider)
    assert (
        board.clocks["source_mhz"] == CLOCKS[board.family]
        and board.clock_mhz in board.clocks["reachable_mhz"]
    )
    for rate in board.clocks["reachable_mhz"]:
        assert rate == pytest.approx(CLOCKS[board.family] / round(CLOCKS[board.family] / rate), abs=1e-3)
    assert set(board.rails) == {"pl", "total"} and board.image.count(".") == 1
    assert board.ports["memory_bits"] == {"zynq-7000": 64, "zynq-mpsoc": 128}[board.family]


@pytest.mark.parametrize("name", NAMES)
def test_ports_are_those_of_the_shell(name: str) -> None:
    board = boards.load(name)
    shell = (boards.folder().parent / "overlays" / "shells" / f"{board.family}.tcl").read_text()
    assert f"control {board.ports['control']}\n" in shell and f"memory {board.ports['memory']}\n" in shell
    assert f"DATA_WIDTH {board.ports['memory_bits']} " in shell


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("aliases", ["a", 5]), ("image", 3.1), ("ports", "GP0"), ("clocks", {"source_mhz": 0}),
        ("rails", {"pl": 1}), ("unconfirmed", 5), ("unconfirmed", [[[]]]), ("sources", {"part": {"a": 1}}),
        ("sources", []), ("aliases", "ab"), ("clocks", "fast"),
        ("clocks", {"source_mhz": 1000, "reachable_mhz": 5}), ("clocks", {"source_mhz": float("nan")}),
        ("clocks", {"reachable_mhz": []}), ("ports", {"memory_bits": 10**400}), ("ports", {"memory": True}),
        ("rails", []),
    ],
)  # fmt: skip
def test_impossible_surroundings(key: str, value: Any) -> None:
    data = {**boards.load("ZCU104").to_json(), key: value}
    with pytest.raises(
        UserError,
        match=f"^{key} as in boards/zcu104.toml was expected, but mine has something else; compare the two$",
    ):
        boards.from_data(data, "mine")


@pytest.mark.parametrize("name", NAMES)
def test_names_in_any_case_and_through_json(name: str) -> None:
    board = boards.load(name)
    assert boards.load(name.lower()) == boards.load(name.upper()) == board
    assert boards.from_data(json.loads(json.dumps(board.to_json())), "json") == board


def test_boards_with_the_same_chip_have_the_same_resources() -> None:
    by_chip: dict[str, set[tuple[int, ...]]] = {}
    for name in NAMES:
        board = boards.load(name)
        by_chip.setdefault(board.part.split("-")[0].removesuffix("clg400"), set()).add(
            tuple(board.resources.values())
        )
    assert all(len(found) == 1 for found in by_chip.values())
    assert len(by_chip) == 6


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("zcu14", "did you mean 'ZCU104'?"),
        ("pynqz2", "did you mean 'PYNQ-Z2'?"),
        ("??", f"known are {', '.join(boards.names())}"),
    ],
)
def test_unknown_names(name: str, hint: str) -> None:
    with pytest.raises(UserError) as caught:
        boards.load(name)
    assert str(caught.value) == f"a board was expected, but {name!r} is none; {hint}"


def written(folder: Path, **changes: Any) -> Path:
    data = {**boards.load("ZCU104").to_json(), **changes}
    # None of the optional tables.
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
        {"clock_mhz": 0.1},
        {"clock_mhz": 10**400},
        {"resources": {**RESOURCES, "ff": 2**31 + 1}},
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
        "a board with name, part, board_part, family (zynq-7000 or zynq-mpsoc), clock_mhz and "
        "[resources] lut, ff, bram36, uram, dsp was "
        f"expected, but {path} lacks one or has an impossible value; compare it with boards/zcu104.toml"
    )


DOTS = ".".join("a" * 1000)


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"name = ",
        b"\xff\xfe",
        b"a = 1\na = 2",
        b"a = \0",
        b"a = " + b"9" * 5000,
        b"a = " + b"[" * 10_000,
        b"a = " + b"{b = " * 2000,
        f"{DOTS} = 1".encode(),
        f"[{DOTS}]".encode(),
        f'[ "a" . {DOTS} ]'.encode(),
        b"#" * 20_000,
    ],
)
def test_files_that_are_no_toml(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "mine.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(
        UserError,
        match=f"^a board file in TOML was expected, but {path} cannot be read \\(.*\\); compare it with "
        "boards/zcu104.toml$",
    ):
        boards.load(path)


def test_files_that_are_no_regular_files(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    os.mkfifo(path)
    with pytest.raises(UserError) as caught:
        boards.load(path)
    assert str(caught.value) == (
        f"a board file in TOML was expected, but {path} cannot be read (it is no regular file); "
        "compare it with boards/zcu104.toml"
    )


def test_marks_and_line_ends_of_other_systems(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert boards.load(path).name == "ZCU104"


def test_one_board_is_shown_with_its_name_in_vivado() -> None:
    from click.testing import CliRunner

    from pyqkit.cli import main

    shown = CliRunner().invoke(main, ["boards", "PYNQ-Z2"]).output
    assert "board_part" in shown and "tul.com.tw:pynq-z2:part0:1.0" in shown
