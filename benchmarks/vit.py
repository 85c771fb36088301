"""Whole vision transformers, quantised after training and compiled: estimates, accuracy, codes of engines.

    OMP_NUM_THREADS=1 python benchmarks/vit.py --data FOLDER [--cases int8 e4m3] [--images 500] [--hls 2]
    OMP_NUM_THREADS=1 python benchmarks/vit.py --network hybrid [--target-fps 1000]

Each part is optional, and 0 frames leave out what they are for: a row keeps what earlier runs have found of
it, so that a run may be cut into several. Cycles and resources are estimated, codes are emulated by `exact`
and simulated by `hls` and `rtl`; no board was involved.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import zoo
from records import Run
from torch import nn
from vit_genomes import genome
from vit_networks import NETWORKS, SEED

import pyqkit
from pyqkit.accelerator import Accelerator
from pyqkit.engines import Engine
from pyqkit.graph.model import parse_model
from pyqkit.hardware.resources import Resources
from pyqkit.quant.ptq import Recipe, quantised
from pyqkit.quant.ptq.recipe import Scaling
from pyqkit.report import Report
from pyqkit.studies.lpq import export as lpq
from pyqkit.verify.compare import against_reference

RESULTS = Path(__file__).parent / "results" / "vit"
Figures = dict[str, int | float]


@dataclass(frozen=True)
class Case:
    """Formats of weights and activations; first and last layer have 8 bits.

    Attributes
    ----------
    activations : str
        Those of the weights, if empty.
    scaling : str
        Kind of scales.
    """

    weights: str
    activations: str = ""
    scaling: Scaling = "power_of_two"


CASES: dict[str, Case | None] = {  # None is the network that the format search LPQ has found
    **{name: Case(name) for name in ("int8", "e4m3", "e3m2", "int4", "lp8_1_3")},
    "e2m1/e4m3": Case("e2m1", "e4m3"),
    "int4 real": Case("int4", scaling="real"),
    "LPQ": None,
}


@dataclass(frozen=True)
class Row:
    """One network in one format with one recipe on one board.

    Attributes
    ----------
    estimated : dict
        Resources of the whole, cycles between frames and of latency, frames a second.
    kinds : dict of str to dict
        By kind of operator: how many, what they take, the most cycles of one.
    foldings : dict of str to dict
        By layer, what the search has chosen.
    images : int
        That both accuracies are of; `lost` are points with `interval`, half the paired 95 % interval.
    reuse : {"on", "off"}
        Whether equal layers are one set of hardware.
    reference, codes, moved : int
        Frames of which `exact` was compared with the reference, codes, and how many differ.
    definition : dict of str to int
        Of these frames what the written definition of the softmax moves: see `pyqkit.verify.compare.verify`.
    hls, rtl, hls_differ, rtl_differ : int
        Frames and codes of outputs that differ from those of `exact`.
    counted : dict of str to int
        Cycles of the simulation of `rtl`, named as the estimated ones that they must be.
    seconds : dict of str to float
        Processor time.
    """

    case: str
    recipe: str
    calibration: int
    board: str
    target_fps: float
    network: str = "vit"
    reuse: str = "off"
    estimated: Figures = field(default_factory=dict)
    kinds: dict[str, Figures] = field(default_factory=dict)
    foldings: dict[str, dict[str, int | str]] = field(default_factory=dict)
    images: int = 0
    float_top1: float = 0
    top1: float = 0
    lost: float = 0
    interval: float = 0
    reference: int = 0
    codes: int = 0
    moved: int = 0
    definition: dict[str, int] = field(default_factory=dict)
    hls: int = 0
    hls_differ: int = 0
    rtl: int = 0
    rtl_differ: int = 0
    counted: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, str, int, str, float, str]:
        """What a row is of."""
        design = self.calibration, self.board, self.target_fps, self.reuse
        return self.network, self.case, self.recipe, *design

    @property
    def wrong(self) -> bool:
        """Whether a code differs, or a cycle from the model."""
        cycles = any(self.estimated[name] != count for name, count in self.counted.items())
        return bool(self.moved or self.hls_differ or self.rtl_differ or cycles)


def main(arguments: list[str] | None = None) -> int:
    """Measure what is asked for, and write all rows after each; 1 if a code or cycle differs."""
    options = _options(arguments)
    torch.set_num_threads(1)
    run = Run(options, [SEED])
    frames, x, labels = NETWORKS[options.network].images(options.data)
    wrong = False
    for case in options.cases:
        recipe = options.recipe if CASES[case] else ""
        asked = case, recipe, options.calibration, options.board, options.target_fps
        asked_row = Row(*asked, options.network, options.reuse)
        row = measured(_known(asked_row), frames[: options.calibration], x, labels, options)
        wrong |= row.wrong
        print(json.dumps(asdict(replace(row, foldings={}))), flush=True)
        _write(run, row)
    return int(wrong)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path(), help="folder of weights and images")
    parser.add_argument("--network", choices=list(NETWORKS), default="vit")
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--recipe", default="norms+gptq+bias")
    parser.add_argument("--calibration", type=int, default=256, help="frames")
    parser.add_argument("--board", default="ZCU104")
    parser.add_argument("--target-fps", type=float, default=100)
    parser.add_argument("--reuse", choices=("on", "off"), default="off", help="one set of hardware")
    parser.add_argument("--images", type=int, default=500, help="for accuracy")
    parser.add_argument("--reference", type=int, default=0, help="frames of exact against the reference")
    parser.add_argument("--hls", type=int, default=0, help="frames of engine hls")
    parser.add_argument("--rtl", type=int, default=0, help="frames of engine rtl")
    return parser.parse_args(arguments)


def measured(
    row: Row, frames: np.ndarray, x: np.ndarray, labels: np.ndarray, options: argparse.Namespace
) -> Row:
    """A row with what this run was asked for."""
    seconds = dict(row.seconds)
    began = time.process_time()
    made = quantised_network(row, frames, options.data)
    seconds["quantise"] = _since(began)
    began = time.process_time()
    accelerator = pyqkit.compile(
        made,
        torch.from_numpy(frames[:1]),
        board=row.board,
        target_fps=row.target_fps,
        allow_overflow=True,
        reuse=row.reuse,
    )
    report = accelerator.report()
    seconds["compile"] = _since(began)
    found = estimates(row, report)
    if options.images:
        began = time.process_time()
        found = accuracy(found, accelerator, options.data, x[: options.images], labels[: options.images])
        seconds["accuracy"] = _since(began)
    return replace(agreement(found, accelerator, x, options), seconds=seconds)


def quantised_network(row: Row, frames: np.ndarray, data: Path) -> nn.Module:
    """The network of a row in its formats."""
    model, case = NETWORKS[row.network].model(data), CASES[row.case]
    if case is None:
        return lpq.quantised(model, torch.from_numpy(frames), genome(row.network))
    recipe = Recipe.of(case.weights, case.activations, recipe=row.recipe, scaling=case.scaling)
    return quantised(model, frames, recipe, SEED).quantised


def _since(began: float) -> float:
    return round(time.process_time() - began, 1)


def estimates(row: Row, report: Report) -> Row:
    """Resources, cycles and foldings of a design."""
    whole = report.resources.rounded() | {
        "initiation_interval_cycles": report.initiation_interval_cycles,
        "latency_cycles": report.latency_cycles,
        "frames_per_second": round(report.frames_per_second, 2),
        "macs": report.macs,
    }
    sums: dict[str, Resources] = defaultdict(Resources)
    counts: dict[str, int] = defaultdict(int)
    cycles: dict[str, int] = defaultdict(int)
    for layer in report.layers:
        sums[layer.operator] += layer.resources
        counts[layer.operator] += 1
        cycles[layer.operator] = max(cycles[layer.operator], layer.cycles)
    kinds: dict[str, Figures] = {
        kind: {"count": counts[kind], "cycles": cycles[kind], **sums[kind].rounded()} for kind in sums
    }
    foldings = {layer.name: layer.settings for layer in report.layers if layer.settings}
    return replace(row, estimated=whole, kinds=kinds, foldings=foldings)


def accuracy(row: Row, accelerator: Accelerator, data: Path, x: np.ndarray, labels: np.ndarray) -> Row:
    """What `exact` and the float network make of the same images."""
    before = zoo.logits(NETWORKS[row.network].model(data), x).argmax(1) == labels
    after = accelerator(x).reshape(len(x), -1).argmax(1) == labels
    lost = 100 * (before.astype(float) - after)
    return replace(
        row,
        images=len(x),
        float_top1=round(100 * float(before.mean()), 2),
        top1=round(100 * float(after.mean()), 2),
        lost=round(float(lost.mean()), 2),
        interval=round(1.96 * float(lost.std(ddof=1)) / len(x) ** 0.5, 2),
    )


def agreement(row: Row, accelerator: Accelerator, x: np.ndarray, options: argparse.Namespace) -> Row:
    """Codes of `exact` against the reference, and those of `hls` and `rtl` against `exact`."""
    if options.reference:
        found = _against_reference(accelerator, x[: options.reference])
        codes, moved, definition = (found[name] for name in ("codes", "codes_differing", "moved"))
        row = replace(row, reference=options.reference, codes=codes, moved=moved, definition=definition)
    if options.hls:
        differing = _differing(accelerator, accelerator.engine("hls"), x[: options.hls])
        row = replace(row, hls=options.hls, hls_differ=differing)
    if options.rtl:
        engine = accelerator.engine("rtl")
        differing = _differing(accelerator, engine, x[: options.rtl])
        assert engine.counts is not None
        counted = {
            "initiation_interval_cycles": round(engine.counts.interval),
            "latency_cycles": engine.counts.latency,
        }
        row = replace(row, rtl=options.rtl, rtl_differ=differing, counted=counted)
    return row


def _against_reference(accelerator: Accelerator, x: np.ndarray) -> dict[str, Any]:
    exact, file = accelerator.exact, accelerator.compiled.model
    assert file is not None
    return against_reference(exact, parse_model(file, "model.onnx"), x, exact.run(accelerator.encode(x)))


def _differing(accelerator: Accelerator, engine: Engine, x: np.ndarray) -> int:
    codes = accelerator.encode(x)
    wanted, found = accelerator.exact.run(codes), engine.run(codes)
    return sum(int((found[name] != wanted[name]).sum()) for name in wanted)


def _rows() -> list[Row]:
    path = RESULTS.with_suffix(".json")
    return [Row(**found) for found in json.loads(path.read_text())["rows"]] if path.exists() else []


def _known(row: Row) -> Row:
    """The row as earlier runs have left it."""
    return next((found for found in _rows() if found.key == row.key), row)


_NETWORKS, _CASES = list(NETWORKS), list(CASES)


def _write(run: Run, row: Row) -> None:
    rows = [*(found for found in _rows() if found.key != row.key), row]
    rows.sort(key=lambda found: (_NETWORKS.index(found.network), _CASES.index(found.case), *found.key[2:]))
    run.write_json(RESULTS.with_suffix(".json"), {"rows": [asdict(found) for found in rows]}, merged=True)
    run.write_markdown(RESULTS.with_suffix(".md"), page(rows))


TEXT = """# Whole vision transformers

Quantised after training and compiled; `benchmarks/vit.py` makes this page.

{}

Weights and activations in the format of the row, or in the two of it, first and last layer in 8 bits, scales
powers of two or, where the row says so, real; `LPQ` is what the [search](../../docs/lpq.md) of that name
found (`benchmarks/vit_genomes.py` for the small networks), with formats and scales of its own in every layer.
Shared layers are one set of hardware, which a frame passes once for each. Cycles between frames and of
latency, frames a second and resources are estimated, for the cheapest folding that reaches the target;
accuracy is that of engine `exact` (emulated) on the same images as the float network, with the paired 95 %
interval of what is lost.

| network | format | recipe | board, target | frames/s | cycles | latency | LUT | FF | BRAM36 | DSP |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
{}

| network | format | recipe | images | float % | top-1 % | lost |
| --- | --- | --- | --- | --- | --- | --- |
{}

Codes that differ: `exact` against the reference over all layers, `hls` and `rtl` (simulated) against `exact`
at the outputs. Definition: how many shares of the softmax, as its integer definition has them, are not the
real number rounded, and how many of those lie farther from a boundary than the definition says. Cycles
between frames and of latency are those of the simulation of `rtl`; those above are the model's.

| network | format | recipe | reference | definition | hls | rtl | cycles | latency |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
{}

## What each kind of operator takes

Estimated, FIFOs in front of them included.

| network | format | recipe | operator | blocks | LUT | FF | BRAM36 | DSP | cycles of the slowest |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
{}
"""


def page(rows: list[Row]) -> str:
    """All rows as Markdown."""
    designs, accuracies, agreements, kinds = [], [], [], []
    for row in rows:
        name, found = f"| {row.network} | {_format(row)} | {row.recipe or 'none'} |", row.estimated
        designs.append(
            f"{name} {row.board}, {row.target_fps:g} | {found['frames_per_second']:,.0f} "
            f"| {found['initiation_interval_cycles']:,} | {found['latency_cycles']:,} | {_taken(found)} |"
        )
        if row.images:
            lost = f"{row.lost:.2f} ± {row.interval:.2f}"
            accuracies.append(f"{name} {row.images} | {row.float_top1:.2f} | {row.top1:.2f} | {lost} |")
        compared = f"{row.moved} of {row.codes:,} in {row.reference:,} frames" if row.reference else "not run"
        defined = "{differing} of {codes:,}, {far} far".format(**row.definition) if row.definition else ""
        simulated = (_said(row.hls, row.hls_differ), _said(row.rtl, row.rtl_differ))
        cycles = " | ".join(f"{count:,}" for count in row.counted.values()) or "|"
        agreements.append(f"{name} {compared} | {defined} | {' | '.join(simulated)} | {cycles} |")
        kinds += [
            f"{name} {kind} | {taken['count']} | {_taken(taken)} | {taken['cycles']:,} |"
            for kind, taken in row.kinds.items()
        ]
    networks = [f"* `{name}`: {source.said}" for name, source in NETWORKS.items()]
    parts = (networks, designs, accuracies, agreements, kinds)
    return TEXT.format(*("\n".join(lines) for lines in parts))


def _format(row: Row) -> str:
    return f"{row.case}, layers shared" if row.reuse == "on" else row.case


def _taken(found: Figures) -> str:
    luts = f"{found['lut_low']:,} to {found['lut_high']:,}"
    return f"{luts} | {found['ff']:,} | {found['bram36']:g} | {found['dsp']}"


def _said(frames: int, differing: int) -> str:
    return f"{differing} in {frames} frames" if frames else "not run"


if __name__ == "__main__":
    sys.exit(main())
