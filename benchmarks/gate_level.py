"""Netlists of small networks, mapped by Yosys to 7-series cells, simulated by Verilator: bit for bit the
codes of the definition.

python benchmarks/gate_level.py            results/gate_level.json: a linear and a convolutional network
"""

from __future__ import annotations

import argparse
import json
import os
import re
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from block_library import Case, folded, mlp
from records import Run
from synthetic import Network

from pyqkit.emulate.rtl import Simulator
from pyqkit.formats import parse
from pyqkit.graph.graph import to_integers
from pyqkit.graph.ops.pool import SumPool
from pyqkit.graph.ops.requantise import Threshold
from pyqkit.rtl.circuits import sources
from pyqkit.rtl.generate import Design, generate
from pyqkit.rtl.synthesis import LABEL, Circuit, cells_library, netlist

RESULTS = Path(__file__).parent / "results" / "gate_level.json"


def small_cnn() -> Case:
    """A padded convolution, a requantiser, a sum over the frame, another requantiser and a linear layer."""
    net = Network("g_cnn", parse("int4"), (5, 5, 1))
    x = net.quantised(net.conv("g_conv", "x", 2))
    x = net.quantised(net.emit(SumPool("g_sum", [x], ["g_sum"], (5, 5), (1, 1))))
    return folded(net.finish(net.conv("g_fc", x, 3, kernel=1)), 1, 2)


CASES = {
    "MLP 24-12-6 in e2m1, PE 2, SIMD 4": lambda: folded(mlp("g_mlp", "e2m1", (24, 12, 6)), 2, 4),
    "CNN 5x5x1 in int4, PE 1, SIMD 2": small_cnn,
}


def mapped(design: Design) -> Design:
    """The same design with the netlist in place of the blocks."""
    tables = {name: text for name, text in design.files.items() if not name.endswith(".sv")}
    gates = netlist(Circuit(design.network, design.text, tables), sources())
    return replace(design, files={f"{design.network}.sv": cells(gates) + gates})


def cells(gates: str) -> str:
    """Yosys' models of the cells that a netlist names, without their timing."""
    text = re.sub(r"\bspecify\b.*?\bendspecify\b", "", cells_library().read_text(), flags=re.DOTALL)
    models = re.findall(r"^module\s+(\w+)\b(.*?)^endmodule", text, flags=re.DOTALL | re.MULTILINE)
    names = set(re.findall(r"^\s+(\w+)\s+(?:#\(|\S+\s+\()", gates, flags=re.MULTILINE))
    used = [f"module {name}{body}endmodule\n" for name, body in models if name in names]
    quiet = (
        "WIDTH",
        "CASEINCOMPLETE",
        "UNOPTFLAT",
        "INITIALDLY",
        "COMBDLY",
        "MULTIDRIVEN",
        "PINMISSING",
        "ASCRANGE",
        "IMPLICIT",
        "SELRANGE",
    )
    return "".join(f"/* verilator lint_off {name} */\n" for name in quiet) + "".join(used)


def check(case: Case, cache: Path, frames: int) -> dict[str, object]:
    """Simulate a case's netlist and compare every code with the graph's own definition."""
    graph, design = case.graph, generate(case.graph, case.foldings)
    codes = {
        "x": np.random.default_rng(5).choice(
            graph.tensors["x"].format.codes, (frames, *graph.tensors["x"].shape)
        )
    }
    live = graph.execute(codes, keep=True)
    started = time.process_time() + os.times().children_user
    gates = mapped(design)
    simulator = Simulator(gates, cache=cache, include=cache)
    found = simulator.run(codes)
    seconds = time.process_time() + os.times().children_user - started
    assert simulator.counts is not None
    wrong = sum(int((found[port.tensor] != live[port.tensor]).sum()) for port in graph.outputs)
    ends = ties = 0
    seen: set[int] = set()
    for op in graph.operators:
        if isinstance(op, Threshold):
            made, sums = (
                live[op.outputs[0]],
                to_integers(live[op.inputs[0]], graph.tensors[op.inputs[0]].format),
            )
            ends += int(((made == op.format.codes[0]) | (made == op.format.codes[-1])).sum())
            ties += sum(int(np.isin(sums[..., c], row).sum()) for c, row in enumerate(op.thresholds))
            seen |= set(np.unique(made).tolist())
    return {
        "frames": frames,
        "outputs": sum(live[port.tensor].size for port in graph.outputs),
        "wrong": wrong,
        "cells": len(
            re.findall(
                r"^  (?:LUT\d|FD\w+|CARRY4|MUXF\d|RAM\w+|SRL\w+|INV)\b",
                gates.text,
                flags=re.MULTILINE,
            )
        ),
        "interval": simulator.counts.interval,
        "estimated interval": design.interval,
        "saturated": ends,
        "on a threshold": ties,
        "distinct codes": len(seen),
        "cpu_seconds": round(seconds),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=50)
    parser.add_argument("--again", action="store_true", help="also what is in the results")
    arguments = parser.parse_args()
    run = Run(arguments)
    kept = json.loads(RESULTS.read_text())["networks"] if RESULTS.exists() and not arguments.again else {}
    done: dict[str, object] = dict(kept)
    with TemporaryDirectory() as cache:
        for name, build in CASES.items():
            if name in kept:
                continue
            done[name] = check(build(), Path(cache), arguments.frames)
            print(name, done[name], flush=True)
            run.write_json(RESULTS, {"label": LABEL, "networks": done}, merged=not arguments.again)


if __name__ == "__main__":
    main()
