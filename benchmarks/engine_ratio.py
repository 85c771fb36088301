"""Frames a second of executors on the real ResNet-20, as ratios of one run: one core, CPU time of all
threads.

OMP_NUM_THREADS=1 python benchmarks/engine_ratio.py --data FOLDER --formats e2m1 int4
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
import zoo
from brevitas.export.inference import quant_inference_mode
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from real_networks import CALIBRATION, FORMATS, RESULTS, quantised
from records import Run

from pyqkit.emulate.exact import ExactEngine
from pyqkit.graph.graph import encode_input
from pyqkit.graph.importer import import_qonnx
from pyqkit.quant import FastInference, export_qonnx

NETWORK = "resnet20"
ROUNDS = 5  # medians of alternating rounds: a shared machine drifts
SECONDS = 1.0  # CPU time of one executor in one round, at least one call


def main(arguments: list[str] | None = None) -> int:
    """Measure and write JSON and markdown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of weights and images")
    parser.add_argument("--formats", nargs="+", default=list(FORMATS))
    parser.add_argument("--output", type=Path, default=RESULTS / "engine_ratio.json")
    options = parser.parse_args(arguments)
    run = Run(options)
    warnings.simplefilter("ignore")  # Brevitas and qonnx warn of their own internals
    torch.set_num_threads(1)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    with np.load(options.data / "cifar10_test_a.npz", allow_pickle=False) as archive:
        images = zoo.images(NETWORK, archive["x"][:64])
    with np.load(options.data / "cifar10_train_20k.npz", allow_pickle=False) as archive:
        training = zoo.images(NETWORK, archive["x"][:CALIBRATION])
    results = []
    for fmt in options.formats:
        results.append(measure(fmt, options.data, images, training))
        print(table(results[-1:]), flush=True)
    run.write_json(options.output, {"formats": results}, indent=2)
    run.write_markdown(options.output.with_suffix(".md"), table(results))
    return 0


def measure(fmt: str, data: Path, images: np.ndarray, training: np.ndarray) -> dict[str, Any]:
    """All executors on one format, in alternation."""
    model = quantised(NETWORK, fmt, "power_of_two", data, training)
    floating = zoo.load(NETWORK, data)
    with tempfile.TemporaryDirectory() as folder:
        session = onnxruntime_float(floating, images, Path(folder) / "float.onnx")
        path = export_qonnx(model, torch.from_numpy(images[:1]), Path(folder) / "quantised.onnx")
        engine, wrapper = exact(path), ModelWrapper(str(path))
    with torch.no_grad(), quant_inference_mode(model, export_manager=FastInference):
        model(torch.from_numpy(images[:1]))  # the mode caches weights in its first pass
        rates = {}
        for batch in (64, 1):
            x = np.ascontiguousarray(images[:batch])
            tensor = torch.from_numpy(x)
            runs: dict[str, Callable[[], object]] = {
                "exact": lambda x=x: engine(x),
                "onnxruntime float": lambda x=x: session.run(None, {"input": x}),
                "quant_inference_mode": lambda t=tensor: model(t),
            }
            if batch == 1:  # the file is for one frame
                runs["qonnx"] = lambda x=x: execute_onnx(wrapper, {"input": x})
            rates[batch] = {name: round(rate, 1) for name, rate in alternate(runs, batch).items()}
    return {"format": fmt, "frames_per_cpu_second": {f"batch {b}": r for b, r in rates.items()}}


def exact(path: Path) -> Callable[[np.ndarray], np.ndarray]:
    """The engine with encoding of its input, as a user runs it."""
    graph = import_qonnx(path)
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


def alternate(runs: dict[str, Callable[[], object]], frames: int) -> dict[str, float]:
    """Median frames per CPU second of each executor over rounds in which all take turns."""
    rates: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()
    for _ in range(ROUNDS):
        for name, run in runs.items():
            calls, start = 0, time.process_time()
            while not calls or time.process_time() - start < SECONDS:
                run()
                calls += 1
            rates[name].append(frames * calls / (time.process_time() - start))
    return {name: statistics.median(found) for name, found in rates.items()}


def table(results: list[dict[str, Any]]) -> str:
    """Markdown of all results."""
    lines = [
        "| format | batch | exact, frames/s | onnxruntime float | quant_inference_mode | qonnx | "
        "exact : ort | exact : Brevitas | exact : qonnx |",
        "|" + " --- |" * 9,
    ]
    for result in results:
        for batch, rates in result["frames_per_cpu_second"].items():
            others = ("onnxruntime float", "quant_inference_mode", "qonnx")
            speeds = [f"{rates[n]:.1f}" if n in rates else "" for n in ("exact", *others)]
            ratios = [f"{rates['exact'] / rates[n]:.2f}" if n in rates else "" for n in others]
            lines.append(
                "| " + " | ".join([result["format"], batch.removeprefix("batch "), *speeds, *ratios]) + " |"
            )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
