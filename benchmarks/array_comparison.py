"""Arrays and their elements in logarithms and in integers, synthesised and timed block by block, in one run.

python benchmarks/array_comparison.py [--only NAME ...]    writes results/array_comparison.md, its tables in
                                                           docs/array.md, and what they are made of:
                                                           results/array_elements.json,
                                                           pyqkit/array/area/parts.json

Each block is synthesised alone, elements first; a machine is the sum of its blocks and is told of once all of
them are there. Beside them stand blocks that no machine has (`array_elements`). What did not change since it
was measured is not measured again; what did, and is of no machine any more, is left out. Cycles are those of
`array_networks`: ResNet-20's shapes with random weights, which cycles do not depend on; accuracies those of
`array_accuracy`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from array_accuracy import IMAGES, Formats, accuracies
from array_elements import EDGES, ELEMENTS, element
from array_networks import resnet20
from records import Run

from pyqkit.array import report
from pyqkit.array.area import PARTS, Part, area, of_block, parts
from pyqkit.array.compiler import compile_graph
from pyqkit.array.families import of
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
MEMORIES = 4096, 8192, 512, 512, 4096, 1024  # what the block RAM of an XC7Z020 holds beside 16 rows
# 8 x 8 with all modes; what the larger ones have: any two Logarithmic Posits of 4 bits, whose products have
# at most 33 bits, and integers of 2 and 4 bits.
MACHINES = {
    "lpa8x8": named("lpa8x8"),
    "int8x8": named("int8x8"),
    "lp4_16x12": Machine("lp4_16x12", "lp", 16, 12, (Mode(4, 4, 34, 40),), *MEMORIES),
    "int24_16x16": Machine("int24_16x16", "integer", 16, 16, named("int8x8").modes[:4], *MEMORIES),
    "msq8x8": named("msq8x8"),
}
_LPA, _LPA8 = Formats("lp8_1_2", "lp4_0_3", "lp8_1_2"), Formats("lp8_1_2", "lp8_1_2", "lp8_1_2")
_INT4, _INT2 = Formats("int4", "int4", "int4"), Formats("int4", "int2", "int2")
NETWORKS = {
    "lpa8x8": [_LPA, _LPA8],
    "int8x8": [
        Formats("int8", "int4", "int4"),
        Formats("int8", "int2", "int2"),
        Formats("int8", "int8", "int8"),
    ],
    "lp4_16x12": [Formats("lp4_0_3", "lp4_0_3", "lp4_0_3")],
    "int24_16x16": [_INT4, _INT2],
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
Elements of minifloats and posits, of one LP alone and Mitchell's were written for this table; all sums are
exact. Cycles of ResNet-20 are modelled, at 100 MHz; its accuracy is that of {IMAGES:,} images of CIFAR-10,
quantised after training (`array_accuracy.py`), with first and last layer and the input in the first format.
"""
OTHERS, TABLES = RESULTS / "array_elements.json", RESULTS / "array_comparison.md"
PAGE = Path(__file__).parents[1] / "docs" / "array.md"
BEGIN, END = "<!-- tables of benchmarks/array_comparison.py -->\n", "<!-- end of these tables -->"
NIBBLES = {(8, 4): 0.5, (8, 8): 0.25}  # products a cycle of integers that take several runs


def measure(block: Block, cells: dict[str, Cell]) -> Part:
    """Synthesise and time a block; elements make their products in LUTs."""

    def both(module: Netlist) -> tuple[Synthesis, LongestPath]:
        return count(module), longest_path(module, cells)

    library = sources()
    circuit = replace(block.circuit(), dsp=not block.module.endswith(("element", "matrix")))
    ((found, path),) = mapped([circuit], library, both)
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


def cycles(machine: Machine, formats: Formats) -> int:
    """Of a frame of ResNet-20 (modelled)."""
    weights = formats.ends, formats.weights
    graph = resnet20(weights=weights, activations=(formats.activations,), given=formats.ends)
    return report.report(compile_graph(graph, machine)).frame_cycles


def table(parts: Mapping[Block, Part]) -> str:
    """Machines that are complete, elements, decoders of edges, and networks."""
    whole = [name for name, machine in MACHINES.items() if blocks(machine).keys() <= parts.keys()]
    return HEAD + _machines(parts, whole) + _elements(parts) + _edges(parts) + _networks(whole)


def _machines(parts: Mapping[Block, Part], whole: Sequence[str]) -> str:
    there = load(BOARD).resources
    text = _head("machine", "LUT", "of XC7Z020", "FF", "BRAM", "of XC7Z020", "DSP", "ns, longest block")
    for name in whole:
        found = area(MACHINES[name])
        slowest = max((parts[block] for block in blocks(MACHINES[name])), key=lambda part: part.ns)
        text += f"| {name} | {found.lut:,.0f} | {found.lut / there['lut']:.0%} | {found.ff:,.0f} | "
        text += f"{found.bram36:g} | {found.bram36 / there['bram36']:.0%} | {found.dsp:.0f} | "
        text += f"{slowest.ns:.2f} {slowest.module} |\n"
    return text


def _elements(parts: Mapping[Block, Part]) -> str:
    text = _head(
        "element", "LUT low to high", "FF", "ns", "products a cycle", "products a cycle per 1,000 LUT"
    )
    rows = []
    for name, machine in MACHINES.items():
        block = element(machine)
        made = {(mode.weight_bits, mode.activation_bits): products(machine, mode) for mode in machine.modes}
        made |= NIBBLES if name == "int8x8" else {}
        rows += [(f"{name} W{w}A{a}", block, count) for (w, a), count in made.items()]
    rows += [(name, block, made) for name, (block, made) in ELEMENTS.items()]
    for name, block, made in rows:
        if block in parts:
            part = parts[block]
            text += f"| {name} | {part.lut_low} to {part.lut_high} | {part.ff} | {part.ns:.2f} | "
            text += f"{made:g} | {1000 * made / part.area.lut:.1f} |\n"
    return text


def _edges(parts: Mapping[Block, Part]) -> str:
    text = _head("decoder of an edge", "LUT low to high", "LUT as memory", "FF", "BRAM", "ns")
    for name, block in EDGES.items():
        if block in parts:
            part = parts[block]
            text += f"| {name} | {part.lut_low} to {part.lut_high} | {part.lutram} | {part.ff} | "
            text += f"{part.bram36:g} | {part.ns:.2f} |\n"
    return text


def _networks(whole: Sequence[str]) -> str:
    head = "ResNet-20 on", "ends, weights, activations", "cycles", "images/s", "per 1,000 LUT", "right %"
    text, right = _head(*head), accuracies()
    for name in whole:
        for chosen in NETWORKS.get(name, []):
            found = cycles(MACHINES[name], chosen)
            rate, accuracy = 1e8 / found, right.get(chosen.name)
            text += f"| {name} | {chosen.name} | {found:,} | {rate:,.0f} | "
            text += f"{1000 * rate / area(MACHINES[name]).lut:.1f} | "
            text += f"{'' if accuracy is None else f'{accuracy:.1f}'} |\n"
    return text


def with_tables(page: str, tables: str) -> str:
    """The page with the tables between its marks."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}{tables.partition('|')[1]}{tables.partition('|')[2]}{END}{rest.partition(END)[2]}"


def _head(*names: str) -> str:
    return f"\n| {' | '.join(names)} |\n|" + " --- |" * len(names) + "\n"


def products(machine: Machine, mode: Mode) -> float:
    """Of an element in a cycle."""
    family = of(machine)
    return family.lanes(mode) * family.planes(mode)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="*", choices=list(MACHINES), help="machines to measure")
    options = parser.parse_args()
    run, cells, library = Run(options), delays.library(cells_library()), sources()
    names = MACHINES if options.only is None else options.only
    wanted = [block for name in names for block in sorted(blocks(MACHINES[name]), key=_turn)]
    wanted = sorted(dict.fromkeys(wanted), key=lambda block: not block.module.endswith("element"))
    others = [*(block for block, _ in ELEMENTS.values()), *EDGES.values()]
    of_machines = {block for machine in MACHINES.values() for block in blocks(machine)}
    known = {part.block: part for part in (*parts(), *_others())}
    stale = {block for block, part in known.items() if part.digest != digest(block.circuit(), library)}
    for block in stale.difference(of_machines, others):
        del known[block]
    for block in dict.fromkeys([*others, *wanted]):
        if block not in known or block in stale:
            known[block] = measure(block, cells)
            print(known[block], flush=True)
            beside = set(others) - of_machines
            _write(run, PARTS, [part for part in known.values() if part.block not in beside])
            _write(run, OTHERS, [part for part in known.values() if part.block in beside])
    parts.cache_clear()
    of_block.cache_clear()
    TABLES.write_text(table(known))
    PAGE.write_text(with_tables(PAGE.read_text(), TABLES.read_text()))


def _others() -> list[Part]:
    """What was measured beside the blocks of machines."""
    return [Part(**row) for row in json.loads(OTHERS.read_text())["parts"]] if OTHERS.is_file() else []


def _write(run: Run, path: Path, found: Sequence[Part]) -> None:
    rows = sorted(found, key=lambda part: (part.module, sorted(part.parameters.items())))
    run.write_json(path, {"parts": [row.to_json() for row in rows]}, merged=True)


def _turn(block: Block) -> int:
    """The largest blocks first."""
    return LARGEST.index(block.module) if block.module in LARGEST else len(LARGEST)


if __name__ == "__main__":
    main()
