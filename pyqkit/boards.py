"""Boards: one TOML file each, in ``boards/`` or anywhere on the user's disk."""

from __future__ import annotations

import difflib
import importlib
from dataclasses import asdict, dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

from pyqkit.errors import UserError
from pyqkit.files import packaged

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
    unconfirmed : tuple of str
        Figures that rest on one source or on judgement.
    sources : dict of str to str
        Where the figures come from.
    aliases : tuple of str
        Other names of the board: what its image calls it, what other tools do.
    image : str
        Newest PYNQ image.
    ports : dict of str to str or int
        Of the processing system, as overlays use them: control, memory, memory_bits.
    clocks : dict of str to float or list of float
        source_mhz of the PLL, and the rates reachable_mhz from it.
    rails : dict of str to str
        Power rails as `pynq.get_rails` names them: pl and total; empty where there is none.
    """

    name: str
    part: str
    board_part: str
    family: str
    clock_mhz: float
    resources: dict[str, int]
    unconfirmed: tuple[str, ...] = ()
    sources: dict[str, str] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    image: str = ""
    ports: dict[str, str | int] = field(default_factory=dict)
    clocks: dict[str, Any] = field(default_factory=dict)
    rails: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """What `from_data` reads."""
        return asdict(self)


def folder() -> Path:
    """Where the boards that come with pyqkit are described."""
    return packaged("board_files", "boards")


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
    tomllib = _toml()
    try:
        data = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UserError(
            f"a board file in TOML was expected, but {path} cannot be read ({error}); compare it with boards/zcu104.toml"
        ) from error
    return from_data(data, str(path))


def _toml() -> Any:
    """The TOML reader: of Python, or on a board's Python 3.10 the package of the same content."""
    for name in ("tomllib", "tomli"):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError:
            pass
    raise UserError("Python 3.11 or the package tomli was expected to read board files, but neither is here; pip install tomli")


def from_data(data: Any, where: str) -> Board:
    """A board from the data of a TOML or JSON file; `where` is for the message.

    Raises
    ------
    UserError
        For missing or impossible entries.
    """
    entries = data if isinstance(data, dict) else {}
    resources, clock, sources = entries.get("resources"), entries.get("clock_mhz"), entries.get("sources", {})
    texts = all(isinstance(entries.get(key), str) for key in ("name", "part", "board_part")) and entries.get("family") in FAMILIES
    counts = isinstance(resources, dict) and all(type(resources.get(key)) is int and resources[key] >= 0 for key in RESOURCES)
    if not (texts and counts and is_clock(clock) and isinstance(sources, dict)) or 0 in (resources["lut"], resources["ff"]):  # type: ignore[index]
        raise UserError(
            f"a board with name, part, board_part, family ({' or '.join(FAMILIES)}), clock_mhz and [resources] {', '.join(RESOURCES)} was "
            f"expected, but {where} lacks one or has an impossible value; compare it with boards/zcu104.toml"
        )
    unconfirmed = tuple(str(name) for name in entries.get("unconfirmed", ()))
    return Board(
        entries["name"],
        entries["part"],
        entries["board_part"],
        entries["family"],
        float(clock),  # type: ignore[arg-type]
        {key: resources[key] for key in RESOURCES},  # type: ignore[index]
        unconfirmed,
        {str(key): str(value) for key, value in sources.items()},
        *_surroundings(entries, where),
    )


def _surroundings(entries: dict[str, Any], where: str) -> tuple[Any, ...]:
    """What only overlays need; a board of the user may leave any of it out."""
    aliases, image = entries.get("aliases", ()), entries.get("image", "")
    ports, clocks, rails = (entries.get(key, {}) for key in ("ports", "clocks", "rails"))
    rates = [clocks.get("source_mhz"), *clocks.get("reachable_mhz", ())] if isinstance(clocks, dict) and clocks else []
    expected = {
        "aliases": isinstance(aliases, (list, tuple)) and all(isinstance(name, str) for name in aliases),
        "image": isinstance(image, str),
        "ports": isinstance(ports, dict) and all(isinstance(value, (str, int)) for value in ports.values()),
        "clocks": isinstance(clocks, dict) and all(type(rate) in (int, float) and 0 < rate < 10_000 for rate in rates),
        "rails": isinstance(rails, dict) and all(isinstance(rail, str) for rail in rails.values()),
    }
    wrong = [key for key, right in expected.items() if not right]
    if wrong:
        raise UserError(f"{wrong[0]} as in boards/zcu104.toml was expected, but {where} has something else; compare the two")
    return tuple(aliases), image, dict(ports), dict(clocks), dict(rails)


def is_clock(value: Any) -> bool:
    """Whether `value` is a clock in MHz that a PL can have."""
    return type(value) in (int, float) and isfinite(value) and 0 < value < 1000
