"""Designs for a PYNQ-Z2 beside the fastest published on its silicon; `headline_designs.py` says which.

    OMP_NUM_THREADS=1 python benchmarks/headline.py resnet8 kws --data FOLDER --models FOLDER

What a design is asked for is written there and into its result, so that a name makes it again. Weights are
trained by `headline_training.py` and kept in results/; the keyword spotting network is FINN's file,
`kwsmlp_w3a3.onnx` of the public QONNX zoo. This script compiles, counts the accuracy of the integer network
on all test images, simulates the SystemVerilog on some frames (every code against engine `exact`), and
synthesises it block by block with Yosys, which also gives the longest path. Simulated and synthesised with
open tools, before place and route; not run on a board.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import headline_networks as networks
import numpy as np
import torch
from headline_designs import DESIGNS, Wanted
from records import Run

import pyqkit
from pyqkit import boards
from pyqkit.accelerator import Accelerator
from pyqkit.hardware.folding import to_json
from pyqkit.rtl import delays
from pyqkit.rtl.cells import Synthesis, count
from pyqkit.rtl.circuits import circuits_of, sources
from pyqkit.rtl.generate import generate
from pyqkit.rtl.pipelining import MARGIN
from pyqkit.rtl.static_timing import LABEL as TIMED
from pyqkit.rtl.static_timing import Path as LongestPath
from pyqkit.rtl.static_timing import longest_path
from pyqkit.rtl.synthesis import LABEL, cells_library, mapped

RESULTS = Path(__file__).parent / "results" / "headline"
BOARD = "PYNQ-Z2"
SHARE_LIMIT = 0.8  # of every resource
RESOURCES = {"lut": "lut_with_memory", "ff": "ff", "bram36": "bram36", "dsp": "dsp"}
SEED = 1
NOTE = (
    "Cycles are simulated with Verilator from the SystemVerilog; rates are those cycles at the clock that "
    "stands beside. That clock is not closed: the logic's clock is an estimate from mapped netlists and a "
    "net model, before place and route. Resources are synthesised block by block (yosys xc7), or, where it "
    "says so, estimated by a model of such results. Where the estimate of the logic leaves less than a tenth "
    "of the period that a design is made for, its rate is at the next lower clock of the board. Not run on a "
    "board. The keyword spotting network has no accuracy here: its frames are random numbers of the input's "
    "format, its accuracy is its authors'. `palquant` (digits, two groups of 2 bits) has no published design "
    "beside it."
)


def main(arguments: list[str] | None = None) -> int:
    """Measure the designs, then write the table; 1 if one is not what it is held to."""
    options = read_options(arguments)
    run = Run(options, [SEED])
    warnings.simplefilter("ignore")  # Brevitas warns of its own internals
    torch.set_num_threads(1)
    for name in options.designs:
        result = measure(DESIGNS[name], options, run)
        print(json.dumps({k: v for k, v in result.items() if k != "blocks"}, indent=1), flush=True)
    paths = [options.output / f"{name}.json" for name in DESIGNS]
    results = [json.loads(path.read_text()) for path in paths if path.is_file()]
    run.write_markdown(options.output.with_suffix(".md"), table(results))
    print(table(results))
    return int(any(misses(r) for r in results))


def read_options(arguments: list[str] | None) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("designs", nargs="+", choices=list(DESIGNS))
    parser.add_argument("--data", type=Path, help="folder of weights and images")
    parser.add_argument("--models", type=Path, help="folder of published networks")
    parser.add_argument("--frames", type=int, default=8, help="frames that are simulated cycle by cycle")
    skips = parser.add_argument(
        "--skip", nargs="*", choices=["simulation", "synthesis"], default=[], help="what to leave out"
    )
    skips.help = "what to leave out; an earlier result of the same design stays"
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of one JSON file a design")
    return parser.parse_args(arguments)


def measure(wanted: Wanted, options: argparse.Namespace, run: Run) -> dict[str, Any]:
    """Everything about one design."""
    subject = networks.READERS[wanted.network](options.data, options.models)
    accelerator = compiled(wanted, subject)
    result = described(wanted, subject, accelerator)
    path = options.output / f"{wanted.name}.json"
    before = json.loads(path.read_text()) if path.is_file() else {}
    if all(before.get(key) == result[key] for key in ("wanted", "folding", "top1")):
        result |= {key: before[key] for key in ("simulated", "synthesised", "blocks") if key in before}
    print(json.dumps(result["estimated"]), flush=True)
    if "simulation" not in options.skip:
        result["simulated"] = simulate(accelerator, subject.frames[: options.frames])
        print(json.dumps(result["simulated"]), flush=True)
    if "synthesis" not in options.skip:
        result |= synthesised(accelerator)
    found = {key: key if key in result else "estimated" for key in ("simulated", "synthesised")}
    result["label"] = (
        f"cycles {found['simulated']}, resources {found['synthesised']}, clock {TIMED}, with open tools, "
        "before place and route; not run on a board"
    )
    run.write_json(path, result, merged=bool(options.skip))
    return result


def compiled(wanted: Wanted, subject: networks.Subject) -> Accelerator:
    """The design that the search finds, with its memories as they are wanted."""
    found = pyqkit.compile(
        subject.model,
        board=BOARD,
        clock_mhz=wanted.clock_mhz,
        target_fps=wanted.target_fps,
        lut_share=wanted.share,
        resource_share=wanted.share,
        objective=wanted.objective,
    )
    if not wanted.memory:
        return found
    foldings = dict(found.foldings)
    for name, memory in wanted.memory.items():
        foldings[name] = replace(foldings[name], memory=memory)
    return pyqkit.compile(subject.model, board=BOARD, clock_mhz=wanted.clock_mhz, fold=foldings)


def described(wanted: Wanted, subject: networks.Subject, accelerator: Accelerator) -> dict[str, Any]:
    """The design as it is compiled, before anything is measured but its accuracy."""
    report = accelerator.report()
    top1 = None
    if subject.labels is not None:
        answers = accelerator.emulate(subject.frames).argmax(1)
        top1 = round(100 * float((answers == subject.labels).mean()), 2)
    return {
        "design": wanted.name,
        "wanted": asdict(wanted),
        "board": BOARD,
        "weights": subject.source,
        "formats": subject.formats,
        "test_images": len(subject.frames) if subject.labels is not None else 0,
        "top1": top1,
        "macs": report.macs,
        "clock_mhz": report.clock_mhz,
        "folding": to_json(accelerator.foldings),
        "estimated": {
            "interval": report.initiation_interval_cycles,
            "frames_per_second": round(report.frames_per_second, 1),
            **vars(report.resources),
        },
    }


def simulate(accelerator: Accelerator, frames: np.ndarray) -> dict[str, Any]:
    """Cycles of engine `rtl`, and its codes against engine `exact`."""
    start = time.perf_counter()
    engine = accelerator.engine("rtl")
    found = accelerator.emulate(frames, engine="rtl", codes=True)
    expected = accelerator.emulate(frames, codes=True)
    counts = engine.counts
    assert counts is not None
    return {
        "frames": len(frames),
        "codes": int(found.size),
        "codes_differing": int((found != expected).sum()),
        "interval": counts.interval,
        "latency": counts.latency,
        "latency_us": round(counts.latency / accelerator.clock_mhz, 1),
        "frames_per_second": round(accelerator.clock_mhz * 1e6 / counts.interval, 1),
        "seconds": round(time.perf_counter() - start, 1),
    }


def synthesised(accelerator: Accelerator) -> dict[str, Any]:
    """Cells and longest path of every block, each mapped for itself, and their sum."""
    start = time.perf_counter()
    design = generate(accelerator.graph, accelerator.foldings, clock_mhz=accelerator.clock_mhz)
    library = delays.library(cells_library())

    def figures(netlist: Mapping) -> tuple[Synthesis, LongestPath]:
        return count(netlist), longest_path(netlist, library)

    made = circuits_of(design)
    found = mapped(
        [one.circuit for one in made],
        sources(),
        figures,
        progress=lambda done: print(f"{done} blocks", flush=True),
    )
    blocks = {
        one.block.name: asdict(cells) | {"ns": round(path.ns, 2)}
        for one, (cells, path) in zip(made, found, strict=True)
    }
    total = {key: sum(block[key] for block in blocks.values()) for key in asdict(found[0][0])}
    slowest = max(blocks, key=lambda name: blocks[name]["ns"])
    return {
        "synthesised": {
            "tool": f"{LABEL}; block by block, the sum",
            **total,
            "lut_with_memory": total["lut_high"] + total["lutram"],
            "lut_with_memory_low": total["lut_low"] + total["lutram"],
            "bram36": total["ramb36"] + total["ramb18"] / 2,
            "slowest": slowest,
            "ns": blocks[slowest]["ns"],
            "logic_mhz": round(1000 / blocks[slowest]["ns"], 1),
            "seconds": round(time.perf_counter() - start, 1),
        },
        "blocks": blocks,
    }


def shares(found: Mapping[str, float]) -> dict[str, float]:
    """Parts of the board that the resources of a synthesis take."""
    has = boards.load(BOARD).resources
    return {name: found[figure] / has[name] for name, figure in RESOURCES.items()}


def rated_mhz(result: Mapping[str, Any]) -> float:
    """The clock of a design's rate.

    What it is made for or, where the logic's estimate does not leave a margin, the highest below that the
    board's PLL reaches and that does.
    """
    wanted = float(result["wanted"]["clock_mhz"])
    if "synthesised" not in result:
        return wanted
    logic = result["synthesised"]["logic_mhz"] * (1 - MARGIN)
    if logic >= wanted:
        return wanted
    return max(mhz for mhz in boards.load(BOARD).clocks["reachable_mhz"] if mhz <= logic)


def misses(result: Mapping[str, Any]) -> list[str]:
    """What a design is held to and does not keep, in words."""
    wanted, found = result["wanted"], []
    if "simulated" in result:
        simulated = result["simulated"]
        if simulated["codes_differing"]:
            found.append(f"{simulated['codes_differing']} codes differ")
        published = wanted["published"]
        if published and simulated["frames_per_second"] <= published["frames_per_second"]:
            found.append("slower than published")
        if wanted["most_cycles"] and simulated["interval"] > wanted["most_cycles"]:
            found.append(f"{simulated['interval']:g} cycles for {wanted['most_cycles']}")
    if "synthesised" in result:
        made = result["synthesised"]
        found += [f"{name} {part:.0%}" for name, part in shares(made).items() if part > SHARE_LIMIT]
        if rated_mhz(result) < wanted["clock_mhz"]:
            found.append(f"{wanted['clock_mhz']:g} MHz, for which it is made")
    if wanted["least_top1"] and result["top1"] < wanted["least_top1"]:
        found.append(f"top-1 {result['top1']} for {wanted['least_top1']}")
    return found


COLUMNS = (
    "design",
    "top-1 %",
    "clock MHz",
    "logic MHz, estimated",
    "frames/s at that clock, simulated",
    "published",
    "cycles a frame",
    "latency, cycles (us)",
    "LUT (low to high, with memories)",
    "of PYNQ-Z2",
    "BRAM36",
    "DSP",
    "FF",
    "codes rtl ≠ exact",
    "short of",
)


def table(results: list[dict[str, Any]]) -> str:
    """Markdown of all results."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|" + " --- |" * len(COLUMNS)]
    lines += [f"| {' | '.join(row(result))} |" for result in results]
    return "\n".join(lines) + f"\n\n{NOTE}\n"


def row(result: Mapping[str, Any]) -> list[str]:
    """Cells of one design; `-` for what was not measured."""
    wanted, s, y = result["wanted"], result.get("simulated"), result.get("synthesised")
    images = f"{result['top1']:.2f} ({result['test_images']:,} images)" if result["top1"] else "-"
    mhz = rated_mhz(result)
    rate = [f"{mhz * 1e6 / s['interval']:,.0f}"] if s else ["-"]
    cycles = [f"{s['interval']:,g}", f"{s['latency']:,} ({s['latency'] / mhz:,.0f})"] if s else ["-", "-"]
    cells = [result["design"], images, f"{mhz:g}", f"{y['logic_mhz']:g}" if y else "-"]
    published = wanted["published"]
    cells += [*rate, f"{published['frames_per_second']:,}" if published else "-", *cycles]
    found = y or result["estimated"]
    low, high = (
        (y["lut_with_memory_low"], y["lut_with_memory"]) if y else (found["lut_low"], found["lut_high"])
    )
    cells += [f"{low:,} to {high:,} ({'synthesised' if y else 'estimated'})"]
    cells += [f"{high / boards.load(BOARD).resources['lut']:.0%}", f"{found['bram36']:g}", f"{found['dsp']}"]
    cells += [f"{found['ff']:,}"]
    cells += [f"{s['codes_differing']} of {s['codes']} ({s['frames']} frames)" if s else "-"]
    return [*cells, "; ".join(misses(result)) or "nothing"]


if __name__ == "__main__":
    sys.exit(main())
