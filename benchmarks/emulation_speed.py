"""Frames a second of engine `exact` beside onnxruntime on the float network, as ratios of one run: one core,
CPU time.

Both run ResNet-20 for 32x32 images with random weights: `exact` with every tensor in the format of the row
and thresholds spread over its codes, onnxruntime in float32 with one thread. They take turns, so that a
shared machine slows both alike.

OMP_NUM_THREADS=1 python benchmarks/emulation_speed.py [--formats e2m1 int4] [--json]
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from synthetic import ResNet

from pyqkit.emulate.exact import ExactEngine
from pyqkit.graph.graph import Graph
from pyqkit.graph.ops.add import Add
from pyqkit.graph.ops.convolution import Convolution
from pyqkit.graph.ops.layout import Pad, Slice
from pyqkit.graph.ops.pool import SumPool
from pyqkit.graph.ops.requantise import Threshold

FORMATS = ("e2m1", "int4", "e3m2", "e4m3", "int8", "lp4_0_3", "lp8_1_3")
BATCHES = (64, 1)


def main(arguments: list[str] | None = None) -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--formats", nargs="+", default=list(FORMATS))
    parser.add_argument(
        "--rounds", type=int, default=9, help="turns of each executor; the median ratio counts"
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    results = [measure(name, options.rounds) for name in options.formats]
    print(json.dumps(results, indent=2) if options.json else table(results))
    return 0


def measure(name: str, rounds: int) -> dict:
    """Rates and ratios of one format at each batch."""
    network = ResNet(name)
    graph, engine = network.graph, ExactEngine(network.graph)
    result: dict = {"format": name, "carriers": dict(Counter(engine.carriers.values()))}
    for batch in BATCHES:
        codes = {"x": network.codes(batch, graph.tensors["x"])}
        image = np.random.default_rng(0).random((batch, 3, 32, 32), dtype=np.float32)
        session = float_session(graph)
        exact, floating = alternate(
            [lambda c=codes: engine.run(c), lambda s=session, i=image: s.run(None, {"x": i})], batch, rounds
        )
        result[f"batch_{batch}"] = {
            "exact": round(statistics.median(exact)),
            "onnxruntime_float": round(statistics.median(floating)),
            "ratio": round(statistics.median(a / b for a, b in zip(exact, floating)), 2),
        }
    return result


def alternate(runs: list[Callable[[], object]], frames: int, rounds: int) -> list[list[float]]:
    """Frames per CPU second of each executor in each round."""
    calls = max(1, 64 // frames)
    rates: list[list[float]] = [[] for _ in runs]
    for _ in range(rounds + 1):
        for found, run in zip(rates, runs):
            start = time.process_time()
            for _ in range(calls):
                run()
            found.append(frames * calls / (time.process_time() - start))
    return [found[1:] for found in rates]  # the first round warms up


def float_session(graph: Graph) -> onnxruntime.InferenceSession:
    """onnxruntime on the same network in float32: thresholds become ReLU where they cut off negative sums."""
    random = np.random.default_rng(0)
    nodes, constants = [], []

    def constant(name: str, value: np.ndarray) -> str:
        constants.append(numpy_helper.from_array(value, name))
        return name

    for op in graph.operators:
        (source, *_), (out,) = op.inputs, op.outputs
        if isinstance(op, Convolution):
            outputs, height, width, inputs = op.weights.shape
            weights = random.normal(
                0, (2 / (height * width * inputs)) ** 0.5, (outputs, inputs, height, width)
            ).astype(np.float32)
            names = [
                source,
                constant(f"{out}_w", weights),
                constant(f"{out}_b", np.zeros(outputs, np.float32)),
            ]
            nodes.append(
                helper.make_node(
                    "Conv", names, [out], strides=op.stride, pads=op.padding, kernel_shape=op.kernel
                )
            )
        elif isinstance(op, Threshold):
            nodes.append(
                helper.make_node("Relu" if graph.tensors[out].low >= 0 else "Identity", [source], [out])
            )
        elif isinstance(op, Add):
            nodes.append(helper.make_node("Add", op.inputs, [out]))
        elif isinstance(op, SumPool):
            nodes.append(helper.make_node("GlobalAveragePool", [source], [out]))
        elif isinstance(op, Slice):
            ends = [s + (n - 1) * d + 1 for s, d, n in zip(op.start, op.step, op.size)]
            values = {"starts": op.start, "ends": ends, "axes": (2, 3), "steps": op.step}
            nodes.append(
                helper.make_node(
                    "Slice",
                    [source, *(constant(f"{out}_{k}", np.array(v)) for k, v in values.items())],
                    [out],
                )
            )
        elif isinstance(op, Pad):
            order = [0, *(op.before[i] for i in (2, 0, 1)), 0, *(op.after[i] for i in (2, 0, 1))]
            nodes.append(helper.make_node("Pad", [source, constant(f"{out}_p", np.array(order))], [out]))
        else:
            raise TypeError(f"an operator of ResNet was expected, but {op.kind} came")
    (begin,), (end,) = graph.inputs, graph.outputs
    ports = []
    for name in (begin.tensor, end.tensor):
        height, width, channels = graph.tensors[name].shape
        ports.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", channels, height, width]))
    model = helper.make_model(
        helper.make_graph(nodes, "float", ports[:1], ports[1:], constants),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=9,
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def table(results: list[dict]) -> str:
    """Markdown of all results."""
    lines = [
        "| format | batch | exact, frames/s | onnxruntime float | ratio | carriers |",
        "|" + " --- |" * 6,
    ]
    for result in results:
        carriers = ", ".join(f"{count} {carrier}" for carrier, count in result["carriers"].items())
        for batch in BATCHES:
            r = result[f"batch_{batch}"]
            lines.append(
                f"| {result['format']} | {batch} | {r['exact']} | {r['onnxruntime_float']} | "
                f"{r['ratio']:.2f} | {carriers} |"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
