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
    build : Path
        Build folder.
    contents : dict of str to bytes
        What the overlay is made of: the build folder written anew, by paths in it. A folder may come from
        anybody, and from an older pyqkit: its graph and foldings are taken, its sources are not.
    packed : bytes
        What of them runs, and so goes with the bitstream to the board.
    manifest : dict
        Of what is packed.
    name : str
        Of the overlay and of its files.
    board : Board
    design : pyqkit.overlay.hwh.Design
    designs : Designs
    inputs, outputs : tuple of End
        Streams of the accelerator.
    """

    build: Path
    contents: dict[str, bytes]
    packed: bytes
    manifest: dict[str, Any]
    name: str
    board: Board
    design: hwh.Design
    designs: Designs
    inputs: tuple[End, ...]
    outputs: tuple[End, ...]

    def describe(self, emulated: bool) -> Manifest:
        """The overlay's manifest, without hashes; other names of the board count as the board."""
        own = self.board.name
        return describe(
            self.design,
            (own, *(name for name in self.board.aliases if name.lower() != own.lower())),
            emulated,
        )


def plan(
    build: Path, name: str | None = None, backend: str = backends.DEFAULT, with_counters: bool = False
) -> Plan:
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
    """
    name = build.resolve().name if name is None else name
    if not is_label(name):
        raise OverlayError(
            "ASCII letters, digits and _.+- were expected in the name of an overlay, with a letter "
            f"or digit first and at most {LONGEST_LABEL}, "
            f"but {brief(name)} came; rename the build folder, after which the overlay is called"
        )
    stored = build_contents.read(build)
    designs, graph = stored.designs, stored.designs.compiled.graph
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
    return Plan(
        build, contents, build_folder.packed(run), manifest, name, board, design, designs, given, taken
    )


def check_target(bit: Path, force: bool) -> None:
    """Refuse to replace an overlay unless `force` is given."""
    if bit.exists() and not force:
        raise OverlayError(
            f"a new overlay was expected, but {bit} exists; choose another folder or pass --force"
        )
