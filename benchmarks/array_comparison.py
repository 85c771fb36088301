"""Arrays and their elements in logarithms and in integers, synthesised and timed block by block, in one run.

python benchmarks/array_comparison.py [--only NAME ...]    writes results/array_comparison.md
                                                           and pyqkit/array/area/parts.json

Each block is synthesised alone, elements first; a machine is the sum of its blocks and is told of once all of
them are there. What did not change since it was measured is not measured again. Cycles are those of
`array_networks`: ResNet-20's shapes with random weights, which cycles do not depend on.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from array_networks import resnet20
from records import Run

from pyqkit.array import report
from pyqkit.array.area import PARTS, Part, area, of_block, parts
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
from pyqkit.rtl.synthesis import Netlist, cells_library, digest, mapped

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


def measure(block: Block, cells: dict[str, Cell]) -> Part:
    """Synthesise and time a block."""

    def both(module: Netlist) -> tuple[Synthesis, LongestPath]:
        return count(module), longest_path(module, cells)

    library = sources()
    ((found, path),) = mapped([block.circuit()], library, both)
    return Part(
        block.module,
        dict(block.parameters),
        digest(block.circuit(), library),
        found.lut_low,
        found.lut_high,
        found.lutram,
        found.ff,
        found.ramb36 + found.ramb18 / 2,
        found.dsp,
        path.ns,
        path.end,
    )


def cycles(machine: Machine, formats: Sequence[str]) -> int:
    """Of a frame of ResNet-20 (modelled)."""
    graph = resnet20(weights=formats[:2], activations=formats[2:])
    return report.report(compile_graph(graph, machine)).frame_cycles


def table(parts: Mapping[Block, Part]) -> str:
    """Machines that are complete, and elements."""
    sites = load(BOARD).resources["lut"]
    whole = [name for name, machine in MACHINES.items() if blocks(machine).keys() <= parts.keys()]
    text = HEAD + _head("machine", "LUT", "of XC7Z020", "FF", "BRAM", "DSP", "ns, longest block")
    areas = {name: area(MACHINES[name]) for name in whole}
    for name, found in areas.items():
        slowest = max((parts[block] for block in blocks(MACHINES[name])), key=lambda part: part.ns)
        text += f"| {name} | {found.lut:,.0f} | {found.lut / sites:.0%} | {found.ff:,.0f} | "
        text += f"{found.bram36:g} | {found.dsp:.0f} | {slowest.ns:.2f} {slowest.module} |\n"
    text += _head(
        "element", "LUT low to high", "FF", "ns", "products a cycle", "products a cycle per 1,000 LUT"
    )
    for name, machine in MACHINES.items():
        block = next(block for block in blocks(machine) if block.module.endswith("element"))
        for mode in machine.modes if block in parts else ():
            part, made = parts[block], products(machine, mode)
            text += f"| {name} {mode.name} | {part.lut_low} to {part.lut_high} | {part.ff} | "
            text += f"{part.ns:.2f} | {made:g} | {1000 * made / part.lut_high:.2f} |\n"
    formats = "weights (first layer, others), activations"
    text += _head("ResNet-20 on", formats, "cycles", "images/s", "per 1,000 LUT")
    for name in whole:
        for chosen in NETWORKS[name]:
            found = cycles(MACHINES[name], chosen)
            rate = 1e8 / found
            text += f"| {name} | {', '.join(chosen)} | {found:,} | {rate:,.0f} | "
            text += f"{1000 * rate / areas[name].lut:.1f} |\n"
    return text


def _head(*names: str) -> str:
    return f"\n| {' | '.join(names)} |\n|" + " --- |" * len(names) + "\n"


def products(machine: Machine, mode: Mode) -> float:
    """Of an element in a cycle."""
    if machine.family == "lp":
        return 8 / mode.weight_bits
    return 16 / (mode.weight_bits * mode.activation_bits)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="*", choices=list(MACHINES), help="machines to measure")
    options = parser.parse_args()
    run, cells, library = Run(options), delays.library(cells_library()), sources()
    wanted = [
        block for name in options.only or MACHINES for block in sorted(blocks(MACHINES[name]), key=_turn)
    ]
    wanted = sorted(dict.fromkeys(wanted), key=lambda block: not block.module.endswith("element"))
    known = {part.block: part for part in parts()}
    for block in wanted:
        if block not in known or known[block].digest != digest(block.circuit(), library):
            known[block] = measure(block, cells)
            print(known[block], flush=True)
            _write(run, known)
    (RESULTS / "array_comparison.md").write_text(table(known))


def _write(run: Run, known: Mapping[Block, Part]) -> None:
    rows = sorted(known.values(), key=lambda part: (part.module, sorted(part.parameters.items())))
    run.write_json(PARTS, {"parts": [row.to_json() for row in rows]}, merged=True)
    parts.cache_clear()
    of_block.cache_clear()


def _turn(block: Block) -> int:
    """The largest blocks first."""
    return LARGEST.index(block.module) if block.module in LARGEST else len(LARGEST)


if __name__ == "__main__":
    main()
