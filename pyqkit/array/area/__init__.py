"""What a machine takes of a device: the sum of its blocks, each as it was synthesised alone.

`benchmarks/array_comparison.py` measures blocks (``parts.json``). One with other parameters is taken to be
the nearest of its module, times the ratio of what most of it is made of. Block RAM follows from widths and
depths.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache
from math import ceil, log
from operator import add
from pathlib import Path
from typing import Any

from pyqkit.array.machine import Machine
from pyqkit.array.rtl.blocks import Block, blocks

PARTS = Path(__file__).parent / "parts.json"
LABEL = "estimated: sums of blocks that Yosys made alone for xc7, before place and route"
# Widths of a block RAM of 18 kbit that is written at one port and read at the other, and its words.
_HALVES = ((36, 512), (18, 1024), (9, 2048), (4, 4096), (2, 8192), (1, 16384))

Numbers = Mapping[str, int]
Size = Callable[[Numbers], float]


@dataclass(frozen=True)
class Area:
    """Of a block or a machine.

    Attributes
    ----------
    lut : float
        Sites at most, those used as memory included.
    ff, dsp : float
    bram36 : float
        Blocks of 36 kbit; halves are possible.
    """

    lut: float = 0
    ff: float = 0
    bram36: float = 0
    dsp: float = 0

    def __add__(self, other: Area) -> Area:
        return Area(*map(add, vars(self).values(), vars(other).values()))

    def __mul__(self, count: float) -> Area:
        return Area(*(value * count for value in vars(self).values()))

    def over(self, limits: Mapping[str, float]) -> str | None:
        """The first resource of which it takes more than there is."""
        return next((f.name for f in fields(self) if getattr(self, f.name) > limits[f.name]), None)


@dataclass(frozen=True)
class Part:
    """A block that was measured.

    Attributes
    ----------
    module : str
    parameters : dict of str to str
    digest : str
        Of its text and that of all modules in it.
    lut_low, lut_high : int
        LUTs if small ones share a site wherever they may, and if none does.
    lutram, ff, dsp : int
    bram36 : float
    ns : float
        Of its longest path.
    end : str
        Where that ends.
    """

    module: str
    parameters: dict[str, str]
    digest: str
    lut_low: int
    lut_high: int
    lutram: int
    ff: int
    bram36: float
    dsp: int
    ns: float
    end: str

    @property
    def block(self) -> Block:
        """What was measured."""
        return Block.of(self.module, self.parameters)

    @property
    def area(self) -> Area:
        """With LUTs at most."""
        return Area(self.lut_high + self.lutram, self.ff, self.bram36, self.dsp)

    def to_json(self) -> dict[str, Any]:
        """A row of ``parts.json``."""
        return asdict(self)


@cache
def parts() -> tuple[Part, ...]:
    """All blocks that were measured."""
    return tuple(Part(**row) for row in json.loads(PARTS.read_text())["parts"])


def area(machine: Machine) -> Area:
    """Of a machine, without what connects its blocks and the rest of an overlay."""
    total = Area()
    for block, count in blocks(machine).items():
        total += of_block(block) * count
    return total


@cache
def of_block(block: Block) -> Area:
    """As it was measured, or as the nearest one of its module, larger or smaller by what it is made of."""
    alike = [part for part in parts() if part.module == block.module]
    known = next((part for part in alike if part.block == block), None)
    if known is not None:
        return known.area
    size = _SIZES.get(block.module, _same)
    wanted = size(_numbers(block))
    given = set(block.parameters)

    def apart(part: Part) -> tuple[float, int]:
        return abs(log(wanted / size(_numbers(part.block)))), -len(given & set(part.block.parameters))

    nearest = min(alike, key=apart)
    scaled = nearest.area * (wanted / size(_numbers(nearest.block)))
    memories = _MEMORIES.get(block.module)
    bram = nearest.bram36 if memories is None else block_ram(memories(_numbers(block)))
    return Area(scaled.lut, scaled.ff, bram, nearest.dsp)


def block_ram(memories: Mapping[tuple[int, int], int]) -> float:
    """Blocks of 36 kbit of memories, how many there are by width and words."""
    halves = 0
    for (width, words), count in memories.items():
        halves += count * min(ceil(width / bits) * ceil(words / deep) for bits, deep in _HALVES)
    return halves / 2


def _numbers(block: Block) -> dict[str, int]:
    return {name: int(value) for name, value in block.parameters if value.isdigit()}


def _same(numbers: Numbers) -> float:
    return 1.0


def _element(n: Numbers) -> float:
    """Bits of the sums, and of the shifters of one or two units."""
    return n["SEGMENTS"] * n["SEGMENT"] + 2 * (n["W"] + (n["W_1"] if n["LOG_1"] else 0))


def _codes(n: Numbers) -> float:
    """Addresses of all rows, and a code for each out of those of all post-processors."""
    return n["ROWS"] * (n["ADDRESS"] + 4 * -(-n["COLUMNS"] // n["SERVED"]))


_SIZES: dict[str, Size] = {
    "lp_element": _element,
    "integer_element": lambda n: n["SUM"] + 60,
    "block_element": lambda n: 2 * n["LANE"] + 150,
    "accumulator": lambda n: n["SEGMENTS"] * n["LANE"],
    "post_processor": lambda n: 1000 + 4 * n["SEGMENTS"] * n["LANE"],
    "codes": _codes,
    "activations": lambda n: n["ROWS"],
    "store": lambda n: n["ROWS"] + 8,
    "raw": lambda n: n["COLUMNS"] + 8,
}


def _items(n: Numbers) -> dict[tuple[int, int], int]:
    whole, rest = divmod(n["WIDTH"], n["PART"])
    return {(n["PART"], n["DEPTH"]): whole, **({(rest, n["DEPTH"]): 1} if rest else {})}


def _nines(n: Numbers) -> dict[tuple[int, int], int]:
    """Each part in a memory of words of nine bits and one of the bits that are left."""
    parts = [min(n["PART"], n["WIDTH"] - at) for at in range(0, n["WIDTH"], n["PART"])]
    return Counter((width, n["DEPTH"]) for bits in parts for width in (bits // 9 * 9, bits % 9) if width)


_MEMORIES: dict[str, Callable[[Numbers], dict[tuple[int, int], int]]] = {
    "items": _items,
    "block_items": _nines,
    "accumulator": lambda n: {(n["SEGMENTS"] * n["LANE"], n["DEPTH"]): 2},
    "activations": lambda n: {(8 // n["PARTS"], n["DEPTH"]): n["ROWS"] * n["PARTS"]},
    "exponents": lambda n: {(n["SHIFT"], (n["DEPTH"] + 1) // 2): 2},
}
