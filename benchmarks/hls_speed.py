"""Speed of the engine `hls`: seconds to build the generated C++ of a ResNet-20, and million MACs a CPU second
of running it.

The network has random weights and the folding below; outputs are compared with the engine `exact`, code by
code.

OMP_NUM_THREADS=1 python benchmarks/hls_speed.py [--formats e2m1 int4] [--frames 64] [--json] [--write]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from records import Run
from synthetic import CODE_SEED, WEIGHT_SEED, ResNet, macs

from pyqkit.emulate.exact import ExactEngine
from pyqkit.emulate.hls import HlsEngine
from pyqkit.graph.graph import Graph
from pyqkit.graph.ops.convolution import Convolution, ConvolutionFolding

FORMATS = ("e2m1", "int4", "e3m2", "e4m3", "int8", "lp4_0_3", "lp8_1_3")
RESULTS = Path(__file__).parent / "results" / "hls_speed.md"
PE, SIMD = 16, 32  # at most; the largest divisors of each layer


def main(arguments: list[str] | None = None) -> int:
    """Measure and print a table; 1 if a code differs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--formats", nargs="+", default=list(FORMATS))
    parser.add_argument("--frames", type=int, default=64)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name} into results/")
    options = parser.parse_args(arguments)
    run = Run(options, seeds=(WEIGHT_SEED, CODE_SEED))
    results = [measure(name, options.frames) for name in options.formats]
    print(json.dumps(results, indent=2) if options.json else table(results))
    if options.write:
        run.write_markdown(RESULTS, table(results))
    return int(any(result["mismatches"] for result in results))


def measure(name: str, frames: int) -> dict:
    """Build without a cache, then run."""
    network = ResNet(name)
    graph = network.graph
    codes = {"x": network.codes(frames, graph.tensors["x"])}
    with tempfile.TemporaryDirectory() as cache:
        start = time.perf_counter()
        engine = HlsEngine(graph, folding(graph), cache=Path(cache))
        built = time.perf_counter() - start
        engine.run({"x": codes["x"][:1]})
        start = time.process_time()
        found = engine.run(codes)
        seconds = time.process_time() - start
    expected = ExactEngine(graph).run(codes)
    differing = sum(int((found[k] != expected[k]).sum()) for k in found)
    speed = macs(graph) * frames / seconds / 1e6
    return {
        "format": name,
        "build_s": round(built, 1),
        "mmacs_per_cpu_second": round(speed),
        "frames": frames,
        "mismatches": differing,
    }


def folding(graph: Graph) -> dict[str, ConvolutionFolding]:
    """The largest foldings within the limits."""
    found = {}
    for op in graph.operators:
        if isinstance(op, Convolution):
            outputs, inputs = len(op.weights) // op.groups, op.weights.shape[3]
            largest = [
                max(n for n in range(1, limit + 1) if total % n == 0)
                for limit, total in ((PE, outputs), (SIMD, inputs))
            ]
            found[op.name] = ConvolutionFolding(*largest)
    return found


def table(results: list[dict]) -> str:
    """Markdown."""
    lines = ["| format | build, s | MMAC/s | codes that differ |", "| --- | --- | --- | --- |"]
    for r in results:
        lines.append(
            f"| {r['format']} | {r['build_s']} | {r['mmacs_per_cpu_second']:,} | {r['mismatches']} "
            f"({r['frames']} frames) |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
