"""Pretrained networks, post-training quantised, on real images: accuracy, and whether engines agree on every
bit.

Each combination of network and format leaves one JSON file, so an interrupted run goes on where it stopped:

    python benchmarks/real_networks.py --data FOLDER --networks resnet8 resnet20 --formats e2m1 int4
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
import zoo
from qonnx_reference import QonnxReference
from records import Run
from synthetic import folding

from pyqkit.emulate.exact import ExactEngine
from pyqkit.emulate.hls import HlsEngine
from pyqkit.graph.graph import Graph, decode_output, encode_input, to_integers
from pyqkit.graph.importer import import_qonnx
from pyqkit.quant import calibrate, export_qonnx
from pyqkit.studies.networks.layers import Formats, Quantised

FORMATS = ("e2m1", "e3m2", "e4m3", "int4", "int8", "lp8_1_3", "lp4_0_3")
RESULTS = Path(__file__).parent / "results"
CALIBRATION = 512  # training images
CHUNK = 100  # frames that are compared layer by layer at a time


def main(arguments: list[str] | None = None) -> int:
    """Run the combinations that have no result yet, then write the table; 1 if any engine differed."""
    options = parse_arguments(arguments)
    run = Run(options)
    warnings.simplefilter("ignore")  # Brevitas warns of its own internals
    torch.set_num_threads(1)
    options.output.mkdir(parents=True, exist_ok=True)
    with np.load(options.data / "cifar10_test_a.npz", allow_pickle=False) as archive:
        pixels, labels = archive["x"][: options.frames], archive["y"][: options.frames]
    with np.load(options.data / "cifar10_train_20k.npz", allow_pickle=False) as archive:
        training = archive["x"][:CALIBRATION]
    for network in options.networks:
        wanted = {f: options.output / f"{network}_{f}.json" for f in options.formats}
        missing = {f: path for f, path in wanted.items() if options.force or not path.is_file()}
        if not missing:
            continue
        images = zoo.images(network, pixels)
        fp32 = zoo.logits(zoo.load(network, options.data), images).argmax(1)
        for fmt, path in missing.items():
            result = measure(network, fmt, options, images, labels, zoo.images(network, training), fp32)
            run.write_json(path, result, indent=2)
            print(row(result), flush=True)
    results = [
        json.loads(path.read_text())
        for n in zoo.NETWORKS
        for f in FORMATS
        if (path := options.output / f"{n}_{f}.json").is_file()
    ]
    run.write_markdown(options.output.with_suffix(".md"), table(results))
    print(table(results))
    return int(
        any(r["exact_against_qonnx"]["mismatches"] or r["hls_against_exact"]["mismatches"] for r in results)
    )


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of weights and images")
    parser.add_argument("--networks", nargs="+", choices=list(zoo.NETWORKS), default=list(zoo.NETWORKS))
    parser.add_argument("--formats", nargs="+", default=list(FORMATS))
    parser.add_argument("--frames", type=int, default=5000)
    parser.add_argument(
        "--hls-frames", type=int, default=200, help="frames of the generated C++; 0 leaves it out"
    )
    parser.add_argument(
        "--scaling",
        choices=("power_of_two", "float"),
        default="power_of_two",
        help="what the scales of quantisers may be",
    )
    parser.add_argument(
        "--output", type=Path, help="folder of one JSON file a combination; the table is written beside it"
    )
    parser.add_argument("--force", action="store_true", help="measure again what has a result")
    options = parser.parse_args(arguments)
    options.output = options.output or RESULTS / f"real_networks_{options.scaling}"
    return options


def measure(
    network: str,
    fmt: str,
    options: argparse.Namespace,
    images: np.ndarray,
    labels: np.ndarray,
    training: np.ndarray,
    fp32: np.ndarray,
) -> dict[str, Any]:
    """Quantise one network to one format and compare everything."""
    seconds: dict[str, float] = {}
    with timed(seconds, "quantise"):
        model = quantised(network, fmt, options.scaling, options.data, training)
    with timed(seconds, "pytorch"):
        pytorch = zoo.logits(model, images).argmax(1)
    with tempfile.TemporaryDirectory() as folder:
        with timed(seconds, "export"):
            path = export_qonnx(model, torch.from_numpy(images[:1]), Path(folder) / "network.onnx")
        with timed(seconds, "lower"):
            graph = import_qonnx(path)
        reference = QonnxReference(path)
    codes = {p.tensor: encode_input(p, graph.tensors[p.tensor], images) for p in graph.inputs}
    with timed(seconds, "exact"):
        exact = ExactEngine(graph).run(codes)
    with timed(seconds, "reference"):
        against_qonnx = compare_with_qonnx(graph, reference, images)
    with timed(seconds, "hls"):
        against_exact = compare_hls(graph, codes, exact, min(options.hls_frames, len(images)))
    (port,) = graph.outputs
    accelerator = decode_output(port, graph.tensors[port.tensor], exact[port.tensor]).argmax(1)
    formats = Formats.of(fmt)
    return {
        "network": network,
        "format": fmt,
        "scaling": options.scaling,
        "first_and_last_layer": {"weights": formats.edge_weight, "input": formats.edge_signed},
        "activations_behind_relu": formats.unsigned,
        "batch_norms_merged": network in zoo.MERGED,
        "frames": len(images),
        "calibration_images": len(training),
        "top1": {
            "fp32": share(fp32 == labels),
            "pytorch": share(pytorch == labels),
            "accelerator": share(accelerator == labels),
        },
        "agreement": {
            "accelerator_pytorch": share(accelerator == pytorch),
            "accelerator_fp32": share(accelerator == fp32),
        },
        "exact_against_qonnx": against_qonnx,
        "hls_against_exact": against_exact,
        "macs_per_frame": sum(op.macs(graph.input_tensors(op)) for op in graph.operators),
        "lowering_notes": len(graph.notes),
        "seconds": {k: round(v, 2) for k, v in seconds.items()},
    }


def quantised(network: str, fmt: str, scaling: str, data: Path, training: np.ndarray) -> torch.nn.Module:
    """The network in `fmt`, activation scales calibrated on training images; weights are not retrained."""
    model = zoo.load(network, data, Quantised(Formats.of(fmt), {"scaling": scaling}, {"scaling": scaling}))
    calibrate(model, zoo.batches(training, 64))
    zoo.logits(model, training[:1])  # weight scales come into being in the first forward pass
    return model


def compare_with_qonnx(graph: Graph, reference: QonnxReference, images: np.ndarray) -> dict[str, int]:
    """Codes of all quantised tensors and outputs of engine `exact` that differ from QONNX semantics."""
    engine = ExactEngine(graph, fuse=False)
    (port,) = graph.inputs
    codes = differing = decided = 0
    for first in range(0, len(images), CHUNK):
        part = images[first : first + CHUNK]
        expected = reference.run(part)
        found = engine.run({port.tensor: encode_input(port, graph.tensors[port.tensor], part)}, keep=True)
        for tensor, source in graph.sources.items():
            wanted = expected.codes[source]
            codes += wanted.size
            differing += int((found[tensor].transpose(0, 3, 1, 2).reshape(wanted.shape) != wanted).sum())
        for out in graph.outputs:
            shape = graph.tensors[out.tensor].shape
            integers = to_integers(found[out.tensor], graph.tensors[out.tensor].format).reshape(
                len(part), -1
            )[:, out.order.ravel()]
            scale, offset = (
                np.broadcast_to(v, shape).ravel()[out.order.ravel()] for v in (out.scale, out.offset)
            )
            # Outputs are whole steps of their scale, so rounding the distance to steps needs no tolerance.
            distance = (expected.outputs[out.onnx_name].reshape(len(part), -1) - offset) / scale - integers
            codes += integers.size
            differing += int((np.rint(distance) != 0).sum())
        decided += expected.decided
    return {"codes": codes, "mismatches": differing, "decided_in_double_double": decided}


def compare_hls(
    graph: Graph, codes: dict[str, np.ndarray], exact: dict[str, np.ndarray], frames: int
) -> dict[str, int]:
    """Output codes of the generated C++ that differ from the engine `exact`."""
    if not frames:
        return {"frames": 0, "codes": 0, "mismatches": 0}
    found = HlsEngine(graph, folding(graph)).run({k: v[:frames] for k, v in codes.items()})
    differing = sum(int((found[k] != exact[k][:frames]).sum()) for k in found)
    return {"frames": frames, "codes": sum(v.size for v in found.values()), "mismatches": differing}


@contextmanager
def timed(seconds: dict[str, float], what: str) -> Iterator[None]:
    """Record wall-clock seconds."""
    start = time.perf_counter()
    yield
    seconds[what] = time.perf_counter() - start


def share(hits: np.ndarray) -> float:
    """Per cent, two decimals."""
    return round(100 * float(hits.mean()), 2)


COLUMNS: dict[str, Callable[[dict[str, Any]], str]] = {
    "network": lambda r: r["network"],
    "format": lambda r: r["format"],
    "first, last": lambda r: r["first_and_last_layer"]["weights"],
    "FP32 %": lambda r: f"{r['top1']['fp32']:.2f}",
    "PyTorch %": lambda r: f"{r['top1']['pytorch']:.2f}",
    "accelerator %": lambda r: f"{r['top1']['accelerator']:.2f}",
    "same class as PyTorch %": lambda r: f"{r['agreement']['accelerator_pytorch']:.2f}",
    "exact ≠ QONNX": lambda r: (
        f"{r['exact_against_qonnx']['mismatches']} of {r['exact_against_qonnx']['codes']:,} "
        f"({r['frames']} frames)"
    ),
    "hls ≠ exact": lambda r: (
        f"{r['hls_against_exact']['mismatches']} of {r['hls_against_exact']['codes']:,} "
        f"({r['hls_against_exact']['frames']} frames)"
    ),
}


def row(result: dict[str, Any]) -> str:
    """One line of the table."""
    return "| " + " | ".join(make(result) for make in COLUMNS.values()) + " |"


def table(results: list[dict[str, Any]]) -> str:
    """Markdown of all results."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + " --- |" * len(COLUMNS)]
    return "\n".join(lines + [row(r) for r in results]) + "\n"


if __name__ == "__main__":
    sys.exit(main())
