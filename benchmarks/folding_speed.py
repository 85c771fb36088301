"""Processor seconds of the search for foldings of ResNet-44: for a rate, the fastest within the board, and a
rate that is out of reach.

    OMP_NUM_THREADS=1 python benchmarks/folding_speed.py [--write]

Nothing is generated or simulated; rates and resources are estimates. Weights are random, as the search does
not read them.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from records import Run
from synthetic import WEIGHT_SEED, ResNet

from pyqkit import boards
from pyqkit.errors import UserError
from pyqkit.hardware import folding
from pyqkit.hardware.estimator import Estimator

RESULTS = Path(__file__).parent / "results" / "folding_speed.md"
FORMATS = ("int4", "e2m1", "lp4_0_3", "int8")
ASKED = (("PYNQ-Z2", 300.0), ("PYNQ-Z2", None), ("ZCU104", 1000.0), ("ZCU104", None), ("ZCU104", 1e6))
CLOCK_MHZ = 100.0


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name} into results/")
    options = parser.parse_args()
    run = Run(options, seeds=(WEIGHT_SEED,))
    lines = [
        "| format | board | asked, frames/s | found, frames/s at 100 MHz (estimated) | seconds |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name in FORMATS:
        for board, rate in ASKED:
            lines.append(measure(name, board, rate))
            print(lines[-1], flush=True)
    if options.write:
        run.write_markdown(RESULTS, "\n".join(lines))


def measure(name: str, board: str, rate: float | None) -> str:
    """One row; the graph is there before the clock starts, nothing of the search is."""
    graph = ResNet(name, 7).graph
    began = time.process_time()
    try:
        chosen = folding.find(graph, boards.load(board), CLOCK_MHZ, rate)
        found = f"{CLOCK_MHZ * 1e6 / Estimator(graph).interval(chosen):,.0f}"
    except UserError:
        found = "none"
    return (
        f"| {name} | {board} | {'the fastest' if rate is None else f'{rate:,.0f}'} | {found} | "
        f"{time.process_time() - began:.1f} |"
    )


if __name__ == "__main__":
    sys.exit(main())
