"""Frames a second of executors on real networks, as ratios of one run: one core, CPU time of all threads.

    OMP_NUM_THREADS=1 python benchmarks/engine_ratio.py --data FOLDER --formats e2m1 int4
    OMP_NUM_THREADS=1 python benchmarks/engine_ratio.py --data FOLDER --models FOLDER --quick \\
        --networks resnet20 resnet44 shufflenet vit kws --output results/engine_ratio_networks.json

The keyword spotter `kws` is `kwsmlp_w3a3.onnx` of the public QONNX zoo, in its own formats; beside it
onnxruntime runs a float network of its shapes. Quick: in shorter rounds, without Brevitas and qonnx. Formats
are also those of `block_networks.py`, whose weights lie in blocks. With `--avx2` the kernels of `exact` have
no AVX-512, onnxruntime has; with `--arrays` the network as one of these computes it runs in `exact` too. Rows
of earlier runs stay in the file, but those that are measured again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any

import block_networks
import numpy as np
import onnxruntime
import torch
import zoo
from brevitas.export.inference import quant_inference_mode
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from real_networks import CALIBRATION, FORMATS, RESULTS, quantised
from records import Run

from pyqkit.array import machine
from pyqkit.array.compiler import fitted
from pyqkit.emulate import kernels
from pyqkit.emulate.exact import ExactEngine
from pyqkit.errors import UserError
from pyqkit.graph.graph import Graph, encode_input
from pyqkit.graph.importer import import_qonnx
from pyqkit.graph.ops.convolution import Convolution
from pyqkit.quant import FastInference, export_qonnx
from pyqkit.quant.ptq import Recipe
from pyqkit.quant.ptq import quantised as after_training

NETWORKS = ("resnet20", "resnet44", "shufflenet", "vit", "kws")
QUICK, FEW = 0.3, 64  # CPU seconds of one executor in one round, and training images: of quick runs
SEED = 0
ROUNDS = 5  # medians of alternating rounds: a shared machine drifts
SECONDS = 1.0  # CPU time of one executor in one round, at least one call
BATCHES = (64, 1)
ARRAYS = "exact of the array"
OTHERS = {
    "onnxruntime float": "ort",
    ARRAYS: "the array's",
    "quant_inference_mode": "Brevitas",
    "qonnx": "qonnx",
}
Runs = dict[str, Callable[[], object]]
Rates = dict[int, dict[str, float]]  # frames a second by batch and executor


def main(arguments: list[str] | None = None) -> int:
    """Measure and write JSON and markdown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of weights and images")
    parser.add_argument("--models", type=Path, help="folder of the keyword spotter")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=["resnet20"])
    parser.add_argument("--formats", nargs="+", default=list(FORMATS))
    parser.add_argument("--quick", action="store_true", help="shorter rounds of exact and onnxruntime alone")
    parser.add_argument("--avx2", action="store_true", help="kernels without AVX-512")
    parser.add_argument(
        "--arrays", nargs="+", choices=machine.names(), default=[], help="for the same network"
    )
    parser.add_argument("--output", type=Path, default=RESULTS / "engine_ratio.json")
    options = parser.parse_args(arguments)
    if "kws" in options.networks and options.models is None:
        parser.error("--models was expected with kws; give the folder that holds it")
    if options.avx2:
        kernels.load = partial(kernels.load, avx512=False)
    run = Run(options, [SEED])
    warnings.simplefilter("ignore")  # Brevitas and qonnx warn of their own internals
    torch.set_num_threads(1)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    known = json.loads(options.output.read_text())["formats"] if options.output.exists() else []
    results = {(row["network"], row["format"]): row for row in known}
    for network in options.networks:
        for fmt in [""] if network == "kws" else options.formats:
            row = measure(network, fmt, options)
            print(table([row]), flush=True)
            results[network, row["format"]] = row
            ordered = sorted(results.values(), key=lambda found: NETWORKS.index(found["network"]))
            run.write_json(options.output, {"formats": ordered}, indent=2, merged=True)
            run.write_markdown(options.output.with_suffix(".md"), table(ordered))
    return 0


def measure(network: str, fmt: str, options: argparse.Namespace) -> dict[str, Any]:
    """All executors on one network and format, in alternation."""
    seconds = QUICK if options.quick else SECONDS
    if network == "kws":
        rates = spotter(options.models / "kwsmlp_w3a3.onnx", seconds)
    else:
        alone = options.quick or fmt.endswith(block_networks.MICROSCALE)  # which no others have
        rates = pretrained(network, fmt, options.data, seconds, alone, options.arrays)
    rows = {f"batch {b}": {name: round(rate, 1) for name, rate in r.items()} for b, r in rates.items()}
    return {"network": network, "format": fmt or "its own", "frames_per_cpu_second": rows}


def pretrained(
    network: str, fmt: str, data: Path, seconds: float, quick: bool, arrays: Sequence[str] = ()
) -> Rates:
    """A network for images, quantised after training; `quick` leaves out Brevitas and qonnx."""
    with np.load(data / "cifar10_test_a.npz", allow_pickle=False) as archive:
        images = zoo.images(network, archive["x"][:64])
    with np.load(data / "cifar10_train_20k.npz", allow_pickle=False) as archive:
        training = zoo.images(network, archive["x"][: FEW if quick else CALIBRATION])
    if network == "vit":
        recipe = Recipe.of(fmt, recipe="norms")
        model: torch.nn.Module = after_training(zoo.load(network, data), training, recipe, SEED).quantised
    elif fmt in block_networks.NAMES:
        model = block_networks.quantised(network, fmt, data, training)
    else:
        model = quantised(network, fmt, "power_of_two", data, training)
    with tempfile.TemporaryDirectory() as folder:
        session = onnxruntime_float(zoo.load(network, data), images, Path(folder) / "float.onnx")
        path = export_qonnx(model, torch.from_numpy(images[:1]), Path(folder) / "quantised.onnx")
        graph, wrapper = import_qonnx(path), None if quick else ModelWrapper(str(path))
    engine = exact(block_networks.microscaled(graph) if fmt.endswith(block_networks.MICROSCALE) else graph)
    on_array = of_the_array(graph, arrays)
    rates = {}
    with torch.no_grad(), nullcontext() if quick else inference_mode(model, images):
        for batch in BATCHES:
            x = np.ascontiguousarray(images[:batch])
            runs: Runs = {
                "exact": lambda x=x: engine(x),
                "onnxruntime float": lambda x=x: session.run(None, {"input": x}),
            }
            if on_array is not None:
                runs[ARRAYS] = lambda x=x: on_array(x)
            if not quick:
                runs["quant_inference_mode"] = lambda x=x: model(torch.from_numpy(x))
            if wrapper is not None and batch == 1:  # the file is for one frame
                runs["qonnx"] = lambda x=x: execute_onnx(wrapper, {"input": x})
            rates[batch] = alternate(runs, batch, seconds)
    return rates


def of_the_array(graph: Graph, arrays: Sequence[str]) -> Callable[[np.ndarray], np.ndarray] | None:
    """What the first array that has its formats computes, with factors that may be rounded; or None."""
    for name in arrays:
        with suppress(UserError):
            return exact(fitted(graph, machine.named(name))[0])
    return None


def float_layers(graph: Graph) -> torch.nn.Module:
    """Linear layers of the shapes of a network's, with ReLU between."""
    shapes = [op.weights.shape for op in graph.operators if isinstance(op, Convolution)]
    layers = [torch.nn.Linear(int(np.prod(inputs)), outputs) for outputs, *inputs in shapes]
    return torch.nn.Sequential(*(part for layer in layers for part in (layer, torch.nn.ReLU())))


@contextmanager
def inference_mode(model: torch.nn.Module, images: np.ndarray) -> Iterator[None]:
    """Brevitas' own, which caches weights in its first pass."""
    with quant_inference_mode(model, export_manager=FastInference):
        model(torch.from_numpy(images[:1]))
        yield


def spotter(path: Path, seconds: float) -> Rates:
    """The keyword spotter, on random codes."""
    graph = import_qonnx(path)
    engine, (port,), random = ExactEngine(graph), graph.inputs, np.random.default_rng(SEED)
    tensor, floating = graph.tensors[port.tensor], float_layers(graph)
    images = random.random((64, int(np.prod(tensor.shape))), dtype=np.float32)
    with tempfile.TemporaryDirectory() as folder:
        session = onnxruntime_float(floating, images, Path(folder) / "float.onnx")
    rates = {}
    for batch in BATCHES:
        codes = {port.tensor: random.choice(tensor.format.codes, (batch, *tensor.shape))}
        runs: Runs = {
            "exact": lambda c=codes: engine.run(c),
            "onnxruntime float": lambda x=images[:batch]: session.run(None, {"input": x}),
        }
        rates[batch] = alternate(runs, batch, seconds)
    return rates


def exact(graph: Graph) -> Callable[[np.ndarray], np.ndarray]:
    """The engine with encoding of its input, as a user runs it."""
    engine, (port,) = ExactEngine(graph), graph.inputs
    return lambda x: engine.run({port.tensor: encode_input(port, graph.tensors[port.tensor], x)})[
        graph.outputs[0].tensor
    ]


def onnxruntime_float(model: torch.nn.Module, images: np.ndarray, path: Path) -> onnxruntime.InferenceSession:
    """The network before quantisation, any batch, one thread."""
    torch.onnx.export(
        model,
        torch.from_numpy(images[:1]),
        path,
        dynamo=False,
        input_names=["input"],
        output_names=["output"],
        dynamic_axes={"input": {0: "n"}},
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def alternate(runs: Runs, frames: int, seconds: float) -> dict[str, float]:
    """Median frames per CPU second of each executor over rounds in which all take turns."""
    rates: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()
    for _ in range(ROUNDS):
        for name, run in runs.items():
            calls, start = 0, time.process_time()
            while not calls or time.process_time() - start < seconds:
                run()
                calls += 1
            rates[name].append(frames * calls / (time.process_time() - start))
    return {name: statistics.median(found) for name, found in rates.items()}


def table(results: list[dict[str, Any]]) -> str:
    """Markdown of all results, with the executors that ran."""
    found = [
        (result, batch, rates)
        for result in results
        for batch, rates in result["frames_per_cpu_second"].items()
    ]
    others = {name: short for name, short in OTHERS.items() if any(name in rates for *_, rates in found)}
    heads = [
        "network",
        "format",
        "batch",
        "exact, frames/s",
        *others,
        *(f"exact : {o}" for o in others.values()),
    ]
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    for result, batch, rates in found:
        speeds = [f"{rates[n]:.1f}" if n in rates else "" for n in ("exact", *others)]
        ratios = [f"{rates['exact'] / rates[n]:.2f}" if n in rates else "" for n in others]
        names = [result["network"], result["format"], batch.removeprefix("batch ")]
        lines.append("| " + " | ".join([*names, *speeds, *ratios]) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
