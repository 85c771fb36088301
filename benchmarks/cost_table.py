"""What a multiply-accumulate and a dot product cost in every format, synthesised by Yosys: docs/cost.md.

python benchmarks/cost_table.py                writes pyqkit/hardware/mac_costs.json and docs/cost.md
python benchmarks/cost_table.py --page-only    writes docs/cost.md from what is in the first

It takes an hour; what is cached is not run again.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from records import Run

from pyqkit.formats import NumberFormat, parse, product
from pyqkit.hardware.mac_costs import FILE as RESULTS
from pyqkit.hardware.mac_costs import PAIR, pair
from pyqkit.rtl.arithmetic import dot_product, multiply_accumulate
from pyqkit.rtl.generate import library
from pyqkit.rtl.products import TABLE_BITS, ProductBlock, product_block, table_block
from pyqkit.rtl.synthesis import LABEL, Circuit, synthesise

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "cost.md"
LANES = 32
MAC_TERMS = 256  # products that the accumulator of a MAC holds
NO_LIMIT = 2**16
INTEGERS = [f"int{bits}" for bits in range(2, 9)]
MINIFLOATS = [f"e{e}m{bits - 1 - e}" for bits in range(3, 9) for e in range(1, bits)]
LOGARITHMIC = ["lp4_0_3", "lp4_1_3", "lp6_1_3", "lp8_0_7", "lp8_1_3", "lp8_1_7", "lp8_2_3", "lp8_2_7"]
FORMATS = INTEGERS + MINIFLOATS + LOGARITHMIC
# Narrow weights, wider activations: MACs alone
PAIRS = [
    pair(weights, acts)
    for narrow, wide in (
        (("int3", "int4", "int5"), ("int5", "int6", "int8")),
        (("e2m0", "e2m1", "e3m0", "e2m2", "e3m1"), ("e2m2", "e2m3", "e3m2", "e3m4", "e4m3")),
    )
    for weights in narrow
    for acts in wide
    if parse(weights).bits < parse(acts).bits
]
AT_A_TIME = 8  # circuits between which results are saved

# LUTs of other open work, from the same Yosys, by the same count (LUT1 to LUT6, no DSP), per MAC of a 32-lane
# dot product
PEER = "MX-for-FPGA, 32-lane dot product"
PEERS = {"e2m1": 42.0, "int4": 51.5, "e2m3": 81.0, "e3m2": 94.0, "int8": 171.0, "e4m3": 171.0}
# Beside one MAC of the 8-bit Logarithmic Posits.
POSIT_PEER = ("PACoGen posit<8,1>, multiply and add, each rounded", 385)


def variants(fmt: NumberFormat, other: NumberFormat | None = None) -> dict[str, ProductBlock]:
    """Multipliers of a format by itself or another."""
    other = other or fmt
    block = product_block(fmt, other, NO_LIMIT)
    found = {"structural": block}
    if fmt.bits + other.bits <= TABLE_BITS:
        found["table"] = table_block(product(fmt, other), block.width)
    return found


def circuits(name: str) -> Iterator[tuple[str, str, Circuit]]:
    """Kind, variant and circuit of all that is measured of a format, or of a pair."""
    fmt, other = operands(name)
    circuit = name.replace(PAIR, "_")
    for variant, block in variants(fmt, other).items():
        mac = f"mac_{variant}_{circuit}"
        yield "mac", variant, multiply_accumulate(mac, fmt, other, block, accumulator_bits(fmt, other))
        if fmt == other:
            yield f"dot_{LANES}", variant, dot_product(f"dot_{variant}_{circuit}", fmt, fmt, block, LANES)


def operands(name: str) -> tuple[NumberFormat, NumberFormat]:
    """Weights and activations of a name."""
    weights, _, acts = name.partition(PAIR)
    return parse(weights), parse(acts or weights)


def accumulator_bits(fmt: NumberFormat, other: NumberFormat | None = None) -> int:
    """Bits of an exact sum of `MAC_TERMS` products."""
    return product_block(fmt, other or fmt, NO_LIMIT).width + (MAC_TERMS - 1).bit_length()


def measure(names: list[str], kinds: list[str], limit: int | None, known: dict, run: Run) -> None:
    """Put figures into `known`, narrow terms first and up to `limit` circuits.

    Saved now and then. What Yosys gave before comes from the cache.
    """
    from rich.progress import Progress

    blocks = {path.name: path.read_text() for path in library().glob("*.sv")}
    tasks = [(name, *task) for name in names for task in circuits(name) if task[0] in kinds]
    tasks = sorted(tasks, key=lambda t: _bits(t[0], t[1]))[:limit]
    with Progress(disable=not sys.stderr.isatty()) as progress:
        bar = progress.add_task("synthesis", total=len(tasks))
        for first in range(0, len(tasks), AT_A_TIME):
            some = tasks[first : first + AT_A_TIME]
            for (name, kind, variant, _), found in zip(some, synthesise([t[3] for t in some], blocks)):
                known.setdefault(name, {}).setdefault(kind, {})[variant] = asdict(found)
            save(known, run)
            progress.advance(bar, len(some))


def _bits(name: str, kind: str) -> int:
    return product_block(*operands(name), NO_LIMIT).width * (LANES if kind != "mac" else 1)


def save(known: dict, run: Run) -> None:
    """Write results in the order of the formats."""
    data = {
        "label": LABEL,
        "lanes": LANES,
        "formats": {name: known[name] for name in FORMATS if name in known},
        "pairs": {name: known[name] for name in PAIRS if name in known},
    }
    run.write_json(RESULTS, data, merged=True)


def page(data: dict) -> str:
    """The text of docs/cost.md."""
    found = data["formats"]
    dot = f"dot_{data['lanes']}"
    rows = []
    for title, names in (
        ("Integers", INTEGERS),
        ("Minifloats", MINIFLOATS),
        ("Logarithmic Posits", LOGARITHMIC),
    ):
        rows += [f"| **{title}** | | | | | | | | |"] + [
            _row(name, found.get(name, {}), dot) for name in names
        ]
    return TEXT.format(
        label=data["label"],
        lanes=data["lanes"],
        terms=MAC_TERMS,
        peer=PEER,
        peers="\n".join(_against(found, dot)),
        titles=" | ".join(_TITLES),
        rule=" | ".join("---" for _ in _TITLES),
        rows="\n".join(rows),
        pairs="\n".join(_pair_row(name, kinds) for name, kinds in data["pairs"].items()),
    )


def smallest(variants: dict[str, dict]) -> tuple[str, dict]:
    """The variant with the fewest LUTs, counted as the peers count."""
    return min(variants.items(), key=lambda item: item[1]["luts"])


def _row(name: str, kinds: dict, dot: str) -> str:
    fmt = parse(name)
    cells = [name, str(product_block(fmt, fmt, NO_LIMIT).width)]
    if "mac" in kinds:
        _, mac = smallest(kinds["mac"])
        cells += [
            str(mac["luts"]),
            f"{mac['lut_low']} - {mac['lut_high']}",
            str(mac["ff"]),
            str(mac["carry4"]),
        ]
    else:
        cells += ["not measured", "", "", ""]
    if dot in kinds:
        variant, whole = smallest(kinds[dot])
        each = [whole[figure] / LANES for figure in ("luts", "lut_low", "lut_high")]
        cells += [f"{each[0]:.1f}", f"{each[1]:.1f} - {each[2]:.1f}", variant]
    else:
        cells += ["not measured", "", ""]
    return f"| {' | '.join(cells)} |"


def _pair_row(name: str, kinds: dict) -> str:
    _, mac = smallest(kinds["mac"])
    cells = [mac["luts"], f"{mac['lut_low']} - {mac['lut_high']}", mac["ff"], mac["carry4"]]
    return f"| {' | '.join(map(str, [*name.split(PAIR), *cells]))} |"


def _against(found: dict, dot: str) -> Iterator[str]:
    """Lines of the comparison with other work."""
    for name, theirs in PEERS.items():
        if dot in found.get(name, {}):
            _, whole = smallest(found[name][dot])
            ours = whole["luts"] / LANES
            yield f"| {name} | {PEER} | {theirs:g} | {ours:.1f} | {ours / theirs:.2f} |"
    title, theirs = POSIT_PEER
    for name in LOGARITHMIC:
        if name.startswith("lp8") and "mac" in found.get(name, {}):
            _, mac = smallest(found[name]["mac"])
            yield f"| {name} | {title} | {theirs} | {mac['luts']} (MAC) | {mac['luts'] / theirs:.2f} |"


_TITLES = (
    "format",
    "product bits",
    "MAC LUTs",
    "low - high",
    "FF",
    "CARRY4",
    "LUTs per product of a dot product",
    "low - high",
    "multiplier",
)
TEXT = """# What arithmetic costs

Generated by `benchmarks/cost_table.py` from its committed results. Every figure: {label}, no DSP,
`synth_xilinx -family xc7 -flatten -noiopad -noclkbuf -nodsp` of Yosys 0.70; for comparing designs of one
style, not for what Vivado would report.

* **LUTs** are the cells LUT1 to LUT6, nothing else, as in the peers' figures below. *low - high* are bounds
  of the sites they take: small LUTs share a site wherever they may, or never do (inverters and feed-throughs
  of carry chains counted).
* **MAC**: one exact product a cycle, registered, and an exact accumulator with room for {terms} products.
* **Dot product**: {lanes} exact products and their exact sum in an adder tree, a register behind every level;
  per product.
* The block is the one that `pyqkit/rtl/products` builds (structural), or the table of all products if the
  two codes have at most eight bits together and the table is smaller. Products of floats and Logarithmic
  Posits are magnitudes with a sign, and the adders subtract, as in the matrix-vector units of generated
  networks. That saves every product's carry chain and 5 to 25 % of *low*; the number of LUTs stays the same
  within 5 %, but for products of e2m2, which take up to a sixth more.
* Each circuit went through Yosys by itself. Its mapper works in an order that names decide: the same circuit
  among others came out up to a fifth smaller or larger, so that much of a difference between two lines may be
  chance.

## Against other open work, counted alike

| format | other work | LUTs there | LUTs here | ratio |
| --- | --- | --- | --- | --- |
{peers}

The peers' dot products are combinational; ours have registers, which take no LUTs. A Logarithmic Posit is not
a posit: its product adds logarithms, and the sum here is exact, where the posit units round each product and
each sum. PACoGen's line stands for what a posit user would pay; it is not the same function. Exact sums cost
with the range of the format: the accumulator of lp8_2_7 has 113 bits, and so its MAC is as large as PACoGen's
line, not smaller.

## All formats

| {titles} |
| {rule} |
{rows}

## Narrow weights and wider activations

| weights | activations | MAC LUTs | low - high | FF | CARRY4 |
| --- | --- | --- | --- | --- | --- |
{pairs}
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--page-only", action="store_true")
    parser.add_argument("--formats", nargs="+", default=[*FORMATS, *PAIRS], help="also pairs, as e2m1*e3m2")
    parser.add_argument(
        "--kinds", nargs="+", default=["mac", f"dot_{LANES}"], choices=["mac", f"dot_{LANES}"]
    )
    parser.add_argument("--limit", type=int, help="only so many circuits more")
    arguments = parser.parse_args()
    run = Run(arguments)
    data = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    known = {**data.get("formats", {}), **data.get("pairs", {})}
    if not arguments.page_only:
        measure(arguments.formats, arguments.kinds, arguments.limit, known, run)
    PAGE.write_text(page(json.loads(RESULTS.read_text())))


if __name__ == "__main__":
    main()
