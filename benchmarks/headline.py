"""Two designs for a PYNQ-Z2 beside the fastest published on its silicon.

    resnet8   the image classifier of MLPerf Tiny in 4-bit floats;
              published: 2,431 frames/s at 86.0 % (fpgaConvNet, INT9, closed)
    mlp       a multilayer perceptron on Fashion-MNIST in 4-bit floats;
              published MLP: 57,268 frames/s (FINN, W3A3, keyword spotting)

    OMP_NUM_THREADS=1 python benchmarks/headline.py --data FOLDER --designs mlp resnet8

Weights are trained by `headline_training.py` and kept in results/; this script exports, compiles, folds,
counts the accuracy of the integer network on all test images, simulates the SystemVerilog on some of them
(every code against engine `exact`), and synthesises it block by block with Yosys. Simulated and synthesised
with open tools, before place and route; not run on a board.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import headline_networks as networks
import numpy as np
import torch
import zoo
from records import Run

import pyqkit
from pyqkit import boards
from pyqkit.accelerator import Accelerator
from pyqkit.rtl.circuits import circuits_of, sources
from pyqkit.rtl.generate import generate
from pyqkit.rtl.synthesis import LABEL, synthesise

RESULTS = Path(__file__).parent / "results" / "headline"
BOARD = "PYNQ-Z2"
LUT_LIMIT = 0.8
PUBLISHED = {"resnet8": 2431, "mlp": 57268}
NOTE = (
    "Cycles are simulated with Verilator from the SystemVerilog. Resources are synthesised block by "
    "block (yosys xc7), or, where it says so, estimated by "
    "a model of such results; before place and route. Not run on a board."
)


def main(arguments: list[str] | None = None) -> int:
    """Measure the designs, then write the table.

    1 if a code differs or a design is slower or larger than it should be.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of weights and images")
    parser.add_argument("--designs", nargs="+", choices=list(PUBLISHED), default=list(PUBLISHED))
    parser.add_argument(
        "--target-fps",
        type=float,
        help="the cheapest design that reaches it, instead of the fastest that fits --lut-share",
    )
    parser.add_argument("--lut-share", type=float, default=0.7, help="of the board, by the estimate")
    parser.add_argument("--frames", type=int, default=8, help="frames that are simulated cycle by cycle")
    parser.add_argument(
        "--skip",
        nargs="*",
        choices=["simulation", "synthesis"],
        default=[],
        help="what to leave out; an earlier result stays",
    )
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of one JSON file a design")
    options = parser.parse_args(arguments)
    run = Run(options)
    warnings.simplefilter("ignore")  # Brevitas warns of its own internals
    torch.set_num_threads(1)
    options.output.mkdir(parents=True, exist_ok=True)
    for design in options.designs:
        result = measure(design, options, run)
        print(json.dumps({k: v for k, v in result.items() if k != "blocks"}, indent=1), flush=True)
    results = [
        json.loads(path.read_text())
        for name in PUBLISHED
        if (path := options.output / f"{name}.json").is_file()
    ]
    run.write_markdown(options.output.with_suffix(".md"), table(results))
    print(table(results))
    return int(any(misses(r) for r in results))


def measure(design: str, options: argparse.Namespace, run: Run) -> dict[str, Any]:
    """Everything about one design."""
    network, images, labels = {"resnet8": resnet8, "mlp": mlp}[design](options.data)
    with tempfile.TemporaryDirectory() as folder:
        from pyqkit.quant import export_qonnx

        model = export_qonnx(network, torch.from_numpy(images[:1]), Path(folder) / f"{design}.onnx")
        wanted = (
            {"target_fps": options.target_fps} if options.target_fps else {"lut_share": options.lut_share}
        )
        accelerator = pyqkit.compile(model, board=BOARD, clock_mhz=100.0, **wanted)
    answers = accelerator.emulate(images).argmax(1)
    report = accelerator.report()
    result: dict[str, Any] = {
        "design": design,
        "board": BOARD,
        "weights": str(networks.FILES[design].relative_to(Path(__file__).parent.parent)),
        "formats": asdict(networks.FORMATS),
        "test_images": len(images),
        "top1": round(100 * float((answers == labels).mean()), 2),
        "macs": report.macs,
        "clock_mhz": report.clock_mhz,
        "folding": {name: list(vars(f).values()) for name, f in accelerator.foldings.items()},
        "estimated": {
            "interval": report.initiation_interval_cycles,
            "frames_per_second": round(report.frames_per_second, 1),
            **vars(report.resources),
        },
        "published_frames_per_second": PUBLISHED[design],
    }
    path = options.output / f"{design}.json"

    def save() -> None:
        done = (
            "simulated" if "simulated" in result else "estimated",
            "synthesised" if "synthesised" in result else "estimated",
        )
        result["label"] = (
            f"cycles {done[0]}, resources {done[1]}, with open tools, before place and route; not "
            "run on a board"
        )
        run.write_json(path, result, merged=bool(options.skip))

    before = json.loads(path.read_text()) if path.is_file() else {}
    # The same design: what is skipped stays.
    if all(before.get(key) == result[key] for key in ("folding", "top1", "weights")):
        result |= {key: before[key] for key in ("simulated", "synthesised", "blocks") if key in before}
    print(json.dumps(result["estimated"]), flush=True)
    if "simulation" not in options.skip:
        result["simulated"] = simulate(accelerator, images[: options.frames])
        save()
        print(json.dumps(result["simulated"]), flush=True)
    if "synthesis" not in options.skip:
        result |= synthesised(accelerator)
    save()
    return result


def resnet8(data: Path) -> tuple[torch.nn.Module, np.ndarray, np.ndarray]:
    """The trained network, test images and labels."""
    network = networks.load(networks.resnet8_network(data), networks.FILES["resnet8"])
    with np.load(data / "cifar10_test_a.npz", allow_pickle=False) as archive:
        return network, zoo.images("resnet8", archive["x"]), archive["y"]


def mlp(data: Path) -> tuple[torch.nn.Module, np.ndarray, np.ndarray]:
    """The trained network, test images and labels."""
    network = networks.load(networks.mlp_network(), networks.FILES["mlp"])
    with np.load(data / "fashion_mnist.npz", allow_pickle=False) as archive:
        return network, networks.fashion(archive["x_test"]), archive["y_test"]


def simulate(accelerator: Accelerator, images: np.ndarray) -> dict[str, Any]:
    """Cycles of engine `rtl`, and its codes against engine `exact`."""
    start = time.perf_counter()
    engine = accelerator.engine("rtl")
    found = accelerator.emulate(images, engine="rtl", codes=True)
    expected = accelerator.emulate(images, codes=True)
    counts = engine.counts
    assert counts is not None
    return {
        "frames": len(images),
        "codes": int(found.size),
        "codes_differing": int((found != expected).sum()),
        "interval": counts.interval,
        "latency": counts.latency,
        "frames_per_second": round(accelerator.clock_mhz * 1e6 / counts.interval, 1),
        "seconds": round(time.perf_counter() - start, 1),
    }


def synthesised(accelerator: Accelerator) -> dict[str, Any]:
    """Resources of every block, each mapped for itself, and their sum."""
    start = time.perf_counter()
    design = generate(accelerator.graph, accelerator.foldings)
    alone = circuits_of(design)
    circuits = [block.circuit for block in alone]
    found = synthesise(circuits, sources(), progress=lambda done: print(f"{done} blocks", flush=True))
    blocks = {one.block.name: asdict(cells) for one, cells in zip(alone, found, strict=True)}
    total = {key: sum(block[key] for block in blocks.values()) for key in asdict(found[0])}
    board = accelerator.board.resources
    share = (total["lut_high"] + total["lutram"]) / board["lut"]
    return {
        "synthesised": {
            "tool": f"{LABEL}; block by block, the sum",
            **total,
            "lut_with_memory": [total["lut_low"] + total["lutram"], total["lut_high"] + total["lutram"]],
            "lut_share": round(share, 3),
            "bram36": total["ramb36"] + total["ramb18"] / 2,
            "seconds": round(time.perf_counter() - start, 1),
        },
        "blocks": blocks,
    }


def misses(result: dict[str, Any]) -> bool:
    """Whether a claim does not hold."""
    simulated, found = result.get("simulated"), result.get("synthesised")
    return bool(
        (
            simulated
            and (
                simulated["codes_differing"]
                or simulated["frames_per_second"] <= result["published_frames_per_second"]
            )
        )
        or (
            found["lut_share"]
            if found
            else result["estimated"]["lut_high"] / boards.load(BOARD).resources["lut"]
        )
        > LUT_LIMIT
        or (result["design"] == "resnet8" and result["top1"] < 86)
    )


def table(results: list[dict[str, Any]]) -> str:
    """Markdown of all results."""
    lines = [
        "| design | top-1 % | frames/s at 100 MHz, simulated | published | cycles a frame | latency | LUT "
        "(low to high, with memories) | of PYNQ-Z2 | BRAM36 | DSP | FF | codes rtl ≠ exact |",
        "|" + " --- |" * 12,
    ]
    for r in results:
        s, y, e = r.get("simulated"), r.get("synthesised"), r["estimated"]
        simulated = ["-"] * 4
        if s:
            rate = f"{s['frames_per_second']:,.0f}"
            simulated = [
                rate,
                f"{r['published_frames_per_second']:,}",
                f"{s['interval']:,g}",
                f"{s['latency']:,}",
            ]
        low, high = y["lut_with_memory"] if y else (e["lut_low"], e["lut_high"])
        source, found = ("synthesised", y) if y else ("estimated", e)
        share = high / boards.load(BOARD).resources["lut"]
        luts = [
            f"{low:,} to {high:,} ({source})",
            f"{share:.0%}",
            f"{found['bram36']:g}",
            f"{found['dsp']}",
            f"{found['ff']:,}",
        ]
        differing = f"{s['codes_differing']} of {s['codes']} ({s['frames']} frames)" if s else "-"
        lines.append(
            "| "
            + " | ".join(
                [r["design"], f"{r['top1']:.2f} ({r['test_images']:,} images)", *simulated, *luts, differing]
            )
            + " |"
        )
    return "\n".join(lines) + f"\n\n{NOTE}\n"


if __name__ == "__main__":
    sys.exit(main())
