"""What Vivado made of every block, as `make ooc` of a project wrote it, beside the estimates.

The file comes from another machine: it is checked when it is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyqkit import untrusted
from pyqkit.errors import UserError, brief
from pyqkit.formats.reading import DAMAGE, check, describe, text, whole
from pyqkit.names import LONGEST_GENERATED
from pyqkit.rtl.emitter import Fifo
from pyqkit.rtl.generate import Design

FILE = "work/ooc.json"  # in a project
_PLACES = (FILE, f"project/rtl/{FILE}")  # in a folder that is given
_SCHEMA = 1
_MOST_BYTES = 16 * 2**20
# Primitives of the 7 series and of UltraScale+, by what they count as, and how many sites each takes.
_LUTS = {f"LUT{inputs}": 1 for inputs in range(1, 7)} | {"INV": 1}
_LUTS |= {"SRL16E": 1, "SRLC16E": 1, "SRLC32E": 1, "RAM32X1S": 1, "RAM64X1S": 1, "RAM32X1D": 2, "RAM64X1D": 2}
_LUTS |= {
    "RAM128X1S": 2,
    "RAM128X1D": 4,
    "RAM256X1S": 4,
    "RAM32M": 4,
    "RAM64M": 4,
    "RAM32M16": 8,
    "RAM64M8": 8,
}
_FLIPFLOPS = dict.fromkeys(("FDRE", "FDSE", "FDCE", "FDPE"), 1)
_MEMORIES = {"RAMB36E1": 1.0, "RAMB36E2": 1.0, "RAMB18E1": 0.5, "RAMB18E2": 0.5}
_DSPS = {
    "DSP48E1": 1,
    "DSP48E2": 1,
    "DSP_OUTPUT": 1,
}  # the last: of UltraScale+, whose DSPs are several cells


@dataclass(frozen=True)
class VivadoLayer:
    """An operator, or what belongs to an end, as Vivado synthesised it.

    Attributes
    ----------
    name : str
    lut, ff, dsp : int
        Cells before placement, where small LUTs share no site.
    bram36 : float
    slack_ns : float or None
        Of the worst path inside one of its blocks; None where there is none.
    """

    name: str
    lut: int
    ff: int
    bram36: float
    dsp: int
    slack_ns: float | None


@dataclass(frozen=True)
class Vivado:
    """What Vivado said of a design (synthesised out of context, not placed).

    Attributes
    ----------
    tool, part : str
    clock_mhz : float
        That slacks are of.
    layers : tuple of VivadoLayer
        In the order of the design.
    """

    tool: str
    part: str
    clock_mhz: float
    layers: tuple[VivadoLayer, ...]

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {**vars(self), "layers": [vars(layer) for layer in self.layers], "source": "synthesised"}

    def mhz(self, layer: VivadoLayer) -> float | None:
        """Clock that an operator may reach by its slack, before placement."""
        if layer.slack_ns is None or 1000 / self.clock_mhz <= layer.slack_ns:
            return None
        return 1000 / (1000 / self.clock_mhz - layer.slack_ns)


@dataclass(frozen=True)
class _Block:
    name: str
    cells: dict[str, int]
    slack_ns: float | None


def read(path: Path, design: Design) -> Vivado:
    """Read a file of `make ooc`, or the project or overlay folder that holds one.

    Raises
    ------
    UserError
        If there is none, if it is not as `make ooc` writes it, or if it is about another design.
    """
    where = next((path / place for place in _PLACES if (path / place).is_file()), path)
    try:
        data = untrusted.json_data(untrusted.content(where, _MOST_BYTES))
        check(data["schema"] == _SCHEMA, f"schema {brief(data['schema'])}")
        clock = data["clock_mhz"]
        check(type(clock) in (int, float) and 0.1 <= clock < 10_000, f"a clock of {brief(clock)}")
        blocks = [_block(entry) for entry in data["blocks"]]
        tool, part = text(data["tool"])[:80], text(data["part"])[:80]
    except (OSError, *DAMAGE) as error:
        raise UserError(
            f"a file as 'make ooc' writes it was expected at {where}, but it cannot be read "
            f"({describe(error)}); make it again in the folder project/rtl of an overlay"
        ) from error
    owners = {
        block.name: block.edge[1] if isinstance(block, Fifo) else block.owner for block in design.blocks
    }
    unknown = [block.name for block in blocks if block.name not in owners]
    if unknown or not blocks:
        what = f"it has a block {brief(unknown[0])}" if unknown else "it has no block"
        raise UserError(
            f"blocks of {design.network} were expected in {where}, but {what}; make it again from this build"
        )
    found: dict[str, list[_Block]] = {owner: [] for owner in owners.values()}
    for block in blocks:
        found[owners[block.name]].append(block)
    layers = tuple(_layer(name, held) for name, held in found.items() if held)
    return Vivado(tool, part, float(clock), layers)


def _block(entry: Any) -> _Block:
    name, cells, slack = text(entry["name"]), entry["cells"], entry["slack_ns"]
    check(len(name) <= LONGEST_GENERATED and isinstance(cells, dict), f"block {brief(name)}")
    check(slack is None or (type(slack) in (int, float) and abs(slack) < 1e6), f"a slack of {brief(slack)}")
    return _Block(name, {text(kind): whole(count, 0) for kind, count in cells.items()}, slack)


def _layer(name: str, blocks: list[_Block]) -> VivadoLayer:
    slacks = [block.slack_ns for block in blocks if block.slack_ns is not None]
    luts, ffs, memories, dsps = (
        sum(_sum(block.cells, sites) for block in blocks) for sites in (_LUTS, _FLIPFLOPS, _MEMORIES, _DSPS)
    )
    return VivadoLayer(name, int(luts), int(ffs), memories, int(dsps), min(slacks, default=None))


def _sum(cells: Mapping[str, int], sites: Mapping[str, float]) -> float:
    return sum(count * sites.get(kind, 0) for kind, count in cells.items())
