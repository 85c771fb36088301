"""An ablation: what ResNets get right if an array's elements take Mitchell's line for the format's table.

python benchmarks/array_mitchell.py --data FOLDER [--networks NAME ...]    writes results/array_mitchell.json

Mitchell's 1 + F stands where the format's definition has 2**F rounded to seven bits, so products are up to
6.1 % too large. Both networks run in the C++ of the array (emulated), on the same codes; all else, program,
requantisers and scales, is that of the definition. No format, engine or machine of pyqkit computes so.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from array_elements import mitchell
from array_engines import NETWORKS, executed_by
from records import Run

from pyqkit.array.compiler import compile_graph, fitted
from pyqkit.array.machine import named
from pyqkit.emulate.array_hls import HlsArray
from pyqkit.formats.port import decode_output
from pyqkit.graph.graph import encode_input

RESULTS = Path(__file__).parent / "results" / "array_mitchell.json"
MACHINE = named("lpa8x8")
FRAMES = {"resnet8": 500, "resnet20": 200}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of weights and images")
    parser.add_argument("--networks", nargs="+", choices=list(FRAMES), default=list(FRAMES))
    options = parser.parse_args()
    run = Run(options)
    known = json.loads(RESULTS.read_text())["networks"] if RESULTS.is_file() else {}
    for name in options.networks:
        known[name] = measure(name, options.data)
        print(name, known[name], flush=True)
        run.write_json(RESULTS, {"networks": known}, merged=True)


def measure(name: str, data: Path) -> dict[str, Any]:
    """Images that are right with the format's table and with Mitchell's, and how often both say the same."""
    count = FRAMES[name]
    graph, images = NETWORKS[name](data, count)
    graph, _ = fitted(graph, MACHINE)
    program = compile_graph(graph, MACHINE)
    codes = {p.tensor: encode_input(p, graph.tensors[p.tensor], images) for p in graph.inputs}
    with np.load(data / "cifar10_test_a.npz", allow_pickle=False) as archive:
        labels = archive["y"][:count]
    (output,) = graph.outputs
    said = {}
    for kind, array in {"table": HlsArray(MACHINE), "mitchell": HlsArray(MACHINE, powers=mitchell)}.items():
        found = executed_by(array, program, codes)[0][output.tensor]
        numbers = decode_output(output, graph.tensors[output.tensor], found)
        said[kind] = numbers.reshape(count, -1).argmax(axis=1)
    right = {kind: int((one == labels).sum()) for kind, one in said.items()}
    return {"frames": count, "right": right, "same": int((said["table"] == said["mitchell"]).sum())}


if __name__ == "__main__":
    main()
