"""The manifest of an overlay, which stands beside its bitstream.

NAME.json says what NAME.bit and NAME.hwh are, NAME.zip holds what runs of the build folder they came from.

Everything about the network (streams, formats, scales, estimated cycles, golden vectors) is in the build
folder and is read from there; the manifest adds what only the overlay knows. The overlay of an array has no
network: its manifest has the machine, and its NAME.zip a network to test it with.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyqkit import untrusted
from pyqkit.array.machine import Machine
from pyqkit.digest import digest, own_digest
from pyqkit.errors import UserError, brief
from pyqkit.formats.reading import DAMAGE, check, text, whole
from pyqkit.formats.reading import describe as described
from pyqkit.names import is_identifier, is_label
from pyqkit.overlay import bitfile, hwh, seal
from pyqkit.overlay.seal import ENDINGS, SCHEMA

MAX_FILE = 2**20  # bytes of a manifest


class OverlayError(UserError):
    """An overlay that is incomplete, was edited, or is meant for something else."""


@dataclass(frozen=True)
class Place:
    """Registers of a block, as PYNQ must find them."""

    vlnv: str
    address: int
    size: int


@dataclass(frozen=True)
class Manifest:
    """An overlay on disk.

    Attributes
    ----------
    name : str
        Of the design and of the files.
    boards : tuple of str
        Boards that it may be loaded on.
    part, family : str
    clock_mhz : float
        Fastest clock that the design was closed for.
    emulated : bool
        Whether the bitstream is for the emulated board.
    frames_per_packet : int or None
        After how many frames TLAST ends a transfer; None where it is set at the end of what was sent.
    blocks : dict of str to Place
    machine : Machine or None
        What is programmed, of an array; None of an accelerator, which is one network.
    implementation : dict
        What the tools reported (timing, utilisation), empty for an emulated overlay.
    files : dict of str to str
        SHA-256 by file name.
    folder : Path
    """

    name: str
    boards: tuple[str, ...]
    part: str
    family: str
    clock_mhz: float
    emulated: bool
    frames_per_packet: int | None
    blocks: dict[str, Place]
    machine: Machine | None = None
    implementation: dict[str, Any] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    folder: Path = Path()

    @property
    def dmas(self) -> tuple[str, ...]:
        """Instances of the AXI DMA, one an output; the first sends the input too."""
        return tuple(name for name, place in self.blocks.items() if place.vlnv == hwh.DMA_VLNV)

    @property
    def bitfile(self) -> Path:
        """The bitstream."""
        return self.folder / f"{self.name}.bit"

    @property
    def handoff(self) -> Path:
        """The hardware handoff file."""
        return self.folder / f"{self.name}.hwh"

    @property
    def build(self) -> Path:
        """The packed build folder, or the network that an array is tested with."""
        return self.folder / f"{self.name}.zip"

    def to_json(self) -> dict[str, Any]:
        """What `seal.write` takes: everything but the hashes of the files."""
        data: dict[str, Any] = {k: v for k, v in vars(self).items() if k not in ("folder", "files")}
        return data | {
            "boards": list(self.boards),
            "blocks": {name: vars(place) for name, place in self.blocks.items()},
            "machine": None if self.machine is None else self.machine.to_json(),
        }

    def write(self, folder: Path) -> Path:
        """Write NAME.json into a folder that holds the other files.

        Their hashes are taken from what is there.
        """
        return seal.write(self.to_json(), folder)


def describe(
    design: hwh.Design, boards: tuple[str, ...], emulated: bool, machine: Machine | None = None
) -> Manifest:
    """The manifest of a design, before the hashes of its files are known."""
    places = {
        b.name: Place(b.vlnv, b.address, b.size)
        for b in design.blocks
        if b.address is not None and b.size is not None
    }
    own = design.name, boards, design.part, design.family, design.clock_mhz
    return Manifest(*own, emulated, None, places, machine)


def find(path: Path) -> Path:
    """The manifest of an overlay that is given by its .bit, its manifest or the folder that holds it alone.

    Raises
    ------
    OverlayError
    """
    if path.is_dir():
        found = sorted(
            p for p in path.glob("*.json") if p.with_suffix(".bit").exists() or p.with_suffix(".hwh").exists()
        )
        if len(found) != 1:
            what = f"{len(found)} ({', '.join(p.stem for p in found)})" if found else "none"
            raise OverlayError(
                f"one overlay was expected in {path}, but there is {what}; give the path of its .bit file"
            )
        return found[0]
    return path.with_suffix(".json")


def read(path: Path) -> Manifest:
    """Read a manifest and check that every file beside it is what was written.

    Raises
    ------
    OverlayError
    """
    where = find(path)
    if not where.is_file():
        raise OverlayError(
            f"an overlay with its manifest was expected at {where}, but there is none; make one "
            "with 'pyqkit overlay'"
        )
    try:
        data = untrusted.json_data(untrusted.content(where, MAX_FILE))
        check(data["schema"] == SCHEMA, f"schema {brief(data['schema'])}")
        check(data["sha256"] == own_digest(data), "it has been edited")
        manifest = _from_data(data, where.parent)
        check(manifest.name == where.stem, f"it is about {manifest.name}")
        check(
            set(manifest.files) == {f"{manifest.name}{ending}" for ending in ENDINGS}, "it lists other files"
        )
    except (OSError, *DAMAGE) as error:
        raise OverlayError(
            f"a manifest as pyqkit writes it was expected, but {where} is not ({described(error)}); "
            "copy the overlay again"
        ) from error
    for ending in ENDINGS:
        file = where.with_suffix(ending)
        if not file.is_file():
            raise OverlayError(
                f"{file.name} was expected beside {where}, but there is none; copy the four files "
                "of an overlay together"
            )
        try:
            unchanged = digest(untrusted.content(file, bitfile.MAX_FILE)) == manifest.files[file.name]
        except (OSError, ValueError):
            unchanged = False
        if not unchanged:
            raise OverlayError(
                f"the {file.name} that {where} names was expected, but {file} has other content; "
                "copy the overlay again"
            )
    return manifest


def _from_data(data: dict[str, Any], folder: Path) -> Manifest:
    places = {
        text(k): Place(text(v["vlnv"]), whole(v["address"], 0), whole(v["size"], 1))
        for k, v in data["blocks"].items()
    }
    frames = data["frames_per_packet"]
    clock = data["clock_mhz"]
    check(
        type(clock) in (int, float) and 0.1 <= clock < 1000 and type(data["emulated"]) is bool,
        "clock or kind",
    )
    check(frames is None or whole(frames, 1) > 0, "frames of a packet")
    check(isinstance(data["boards"], list) and len(data["boards"]) > 0, "no boards")
    check(data["family"] in hwh.FAMILIES, f"family {brief(data['family'])}")
    for label in (data["name"], data["part"], data["family"], *data["boards"]):
        check(is_label(label), f"{brief(label)} names neither overlay nor board")
    check(all(map(is_identifier, places)), "names of blocks")
    machine = data.get("machine")  # manifests from before there were arrays do not say
    manifest = Manifest(
        data["name"],
        tuple(data["boards"]),
        data["part"],
        data["family"],
        float(clock),
        data["emulated"],
        frames,
        places,
        None if machine is None else Machine.from_json(machine),
        dict(data["implementation"]),
        {text(k): text(v) for k, v in data["files"].items()},
        folder,
    )
    check(bool(manifest.dmas), "it has no DMA")
    return manifest
