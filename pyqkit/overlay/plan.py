"""What an overlay of a build folder will be, before anything is made.

Its name, its place, its block design.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyqkit import backends, build_contents, build_folder
from pyqkit import report as reports
from pyqkit.array.machine import Machine
from pyqkit.boards import Board
from pyqkit.designs import Designs
from pyqkit.emulate.exact import ExactEngine
from pyqkit.errors import brief
from pyqkit.formats.port import End
from pyqkit.names import LONGEST_LABEL, is_label
from pyqkit.overlay import counters, hwh
from pyqkit.overlay.manifest import Manifest, OverlayError, describe


@dataclass(frozen=True)
class Plan:
    """An overlay to be made.

    Attributes
    ----------
    source : str
        What it is made of, for messages.
    name : str
        Of the overlay and of its files.
    board : Board
    design : pyqkit.overlay.hwh.Design
    packed : bytes
        What goes with the bitstream to the board.
    digest : str
        Of what is packed.
    """

    source: str
    name: str
    board: Board
    design: hwh.Design
    packed: bytes
    digest: str

    @property
    def machine(self) -> Machine | None:
        """What is programmed, of an array."""
        return None

    def describe(self, emulated: bool) -> Manifest:
        """The overlay's manifest, without hashes; other names of the board count as the board."""
        own = self.board.name
        names = (own, *(name for name in self.board.aliases if name.lower() != own.lower()))
        return describe(self.design, names, emulated, self.machine)


@dataclass(frozen=True)
class NetworkPlan(Plan):
    """The overlay of a build folder.

    Attributes
    ----------
    contents : dict of str to bytes
        What the overlay is made of: the build folder written anew, by paths in it. A folder may come from
        anybody, and from an older pyqkit: its graph and foldings are taken, its sources are not.
    manifest : dict
        Of what is packed.
    designs : Designs
    inputs, outputs : tuple of End
        Streams of the accelerator.
    """

    contents: dict[str, bytes]
    manifest: dict[str, Any]
    designs: Designs
    inputs: tuple[End, ...]
    outputs: tuple[End, ...]


def plan(
    build: Path, name: str | None = None, backend: str = backends.DEFAULT, with_counters: bool = False
) -> NetworkPlan:
    """Read a build folder, write its contents anew and design its overlay.

    Parameters
    ----------
    backend : {"rtl", "hls"}
        That the report's cycles are of.
    with_counters : bool
        Whether cycles and stalls are counted.

    Raises
    ------
    OverlayError
        If the name is no label (`pyqkit.names.is_label`), or if the accelerator has several inputs, or more
        outputs than fit.
    UserError
        If the backend cannot make the network.
    """
    name = build.resolve().name if name is None else name
    check_name(name, "the build folder")
    stored = build_contents.read(build)
    designs, graph = stored.designs, stored.designs.compiled.graph
    backends.check(backend)
    inputs, outputs = len(graph.inputs), len(graph.outputs)
    if inputs > 1:
        raise OverlayError(
            f"a network with one input was expected, but {build} has {inputs}; join them in the "
            "model, and slice there"
        )
    if outputs > hwh.MOST_OUTPUTS:
        raise OverlayError(
            f"at most {hwh.MOST_OUTPUTS} outputs and probes were expected, but {build} has "
            f"{outputs}; compile again with fewer probes"
        )
    board = designs.compiled.board
    report = stored.report
    if report is None or report.get("backend") != backend:
        report = reports.build(designs, backend).to_json()
    contents = build_contents.contents(designs, ExactEngine(graph), report)
    run = build_folder.that_run(contents)
    manifest = json.loads(run[build_folder.MANIFEST])
    given, taken = (tuple(map(End.from_json, manifest["streams"][side])) for side in ("inputs", "outputs"))
    clock_mhz, beats = float(manifest["clock_mhz"]), [end.beat_bytes for end in taken]
    design = hwh.accelerator_design(name, board.part, board.family, clock_mhz, given[0].beat_bytes, beats)
    if with_counters:
        first = taken[0]
        design = counters.added(design, given[0].beat_bytes, first.beat_bytes, first.beats)
    own = str(build), name, board, design, build_folder.packed(run), str(manifest["sha256"])
    return NetworkPlan(*own, contents, manifest, designs, given, taken)


def check_name(name: str, source: str) -> None:
    """Refuse a name that is no label, after which files could not be called; `source` gave it."""
    if not is_label(name):
        raise OverlayError(
            "ASCII letters, digits and _.+- were expected in the name of an overlay, with a letter "
            f"or digit first and at most {LONGEST_LABEL}, "
            f"but {brief(name)} came; rename {source}, after which the overlay is called"
        )


def check_target(bit: Path, force: bool) -> None:
    """Refuse to replace an overlay unless `force` is given."""
    if bit.exists() and not force:
        raise OverlayError(
            f"a new overlay was expected, but {bit} exists; choose another folder or pass --force"
        )
