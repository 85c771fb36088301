"""Boards: one TOML file each, in ``boards/`` or anywhere on the user's disk."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomllib

from pyqkit.errors import UserError

FAMILIES = ("zynq-7000", "zynq-mpsoc")
RESOURCES = ("lut", "ff", "bram36", "uram", "dsp")


@dataclass(frozen=True)
class Board:
    """A board and what its programmable logic holds.

    Attributes
    ----------
    name, part, board_part : str
        `part` and `board_part` as Vivado spells them.
    family : {"zynq-7000", "zynq-mpsoc"}
    clock_mhz : float
        Clock of the accelerator.
    resources : dict of str to int
        lut, ff, bram36 (36-kbit blocks), uram, dsp.
    """

    name: str
    part: str
    board_part: str
    family: str
    clock_mhz: float
    resources: dict[str, int]


def folder() -> Path:
    """Where the boards that come with pyqkit are described."""
    package = Path(__file__).parent
    installed = package / "board_files"
    return installed if installed.is_dir() else package.parent / "boards"


def names() -> list[str]:
    """Boards that come with pyqkit."""
    return [load(path).name for path in sorted(folder().glob("*.toml"))]


def load(board: str | Path) -> Board:
    """A board by name (case does not matter) or by the path of a TOML file.

    Raises
    ------
    UserError
        For an unknown name (the nearest is suggested) or a file with missing or impossible entries.
    """
    path = Path(board)
    if path.suffix != ".toml":
        path = folder() / f"{str(board).lower()}.toml"
        if not path.is_file():
            known = names()
            close = difflib.get_close_matches(str(board).upper(), [n.upper() for n in known], n=1, cutoff=0.3)
            hint = f"did you mean {next(n for n in known if n.upper() == close[0])!r}?" if close else f"known are {', '.join(known)}"
            raise UserError(f"a board was expected, but {str(board)!r} is none; {hint}")
    try:
        data = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UserError(
            f"a board file in TOML was expected, but {path} cannot be read ({error}); compare it with boards/zcu104.toml"
        ) from error
    return _validated(path, data)


def _validated(path: Path, data: dict[str, Any]) -> Board:
    resources = data.get("resources")
    texts = all(isinstance(data.get(key), str) for key in ("name", "part", "board_part")) and data.get("family") in FAMILIES
    clock = data.get("clock_mhz")
    numbers = isinstance(resources, dict) and all(isinstance(resources.get(key), int) and resources[key] >= 0 for key in RESOURCES)
    if not (texts and numbers and isinstance(clock, (int, float)) and 0 < clock < 1000):
        raise UserError(
            f"a board file with name, part, board_part, family ({' or '.join(FAMILIES)}), clock_mhz and [resources] {', '.join(RESOURCES)} was "
            f"expected, but {path} lacks one or has an impossible value; compare it with boards/zcu104.toml"
        )
    assert isinstance(resources, dict)
    return Board(
        data["name"], data["part"], data["board_part"], data["family"], float(data["clock_mhz"]), {key: resources[key] for key in RESOURCES}
    )
