"""Speed of the engine `hls`: seconds to build the generated C++ of a ResNet-20, and million MACs a CPU second
of running it.

With `--data` it is the pretrained network on test images, else one with random weights; the folding is the
one below. Outputs are compared with the engine `exact`, code by code.

    OMP_NUM_THREADS=1 python benchmarks/hls_speed.py --data FOLDER [--formats e2m1 int4] [--json] [--write]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import zoo
from real_networks import quantised
from records import Run
from synthetic import CODE_SEED, PE, SIMD, WEIGHT_SEED, ResNet, folding, macs

from pyqkit.emulate.exact import ExactEngine
from pyqkit.emulate.hls import HlsEngine
from pyqkit.graph.graph import Graph, encode_input
from pyqkit.graph.importer import import_qonnx
from pyqkit.quant import export_qonnx

FORMATS = ("int4", "int8", "e2m1", "e2m3", "e3m2", "e4m3", "e5m2", "lp4_0_3", "lp8_1_3", "mx32_e2m1")
RESULTS = Path(__file__).parent / "results" / "hls_speed.md"
CALIBRATION = 64  # training images
ROUNDS = 3  # the median counts
PAGE = f"""ResNet-20, at most {PE} outputs and {SIMD} inputs of a layer at a time; one core. Building is one
run of g++; g++ has one core too, and the seconds of the wall are those of a machine that does little else.

"""
Codes = dict[str, np.ndarray]


@dataclass(frozen=True)
class Speed:
    """What was measured of a format."""

    format: str
    build_s: float
    build_cpu_s: float
    gmacs_per_cpu_second: float
    frames: int
    mismatches: int


def main(arguments: list[str] | None = None) -> int:
    """Measure and print a table; 1 if a code differs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of weights and images")
    parser.add_argument("--formats", nargs="+", default=list(FORMATS))
    parser.add_argument("--frames", type=int, default=64)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name} into results/")
    options = parser.parse_args(arguments)
    run = Run(options, seeds=(WEIGHT_SEED, CODE_SEED))
    warnings.simplefilter("ignore")  # Brevitas warns of its own internals
    torch.set_num_threads(1)
    results = []
    for name in options.formats:
        frames = options.frames
        graph, codes = pretrained(name, frames, options.data) if options.data else random(name, frames)
        results.append(measure(name, graph, codes))
        print(row(results[-1]), file=sys.stderr, flush=True)
    print(json.dumps([asdict(r) for r in results], indent=2) if options.json else table(results))
    if options.write:
        run.write_markdown(RESULTS, PAGE + table(results))
    return int(any(result.mismatches for result in results))


def random(name: str, frames: int) -> tuple[Graph, Codes]:
    """Random weights and codes."""
    network = ResNet(name)
    return network.graph, {"x": network.codes(frames, network.graph.tensors["x"])}


def pretrained(name: str, frames: int, data: Path) -> tuple[Graph, Codes]:
    """The pretrained network, quantised after training, and test images."""
    with tempfile.TemporaryDirectory() as folder:
        path, images = exported(name, frames, data, Path(folder))
        graph = import_qonnx(path)
    return graph, {p.tensor: encode_input(p, graph.tensors[p.tensor], images) for p in graph.inputs}


def exported(name: str, frames: int, data: Path, folder: Path) -> tuple[Path, np.ndarray]:
    """Its QONNX file in a folder, and images (frames, 3, 32, 32)."""
    with np.load(data / "cifar10_train_20k.npz", allow_pickle=False) as archive:
        training = zoo.images("resnet20", archive["x"][:CALIBRATION])
    with np.load(data / "cifar10_test_a.npz", allow_pickle=False) as archive:
        images = zoo.images("resnet20", archive["x"][:frames])
    model = quantised("resnet20", name, "power_of_two", data, training)
    return export_qonnx(model, torch.from_numpy(images[:1]), folder / "network.onnx"), images


def measure(name: str, graph: Graph, codes: Codes) -> Speed:
    """Build without a cache, then run."""
    with tempfile.TemporaryDirectory() as cache:
        start, before = time.perf_counter(), os.times()
        engine = HlsEngine(graph, folding(graph), cache=Path(cache))
        built, after = time.perf_counter() - start, os.times()
        found = engine.run(codes)
        seconds = []
        for _ in range(ROUNDS):
            start = time.process_time()
            engine.run(codes)
            seconds.append(time.process_time() - start)
    expected = ExactEngine(graph).run(codes)
    frames = len(next(iter(codes.values())))
    compiler = after.children_user + after.children_system - before.children_user - before.children_system
    return Speed(
        format=name,
        build_s=round(built, 1),
        build_cpu_s=round(compiler, 1),
        gmacs_per_cpu_second=round(macs(graph) * frames / sorted(seconds)[ROUNDS // 2] / 1e9, 2),
        frames=frames,
        mismatches=sum(int((found[k] != expected[k]).sum()) for k in found),
    )


def table(results: list[Speed]) -> str:
    """Markdown."""
    return "\n".join(
        [
            "| format | build, s | of g++, CPU s | GMAC/s | codes that differ |",
            "|" + " --- |" * 5,
            *map(row, results),
            "",
        ]
    )


def row(r: Speed) -> str:
    """A line of it."""
    return (
        f"| {r.format} | {r.build_s} | {r.build_cpu_s} | {r.gmacs_per_cpu_second:.2f} | {r.mismatches} "
        f"({r.frames} frames) |"
    )


if __name__ == "__main__":
    sys.exit(main())
