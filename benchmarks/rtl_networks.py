"""Whole networks in engine `rtl`: every code against `exact` and `hls`, and simulated cycles against the
schedule's.

Each network is simulated twice, without stalls and with random stalls on every stream. Then its operators are
simulated once more, each alone between ends of its own, where nothing but the operator sets the pace. Each
network and folding leaves one JSON file, so that an interrupted run goes on where it stopped:

    OMP_NUM_THREADS=1 python benchmarks/rtl_networks.py --data FOLDER --networks digits resnet8 resnet20

Cycles are simulated with Verilator from the SystemVerilog that would be synthesised; no board was involved.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from real_networks import CALIBRATION, quantised, timed
from records import Run

from pyqkit.emulate.exact import ExactEngine
from pyqkit.emulate.hls import HlsEngine
from pyqkit.emulate.rtl import RtlEngine, Stalls
from pyqkit.graph.graph import Graph, encode_input, to_integers
from pyqkit.graph.importer import import_qonnx
from pyqkit.graph.ops.convolution import ConvolutionFolding
from pyqkit.graph.ops.requantise import Rescale, Threshold
from pyqkit.hardware.folding import spaces
from pyqkit.rtl.generate import generate
from pyqkit.rtl.isolated import isolated, random_codes

RESULTS = Path(__file__).parent / "results" / "rtl_networks"
FRAMES = {"digits": 540, "resnet8": 100, "resnet20": 20}
# PE and SIMD at most.
FOLDINGS = {"digits": [(2, 4), (4, 4), (8, 8)], "resnet8": [(4, 4), (4, 8), (8, 8)], "resnet20": [(4, 8)]}
ALONE_FRAMES = 4
STALL_SEED = 7


def main(arguments: list[str] | None = None) -> int:
    """Measure what has no result yet, then write the table; 1 if a code or a cycle differs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of weights and images; the digits need none")
    parser.add_argument("--networks", nargs="+", choices=list(FRAMES), default=list(FRAMES))
    parser.add_argument("--format", default="e2m1", help="of the ResNets")
    parser.add_argument("--frames", type=int, help="instead of the network's own number")
    parser.add_argument(
        "--folding",
        nargs=2,
        type=int,
        metavar=("PE", "SIMD"),
        help="at most; instead of the network's own foldings",
    )
    parser.add_argument(
        "--alone",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="simulate every operator alone, too",
    )
    parser.add_argument(
        "--output", type=Path, default=RESULTS, help="folder of one JSON file a network and folding"
    )
    parser.add_argument("--force", action="store_true", help="measure again what has a result")
    options = parser.parse_args(arguments)
    run = Run(options, seeds=(STALL_SEED,))
    warnings.simplefilter("ignore")  # Brevitas warns of its own internals
    options.output.mkdir(parents=True, exist_ok=True)
    for network in options.networks:
        known: tuple[Graph, dict[str, np.ndarray]] | None = None
        for pe, simd in [tuple(options.folding)] if options.folding else FOLDINGS[network]:
            path = options.output / f"{network}_{pe}x{simd}.json"
            if path.is_file() and not options.force:
                continue
            known = known or (digits() if network == "digits" else resnet(network, options))
            result = {
                "network": network,
                "folding": f"PE <= {pe}, SIMD <= {simd}",
                **measure(*known, pe, simd, options.alone),
            }
            run.write_json(path, result)
            print(f"{path.name}: {result['seconds']}", flush=True)
    results = [json.loads(path.read_text()) for path in sorted(options.output.glob("*.json"))]
    run.write_markdown(options.output.with_suffix(".md"), table(results))
    print(table(results))
    return int(any(wrong(r) for r in results))


def digits() -> tuple[Graph, dict[str, np.ndarray]]:
    """The network of the demo and its test split."""
    import torch

    from pyqkit import demo
    from pyqkit.quant import export_qonnx
    from pyqkit.studies.datasets import digits as images

    x, y, x_test, _ = images(0)
    _, model = demo.trained(x, y, 0)
    return lowered(export_qonnx, model, torch.from_numpy(x_test[:1]), x_test)


def resnet(network: str, options: argparse.Namespace) -> tuple[Graph, dict[str, np.ndarray]]:
    """A pretrained network, quantised as in `real_networks.py`, and test images."""
    import torch
    import zoo

    from pyqkit.quant import export_qonnx

    torch.set_num_threads(1)
    with np.load(options.data / "cifar10_test_a.npz", allow_pickle=False) as archive:
        images = zoo.images(network, archive["x"][: options.frames or FRAMES[network]])
    with np.load(options.data / "cifar10_train_20k.npz", allow_pickle=False) as archive:
        training = zoo.images(network, archive["x"][:CALIBRATION])
    model = quantised(network, options.format, "power_of_two", options.data, training)
    return lowered(export_qonnx, model, torch.from_numpy(images[:1]), images)


def lowered(export: Any, model: Any, example: Any, images: np.ndarray) -> tuple[Graph, dict[str, np.ndarray]]:
    """The dataflow graph of a model and the codes of images."""
    with tempfile.TemporaryDirectory() as folder:
        graph = import_qonnx(export(model, example, Path(folder) / "network.onnx"))
    return graph, {p.tensor: encode_input(p, graph.tensors[p.tensor], images) for p in graph.inputs}


def folding(graph: Graph, pe: int, simd: int) -> dict[str, ConvolutionFolding]:
    """The largest foldings up to `pe` and `simd`."""

    def divisor(total: int, most: int) -> int:
        return max(n for n in range(1, most + 1) if total % n == 0)

    return {
        name: ConvolutionFolding(*map(divisor, (axis.total for axis in space.axes), (pe, simd)))
        for name, space in spaces(graph).items()
    }


def measure(graph: Graph, codes: dict[str, np.ndarray], pe: int, simd: int, alone: bool) -> dict[str, Any]:
    """Compare everything for one folding."""
    seconds: dict[str, float] = {}
    found, foldings = statistics(graph, codes), folding(graph, pe, simd)
    with timed(seconds, "schedule and emit"):
        design = generate(graph, foldings)
    expected = {"exact": ExactEngine(graph).run(codes), "hls": HlsEngine(graph, foldings).run(codes)}
    with tempfile.TemporaryDirectory() as cache:
        with timed(seconds, "build"):
            engine = RtlEngine(graph, foldings, cache=Path(cache))
        runs = {}
        for name, stalls in (("without stalls", None), ("with stalls", Stalls(0.2, seed=STALL_SEED))):
            engine.stalls = stalls
            started = time.process_time()
            outputs = engine.run(codes)
            seconds[f"run {name}"] = round(time.process_time() - started, 2)
            runs[name] = {
                "mismatches": {
                    e: sum(int((outputs[k] != v[k]).sum()) for k in outputs) for e, v in expected.items()
                },
                "interval": engine.counts.interval,
                "latency": engine.counts.latency,
            }
    macs = sum(op.macs(graph.input_tensors(op)) for op in graph.operators)
    return {
        "frames": len(next(iter(codes.values()))),
        "codes": sum(v.size for v in expected["exact"].values()),
        **found,
        "macs": macs,
        "multipliers": sum(f.pe * f.simd for f in foldings.values()),
        "interval": {"schedule": design.interval, "simulated": runs["without stalls"]["interval"]},
        "latency": {"schedule": design.latency, "simulated": runs["without stalls"]["latency"]},
        "runs": runs,
        "fifo_words": {
            f"{tensor} to {reader}": words for (tensor, reader), words in design.fifos.items() if words > 32
        },
        "operators": operators_alone(graph, foldings) if alone else None,
        "seconds": {k: round(v, 2) for k, v in seconds.items()},
    }


def operators_alone(graph: Graph, foldings: dict[str, ConvolutionFolding]) -> dict[str, Any]:
    """Of each operator alone: cycles a frame, scheduled and simulated, and codes against its definition."""
    pieces = isolated(graph)
    codes = random_codes(pieces, ALONE_FRAMES)
    with tempfile.TemporaryDirectory() as cache:
        engine = RtlEngine(pieces, foldings, cache=Path(cache))
        outputs = engine.run(codes)
    found, scheduled, expected = {}, engine.design.paces, pieces.execute(codes)
    for i, (op, port) in enumerate(zip(pieces.operators, pieces.outputs)):
        found[op.name] = {
            "operator": op.kind,
            "cycles": engine.design.cycles()[op.name],
            "interval": scheduled[i],
            "simulated": float(engine.counts.intervals[i]),
            "mismatches": int((outputs[port.tensor] != expected[port.tensor]).sum()),
        }
    return found


def statistics(graph: Graph, codes: dict[str, np.ndarray]) -> dict[str, int]:
    """What a bit-exact claim has seen in all requantisers.

    Codes, those at the ends of their format, sums on a threshold, distinct codes.
    """
    values = ExactEngine(graph, fuse=False).run({k: v[:100] for k, v in codes.items()}, keep=True)
    total = saturated = ties = 0
    distinct: set[tuple[str, int]] = set()
    for op in graph.operators:
        if not isinstance(op, (Threshold, Rescale)):
            continue
        made = values[op.outputs[0]]
        ends = (
            (op.format.codes[0], op.format.codes[-1])
            if isinstance(op, Threshold)
            else op.format.from_integers(np.array([op.format.low, op.format.high]))
        )
        total, saturated = total + made.size, saturated + int(np.isin(made, ends).sum())
        distinct |= {(op.format.name, int(code)) for code in np.unique(made)}
        if isinstance(op, Threshold):
            sums = to_integers(values[op.inputs[0]], graph.tensors[op.inputs[0]].format)
            ties += sum(int(np.isin(sums[..., c], row).sum()) for c, row in enumerate(op.thresholds))
    return {"codes_requantised": total, "saturated": saturated, "ties": ties, "distinct_codes": len(distinct)}


def wrong(result: dict[str, Any]) -> bool:
    """Whether a code differs, an operator's interval is not exact, or the network's interval or latency is
    off by over 2 %.
    """
    codes = any(n for run in result["runs"].values() for n in run["mismatches"].values())
    pairs = [result["interval"], result["latency"]]
    cycles = any(abs(p["simulated"] - p["schedule"]) > 0.02 * p["simulated"] for p in pairs)
    alone = any(
        o["mismatches"] or o["simulated"] != o["interval"] for o in (result["operators"] or {}).values()
    )
    return codes or cycles or alone


def table(results: list[dict[str, Any]]) -> str:
    """Markdown."""
    head = [
        "network",
        "folding",
        "frames",
        "codes that differ (exact, hls; without and with stalls)",
        "saturated, ties, distinct codes",
        "interval: schedule, simulated",
        "latency: schedule, simulated",
        "operators alone: exact intervals, codes that differ",
        "schedule, build (s by the clock, two shared cores), run (CPU s)",
    ]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for r in results:
        differing = "; ".join(
            f"{run['mismatches']['exact']}, {run['mismatches']['hls']}" for run in r["runs"].values()
        )
        alone = r["operators"] or {}
        exact = sum(o["simulated"] == o["interval"] for o in alone.values())
        cells = [r["network"], r["folding"], str(r["frames"]), f"{differing} of {r['codes']:,}"]
        cells.append(f"{r['saturated'] / r['codes_requantised']:.1%}, {r['ties']:,}, {r['distinct_codes']}")
        cells += [f"{r[key]['schedule']:,}, {r[key]['simulated']:,.10g}" for key in ("interval", "latency")]
        cells.append(
            f"{exact} of {len(alone)}, {sum(o['mismatches'] for o in alone.values())}" if alone else ""
        )
        cells.append(
            ", ".join(
                f"{r['seconds'][key]:.1f}" for key in ("schedule and emit", "build", "run without stalls")
            )
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
