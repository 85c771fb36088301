"""PalQuant's figures: what a study has found, what an epoch costs, LUTs of a product of odd levels.

python benchmarks/palquant.py study FOLDER       of 'pyqkit study palquant': results/palquant*.md and files
python benchmarks/palquant.py epoch --data DIR   seconds of the processor for an epoch of CIFAR-10
python benchmarks/palquant.py products           LUTs of dot products of 2-bit weights and activations
"""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from records import Run

if TYPE_CHECKING:
    from pyqkit.rtl.synthesis import Circuit

RESULTS = Path(__file__).parent / "results"
CHECKPOINT = Path(__file__).parents[1] / "notebooks" / "palquant_digits.npz"
_BATCHES = 4  # that are timed; an epoch has many equal ones
_LANES = 32
_COLUMNS = 16  # that share activations
_PAIRS = (("odd2", "uint2"), ("int2", "int2"), ("int2", "uint2"))


def study(folder: Path, run: Run) -> None:
    """Page, picture and figures of a study; of digits the checkpoint that the notebook loads, too."""
    import numpy as np

    from pyqkit.studies.palquant.report import draw, page, read
    from pyqkit.studies.palquant.study import DIGITS, trained

    results = read(folder)
    data = results.outcomes[0].task.parameters.setting.data.partition(" ")[0]
    name = "palquant" if data == DIGITS else f"palquant_{data}"
    text = f"# PalQuant on small networks\n\n{page(results)}\n![Learning curves]({name}.png)\n"
    run.write_markdown(RESULTS / f"{name}.md", text)
    draw(results, RESULTS / f"{name}.png")
    found = {
        outcome.task.name: {"values": outcome.values, "curve": list(outcome.curve)}
        for outcome in results.outcomes
    }
    run.write_json(RESULTS / f"{name}.json", {"found": found, "runs": list(results.runs)})
    if data == DIGITS:
        np.savez_compressed(CHECKPOINT, **trained(dict(results.of("w2a2g2.0").arrays)))


def epoch(data: Path, run: Run) -> None:
    """Seconds of the processor for an epoch of every arm, from a few batches (measured)."""
    import torch
    from torch.nn import functional

    from pyqkit.studies.palquant.arms import ARMS, network_of
    from pyqkit.studies.palquant.optimiser import optimiser
    from pyqkit.studies.palquant.study import setting_of

    torch.set_num_threads(1)
    setting, found = setting_of(data, False, 1, None, None), {}
    batches = 20000 // setting.batch
    for arm in ARMS:
        torch.manual_seed(0)
        network = network_of(arm, setting).train()
        trainer = optimiser(network, setting.rate, setting.grid_rate, setting.decay)
        images = torch.randn(setting.batch, 32, 32, 3).movedim(-1, 1)  # as in the study, channels last
        labels = torch.randint(0, 10, (setting.batch,))
        network(images)
        began = time.process_time()
        for _ in range(_BATCHES):
            trainer.zero_grad()
            functional.cross_entropy(network(images), labels).backward()
            trainer.step()
        found[arm.name] = round((time.process_time() - began) / _BATCHES * batches, 1)
    total = round(sum(found.values()), 1)
    run.write_json(RESULTS / "palquant_epoch.json", {"epoch_cpu_s": found, "all_arms": total})
    print(found, total)


def products(run: Run) -> None:
    """LUTs a product of dot products, adder tree included (synthesised by Yosys).

    One dot product by the table of all products, and columns by the block of narrow codes.
    """
    from pyqkit.formats import parse, product
    from pyqkit.rtl.arithmetic import dot_product
    from pyqkit.rtl.generate import library
    from pyqkit.rtl.products import product_block, table_block
    from pyqkit.rtl.synthesis import LABEL, synthesise

    blocks = {path.name: path.read_text() for path in library().glob("*.sv")}
    circuits = []
    for names in _PAIRS:
        weights, acts = map(parse, names)
        block = table_block(product(weights, acts), product_block(weights, acts, 2**16).width)
        circuits.append(dot_product("_".join(("dot", *names)), weights, acts, block, _LANES))
    found: dict[str, dict[str, float]] = {}
    columns = [1] * len(_PAIRS) + [_COLUMNS]
    names = ["*".join(pair) for pair in _PAIRS] + [f"odd2*uint2, {_COLUMNS} columns"]
    made = synthesise([*circuits, _looked_up()], blocks)
    for name, pe, cells in zip(names, columns, made):
        count = pe * _LANES
        found[name] = asdict(cells) | {"luts_a_product": round(cells.luts / count, 2)}
        ends = (cells.lut_low + cells.lutram, cells.lut_high + cells.lutram)
        found[name] |= {
            "low_a_product": round(ends[0] / count, 2),
            "high_a_product": round(ends[1] / count, 2),
        }
    run.write_json(RESULTS / "palquant_products.json", {"label": LABEL, "lanes": _LANES, "pairs": found})
    print({name: entry["luts_a_product"] for name, entry in found.items()})


def _looked_up() -> Circuit:
    """Columns of products of odd levels, as a matrix-vector unit has them."""
    from pyqkit.formats import parse
    from pyqkit.formats.products.narrow import narrow
    from pyqkit.rtl.emitter import instance
    from pyqkit.rtl.products.narrow import NarrowBlock
    from pyqkit.rtl.synthesis import Circuit

    pair = narrow(parse("uint2"), parse("odd2"))
    assert pair is not None
    block = NarrowBlock(pair, _COLUMNS, _LANES)
    widths = {"left": 2 * _LANES, "right": 2 * _LANES * _COLUMNS, "sums": block.width * _COLUMNS}
    ports = ", ".join(
        f"{'output' if port == 'sums' else 'input'} wire [{width - 1}:0] {port}"
        for port, width in widths.items()
    )
    same = {port: port for port in ("clock", "enable", *widths)}
    text = instance(block.module, "only", block.parameters, same)
    return Circuit("columns", f"module columns (input wire clock, enable, {ports});\n{text}endmodule\n")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("study").add_argument("folder", type=Path)
    commands.add_parser("epoch").add_argument("--data", type=Path, required=True)
    commands.add_parser("products")
    options = parser.parse_args()
    run = Run(options)
    if options.command == "study":
        study(options.folder, run)
    elif options.command == "epoch":
        epoch(options.data, run)
    else:
        products(run)


if __name__ == "__main__":
    main()
