"""What post-training quantisation costs pretrained CIFAR-10 networks in accuracy, image by image.

    OMP_NUM_THREADS=1 python benchmarks/ptq.py --data FOLDER [--networks resnet20] [--cases e2m1 int4]

Weights and activations have the format of a case, first and last layer 8 bits of the same family. Every
figure is from the same images for the float network and the quantised one, so the interval is that of their
difference. Rows that are there already stay, others are added: a run may be cut into several.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
import zoo
from records import Run
from torch import nn

from pyqkit.quant.ptq import Recipe, quantised
from pyqkit.quant.ptq.recipe import Scaling

RESULTS = Path(__file__).parent / "results" / "ptq"
NETWORKS = ("resnet20", "resnet44", "resnet20b", "shufflenet")
SEED = 0
_CHOICE = "Of several rows the best stands here, chosen on the images that it is measured on.\n"


@dataclass(frozen=True)
class Case:
    """A format, and how far below float it may fall.

    Attributes
    ----------
    format : str
    acts : str
        Format of activations, if another one.
    signed : bool
        Activations that are never negative are signed, too.
    bar : float or None
        Points that the bar allows; None where a result is only reported.
    bar_shufflenet : float or None
        The same for ShuffleNetV2, where it has one of its own.
    """

    format: str
    acts: str = ""
    signed: bool = False
    bar: float | None = None
    bar_shufflenet: float | None = None

    def allowed(self, network: str) -> float | None:
        """Points below float."""
        own = self.bar_shufflenet if network == "shufflenet" else None
        return self.bar if own is None else own


CASES = {
    "e2m1": Case("e2m1", bar=1.5, bar_shufflenet=3.0),
    "e2m1-signed": Case("e2m1", signed=True, bar=4.0),
    "int4": Case("int4"),
    "e3m2": Case("e3m2", bar=0.3),
    "lp4": Case("lp4_0_3", "lp8_0_7", bar=2.0),  # activations of twice the bits, as LPQ has them
}


@dataclass(frozen=True)
class Row:
    """One network in one case.

    Attributes
    ----------
    float_top1, top1 : float
        Per cent of `images`.
    lost, interval : float
        Points that the quantised network is below float, and half the 95 % interval of that, paired.
    allowed : float or None
        Points of the bar.
    seconds : float
        Processor time of quantising.
    """

    network: str
    case: str
    recipe: str
    scaling: str
    calibration: int
    images: int
    float_top1: float
    top1: float
    lost: float
    interval: float
    allowed: float | None
    seconds: float

    @property
    def key(self) -> tuple[str, str, str, str, int, int]:
        """What a row is of."""
        return self.network, self.case, self.recipe, self.scaling, self.calibration, self.images


def main(arguments: list[str] | None = None) -> int:
    """Measure what is asked for, and write all rows after each."""
    options = _options(arguments)
    torch.set_num_threads(1)
    run = Run(options, [SEED])
    data = Data.read(options.data, options.calibration, options.images)
    for case in options.cases:
        for network in options.networks:
            row = measured(network, case, options.recipe, options.scaling, data)
            print(json.dumps(asdict(row)), flush=True)
            _write(run, row)
    return 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of weights and images")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--recipe", default="gptq+bias")
    parser.add_argument("--scaling", choices=("real", "power_of_two"), default="real")
    parser.add_argument("--calibration", type=int, default=512, help="frames")
    parser.add_argument("--images", type=int, default=5000)
    return parser.parse_args(arguments)


@dataclass(frozen=True, eq=False)
class Data:
    """Images, and what the float networks make of them.

    Attributes
    ----------
    folder : Path
        Of the weights, too.
    calibration, pixels : numpy.ndarray
        uint8 NHWC: for calibration, and to measure with.
    labels : numpy.ndarray
        Of `pixels`.
    """

    folder: Path
    calibration: np.ndarray
    pixels: np.ndarray
    labels: np.ndarray

    @classmethod
    def read(cls, folder: Path, calibration: int, images: int) -> Data:
        """The first so many of each."""
        with np.load(folder / "cifar10_train_20k.npz", allow_pickle=False) as archive:
            frames = archive["x"][:calibration]
        with np.load(folder / "cifar10_test_a.npz", allow_pickle=False) as archive:
            return cls(folder, frames, archive["x"][:images], archive["y"][:images])

    @cache  # noqa: B019  # one object a run
    def float_right(self, network: str) -> np.ndarray:
        """Which images the float network names rightly."""
        return self.right(network, zoo.load(network, self.folder))

    def right(self, network: str, model: nn.Module) -> np.ndarray:
        """Which images a model of this network names rightly."""
        return zoo.logits(model, zoo.images(network, self.pixels)).argmax(1) == self.labels


def measured(network: str, case: str, steps: str, scaling: Scaling, data: Data) -> Row:
    """Quantise a network, and compare it with the float one image by image."""
    wanted = CASES[case]
    recipe = Recipe.of(wanted.format, wanted.acts, recipe=steps, scaling=scaling, signed=wanted.signed)
    frames = zoo.images(network, data.calibration)
    began = time.process_time()
    made = quantised(zoo.load(network, data.folder), frames, recipe, SEED).quantised
    seconds = time.process_time() - began
    before, after = data.float_right(network), data.right(network, made)
    lost = 100 * (before.astype(float) - after)
    return Row(
        network,
        case,
        steps,
        scaling,
        len(frames),
        len(lost),
        round(100 * float(before.mean()), 2),
        round(100 * float(after.mean()), 2),
        round(float(lost.mean()), 2),
        round(1.96 * float(lost.std(ddof=1)) / len(lost) ** 0.5, 2),
        CASES[case].allowed(network),
        round(seconds, 1),
    )


def _write(run: Run, row: Row) -> None:
    path = RESULTS.with_suffix(".json")
    before = [Row(**found) for found in json.loads(path.read_text())["rows"]] if path.exists() else []
    rows = sorted([*(found for found in before if found.key != row.key), row], key=_order)
    run.write_json(path, {"rows": [asdict(found) for found in rows]}, merged=True)
    run.write_markdown(RESULTS.with_suffix(".md"), table(rows))


def _order(row: Row) -> tuple[int, int, str, str]:
    return list(CASES).index(row.case), NETWORKS.index(row.network), row.scaling, row.recipe


def table(rows: list[Row]) -> str:
    """All rows as Markdown, and what the bars say."""
    lines = [
        "# Accuracy after post-training quantisation\n",
        "Weights and activations in the format of the case, first and last layer in 8 bits; activations that "
        "are never negative have the unsigned twin of equal bits, but in `e2m1-signed`; those of `lp4` have "
        "8 bits. What is lost is in points, with its paired 95 % interval; seconds are processor time of "
        "quantising. `benchmarks/ptq.py` makes this table.\n",
        "| case | network | recipe | scales | frames | images | float % | top-1 % | lost | s |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {row.case} | {row.network} | {row.recipe or 'none'} | {row.scaling} | {row.calibration} "
        f"| {row.images} | {row.float_top1:.2f} | {row.top1:.2f} | {row.lost:.2f} ± {row.interval:.2f} "
        f"| {row.seconds:.0f} |"
        for row in rows
    ]
    return "\n".join([*lines, "\n## Bars\n", _CHOICE, *_bars(rows)])


def _bars(rows: list[Row]) -> Iterator[str]:
    """For each network in each case with a bar, the best of its rows, or that there is none."""
    yield "| case | network | points allowed | lost | with | met |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for case, network in ((c, n) for c in CASES for n in NETWORKS if CASES[c].allowed(n) is not None):
        allowed = CASES[case].allowed(network)
        tried = [row for row in rows if (row.case, row.network) == (case, network)]
        if not tried or allowed is None:
            yield f"| {case} | {network} | {allowed} | | | not measured |"
            continue
        best = min(tried, key=lambda row: row.lost)
        met = "yes" if best.lost <= allowed else f"no, by {best.lost - allowed:.2f}"
        found = f"{best.lost:.2f} ± {best.interval:.2f} | {best.recipe}, {best.calibration} frames"
        yield f"| {case} | {network} | {allowed} | {found} | {met} |"


if __name__ == "__main__":
    sys.exit(main())
