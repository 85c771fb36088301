"""What merging halves of outliers takes of an array, by the place where it is done (synthesised).

    python benchmarks/merge_variants.py [--only NAME ...]

Elements, networks and whole matrices of eight rows and 8 or 16 columns are synthesised alone, each once;
larger matrices are the sum of their parts, which is checked where both are there. Writes
results/merge_variants.json and the table of ``docs/microscopiq.md``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from array_comparison import measure
from records import Run

from pyqkit.array.area import Part
from pyqkit.array.machine import named
from pyqkit.array.rtl import sources
from pyqkit.array.rtl.blocks import Block
from pyqkit.array.rtl.elements import of as elements
from pyqkit.rtl import delays
from pyqkit.rtl.emitter import instance
from pyqkit.rtl.synthesis import Circuit, cells_library, digest

RESULTS = Path(__file__).parent / "results" / "merge_variants.json"
PAGE = Path(__file__).parents[1] / "docs" / "microscopiq.md"
BEGIN, END = "<!-- variants: written by benchmarks/merge_variants.py -->\n", "<!-- end of variants -->"
SIZES = 8, 16, 32, 64  # rows, and as many columns
ROWS, MICRO = 8, 8  # of matrices that are synthesised whole; columns of a network
_GIVEN = elements(named("msq8x8")).parameters(named("msq8x8"))
_SHARED = replace(named("msq8x8"), merge="butterfly", networks=1)
LANE = int(_GIVEN["LANE"])
TERM = 22  # bits of what a row adds to a lane


_PORTS = {"enable": 1, "write": 1, "swap": 1}
_SIDES = {"activation": 8, "shifts": 9}
INPUTS = {
    "slot_element": {**_PORTS, "slot": 4, "marks": 10, **_SIDES},
    "block_element": {"write": 1, "swap": 1, "weight": 10, **_SIDES, "sum_in": 2 * LANE},
}
OUTPUTS = {
    "slot_element": {"products": 38, "marks_of_products": 10},
    "block_element": {"sum": 2 * LANE},
}
TIED = {"block_element": {"of_outliers": "'0"}}  # it reads these only where activations come shifted


@dataclass(frozen=True)
class OneMode(Block):
    """An element that is told once and for all which slots it has, by a parameter `narrow`."""

    def circuit(self) -> Circuit:
        """The element with this port tied; what is of no use then is left out."""
        given = dict(self.parameters)
        narrow, inputs, outputs = given.pop("narrow"), INPUTS[self.module], OUTPUTS[self.module]
        name = f"alone_{self.module}_narrow_{narrow}"
        lanes = 1 + (narrow == "1" or self.module == "block_element")  # lane 1 is not read otherwise
        ports = ["input wire clock", *(f"input wire [{bits - 1}:0] {key}" for key, bits in inputs.items())]
        ports += [f"output wire [{bits * lanes // 2 - 1}:0] {key}" for key, bits in outputs.items()]
        wires = {key: key for key in ("clock", *inputs, *outputs)} | TIED.get(self.module, {})
        text = ""
        if lanes == 1:
            text = "".join(f"  wire [{bits // 2 - 1}:0] unused_{key};\n" for key, bits in outputs.items())
            wires |= {key: f"{{unused_{key}, {key}}}" for key in outputs}
        text += instance(f"array_{self.module}", "element", given, wires | {"narrow": f"1'b{narrow}"})
        return Circuit(name, f"module {name} (\n  {', '.join(ports)}\n);\n{text}endmodule\n")


def of_part(part: Part) -> Block:
    """What was measured."""
    return (OneMode if "narrow" in part.parameters else Block).of(part.module, part.parameters)


def matrix(columns: int, crossbars: bool) -> Block:
    """A whole one."""
    return Block.of("block_matrix", {**_GIVEN, "COLUMNS": columns, "CROSSBARS": int(crossbars)})


def shared_matrix(columns: int) -> Block:
    """A whole one whose rows share a butterfly."""
    given = elements(_SHARED).parameters(_SHARED)
    return Block.of("block_shared_matrix", {**given, "COLUMNS": columns})


BLOCKS = {
    "element": Block.of("block_element", {"LANE": LANE, "BEHIND": 1}),
    "element, halves apart": Block.of("slot_element", {}),
    **{
        f"element{halves}, {bits} bits alone": OneMode.of(module, {**given, "narrow": int(bits == 2)})
        for halves, module, given in (
            ("", "block_element", {"LANE": LANE, "BEHIND": 1}),
            (", halves apart", "slot_element", {}),
        )
        for bits in (4, 2)
    },
    "merge, 4 bits": Block.of("block_merge", {"BITS": 4}),
    "merge, 2 bits": Block.of("block_merge", {"BITS": 2}),
    "marks": Block.of("block_marks", {}),
    "crossbar and sums": Block.of("block_crossbar", {"LANE": LANE}),
    "butterfly of a lane": Block.of("block_butterfly", {"SUM": TERM, "TERM": TERM - 3}),
    "terms of a row, one network": Block.of("block_terms", {"LANE": LANE, "NETWORKS": 1}),
    **{
        f"arbiter and network of {rows} rows": Block.of("block_network", {"ROWS": rows, "NETWORKS": 1})
        for rows in SIZES
    },
    "8 columns, merged": matrix(8, False),
    "8 columns, crossbars": matrix(8, True),
    "16 columns, merged": matrix(16, False),
    "16 columns, crossbars": matrix(16, True),
    "8 columns, butterfly": shared_matrix(8),
    "16 columns, butterfly": shared_matrix(16),
}


@dataclass(frozen=True)
class Variant:
    """A way to merge.

    Attributes
    ----------
    name : str
    element : str
        One for each row and column.
    of_row : mapping of str to int
        Blocks of each eight columns of every row.
    of_rows : mapping of str to int
        And of all of them together, whose names may say how many rows there are.
    whole : str
        How matrices that are synthesised whole are called; nothing without one.
    """

    name: str
    element: str
    of_row: Mapping[str, int]
    of_rows: Mapping[str, int]
    whole: str = ""

    def of_array(self, rows: int) -> dict[str, int]:
        """Blocks of each eight columns of so many rows."""
        return {name.format(rows=rows): count for name, count in self.of_rows.items()}

    def luts(self, parts: Mapping[str, Part], rows: int, columns: int) -> tuple[int, int]:
        """LUTs at most, of all parts and of what merges."""
        groups = columns // MICRO
        merging = sum(_luts(parts[name]) * count for name, count in self.of_array(rows).items()) * groups
        merging += sum(_luts(parts[name]) * count for name, count in self.of_row.items()) * groups * rows
        return rows * columns * _luts(parts[self.element]) + merging, merging


def _luts(part: Part) -> int:
    """At most, with those that are used as memory."""
    return part.lut_high + part.lutram


VARIANTS = (
    Variant(
        "merged when weights are loaded", "element", {}, {"merge, 4 bits": 1, "merge, 2 bits": 2}, "merged"
    ),
    Variant(
        "crossbars behind elements",
        "element, halves apart",
        {"crossbar and sums": 1},
        {"marks": 2},
        "crossbars",
    ),
    Variant(
        "one butterfly for all rows",
        "element, halves apart",
        {"terms of a row, one network": 1},
        {"marks": 2, "arbiter and network of {rows} rows": 1},
        "butterfly",
    ),
)


def table(parts: Mapping[str, Part]) -> str:
    """Parts, variants by size, and whole matrices beside their parts."""
    lines = ["| block | LUT low to high | FF | ns |", "| --- | --- | --- | --- |"]
    for name in (name for name in BLOCKS if name in parts):
        part = parts[name]
        lines.append(
            f"| {name} | {part.lut_low + part.lutram:,} to {_luts(part):,} | {part.ff:,} | {part.ns:.2f} |"
        )
    sizes = " | ".join(f"{size} x {size}" for size in SIZES)
    lines += ["", f"| variant | {sizes} |", "| --- " * (1 + len(SIZES)) + "|"]
    for variant in VARIANTS:
        found = []
        for size in SIZES:
            if {variant.element, *variant.of_row, *variant.of_array(size)} <= parts.keys():
                total, merging = variant.luts(parts, size, size)
                found.append(f"{total:,}, {merging / total:.1%}")
            else:
                found.append("not measured")
        lines.append(f"| {variant.name} | {' | '.join(found)} |")
    lines += _precisions(parts)
    for columns in SIZES[:2]:
        for variant in VARIANTS:
            whole = parts.get(f"{columns} columns, {variant.whole}")
            if whole is not None:
                sum_of_parts = variant.luts(parts, ROWS, columns)[0]
                lines += [
                    "",
                    f"{ROWS} rows and {columns} columns, {variant.whole}: {_luts(whole):,} LUTs whole, "
                    f"{sum_of_parts:,} by parts.",
                ]
    return "\n".join(lines)


def _precisions(parts: Mapping[str, Part]) -> list[str]:
    """The share of what elements take more than those of 4 bits alone, and with what merges."""
    lines = ["", f"| precisions, and with what merges | {' | '.join(f'{size} x {size}' for size in SIZES)} |"]
    lines.append("| --- " * (1 + len(SIZES)) + "|")
    for variant in VARIANTS:
        alone, found = f"{variant.element}, 4 bits alone", []
        for size in SIZES:
            if {alone, variant.element, *variant.of_row, *variant.of_array(size)} <= parts.keys():
                total, merging = variant.luts(parts, size, size)
                more = size**2 * (_luts(parts[variant.element]) - _luts(parts[alone]))
                found.append(f"{more / total:.1%}, {(more + merging) / total:.1%}")
            else:
                found.append("not measured")
        lines.append(f"| {variant.name} | {' | '.join(found)} |")
    return lines


def measured() -> list[Part]:
    """Up to now."""
    return [Part(**row) for row in json.loads(RESULTS.read_text())["parts"]] if RESULTS.is_file() else []


def with_table(page: str) -> str:
    """The page with the table of what was measured."""
    known = {of_part(part): part for part in measured()}
    before, rest = page.split(BEGIN)
    found = table({name: known[block] for name, block in BLOCKS.items() if block in known})
    return f"{before}{BEGIN}\n{found}\n\n{END}{rest.split(END)[1]}"


def main() -> None:
    """Measure what is not known, and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", choices=list(BLOCKS), default=list(BLOCKS))
    options = parser.parse_args()
    run, cells, library = Run(options), delays.library(cells_library()), sources()
    known = {of_part(part): part for part in measured()}
    for name in options.only:
        block = BLOCKS[name]
        if block not in known or known[block].digest != digest(block.circuit(), library):
            known[block] = measure(block, cells)
            print(name, known[block], flush=True)
            run.write_json(RESULTS, {"parts": [part.to_json() for part in known.values()]}, merged=True)
    PAGE.write_text(with_table(PAGE.read_text()))


if __name__ == "__main__":
    main()
