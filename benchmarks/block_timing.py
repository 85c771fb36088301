"""How fast blocks are alone: the longest path of each, with the registers that it has at a clock.

python benchmarks/block_timing.py [--clock MHz] [--only NAME ...]    writes results/block_timing.{json,md}

Units stand in `CASES`; of the blocks that carry and change streams the slowest of each module is shown for
every format of `FORMATS`. With names only these are measured; the other rows are kept.
What is cached is not synthesised again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from block_library import folded, in_blocks, mlp, streams
from records import Run

from pyqkit.rtl import delays
from pyqkit.rtl.cells import Synthesis, count
from pyqkit.rtl.circuits import BlockCircuit, circuits_of, sources
from pyqkit.rtl.generate import generate
from pyqkit.rtl.pipelining import TARGET_MHZ
from pyqkit.rtl.static_timing import LABEL, longest_path
from pyqkit.rtl.static_timing import Path as LongestPath
from pyqkit.rtl.synthesis import cells_library, mapped

RESULTS = Path(__file__).parent / "results"
CHANNELS = 32, 16  # of the layer whose unit is measured
FORMATS = "int4", "int8", "e2m1", "e3m2", "e4m3", "lp4_0_3", "lp8_1_3", "lp8_1_7"  # of the other blocks
FOLDING = 2, 4  # outputs and products a cycle of the layer between the streams
BAR_NS = 5.0  # of every block whose sums have up to 64 bits
# Units have rows of their own; the others are the ends of a network, and wires.
OTHERS = "matrix_vector", "from_axis", "to_axis", "frame_end", "fork_stream"
TEXT = """# Longest paths of blocks

LUTs (low to high, and those used as memory), flip-flops and the longest path of each block alone: {label},
Yosys' netlists, typical nets, 7-series of speed grade -1. Weights are forced into block RAM. Blocks have the
registers that are chosen for {clock:g} MHz.

| {columns} |
| {rule} |
{rows}
"""
COLUMNS = "block", "read", "product", "LUT low", "high", "as memory", "FF", "DSP", "ns", "levels", "ends at"


@dataclass(frozen=True)
class Case:
    """A matrix-vector unit with its weights and products: formats, outputs and products a cycle."""

    activations: str
    weights: str
    pe: int = 2
    simd: int = 8
    multiplier: str = "lut"
    block: int = 0  # inputs that share an exponent of the weights

    @property
    def name(self) -> str:
        """As it stands in the table."""
        weights = f"mx{self.block}_{self.weights}" if self.block else self.weights
        return f"{self.activations} x {weights}, PE {self.pe}, SIMD {self.simd}, {self.multiplier}"


# Formats of activations and weights alike: integers, minifloats, and Logarithmic Posits, of which there are
# hundreds, those with the widest sums of each number of bits and some between. Sums have up to 60 bits.
ALIKE = (
    *("int3", "int5", "int6", "int7", "uint8"),
    *("e1m1", "e2m0", "e1m2", "e3m0", "e1m3", "e2m2", "e3m1", "e4m0", "e1m4", "e2m3", "e4m1"),
    *("e1m5", "e2m4", "e3m3", "e4m2", "e1m6", "e2m5", "e3m4"),
    *("lp4_1_3", "lp4_2_3", "lp4_3_2", "lp5_3_1", "lp5_2_4", "lp6_0_5", "lp6_1_3", "lp6_1_5", "lp6_2_3"),
    *("lp7_1_6", "lp7_2_3", "lp8_0_7", "lp8_1_5", "lp8_1_7", "lp8_2_3"),
)
CASES = [
    Case("int4", "int4"),
    Case("uint4", "int4"),
    Case("e2m1", "e2m1"),
    Case("ue2m2", "e2m1"),
    Case("int8", "int8", 2, 4, "dsp"),
    Case("e3m2", "e3m2", 2, 4, "dsp"),
    Case("lp4_0_3", "lp4_0_3"),
    Case("e3m2", "e3m2"),
    Case("int8", "int8"),
    Case("e4m3", "e4m3"),
    Case("lp8_1_3", "lp8_1_3"),
    *(Case(fmt, fmt, 1, 4) for fmt in ALIKE),
    Case("uint2", "int2", 1, 4),
    Case("uint8", "int8", 1, 4),
    Case("int4", "odd2", 1, 4),
    Case("int4", "int4", 1, 4, block=16),
    Case("e2m1", "e2m1", 1, 4, block=16),
    Case("e4m3", "e4m3", 1, 4, block=16),
]


@dataclass(frozen=True)
class Row:
    """What one block takes."""

    name: str
    read: int
    product: int
    luts: tuple[int, int, int]
    ff: int
    dsp: int
    ns: float
    levels: int
    end: str

    def cells(self) -> list[str]:
        """Of the table."""
        numbers = [self.read, self.product, *self.luts, self.ff, self.dsp, f"{self.ns:.2f}", self.levels]
        return [self.name, *map(str, numbers), self.end]


def timed(circuits: list[BlockCircuit]) -> list[tuple[Synthesis, LongestPath]]:
    """Cells and longest path of blocks."""
    library = delays.library(cells_library())

    def both(module: Any) -> tuple[Synthesis, LongestPath]:
        return count(module), longest_path(module, library)

    return mapped([block.circuit for block in circuits], sources(), both)


def measure(case: Case, clock_mhz: float) -> Row:
    """The unit of a layer alone."""
    name = f"t_{case.activations}"
    layer = (
        in_blocks(name, case.activations, CHANNELS, case.weights, case.block)
        if case.block
        else mlp(name, case.activations, CHANNELS, case.weights)
    )
    made = folded(layer, case.pe, case.simd, case.multiplier, "block")
    design = generate(made.graph, made.foldings, made.depths, clock_mhz)
    (unit,) = (c for c in circuits_of(design) if c.parts[0].module == "matrix_vector")
    ((found, path),) = timed([unit])
    read, product = (int(unit.parts[0].parameters[key]) for key in ("READ_STAGES", "PRODUCT_STAGES"))
    return row(case.name, found, path, read, product)


def row(name: str, found: Synthesis, path: LongestPath, read: int = 0, product: int = 0) -> Row:
    """What was found of one block."""
    luts = found.lut_low, found.lut_high, found.lutram
    return Row(name, read, product, luts, found.ff, found.dsp, path.ns, path.levels, path.end)


def stream_circuits(fmt: str, clock_mhz: float) -> dict[str, list[BlockCircuit]]:
    """Blocks of every kind that carry or change codes of a format, by module; of those alike, one."""
    case = folded(streams(f"s_{fmt}", fmt), *FOLDING)
    found: dict[str, dict[str, BlockCircuit]] = {}
    for block in circuits_of(generate(case.graph, case.foldings, case.depths, clock_mhz)):
        module = block.parts[0].module
        if module not in OTHERS:
            numbers = {k: v for k, v in block.parts[0].parameters.items() if isinstance(v, int)}
            found.setdefault(module, {}).setdefault(str(numbers), block)
    # Of FIFOs the widest and the deepest.
    fifos, keys = found["fifo"], ("WIDTH", "DEPTH")
    largest = {max(fifos, key=lambda numbers: fifos[numbers].parts[0].parameters[key]) for key in keys}
    found["fifo"] = {numbers: fifos[numbers] for numbers in sorted(largest)}
    return {module: list(blocks.values()) for module, blocks in sorted(found.items())}


def measure_streams(fmt: str, clock_mhz: float) -> Iterator[Row]:
    """The slowest block of every module."""
    for module, circuits in stream_circuits(fmt, clock_mhz).items():
        found, path = max(timed(circuits), key=lambda both: both[1].ns)
        yield row(f"{fmt}: {module}", found, path)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clock", type=float, default=TARGET_MHZ, help="MHz that blocks are made for")
    parser.add_argument(
        "--only", nargs="*", help="units by the beginning of their names, and formats, as int4:"
    )
    options = parser.parse_args()
    run, rows = Run(options), kept() if options.only else {}
    for made in _measured(options.only, options.clock):
        rows[made.name] = made
        print(" | ".join(made.cells()), flush=True)
        save(list(rows.values()), options.clock, run)


def _measured(only: list[str] | None, clock_mhz: float) -> Iterator[Row]:
    for case in CASES:
        if only is None or any(case.name.startswith(name) for name in only):
            yield measure(case, clock_mhz)
    for fmt in FORMATS:
        if only is None or f"{fmt}:" in only:
            yield from measure_streams(fmt, clock_mhz)


def kept() -> dict[str, Row]:
    """Rows that were measured before, by name."""
    found = [Row(**row) for row in json.loads((RESULTS / "block_timing.json").read_text())["blocks"]]
    return {row.name: row for row in found}


def save(rows: list[Row], clock_mhz: float, run: Run) -> None:
    """Write what there is so far."""
    data = {"label": LABEL, "clock_mhz": clock_mhz, "blocks": [asdict(row) for row in rows]}
    run.write_json(RESULTS / "block_timing.json", data)
    text = TEXT.format(
        label=LABEL,
        clock=clock_mhz,
        columns=" | ".join(COLUMNS),
        rule=" | ".join("---" for _ in COLUMNS),
        rows="\n".join(f"| {' | '.join(row.cells())} |" for row in rows),
    )
    run.write_markdown(RESULTS / "block_timing.md", text)


def sentence(rows: dict[str, Row]) -> str:
    """What docs/timing.md says of the rows."""
    slower = sorted((row.ns, name) for name, row in rows.items() if row.ns > BAR_NS)[::-1]
    formats = sum(any(name.startswith(f"{fmt}:") for name in rows) for fmt in FORMATS)
    text = f"{len(rows) - len(slower)} of {len(rows)} are within {BAR_NS:.1f} ns"
    units = len({(case.activations, case.weights, case.block) for case in CASES if case.name in rows})
    text += f" (units of {units} pairs of formats, and the slowest block of every other kind in {formats})"
    named = ", ".join(f"{name} {ns:.2f} ns" for ns, name in slower)
    return f"{text}; slower are {named}." if slower else f"{text}."


if __name__ == "__main__":
    main()
