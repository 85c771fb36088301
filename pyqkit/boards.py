"""Boards: one TOML file each, in ``boards/`` or anywhere on the user's disk."""

from __future__ import annotations

import difflib
import importlib
import re
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from pyqkit import untrusted
from pyqkit.errors import UserError, brief
from pyqkit.files import packaged
from pyqkit.names import LONGEST_LABEL, is_label

FAMILIES = ("zynq-7000", "zynq-mpsoc")
RESOURCES = ("lut", "ff", "bram36", "uram", "dsp")
_NAMES = ("name", "part", "board_part")
_PORTS, _CLOCKS, _RAILS, _DRIVER = (
    {"control", "memory", "memory_bits"},
    {"source_mhz", "reachable_mhz"},
    {"pl", "total"},
    {"read_efficiency", "write_efficiency", "access_us", "encode_ns", "decode_ns"},
)
MAX_FILE = 16 * 1024  # bytes of a board file; those that come with pyqkit have 1.5 KB
MAX_KEY_PARTS = 7  # of a key in a board file
MAX_COUNT = 2**31  # of a resource
CLOCKS_MHZ = (1.0, 1000.0)  # of the accelerator; the PLL of a board divides down to 0.4 MHz

# `tomllib` takes minutes for keys of many parts.
_LONG_KEY = re.compile(rf"""(?<![\w"'-])(?:[\w"'-]+[ \t]*\.[ \t]*){{{MAX_KEY_PARTS}}}""")


@dataclass(frozen=True)
class Board:
    """A board and what its programmable logic holds.

    Attributes
    ----------
    name, part, board_part : str
        `part` and `board_part` as Vivado spells them. Labels (`pyqkit.names.is_label`), `board_part` several,
        joined by colons.
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
    driver : dict of str to float
        What a driver costs, where it is known better than by `pyqkit.driver_rate.Surroundings`, whose names
        these are.
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
    driver: dict[str, float] = field(default_factory=dict)

    def with_share(self, share: float) -> Board:
        """The board with that part of everything but its LUTs, rounded down."""
        left = {name: int(n * share) if name != "lut" else n for name, n in self.resources.items()}
        return replace(self, resources=left)

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
            hint = (
                f"did you mean {next(n for n in known if n.upper() == close[0])!r}?"
                if close
                else f"known are {', '.join(known)}"
            )
            raise UserError(f"a board was expected, but {brief(str(board))} is none; {hint}")
    try:
        data = _toml_data(untrusted.text(path, MAX_FILE))
    except (OSError, ValueError) as error:
        raise UserError(
            f"a board file in TOML was expected, but {path} cannot be read ({error}); compare it "
            "with boards/zcu104.toml"
        ) from error
    return from_data(data, str(path))


def _toml_data(content: str) -> Any:
    """TOML whose keys and values are nested a few levels; raises ValueError for anything else."""
    if _LONG_KEY.search(content):
        raise ValueError(f"a key has more than {MAX_KEY_PARTS} parts")
    try:
        return _toml().loads(content)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _toml() -> Any:
    """The TOML reader: of Python, or on a board's Python 3.10 the package of the same content."""
    for name in ("tomllib", "tomli"):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError:
            pass
    raise UserError(
        "Python 3.11 or the package tomli was expected to read board files, but neither is here; "
        "pip install tomli"
    )


def from_data(data: Any, where: str) -> Board:
    """A board from the data of a TOML or JSON file; `where` is for the message.

    Raises
    ------
    UserError
        For missing or impossible entries.
    """
    entries = data if isinstance(data, dict) else {}
    resources, clock = entries.get("resources"), entries.get("clock_mhz")
    texts = all(isinstance(entries.get(key), str) for key in _NAMES) and entries.get("family") in FAMILIES
    counts = isinstance(resources, dict) and all(_is_count(resources.get(key)) for key in RESOURCES)
    if not (texts and counts and is_clock(clock)) or 0 in (resources["lut"], resources["ff"]):  # type: ignore[index]
        raise UserError(
            f"a board with name, part, board_part, family ({' or '.join(FAMILIES)}), clock_mhz and "
            f"[resources] {', '.join(RESOURCES)} was "
            f"expected, but {where} lacks one or has an impossible value; compare it with boards/zcu104.toml"
        )
    for key in _NAMES:
        _check_name(key, entries[key], where)
    _check_keys(entries, {item.name for item in fields(Board)}, where)
    _check_keys(resources, set(RESOURCES), where)  # type: ignore[arg-type]
    return Board(
        entries["name"],
        entries["part"],
        entries["board_part"],
        entries["family"],
        float(clock),  # type: ignore[arg-type]
        {key: resources[key] for key in RESOURCES},  # type: ignore[index]
        *_surroundings(entries, where),
    )


def _check_name(key: str, value: str, where: str) -> None:
    """Names of boards and parts become folders, words of Tcl and entries of manifests."""
    words = value.split(":") if key == "board_part" else [value]  # vendor, board, file and version
    if not all(map(is_label, words)):
        raise UserError(
            f"ASCII letters, digits and _.+- were expected as the {key} of a board, with a letter "
            "or digit first and at most "
            f"{LONGEST_LABEL}, but {where} has {brief(value)}; compare it with boards/zcu104.toml"
        )


def _check_keys(table: dict[str, Any], known: set[str], where: str) -> None:
    unknown = [key for key in table if key not in known]
    if unknown:
        raise UserError(
            f"{', '.join(sorted(known))} were expected, but {where} has {brief(unknown[0])} too; leave it out"
        )


def _surroundings(entries: dict[str, Any], where: str) -> tuple[Any, ...]:
    """What only overlays and reports need; a board of the user may leave any of it out."""
    unconfirmed, aliases, image = (
        entries.get("unconfirmed", ()),
        entries.get("aliases", ()),
        entries.get("image", ""),
    )
    sources, ports, clocks, rails, driver = (
        entries.get(key, {}) for key in ("sources", "ports", "clocks", "rails", "driver")
    )
    expected = {
        "unconfirmed": _are_labels(unconfirmed),
        "sources": isinstance(sources, dict) and _are_labels([*sources]) and _are_texts([*sources.values()]),
        "aliases": _are_labels(aliases),
        "image": image == "" or is_label(image),
        "ports": isinstance(ports, dict)
        and all(is_label(value) or _is_count(value) for value in ports.values()),
        "clocks": isinstance(clocks, dict)
        and (not clocks or _are_rates(clocks.get("source_mhz"), clocks.get("reachable_mhz", ()))),
        "rails": isinstance(rails, dict) and _are_texts([*rails.values()]),
        "driver": isinstance(driver, dict) and all(map(_is_cost, driver.values())),
    }
    known_keys = (("ports", _PORTS), ("clocks", _CLOCKS), ("rails", _RAILS), ("driver", _DRIVER))
    for key, known in known_keys:
        expected[key] = expected[key] and set(entries.get(key, {})) <= known
    wrong = [key for key, right in expected.items() if not right]
    if wrong:
        raise UserError(
            f"{wrong[0]} as in boards/zcu104.toml was expected, but {where} has something else; "
            "compare the two"
        )
    costs = {key: float(value) for key, value in driver.items()}
    tables = dict(ports), dict(clocks), dict(rails), costs
    return tuple(unconfirmed), dict(sources), tuple(aliases), image, *tables


def _are_labels(values: object) -> bool:
    return isinstance(values, (list, tuple)) and all(map(is_label, values))


def _are_texts(values: object) -> bool:
    return isinstance(values, (list, tuple)) and all(isinstance(value, str) for value in values)


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= MAX_COUNT


def _is_cost(value: object) -> bool:
    return type(value) in (int, float) and 0 < value < 1e6  # type: ignore[operator]


def _are_rates(source: object, reachable: object) -> bool:
    """Whether a PLL and what is reached from it are rates in MHz."""
    rates = [source, *reachable] if isinstance(reachable, (list, tuple)) else [None]
    return all(type(rate) in (int, float) and 0 < rate < 10_000 for rate in rates)  # type: ignore[operator]


def is_clock(value: object) -> bool:
    """Whether `value` is a clock in MHz that an accelerator can have."""
    return type(value) in (int, float) and CLOCKS_MHZ[0] <= value < CLOCKS_MHZ[1]  # type: ignore[operator]
