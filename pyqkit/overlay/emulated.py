"""Overlays for the emulated board: the same files that Vivado's build gives, without Vivado."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from pyqkit import build_folder
from pyqkit.errors import UserError
from pyqkit.overlay import bitfile, hwh
from pyqkit.overlay.plan import check_target, plan


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
        If a file exists and `force` is not given, or if the accelerator has several inputs or too many outputs.
    """
    planned = plan(build, name)
    name, board, design = planned.name, planned.board, planned.design
    bit = target / f"{name}.bit"
    check_target(bit, force)
    facts = {
        "board": board.name,
        "clock_mhz": design.clock_mhz,
        "build": planned.manifest["sha256"],
        "frames_per_packet": frames_per_packet,
    }
    try:
        target.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=target))
    except OSError as error:
        raise UserError(f"a folder that can be written was expected, but {target} cannot ({error}); choose another place") from error
    try:
        (beside / bit.name).write_bytes(bitfile.write_emulated(name, board.part, facts))
        (beside / f"{name}.hwh").write_text(hwh.write(design))
        build_folder.pack(build, beside / f"{name}.zip")
        replace(planned.describe(emulated=True), frames_per_packet=frames_per_packet).write(beside)
        for file in sorted(beside.iterdir(), key=lambda p: p.suffix == ".bit"):  # what makes it complete comes last
            os.replace(file, target / file.name)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return bit
