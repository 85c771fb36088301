"""What attention is made of, block by block: the resource model against Yosys, and longest paths.

python benchmarks/attention_blocks.py [--only CASE ...]    writes results/attention_blocks.{json,md}

The model is fitted to blocks of their kinds, but not to these. With names only these cases are synthesised;
the other rows are kept.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from block_library import ROWS, Case, attended, in_rows
from block_timing import timed
from records import Run
from resources import figures

from pyqkit.hardware.resources import of_parts
from pyqkit.rtl.circuits import circuits_of
from pyqkit.rtl.generate import generate
from pyqkit.rtl.synthesis import LABEL

RESULTS = Path(__file__).parent / "results"
MODULES = "pixel_offset", "matrix_product", *ROWS
TITLES = {"lut_low": "LUT low", "lut_high": "high", "ff": "FF", "bram36": "BRAM36", "dsp": "DSP"}
TEXT = """# Blocks of attention alone

Model / Yosys ({label}). The model is fitted to other positions, softmaxes and norms
(`block_library.of_attention`) and to the units of products, but not to these blocks. The longest path in ns
is estimated from Yosys' netlists, with the registers that are chosen for 200 MHz. `block_library.attended`
and `in_rows` have the cases.

| block | {titles} | ns |
| {rule} |
{rows}
"""


def measure(case: Case) -> list[dict[str, Any]]:
    """Rows of a case: what the model says of each block, and what Yosys makes of it."""
    design = generate(case.graph, case.foldings, case.depths)
    blocks = [block for block in circuits_of(design) if block.parts[0].module in MODULES]
    found = []
    for block, (cells, path) in zip(blocks, timed(blocks)):
        made = figures(vars(cells)) | {"dsp": cells.dsp}
        name = block.circuit.name.removeprefix("only_").removesuffix("_block")
        estimated = of_parts(block.parts).rounded()
        found.append({"case": case.graph.name, "block": name, "estimated": estimated, "synthesised": made})
        found[-1] |= {"ns": path.ns}
    return found


def page(rows: list[dict[str, Any]]) -> str:
    """The table of all rows."""
    lines = []
    for row in rows:
        both = (f"{row['estimated'][key]:g} / {row['synthesised'][key]:g}" for key in TITLES)
        lines.append(f"| {row['block']} | {' | '.join(both)} | {row['ns']:.2f} |")
    rule = " | ".join(["---"] * (len(TITLES) + 2))
    return TEXT.format(label=LABEL, titles=" | ".join(TITLES.values()), rule=rule, rows="\n".join(lines))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", help="cases")
    options = parser.parse_args()
    run, kept = Run(options), RESULTS / "attention_blocks.json"
    rows = json.loads(kept.read_text())["blocks"] if options.only else []
    for case in (*attended(), *in_rows()):
        if options.only is None or case.graph.name in options.only:
            rows = [row for row in rows if row["case"] != case.graph.name] + measure(case)
            print(case.graph.name, flush=True)
    run.write_json(kept, {"label": LABEL, "blocks": rows}, merged=options.only is not None)
    run.write_markdown(RESULTS / "attention_blocks.md", page(rows))


if __name__ == "__main__":
    main()
