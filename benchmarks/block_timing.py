"""How fast blocks are alone: the longest path of each, with the registers that it has at a clock.

python benchmarks/block_timing.py [--clock MHz] [--only NAME ...]    writes results/block_timing.{json,md}

To measure another block, add a row to `CASES`; what is cached is not synthesised again.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from block_library import folded, mlp
from records import Run

from pyqkit.rtl import delays
from pyqkit.rtl.cells import Synthesis, count
from pyqkit.rtl.circuits import circuits_of, sources
from pyqkit.rtl.generate import generate
from pyqkit.rtl.pipelining import TARGET_MHZ
from pyqkit.rtl.static_timing import LABEL, longest_path
from pyqkit.rtl.static_timing import Path as LongestPath
from pyqkit.rtl.synthesis import cells_library, mapped

RESULTS = Path(__file__).parent / "results"
CHANNELS = 32, 16  # of the layer whose unit is measured
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

    @property
    def name(self) -> str:
        """As it stands in the table."""
        return f"{self.activations} x {self.weights}, PE {self.pe}, SIMD {self.simd}, {self.multiplier}"


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


def measure(case: Case, clock_mhz: float) -> Row:
    """The unit of a layer alone."""
    name = f"t_{case.activations}"
    made = folded(
        mlp(name, case.activations, CHANNELS, case.weights), case.pe, case.simd, case.multiplier, "block"
    )
    design = generate(made.graph, made.foldings, made.depths, clock_mhz)
    (unit,) = (c for c in circuits_of(design) if c.parts[0].module == "matrix_vector")
    library = delays.library(cells_library())

    def both(module: Any) -> tuple[Synthesis, LongestPath]:
        return count(module), longest_path(module, library)

    ((found, path),) = mapped([unit.circuit], sources(), both)
    read, product = (int(unit.parts[0].parameters[key]) for key in ("READ_STAGES", "PRODUCT_STAGES"))
    luts = found.lut_low, found.lut_high, found.lutram
    return Row(case.name, read, product, luts, found.ff, found.dsp, path.ns, path.levels, path.end)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clock", type=float, default=TARGET_MHZ, help="MHz that blocks are made for")
    parser.add_argument("--only", nargs="*", help="rows to measure, by the beginning of their names")
    options = parser.parse_args()
    run, rows = Run(options), []
    for case in CASES:
        if options.only is None or any(case.name.startswith(name) for name in options.only):
            rows.append(measure(case, options.clock))
            print(" | ".join(rows[-1].cells()), flush=True)
            if options.only is None:
                save(rows, options.clock, run)


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


if __name__ == "__main__":
    main()
