"""Whether a design's clock is in reach: the longest path of every block by a model, before anything is built.

For each module of ``rtl/`` a line through blocks that were synthesised one by one and timed
(`measured_blocks.json`, `pyqkit.rtl.static_timing`): the longest path against the logarithms of parameters,
and the inverse of how many registers a block has. `benchmarks/timing_model.py` fits the lines
(`timing_model.json`); docs/timing.md says how far they are off. ``pyqkit report --timing`` synthesises
instead.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from math import floor, log2
from pathlib import Path

from pyqkit.boards import Board
from pyqkit.rtl.delays import speed
from pyqkit.rtl.emitter import Fifo
from pyqkit.rtl.generate import Design
from pyqkit.rtl.parts import Part

LABEL = "estimated by a model fitted to synthesised blocks"
_MODEL = Path(__file__).parent / "timing_model.json"
_BEYOND = 1.25  # times the slowest block of a module that was measured: a line is trusted no further


@dataclass(frozen=True)
class Line:
    """Longest paths of the blocks of a module.

    Attributes
    ----------
    base : float
        In ns.
    slopes : dict of str to float
        Of features, as `features` names them.
    least, most : float
        Between what measured blocks took.
    """

    base: float
    slopes: dict[str, float]
    least: float
    most: float

    def ns(self, found: dict[str, float]) -> float:
        """Longest path of a block with such features."""
        wanted = self.base + sum(slope * found.get(name, 0.0) for name, slope in self.slopes.items())
        return min(max(wanted, self.least / _BEYOND), self.most * _BEYOND)


@dataclass(frozen=True)
class Slowest:
    """The block with the longest path (estimated).

    Attributes
    ----------
    operator, block : str
    ns : float
        On the board's part.
    """

    operator: str
    block: str
    ns: float


def features(parts: Iterable[Part]) -> dict[str, float]:
    """What a longest path is taken to grow with: parameters of all parts, named ``module: parameter``."""
    found: dict[str, float] = {}
    for part in parts:
        found[part.module] = 1.0
        for name, value in part.parameters.items():
            if isinstance(value, int) and (name, value) != ("LANES", part.parameters.get("SIMD")):
                amount = 1 / (1 + value) if name.endswith("STAGES") else log2(1 + abs(value))
                found[f"{part.module}: {name}"] = amount
    return found


@cache
def _lines() -> dict[str, Line]:
    return {name: Line(**line) for name, line in json.loads(_MODEL.read_text())["modules"].items()}


def block_ns(parts: tuple[Part, ...]) -> float:
    """Longest path of a block on a 7-series of grade -1; 0 for a module that was never measured."""
    line = _lines().get(parts[0].module) if parts else None
    return line.ns(features(parts)) if line else 0.0


def slowest(design: Design, board: Board) -> Slowest:
    """The block that limits the clock of a design."""
    factor = speed(board.family, board.part)
    found = ((block_ns(parts), owner, name) for owner, name, parts in _parts(design))
    ns, owner, name = max(found)
    return Slowest(owner, name, ns * factor)


def _parts(design: Design) -> Iterator[tuple[str, str, tuple[Part, ...]]]:
    for block in design.blocks:
        if isinstance(block, Fifo):
            (out,) = block.outputs
            fifo = Part("fifo", {"WIDTH": out.width, "DEPTH": design.fifos[block.edge]})
            yield block.edge[1], block.name, (fifo,)
        else:
            yield block.owner, block.name, block.parts


def notes(design: Design, board: Board, clock_mhz: float) -> list[str]:
    """That a clock is out of reach, by which block, and what to do; nothing if it is not."""
    found = slowest(design, board)
    if found.ns * clock_mhz <= 1000:
        return []
    reach = 1000 / found.ns
    return [
        f"{clock_mhz:g} MHz may be out of reach: {found.block} of {found.operator} takes {found.ns:.1f} ns, "
        f"{reach:.0f} MHz ({LABEL}); compile with --clock-mhz {floor(reach)} or less, or have a closer look "
        "with pyqkit report --timing"
    ]
