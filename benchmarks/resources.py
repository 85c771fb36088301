"""Measures a library of SystemVerilog blocks with Yosys, fits the resource model to it, and tests the model on whole networks.

python benchmarks/resources.py measure     pyqkit/hardware/measured_blocks.json, from Yosys (an hour; what is cached is not run again)
python benchmarks/resources.py fit         pyqkit/hardware/resource_model.json, from the measurements
python benchmarks/resources.py networks    results/resources.json: whole networks, model against Yosys
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from block_library import Case, library

from pyqkit.formats import parse
from pyqkit.hardware.block_features import EXACT, Features, features
from pyqkit.hardware.resources import PRIOR, relevant
from pyqkit.rtl.emitter import Block, Fifo, Part, instance
from pyqkit.rtl.generate import Design, generate
from pyqkit.rtl.generate import library as block_folder
from pyqkit.rtl.products import product_block
from pyqkit.rtl.synthesis import LABEL, Circuit, synthesise

ROOT = Path(__file__).parent.parent
MODEL = ROOT / "pyqkit" / "hardware" / "resource_model.json"
COST = ROOT / "benchmarks" / "results" / "cost.json"
DRAW = 0.01  # weight of the prior: a part of what one circuit weighs
SMALL = 40  # below so many, a miss counts as if there were so many
MEASURED = ROOT / "pyqkit" / "hardware" / "measured_blocks.json"
RESULTS = ROOT / "benchmarks" / "results" / "resources.json"


def blocks_of(design: Design) -> list[tuple[tuple[Part, ...], Circuit]]:
    """Every block of a design by itself: what it is made of, and its circuit."""
    found = []
    for block in design.blocks:
        if isinstance(block, Fifo):
            parts, text = _fifo(block, design.fifos[block.edge])
        else:
            parts, text = block.parts, block.text
        found.append((parts, Circuit(f"only_{block.name}", _module(f"only_{block.name}", block, text), design.files)))
    return found


def _fifo(block: Fifo, words: int) -> tuple[tuple[Part, ...], str]:
    (source,), (out,) = block.inputs, block.outputs
    parameters: dict[str, int | str] = {"WIDTH": out.width, "DEPTH": words}
    connections = {"clock": "clock", "reset": "reset", "stall": "1'b0"} | source.port("in") | out.port("out")
    return (Part("fifo", parameters),), instance("fifo", f"{block.name}_fifo", parameters, connections)


def _module(name: str, block: Block, text: str) -> str:
    ports = ["input wire clock, reset"]
    ends = [part.module for part in block.parts]
    for streams, forward, back, axis in ((block.inputs, "input", "output", "from_axis"), (block.outputs, "output", "input", "to_axis")):
        for s in streams:
            wire = f"{s.name}_{'t' if axis in ends else ''}"
            ports += [f"{forward} wire {wire}valid", f"{back} wire {wire}ready", f"{forward} wire [{s.width - 1}:0] {wire}data"]
            ports += [f"output wire {wire}last"] * (axis in ends and axis == "to_axis")
    return f"module {name} (\n    {f',{chr(10)}    '.join(ports)}\n);\n{text}endmodule\n"


def described(parts: Iterable[Part]) -> list:
    """Parts without the names of their tables: what the model sees."""
    return [[p.module, {k: v for k, v in p.parameters.items() if isinstance(v, int)}, p.count] for p in parts]


def whole(design: Design) -> Circuit:
    """The network between its AXI4-Streams."""
    return Circuit("accelerator", design.files["accelerator.sv"] + design.files["network.sv"], design.files)


def sources() -> dict[str, str]:
    """The blocks of ``rtl/`` by file name."""
    return {path.name: path.read_text() for path in sorted(block_folder().glob("*.sv"))}


def measure_case(case: Case, known: dict[str, dict]) -> None:
    """Add to `known` the blocks of a case that are not there, all in one run of Yosys."""
    design = generate(case.graph, case.foldings, case.depths)
    waiting: dict[str, Circuit] = {}
    for parts, circuit in blocks_of(design):
        key = json.dumps(described(parts))
        if key not in known:
            waiting.setdefault(key, circuit)
    # tables are all the design's: a block's result is kept under those it reads
    circuits = [
        Circuit(c.name, c.text, {n: t for n, t in c.tables.items() if n.endswith(".hex") and _reads(c.text, n)}) for c in waiting.values()
    ]
    for key, found in zip(waiting, synthesise(circuits, sources()) if circuits else []):
        known[key] = asdict(found)


def _reads(text: str, file: str) -> bool:
    return f'"{file}"' in text or f'"{file.rsplit("_", 2)[0]}"' in text


def sample() -> list[tuple[list, Circuit]]:
    """A few small blocks of the library, for tests that measure them anew."""
    case = next(case for case in library() if case.graph.name == "m_one")
    design = generate(case.graph, case.foldings, case.depths)
    found = {json.dumps(described(parts)): circuit for parts, circuit in blocks_of(design) if parts[0].module != "threshold"}
    return [(json.loads(key), circuit) for key, circuit in list(found.items())[-4:]]


def measure() -> None:
    """The library, saved after every case; results that Yosys gave before come from the cache."""
    from rich.progress import track

    known: dict[str, dict] = {}
    for case in track(library(), "synthesis", disable=not sys.stderr.isatty()):
        measure_case(case, known)
        save(MEASURED, {"label": LABEL, "blocks": [{"parts": json.loads(key), "found": found} for key, found in known.items()]})
        print(case.graph.name, len(known), flush=True)


def rows() -> list[tuple[Features, dict[str, int]]]:
    """Measured circuits: features and what Yosys found; the library, and the arithmetic of cost.json."""
    found = [(total(row["parts"]), row["found"]) for row in json.loads(MEASURED.read_text())["blocks"]]
    for name, kinds in json.loads(COST.read_text())["formats"].items():
        fmt = parse(name)
        block = product_block(fmt, fmt, 2**16)
        bits = block.width + (256 - 1).bit_length()
        numbers = {k: v for k, v in block.parameters.items() if isinstance(v, int)} | {"MAGNITUDE": int(block.sign_magnitude)}
        for kind, variants in kinds.items():
            around = ["accumulate", {"W": bits, "T": block.width}, 1]
            count = 1
            if kind != "mac":
                count = int(kind.split("_")[1])
                around = ["dot_product_sum", {"LANES": count, "W": block.width}, 1]
            found.append((total([around, [block.module, numbers, count]]), variants["structural"]))
    return found


def total(parts: list) -> Features:
    """Features of several parts."""
    found = Features()
    for module, parameters, count in parts:
        for name, amount in features(module, parameters).items():
            found[name] += count * amount
    return found


def fit() -> None:
    """Least squares of relative errors, with coefficients that are not negative and drawn a little to `PRIOR`."""
    import numpy as np
    from scipy.optimize import nnls

    data = rows()
    model: dict[str, object] = {"label": LABEL, "circuits": len(data)}
    for figure, prior in PRIOR.items():
        kept = [(f, found[figure]) for f, found in data if found[figure] > 0]
        names = sorted({name for f, _ in kept for name in f if name not in EXACT and relevant(name, figure)})
        matrix = np.array([[f[name] for name in names] for f, _ in kept], float)
        wanted = np.array([value for _, value in kept], float)
        weight = 1 / np.maximum(wanted, SMALL)
        drawn = [
            np.vstack([matrix * weight[:, None], DRAW * np.eye(len(names))]),
            np.concatenate([wanted * weight, [DRAW * prior] * len(names)]),
        ]
        solution, _ = nnls(*drawn)
        model[figure] = {name: round(float(c), 4) for name, c in zip(names, solution)}
        error = np.abs(matrix @ solution - wanted) * weight
        print(
            f"{figure}: {len(kept)} circuits, median error {100 * np.median(error):.1f} %, 90 % below {100 * np.quantile(error, 0.9):.0f} %"
        )
    save(MODEL, model)


def save(path: Path, data: dict) -> None:
    """JSON with a block a line, written beside and renamed."""
    text = json.dumps(data, indent=1) if "blocks" not in data else _lines(data)
    beside = path.with_suffix(f".{os.getpid()}")
    beside.write_text(text + "\n")
    os.replace(beside, path)


def _lines(data: dict) -> str:
    rows = ",\n".join(f"  {json.dumps(row)}" for row in data["blocks"])
    return f'{{\n "label": {json.dumps(data["label"])},\n "blocks": [\n{rows}\n ]\n}}'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=["measure", "fit", "networks"])
    arguments = parser.parse_args()
    {"measure": measure, "fit": fit}[arguments.task]()


if __name__ == "__main__":
    main()
