"""What stands in a build folder: a compiled network as files, and those files as a compiled network.

`pyqkit.build_folder` knows how such a folder is written, packed, sealed and checked; needs neither torch nor
onnx.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pyqkit import __version__, backends, boards, build_folder
from pyqkit.compiled import Compiled
from pyqkit.designs import Designs
from pyqkit.emulate.exact import ExactEngine
from pyqkit.emulate.golden import golden
from pyqkit.formats.reading import DAMAGE, describe
from pyqkit.graph import serialise
from pyqkit.graph.graph import Graph
from pyqkit.graph.reuse import Reuse, looped, refusal
from pyqkit.hardware import fit, folding
from pyqkit.hls import generate as hls
from pyqkit.rtl import generate as rtl

_NEEDED = {"board", "clock_mhz", "folding", "graph", "source"}  # of a manifest, to read it again


def contents(designs: Designs, exact: ExactEngine, report: dict[str, Any]) -> dict[str, bytes]:
    """Every file of the build folder, by its path in it.

    These are the manifest, arrays, generated C++ and SystemVerilog with their libraries, golden vectors and
    the QONNX file.

    Parameters
    ----------
    designs : Designs
    exact : ExactEngine
        What computes the golden vectors.
    report : dict
        As `pyqkit.report.Report.to_json` gives it.
    """
    compiled, design = designs.compiled, designs.rtl
    graph, arrays = serialise.to_json(compiled.graph)
    sources = _sources(designs)
    if compiled.model is not None:
        sources[build_folder.MODEL] = compiled.model
    manifest = {
        "pyqkit": __version__,
        "source": compiled.source,
        "board": compiled.board.to_json(),
        "clock_mhz": compiled.clock_mhz,
        "graph": graph,
        "folding": folding.to_json(compiled.foldings),
        "reuse": None if compiled.reuse is None else compiled.reuse.to_json(),
        "streams": {
            side: [end.to_json() for end in ends]
            for side, ends in (("inputs", design.inputs), ("outputs", design.outputs))
        },
        "report": report,
    }
    data = {build_folder.ARRAYS: arrays, build_folder.GOLDEN: _golden(exact)}
    return build_folder.sealed(
        manifest, {name: build_folder.archive(held) for name, held in data.items()} | sources
    )


def _sources(designs: Designs) -> dict[str, bytes]:
    """Generated C++ and SystemVerilog, and the libraries that they are instantiated from."""
    made = {"hls": lambda: designs.hls.files, "rtl": lambda: designs.rtl.files}
    texts = {backend: made[backend]() for backend in backends.BACKENDS}
    sources = {
        f"{folder}/{name}": text.encode() for folder, files in texts.items() for name, text in files.items()
    }
    headers = hls.library()
    sources |= {
        f"hls/include/{path.relative_to(headers)}": path.read_bytes()
        for path in headers.rglob("*")
        if path.suffix in (".hpp", ".h")
    }
    return sources | {f"rtl/{path.name}": path.read_bytes() for path in rtl.library().glob("*.sv")}


def _golden(exact: ExactEngine) -> dict[str, np.ndarray]:
    """Frames of codes with the codes they must give."""
    inputs, outputs = golden(exact)
    return {f"input.{k}": v for k, v in inputs.items()} | {f"output.{k}": v for k, v in outputs.items()}


@dataclass(frozen=True)
class Stored:
    """What a build folder holds.

    Attributes
    ----------
    designs : Designs
        Of the compiled network, nothing worked out yet.
    report : dict or None
        The report that the folder claims, as it stands there; nobody has checked it.
    """

    designs: Designs
    report: dict[str, Any] | None


def read(folder: str | Path) -> Stored:
    """Read a build folder, also a packed one, wherever it has been moved to.

    One whose design does not fit its board is warned of.

    Raises
    ------
    BuildFolderError, UserError
        If it is not as pyqkit wrote it.
    """
    folder = Path(folder)
    manifest, arrays = build_folder.read(folder)
    report = manifest.get("report")
    stored = Stored(
        Designs(_compiled(folder, manifest, arrays)), report if isinstance(report, dict) else None
    )
    if stored.report and stored.report.get("overflow"):  # what a folder claims is looked at, not believed
        _warn(folder, stored.designs)
    return stored


def _warn(folder: Path, designs: Designs) -> None:
    compiled = designs.compiled
    over = fit.overflows(designs.estimator.total(compiled.foldings), compiled.board)
    if over:
        warnings.warn(f"{folder}: {fit.sentence(over, compiled.board)}", stacklevel=5)


def _compiled(folder: Path, manifest: dict[str, Any], arrays: dict[str, np.ndarray]) -> Compiled:
    missing = _NEEDED - set(manifest)
    if missing or not boards.is_clock(manifest["clock_mhz"]):
        what = f"{min(missing)} is missing" if missing else f"its clock is {manifest['clock_mhz']}"
        raise build_folder.BuildFolderError(
            f"a complete manifest was expected in {folder}, but {what}; compile the network again"
        )
    where = str(folder / build_folder.MANIFEST)
    graph = serialise.from_json(manifest["graph"], arrays)
    if any(port.limits is None for port in graph.inputs):
        raise build_folder.BuildFolderError(
            f"limits of every input were expected in {folder}, but some are missing; compile again"
        )
    reuse = _reuse(manifest.get("reuse"), graph, folder)
    built = graph if reuse is None else looped(graph, reuse)
    foldings = folding.from_json(manifest["folding"], built, where)
    board = boards.from_data(manifest["board"], where)
    has_model = build_folder.MODEL in manifest["files"]
    model = build_folder.content(folder, build_folder.MODEL) if has_model else None
    clock, source = float(manifest["clock_mhz"]), str(manifest["source"])
    return Compiled(graph, board, clock, foldings, model, source, reuse)


def _reuse(data: Any, graph: Graph, folder: Path) -> Reuse | None:
    """Which layers share hardware, as a manifest says; checked."""
    if data is None:
        return None
    try:
        found = Reuse.from_json(data)
        reason = refusal(graph, found)
    except DAMAGE as error:
        reason = describe(error)
    if reason:
        raise build_folder.BuildFolderError(
            f"layers that can share hardware were expected in {folder}, but {reason}; compile "
            "the network again"
        )
    return found
