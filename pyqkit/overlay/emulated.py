"""Overlays for the emulated board: the same files that Vivado's build gives, without Vivado."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pyqkit.files import replacing_all
from pyqkit.overlay import bitfile, write_hwh
from pyqkit.overlay.plan import Plan, check_target, plan
from pyqkit.overlay.seal import ENDINGS


def write(
    build: Path,
    target: Path,
    name: str | None = None,
    force: bool = False,
    frames_per_packet: int | None = None,
    with_counters: bool = False,
) -> Path:
    """Write NAME.bit, NAME.hwh, NAME.json and NAME.zip into the folder `target`.

    Parameters
    ----------
    build : Path
        Build folder.
    name : str, optional
        The build folder's by default.
    with_counters : bool
        Whether the overlay has counters, which count frames alone on the emulated board.
    frames_per_packet : int or None
        After how many frames the accelerator sets TLAST; None: where the input has it, as what is generated
        does.

    Returns
    -------
    Path
        The .bit file.

    Raises
    ------
    OverlayError
        If there is an overlay and `force` is not given, or if the accelerator has several inputs or too many
        outputs.
    OutputError
        If something else is in the way of one of the files, or they cannot be written.
    """
    planned = plan(build, name, with_counters=with_counters)
    return write_planned(planned, target, force, frames_per_packet)


def write_planned(
    planned: Plan, target: Path, force: bool = False, frames_per_packet: int | None = None
) -> Path:
    """`write` of any plan."""
    name, board, design = planned.name, planned.board, planned.design
    # What makes it complete comes last.
    files = [target / f"{name}{ending}" for ending in (".json", *reversed(ENDINGS))]
    bit = files[-1]
    check_target(bit, force)
    facts = {
        "board": board.name,
        "clock_mhz": design.clock_mhz,
        "build": planned.digest,
        "frames_per_packet": frames_per_packet,
        "machine": None if planned.machine is None else planned.machine.to_json(),
        "blocks": [block.name for block in design.blocks],  # PYNQ knows an overlay by this file alone
    }
    with replacing_all(files, force, make_folder=True) as beside:
        (beside / bit.name).write_bytes(bitfile.write_emulated(name, board.part, facts))
        (beside / f"{name}.hwh").write_text(write_hwh.write(design))
        (beside / f"{name}.zip").write_bytes(planned.packed)
        replace(planned.describe(emulated=True), frames_per_packet=frames_per_packet).write(beside)
    return bit
