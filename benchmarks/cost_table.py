"""What a multiply-accumulate and a dot product cost in every format: synthesised by Yosys, written to docs/cost.md.

python benchmarks/cost_table.py                measures what is missing, writes results/cost.json and docs/cost.md
python benchmarks/cost_table.py --page-only    writes docs/cost.md from results/cost.json
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from pyqkit.formats import NumberFormat, parse
from pyqkit.rtl.arithmetic import dot_product, multiply_accumulate
from pyqkit.rtl.generate import library
from pyqkit.rtl.products import TABLE_BITS, ProductBlock, product_block, table_block
from pyqkit.rtl.synthesis import LABEL, Circuit, synthesise

ROOT = Path(__file__).parent.parent
RESULTS, PAGE = ROOT / "benchmarks" / "results" / "cost.json", ROOT / "docs" / "cost.md"
LANES = 32
MAC_TERMS = 256  # products that the accumulator of a MAC holds
NO_LIMIT = 2**16
INTEGERS = [f"int{bits}" for bits in range(2, 9)]
MINIFLOATS = [f"e{e}m{bits - 1 - e}" for bits in range(3, 9) for e in range(1, bits)]
LOGARITHMIC = ["lp4_0_3", "lp4_1_3", "lp6_1_3", "lp8_0_7", "lp8_1_3", "lp8_1_7", "lp8_2_3", "lp8_2_7"]
FORMATS = INTEGERS + MINIFLOATS + LOGARITHMIC
BATCH_BITS = 2000  # bits of all terms of a batch's circuits, so that runs of Yosys stay short

# LUTs of other open work, from the same Yosys, by the same count (LUT1 to LUT6, no DSP), per MAC of a 32-lane dot product
PEER = "MX-for-FPGA, 32-lane dot product"
PEERS = {"e2m1": 42.0, "int4": 51.5, "e2m3": 81.0, "e3m2": 94.0, "int8": 171.0, "e4m3": 171.0}
POSIT_PEER = ("PACoGen posit<8,1>, multiply and add, each rounded", 385)  # beside one MAC of the 8-bit Logarithmic Posits


def variants(fmt: NumberFormat) -> dict[str, ProductBlock]:
    """Multipliers of a format by itself."""
    block = product_block(fmt, fmt, NO_LIMIT)
    found = {"structural": block}
    if 2 * fmt.bits <= TABLE_BITS:
        found["table"] = table_block(fmt, fmt, block.width)
    return found


def circuits(name: str) -> Iterator[tuple[str, str, Circuit]]:
    """Kind, variant and circuit of all that is measured of a format."""
    fmt = parse(name)
    for variant, block in variants(fmt).items():
        sum_bits = max(accumulator_bits(fmt), block.width)
        yield "mac", variant, multiply_accumulate(f"mac_{variant}_{name}", fmt, fmt, block, sum_bits)
        yield f"dot_{LANES}", variant, dot_product(f"dot_{variant}_{name}", fmt, fmt, block, LANES)


def accumulator_bits(fmt: NumberFormat) -> int:
    """Bits of an exact sum of `MAC_TERMS` products."""
    return product_block(fmt, fmt, NO_LIMIT).width + (MAC_TERMS - 1).bit_length()


def measure(names: list[str], known: dict) -> None:
    """Add what is missing to `known`, saved after every run of Yosys."""
    from rich.progress import Progress

    blocks = {path.name: path.read_text() for path in library().glob("*.sv")}
    tasks = [(name, *task) for name in names for task in circuits(name)]
    waiting = [t for t in tasks if t[2] not in known.get(t[0], {}).get(t[1], {})]
    waiting.sort(key=lambda t: _bits(t[0], t[1]))
    with Progress(disable=not sys.stderr.isatty()) as progress:
        bar = progress.add_task("synthesis", total=len(waiting))
        while waiting:
            batch = [waiting.pop(0)]
            while waiting and sum(_bits(t[0], t[1]) for t in [*batch, waiting[0]]) < BATCH_BITS:
                batch.append(waiting.pop(0))
            for (name, kind, variant, _), found in zip(batch, synthesise([t[3] for t in batch], blocks)):
                known.setdefault(name, {}).setdefault(kind, {})[variant] = asdict(found)
            save(known)
            progress.advance(bar, len(batch))


def _bits(name: str, kind: str) -> int:
    fmt = parse(name)
    return product_block(fmt, fmt, NO_LIMIT).width * (LANES if kind != "mac" else 1)


def save(known: dict) -> None:
    """Write results in the order of the formats."""
    data = {"label": LABEL, "lanes": LANES, "formats": {name: known[name] for name in FORMATS if name in known}}
    beside = RESULTS.with_suffix(f".{os.getpid()}")
    RESULTS.parent.mkdir(exist_ok=True)
    beside.write_text(json.dumps(data, indent=1) + "\n")
    os.replace(beside, RESULTS)


def page(data: dict) -> str:
    """The text of docs/cost.md."""
    return str(data)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--page-only", action="store_true")
    parser.add_argument("--formats", nargs="+", default=FORMATS)
    arguments = parser.parse_args()
    known = json.loads(RESULTS.read_text())["formats"] if RESULTS.exists() else {}
    if not arguments.page_only:
        measure(arguments.formats, known)
        return
    PAGE.write_text(page(json.loads(RESULTS.read_text())))


if __name__ == "__main__":
    main()
