"""The last step of an overlay's build: what the tools made is checked, and the manifest is written beside it.

This also runs away from pyqkit, on the machine with the vendor tools, as ``python3 -m pyqkit.overlay.seal
FOLDER``: it and what it imports need Python's own library alone.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

from pyqkit.digest import digest, own_digest
from pyqkit.errors import UserError, brief
from pyqkit.names import is_label
from pyqkit.overlay import bitfile, hwh

SCHEMA = 1
ENDINGS = (".bit", ".hwh", ".zip")
FACTS, RESULTS, UTILISATION = "facts.json", "work/results.json", "work/utilisation.rpt"

# Rows of report_utilization, of 7-series and of UltraScale+ devices.
_ROWS = {
    "lut": ("Slice LUTs", "CLB LUTs"),
    "ff": ("Slice Registers", "CLB Registers"),
    "bram36": ("Block RAM Tile",),
    "uram": ("URAM",),
    "dsp": ("DSPs",),
}


def write(data: dict[str, Any], folder: Path) -> Path:
    """Write NAME.json into a folder that holds the other files of an overlay.

    Their hashes are taken from what is there.
    """
    name = data["name"]
    files = {f"{name}{ending}": digest((folder / f"{name}{ending}").read_bytes()) for ending in ENDINGS}
    complete = {"schema": SCHEMA, **data, "files": files}
    complete["sha256"] = own_digest(complete)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(complete, indent=1, allow_nan=False))
    return path


def utilisation(report: str) -> dict[str, float]:
    """What a design uses, from the text of Vivado's report_utilization.

    Raises
    ------
    UserError
        If LUTs or registers are not in it.
    """
    found = {}
    for key, names in _ROWS.items():
        row = re.search(rf"^\|\s*(?:{'|'.join(names)})\*?\s*\|\s*([\d.]+)\s*\|", report, re.MULTILINE)
        if row:
            found[key] = float(row[1])
    for key in ("lut", "ff"):
        if key not in found:
            raise UserError(
                f"a row {' or '.join(_ROWS[key])} was expected in {UTILISATION}, but there is none; "
                "look at what Vivado wrote"
            )
    return found


def seal(project: Path) -> Path:
    """Put an overlay together from what the tools left in a project folder.

    Returns
    -------
    Path
        The manifest, in the folder ``overlay`` of the project.

    Raises
    ------
    UserError
        If a file is missing or does not fit what was planned.
    """
    try:
        facts = json.loads((project / FACTS).read_text())
        results = json.loads((project / RESULTS).read_text())
        used = utilisation((project / UTILISATION).read_text())
    except (OSError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(
            f"the results of Vivado were expected in {project}, but they cannot be read ({error}); make again"
        ) from error
    if not is_label(facts["name"]):  # it becomes the name of files
        raise UserError(
            f"the name of an overlay was expected in {FACTS}, but {brief(facts['name'])} came; copy "
            "the project again"
        )
    bit = bitfile.read(project / "work/design.bit")
    if bit.part != bitfile.header_part(facts["part"]):
        raise UserError(
            f"a bitstream for {bitfile.header_part(facts['part'])} was expected, but Vivado made "
            f"one for {bit.part}; make clean, then make"
        )
    found = hwh.read(project / "work/design.hwh")
    facts["clock_mhz"] = _clock(found, facts)
    _check_places(found, facts)
    facts["implementation"] = {"source": "implemented", **results, "utilisation": used}
    target = project / "overlay"
    target.mkdir(exist_ok=True)
    for source, ending in zip(("work/design.bit", "work/design.hwh", "build.zip"), ENDINGS):
        shutil.copyfile(project / source, target / f"{facts['name']}{ending}")
    return write(facts, target)


def _clock(found: tuple[hwh.Block, ...], facts: dict[str, Any]) -> float:
    """The rate that the processing system gives, which is what timing was closed for."""
    keys = ("psu__crl_apb__pl0_ref_ctrl__act_freqmhz", "pcw_act_fpga0_peripheral_freqmhz")
    for block in found:
        for key in keys:
            if key in block.parameters:
                return block.rate(key)
    raise UserError(
        f"a processing system with PL clock 0 was expected in the handoff of {facts['name']}, but "
        "there is none; make clean, then make"
    )


def _check_places(found: tuple[hwh.Block, ...], facts: dict[str, Any]) -> None:
    places = {
        block.name: {"vlnv": block.vlnv, "address": block.address, "size": block.size} for block in found
    }
    for name, place in facts["blocks"].items():
        if places.get(name) != place:
            raise UserError(
                f"{name} was expected at {place}, but Vivado has "
                f"{places.get(name, 'no such block')}; make clean, then make"
            )


def main() -> int:
    """Seal the folder that the command line names."""
    try:
        print(seal(Path(sys.argv[1])))
    except UserError as error:
        print(f"pyqkit: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
