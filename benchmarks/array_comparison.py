"""Arrays and their elements in logarithms and in integers, synthesised and timed block by block, in one run.

python benchmarks/array_comparison.py [--only NAME ...]    writes results/array_comparison.{json,md}

Each block is synthesised alone, elements first; a machine is the sum of its blocks and is told of once all of
them are there. Netlists are cached, so another call goes on. Cycles are those of the networks of
`array_networks`: ResNet-20's shapes with random weights, which cycles do not depend on.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from array_networks import resnet20
from records import Run

from pyqkit.array import report
from pyqkit.array.compiler import compile_graph
from pyqkit.array.machine import Machine, Mode, named
from pyqkit.array.rtl import sources
from pyqkit.array.rtl.blocks import Block, blocks
from pyqkit.boards import load
from pyqkit.rtl import delays
from pyqkit.rtl.cells import Synthesis, count
from pyqkit.rtl.delays import Cell
from pyqkit.rtl.static_timing import LABEL, longest_path
from pyqkit.rtl.static_timing import Path as LongestPath
from pyqkit.rtl.synthesis import Netlist, cells_library, mapped

RESULTS = Path(__file__).parent / "results"
BOARD = "PYNQ-Z2"
MEMORIES = 8192, 16384, 512, 512, 8192, 1024
# 8 x 8 with all modes; what the larger ones have: any two Logarithmic Posits of 4 bits, whose products have
# at most 33 bits, and integers of 2 and 4 bits.
MACHINES = {
    "lpa8x8": named("lpa8x8"),
    "int8x8": named("int8x8"),
    "lp4_16x12": Machine("lp4_16x12", "lp", 16, 12, (Mode(4, 4, 34, 40),), *MEMORIES),
    "int24_16x16": Machine("int24_16x16", "integer", 16, 16, named("int8x8").modes[:4], *MEMORIES),
}
# Formats of the first layer's weights, of the others', and of activations.
NETWORKS = {
    "lpa8x8": [("lp8_1_2", "lp4_0_3", "lp8_1_2"), ("lp8_1_2", "lp8_1_2", "lp8_1_2")],
    "int8x8": [("int8", "int4", "int4"), ("int4", "int2", "int2"), ("int8", "int8", "int8")],
    "lp4_16x12": [("lp4_1_2", "lp4_1_2", "lp4_1_2")],
    "int24_16x16": [("int4", "int4", "int4"), ("int4", "int2", "int2")],
}
LARGEST = (
    "lp_element",
    "integer_element",
    "accumulator",
    "post_processor",
    "codes",
    "lp_weight",
    "integer_digits",
)
HEAD = f"""# Arrays, block by block

Sums of blocks that are synthesised alone ({LABEL} for ns: the longest path of all blocks, typical
nets). LUTs are those of sites that none share, with those used as memory; beside them the part of an XC7Z020.
Cycles of ResNet-20 are modelled, at 100 MHz. Elements of e4m3 and posits were not built.
"""


@dataclass(frozen=True)
class Measured:
    """What a block takes alone."""

    machine: str
    module: str
    count: int
    luts: tuple[int, int, int]
    ff: int
    bram: float
    dsp: int
    ns: float
    end: str

    @property
    def upper(self) -> int:
        """LUTs of one at most."""
        return self.luts[1] + self.luts[2]


def measure(name: str, block: Block, number: int, cells: dict[str, Cell]) -> Measured:
    """Synthesise and time a block."""

    def both(module: Netlist) -> tuple[Synthesis, LongestPath]:
        return count(module), longest_path(module, cells)

    ((found, path),) = mapped([block.circuit()], sources(), both)
    luts, bram = (found.lut_low, found.lut_high, found.lutram), found.ramb36 + found.ramb18 / 2
    return Measured(name, block.module, number, luts, found.ff, bram, found.dsp, path.ns, path.end)


def cycles(machine: Machine, formats: Sequence[str]) -> int:
    """Of a frame of ResNet-20 (modelled)."""
    graph = resnet20(weights=formats[:2], activations=formats[2:])
    return report.report(compile_graph(graph, machine)).frame_cycles


def table(rows: Sequence[Measured], tasks: Sequence[tuple[str, Block, int]]) -> str:
    """Machines that are complete, and elements."""
    sites = load(BOARD).resources["lut"]
    text = (
        HEAD
        + "\n| machine | LUT | of XC7Z020 | FF | BRAM | DSP | ns, longest block |\n|"
        + " --- |" * 7
        + "\n"
    )
    whole = [name for name in MACHINES if _missing(name, rows, tasks) == 0]
    for name in whole:
        mine = [row for row in rows if row.machine == name]
        luts, slowest = sum(row.upper * row.count for row in mine), max(mine, key=lambda row: row.ns)
        sums = [sum(getattr(row, key) * row.count for row in mine) for key in ("ff", "bram", "dsp")]
        text += f"| {name} | {luts:,} | {luts / sites:.0%} | {sums[0]:,} | {sums[1]:g} | {sums[2]} | "
        text += f"{slowest.ns:.2f} {slowest.module} |\n"
    text += "\n| element | LUT low to high | FF | ns | products a cycle | products a cycle per 1,000 LUT |\n"
    text += "|" + " --- |" * 6 + "\n"
    for row in rows:
        if row.module.endswith("element"):
            for mode in MACHINES[row.machine].modes:
                made = products(MACHINES[row.machine], mode)
                text += f"| {row.machine} {mode.name} | {row.luts[0]} to {row.luts[1]} | {row.ff} | "
                text += f"{row.ns:.2f} | {made:g} | {1000 * made / row.luts[1]:.2f} |\n"
    names = (
        "ResNet-20 on",
        "weights (first layer, others), activations",
        "cycles",
        "images/s",
        "per 1,000 LUT",
    )
    text += f"\n| {' | '.join(names)} |\n|" + " --- |" * 5 + "\n"
    for name in whole:
        luts = sum(row.upper * row.count for row in rows if row.machine == name)
        for formats in NETWORKS[name]:
            found = cycles(MACHINES[name], formats)
            rate = 1e8 / found
            text += (
                f"| {name} | {', '.join(formats)} | {found:,} | {rate:,.0f} | {1000 * rate / luts:.1f} |\n"
            )
    return text


def products(machine: Machine, mode: Mode) -> float:
    """Of an element in a cycle."""
    if machine.family == "lp":
        return 8 / mode.weight_bits
    return 16 / (mode.weight_bits * mode.activation_bits)


def _missing(name: str, rows: Sequence[Measured], tasks: Sequence[tuple[str, Block, int]]) -> int:
    wanted = sum(machine == name for machine, _, _ in tasks)
    return (wanted or 1) - sum(row.machine == name for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="*", choices=list(MACHINES), help="machines to measure")
    options = parser.parse_args()
    run, cells, rows = Run(options), delays.library(cells_library()), list[Measured]()
    tasks = [
        (name, block, number)
        for name in options.only or MACHINES
        for block, number in sorted(blocks(MACHINES[name]).items(), key=lambda item: item[0].module)
    ]
    tasks.sort(key=_turn)
    for name, block, number in tasks:
        rows.append(measure(name, block, number, cells))
        print(rows[-1], flush=True)
        run.write_json(RESULTS / "array_comparison.json", {"blocks": [asdict(row) for row in rows]})
        if _missing(name, rows, tasks) == 0 or rows[-1].module.endswith("element"):
            (RESULTS / "array_comparison.md").write_text(table(rows, tasks))


def _turn(task: tuple[str, Block, int]) -> tuple[int, int]:
    """Elements of all machines first, then machine by machine, the largest blocks first."""
    name, block, _ = task
    size = LARGEST.index(block.module) if block.module in LARGEST else len(LARGEST)
    return 0 if block.module.endswith("element") else 1 + list(MACHINES).index(name), size


if __name__ == "__main__":
    main()
