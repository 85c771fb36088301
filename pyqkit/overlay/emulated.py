"""Overlays for the emulated board: the same files that Vivado's build gives, without Vivado."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from pyqkit import build_folder
from pyqkit.boards import from_data
from pyqkit.errors import UserError
from pyqkit.formats.port import End
from pyqkit.overlay import bitfile, hwh
from pyqkit.overlay.manifest import OverlayError, describe


def write(build: Path, target: Path, name: str | None = None, force: bool = False, frames_per_packet: int | None = 1) -> Path:
    """Write NAME.bit, NAME.hwh, NAME.json and NAME.zip into the folder `target`.

    Parameters
    ----------
    build : Path
        Build folder.
    name : str, optional
        The build folder's by default.
    frames_per_packet : int or None
        After how many frames the accelerator sets TLAST; None: where the input has it. What is generated sets it on every frame.

    Returns
    -------
    Path
        The .bit file.

    Raises
    ------
    OverlayError
        If a file exists and `force` is not given, or if the accelerator has several inputs or outputs.
    """
    manifest, _ = build_folder.read(build)
    name = name or build.resolve().name
    board = from_data(manifest["board"], str(build))
    (given, *more), (taken, *others) = ([End.from_json(e) for e in manifest["streams"][side]] for side in ("inputs", "outputs"))
    if more or others:
        raise OverlayError(
            f"a network with one input and one output was expected, but {build} has {1 + len(more)} and {1 + len(others)}; join them in the model"
        )
    bit = target / f"{name}.bit"
    if bit.exists() and not force:
        raise OverlayError(f"a new overlay was expected, but {bit} exists; choose another folder or pass --force")
    design = hwh.accelerator_design(name, board.part, board.family, float(manifest["clock_mhz"]), given.beat_bytes, taken.beat_bytes)
    facts = {"board": board.name, "clock_mhz": design.clock_mhz, "build": manifest["sha256"], "frames_per_packet": frames_per_packet}
    try:
        target.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=target))
    except OSError as error:
        raise UserError(f"a folder that can be written was expected, but {target} cannot ({error}); choose another place") from error
    try:
        (beside / bit.name).write_bytes(bitfile.write_emulated(name, board.part, facts))
        (beside / f"{name}.hwh").write_text(hwh.write(design))
        build_folder.pack(build, beside / f"{name}.zip")
        replace(describe(design, (board.name,), emulated=True), frames_per_packet=frames_per_packet).write(beside)
        for file in sorted(beside.iterdir(), key=lambda p: p.suffix == ".bit"):  # what makes it complete comes last
            os.replace(file, target / file.name)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return bit
