"""The six layers of a vision transformer as one set of hardware, beside one set each.

    OMP_NUM_THREADS=1 python benchmarks/vit_reuse.py --data FOLDER [--cases int4] [--simulate 5] [--hls 50]

Cycles and resources are estimated; `--simulate` frames go through the SystemVerilog of shared designs,
whose codes are compared with those of engine `exact` and whose cycles are counted (simulated); `--hls` frames
through their C++. `--cpu` frames go through onnxruntime, the float network on one thread of this computer
(measured). No board was involved.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
import zoo
from records import Run

import pyqkit
from pyqkit.accelerator import Accelerator
from pyqkit.engines import Engine
from pyqkit.errors import UserError
from pyqkit.quant.ptq import Recipe, quantised

RESULTS = Path(__file__).parent / "results" / "vit_reuse"
SEED = 0
RECIPE = "norms+gptq+bias"
# Format, board, frames/s that are asked for (0: as many as fit), whether layers share hardware.
DESIGNS = (
    ("int4", "PYNQ-Z2", 0, "off"),
    ("int4", "PYNQ-Z2", 0, "on"),
    ("int4", "ZCU104", 0, "off"),
    ("int4", "ZCU104", 0, "on"),
    ("int8", "PYNQ-Z2", 0, "on"),
    ("int8", "ZCU104", 0, "off"),
    ("int8", "ZCU104", 0, "on"),
    ("int8", "ZCU104", 100, "off"),
    ("int8", "ZCU104", 100, "on"),
    ("e3m2", "ZCU104", 0, "on"),
    ("e4m3", "ZCU104", 0, "on"),
    ("e2m1/e4m3", "ZCU104", 1000, "on"),
    ("lp8_1_3", "ZCU104", 0, "on"),
)
CASES = tuple(dict.fromkeys(case for case, *_ in DESIGNS))
SIMULATED = (
    ("int4", "PYNQ-Z2", 0, "on"),
    *((case, "ZCU104", 0, "on") for case in ("int8", "e3m2", "e4m3", "lp8_1_3")),
    ("e2m1/e4m3", "ZCU104", 1000, "on"),
)


@dataclass(frozen=True)
class Row:
    """One design.

    Attributes
    ----------
    refused : str
        Why there is none; empty if there is.
    frames, differing, interval, latency : int
        Of the simulation of the SystemVerilog; 0 frames where there was none.
    hls_frames, hls_differing : int
        Of the C++.
    """

    case: str
    board: str
    target_fps: int
    reuse: str
    refused: str = ""
    passes: int = 1
    clock_mhz: float = 0
    cycles: int = 0
    latency_cycles: int = 0
    frames_per_second: float = 0
    bottleneck: str = ""
    lut_low: int = 0
    lut_high: int = 0
    ff: int = 0
    bram36: float = 0
    dsp: int = 0
    exceeds: str = ""
    frames: int = 0
    differing: int = 0
    interval: int = 0
    latency: int = 0
    hls_frames: int = 0
    hls_differing: int = 0

    @property
    def key(self) -> tuple[str, str, int, str]:
        """The design."""
        return self.case, self.board, self.target_fps, self.reuse

    @property
    def wrong(self) -> bool:
        """Whether a code differs, or a cycle from the model."""
        counted = self.interval, self.latency
        return bool(
            self.differing
            or self.hls_differing
            or (self.frames and counted != (self.cycles, self.latency_cycles))
        )


def main(arguments: list[str] | None = None) -> int:
    """Measure and write; 1 if a code differs, or a cycle from the model."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of weights and images")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--boards", nargs="+", choices=("PYNQ-Z2", "ZCU104"), default=["PYNQ-Z2", "ZCU104"])
    parser.add_argument("--reuse", nargs="+", choices=("on", "off"), default=["off", "on"])
    parser.add_argument("--calibration", type=int, default=256, help="frames")
    parser.add_argument("--simulate", type=int, default=0, help="frames through the SystemVerilog")
    parser.add_argument("--hls", type=int, default=0, help="frames through the C++")
    parser.add_argument(
        "-o", "--output", type=Path, default=RESULTS, help="both files, without what they end in"
    )
    parser.add_argument("--cpu", type=int, default=0, help="frames through onnxruntime")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    run = Run(options, [SEED])
    with np.load(options.data / "cifar10_train_20k.npz", allow_pickle=False) as archive:
        frames = zoo.images("vit", archive["x"][: options.calibration])
    with np.load(options.data / "cifar10_test_a.npz", allow_pickle=False) as archive:
        x = zoo.images("vit", archive["x"][: max(options.simulate, options.hls, options.cpu, 1)])
    path = options.output.with_suffix(".json")
    known = json.loads(path.read_text()) if path.exists() else {}
    wanted = [
        d for d in DESIGNS if d[0] in options.cases and d[1] in options.boards and d[3] in options.reuse
    ]
    rows = {row.key: row for row in (Row(**found) for found in known.get("rows", []))}
    cpu = on_the_cpu(options.data, x[: options.cpu]) if options.cpu else known.get("cpu_fps", 0)
    for case in options.cases:
        recipe = Recipe.of(*case.split("/"), recipe=RECIPE)
        made = quantised(zoo.load("vit", options.data), frames, recipe, SEED).quantised
        for design in (found for found in wanted if found[0] == case):
            rows[design] = measured(made, frames, design, x, options)
            ordered = [rows[key] for key in DESIGNS if key in rows]
            data = {"rows": [asdict(row) for row in ordered], "cpu_fps": cpu}
            run.write_json(path, data, merged=True)
            run.write_markdown(options.output.with_suffix(".md"), page(ordered, cpu))
    return int(any(row.wrong for row in rows.values()))


def measured(
    made: torch.nn.Module,
    frames: np.ndarray,
    design: tuple[str, str, int, str],
    x: np.ndarray,
    options: argparse.Namespace,
) -> Row:
    """A design's row."""
    case, board, target, reuse = design
    row = Row(case, board, target, reuse)
    try:
        found = pyqkit.compile(
            made, torch.from_numpy(frames[:1]), board=board, target_fps=target or None, reuse=reuse
        )
    except UserError as error:
        return replace(row, refused=str(error))
    report = found.report()
    shared = found.compiled.reuse
    row = replace(
        row,
        passes=1 if shared is None else shared.passes,
        clock_mhz=report.clock_mhz,
        cycles=int(report.initiation_interval_cycles),
        latency_cycles=report.latency_cycles,
        frames_per_second=round(report.frames_per_second, 1),
        bottleneck=report.bottleneck,
        exceeds=report.exceeds or "",
        **{name: value for name, value in report.resources.rounded().items() if name != "carry4"},
    )
    print(json.dumps(asdict(row)), flush=True)
    if design not in SIMULATED:
        return row
    if options.hls:
        codes = differing(found, found.engine("hls"), x[: options.hls])
        row = replace(row, hls_frames=options.hls, hls_differing=codes)
    return simulated(row, found, x[: options.simulate]) if options.simulate else row


def simulated(row: Row, accelerator: Accelerator, x: np.ndarray) -> Row:
    """With what a simulation of the SystemVerilog has counted."""
    engine = accelerator.engine("rtl")
    codes, counts = differing(accelerator, engine, x), engine.counts
    assert counts is not None
    interval = round(counts.interval)
    return replace(row, frames=len(x), differing=codes, interval=interval, latency=counts.latency)


def differing(accelerator: Accelerator, engine: Engine, x: np.ndarray) -> int:
    """Codes that an engine has otherwise than `exact`."""
    codes = accelerator.encode(x)
    wanted, found = accelerator.exact.run(codes), engine.run(codes)
    return sum(int((found[name] != wanted[name]).sum()) for name in wanted)


def on_the_cpu(data: Path, x: np.ndarray) -> float:
    """Frames a second of the float network in onnxruntime, one thread, one frame at a time."""
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vit.onnx"
        torch.onnx.export(zoo.load("vit", data).eval(), torch.from_numpy(x[:1]), path, dynamo=False)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        session.run(None, {name: x[:1]})
        began = time.process_time()
        for frame in x:
            session.run(None, {name: frame[None]})
        return round(len(x) / (time.process_time() - began), 1)


TEXT = """# Six layers as one set of hardware

The vision transformer of [vit.md](vit.md): six layers of width 128, 8 heads, 65 tokens, first and last layer
in 8 bits. With `reuse` its layers are one set of hardware, which each frame passes six times, with the
constants of each layer in turn; without it each has hardware of its own. `benchmarks/vit_reuse.py` makes this
page. Cycles and resources are estimated; "as fast as fits" leaves 30 % of the LUTs free.

| format | board, clock | asked for | reuse | frames/s | cycles | latency, cycles | LUT | FF | BRAM36 | DSP |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
{rows}

All layers, simulated, the SystemVerilog by Verilator:

{simulations}

{cpu}
"""


def page(rows: list[Row], cpu: float) -> str:
    """All rows as Markdown."""
    lines, said = [], []
    for row in rows:
        asked, head = str(row.target_fps or "as fast as fits"), f"| {row.case} | {row.board}"
        if row.refused:
            lines.append(f"{head} | {asked} | {row.reuse} | refused: {row.refused} | | | | | | |")
            continue
        lines.append(
            f"{head}, {row.clock_mhz:g} MHz | {asked} | {row.reuse} | {row.frames_per_second:,.0f} "
            f"| {row.cycles:,} | {row.latency_cycles:,} | {row.lut_low:,} to {row.lut_high:,} | {row.ff:,} "
            f"| {row.bram36:g} | {row.dsp} |"
        )
        design = f"* {row.case} on {row.board}"
        if row.hls_frames:
            said.append(
                f"{design}, C++, reuse {row.reuse}: {row.hls_differing} codes differ from `exact` in "
                f"{row.hls_frames} frames."
            )
        if row.frames:
            said.append(
                f"{design}, SystemVerilog, reuse {row.reuse}: {row.differing} codes differ from `exact` "
                f"in {row.frames} frames; {row.interval:,} cycles between frames, where the model says "
                f"{row.cycles:,}, and {row.latency:,} of latency, where it says {row.latency_cycles:,}."
            )
    timed = f"onnxruntime, float32, one thread of this computer, frame by frame: {cpu:g} frames/s (measured)"
    return TEXT.format(
        rows="\n".join(lines), simulations="\n".join(said) or "Not run.", cpu=timed if cpu else ""
    )


if __name__ == "__main__":
    sys.exit(main())
