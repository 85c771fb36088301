"""Whole networks on the array's machine in C++ and in SystemVerilog: every code against `exact`, and how fast
both are simulated.

Each network leaves one JSON file, so that an interrupted run goes on where it stopped:

    OMP_NUM_THREADS=1 python benchmarks/array_engines.py --data FOLDER

The machine is `lpa8x8`. ResNet-20 has the formats that a search has found
(`results/lpq/resnet20.lpq.0.json`); the others have weights of 4 bits with first and last layers of 8, and
`resnet20_w4` has the shapes of ResNet-20 with random ones. Cycles are simulated with Verilator, from the
SystemVerilog that would be synthesised; seconds are of the processor.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import array_networks
import numpy as np
from records import Run

from pyqkit.array.compiler import compile_graph, fitted
from pyqkit.array.execute import ArrayState
from pyqkit.array.machine import named
from pyqkit.array.program import Call, Program, executed
from pyqkit.array.report import report
from pyqkit.emulate.array_hls import HlsArray
from pyqkit.emulate.array_rtl import RtlArray
from pyqkit.emulate.exact import ExactEngine
from pyqkit.graph.graph import Graph, encode_input
from pyqkit.graph.importer import import_qonnx
from pyqkit.verify.rounded import Moved, moved

RESULTS = Path(__file__).parent / "results" / "array_engines"
GENOME = Path(__file__).parent / "results" / "lpq" / "resnet20.lpq.0.json"
MACHINE = named("lpa8x8")
FRAMES = {"digits": 540, "resnet8": 100, "resnet20": 20, "resnet20_w4": 5}
CALIBRATION = 128
AT_ONCE = 20  # frames of a transfer
Machines = ArrayState | HlsArray | RtlArray


def main(arguments: list[str] | None = None) -> int:
    """Measure what has no result yet, then write the table; 1 if a code differs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of weights and images; the digits need none")
    parser.add_argument("--networks", nargs="+", choices=list(FRAMES), default=list(FRAMES))
    parser.add_argument("--frames", type=int, help="instead of the network's own number")
    parser.add_argument("--engines", nargs="+", choices=["hls", "rtl"], default=["hls", "rtl"])
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--force", action="store_true", help="measure again what has a result")
    options = parser.parse_args(arguments)
    run = Run(options)
    warnings.simplefilter("ignore")  # Brevitas warns of its own internals
    for network in options.networks:
        for engine in options.engines:
            path = options.output / f"{network}_{engine}.json"
            if options.force or not path.is_file():
                result = measure(network, engine, options)
                run.write_json(path, result)
                print(f"{path.name}: {result}", flush=True)
    results = [json.loads(path.read_text()) for path in sorted(options.output.glob("*.json"))]
    run.write_markdown(options.output.with_suffix(".md"), table(results))
    return int(any(r["mismatches"] for r in results))


@dataclass(frozen=True, eq=False)
class Case:
    """A network's program, with frames and what they have to give."""

    program: Program
    rounded: Moved
    codes: dict[str, np.ndarray]
    wanted: dict[str, np.ndarray]


@lru_cache(maxsize=1)  # one network is prepared for both engines
def prepared(network: str, data: Path, count: int) -> Case:
    """A network, its frames and their codes by `exact`."""
    graph, images = NETWORKS[network](data, count)
    codes = {p.tensor: encode_input(p, graph.tensors[p.tensor], images) for p in graph.inputs}
    held, _ = fitted(graph, MACHINE)
    wanted = ExactEngine(held).run(codes)
    return Case(compile_graph(held, MACHINE), moved(graph, held, codes, wanted), codes, wanted)


def measure(network: str, engine: str, options: argparse.Namespace) -> dict[str, Any]:
    """Codes of an engine against those of `exact`."""
    count = options.frames or FRAMES[network]
    case = prepared(network, options.data, count)
    array: HlsArray | RtlArray = HlsArray(MACHINE) if engine == "hls" else RtlArray(MACHINE, say=print)
    found, seconds, cycles = executed_by(array, case.program, case.codes)
    macs = sum(section.macs for section in case.program.sections)
    return {
        "network": network,
        "engine": engine,
        "frames": count,
        "codes": sum(value.size for value in case.wanted.values()),
        "mismatches": sum(int((found[key] != codes).sum()) for key, codes in case.wanted.items()),
        "rounded": case.rounded.to_json(),
        "macs": macs,
        "cycles": {"modelled": report(case.program).frame_cycles, "simulated": cycles / count},
        "seconds": round(seconds, 2),
        "mega_products_per_second": round(macs * count / seconds / 1e6, 1),
    }


def executed_by(
    array: HlsArray | RtlArray, program: Program, codes: dict[str, np.ndarray]
) -> tuple[dict[str, np.ndarray], float, int]:
    """Codes, seconds of the processor, and cycles without what is loaded once."""
    seconds, cycles, parts = 0.0, 0, []

    def send(call: Call) -> np.ndarray:
        nonlocal seconds, cycles
        began = time.process_time()
        if isinstance(array, RtlArray):
            answer = array.transfer(call.content)
            content, cycles = answer.content, cycles + answer.cycles
        else:
            content = array.send(call.content)
        seconds += time.process_time() - began
        return np.frombuffer(content, np.uint8)

    array.send(program.setup())
    frames = len(next(iter(codes.values())))
    for first in range(0, frames, AT_ONCE):
        some = {name: given[first : first + AT_ONCE] for name, given in codes.items()}
        parts.append(executed(program, some, send))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}, seconds, cycles


def digits(data: Path, count: int) -> tuple[Graph, np.ndarray]:
    """Three convolutions that are trained here, quantised after training, and the test split."""
    from pyqkit.studies.minifloat.sources import Digits

    source = Digits()
    images = source.test(count)[0].numpy()
    return lowered(uniform(source.network(), source.calibration(CALIBRATION).numpy()), images), images


def resnet8(data: Path, count: int) -> tuple[Graph, np.ndarray]:
    """The pretrained network, quantised after training, and test images."""
    import zoo

    with np.load(data / "cifar10_train_20k.npz", allow_pickle=False) as archive:
        training = zoo.images("resnet8", archive["x"][:CALIBRATION])
    with np.load(data / "cifar10_test_a.npz", allow_pickle=False) as archive:
        images = zoo.images("resnet8", archive["x"][:count])
    return lowered(uniform(zoo.load("resnet8", data), training), images), images


def shapes(data: Path, count: int) -> tuple[Graph, np.ndarray]:
    """ResNet-20's layers with random weights of 4 bits, of 8 in the first, and random images."""
    graph, random = array_networks.resnet20(("lp8_1_2", "lp4_0_3"), ["lp8_1_2"]), np.random.default_rng(0)
    (port,) = graph.inputs
    fmt = graph.tensors[port.tensor].format
    limits = np.array([float(boundary.position) for boundary in fmt.boundaries()], np.float32)
    graph.inputs = [replace(port, limits=limits)]
    return graph, random.normal(0, 1, (count, *port.onnx_shape)).astype(np.float32)


def resnet20(data: Path, count: int) -> tuple[Graph, np.ndarray]:
    """The pretrained network in the formats of a search, and test images."""
    import torch
    from lpq_records import layers_found

    from pyqkit.studies.lpq.export import quantised
    from pyqkit.studies.lpq.source import Cifar10Source

    source = Cifar10Source("resnet20", str(data))
    model = quantised(source.network(), torch.from_numpy(source.images()), layers_found(GENOME))
    images = source.labelled()[0][:count]
    return lowered(model, images), images


NETWORKS: dict[str, Callable[[Path, int], tuple[Graph, np.ndarray]]] = {
    "digits": digits,
    "resnet8": resnet8,
    "resnet20": resnet20,
    "resnet20_w4": shapes,
}


def uniform(network: Any, training: np.ndarray) -> Any:
    """In Logarithmic Posits."""
    import torch

    import pyqkit

    return pyqkit.quantise(network, torch.from_numpy(training), weights="lp4_0_3", acts="lp8_1_2")


def lowered(model: Any, images: np.ndarray) -> Graph:
    """The dataflow graph of a model."""
    import torch

    from pyqkit.quant import export_qonnx

    with tempfile.TemporaryDirectory() as folder:
        return import_qonnx(export_qonnx(model, torch.from_numpy(images[:1]), Path(folder) / "network.onnx"))


def table(results: list[dict[str, Any]]) -> str:
    """A row a network and engine."""
    head = ("network", "engine", "frames", "codes", "differ", "cycles a frame", "modelled", "products/s")
    text = (
        f"# Networks on {MACHINE.name} in C++ and in SystemVerilog\n\n| {' | '.join(head)} |\n|"
        + " --- |" * 8
    )
    for r in results:
        simulated = f"{r['cycles']['simulated']:,.1f}" if r["engine"] == "rtl" else ""
        cells = (
            r["network"],
            r["engine"],
            r["frames"],
            f"{r['codes']:,}",
            r["mismatches"],
            simulated,
            f"{r['cycles']['modelled']:,}",
            f"{r['mega_products_per_second']:.1f} M",
        )
        text += f"\n| {' | '.join(map(str, cells))} |"
    return (
        text + "\n\nProducts of the network in a second of the processor, simulated; no board was involved.\n"
    )


if __name__ == "__main__":
    raise SystemExit(main())
