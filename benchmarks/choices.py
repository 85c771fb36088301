"""Whether batch norms are merged before quantising, chosen on training images that neither calibration nor
the results use.

    OMP_NUM_THREADS=1 python benchmarks/choices.py --data FOLDER

Top-1 of the quantised PyTorch networks, per cent; weights and activations as in `real_networks.py`.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path

import numpy as np
import torch
import zoo
from real_networks import CALIBRATION, share

from pyqkit.quant import calibrate
from pyqkit.studies.networks.layers import Formats, Quantised

FIRST = 10_000  # of the training images that are looked at


def main(arguments: list[str] | None = None) -> int:
    """Print one row a network and format."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of weights and images")
    parser.add_argument("--networks", nargs="+", choices=list(zoo.NETWORKS), default=list(zoo.NETWORKS))
    parser.add_argument("--formats", nargs="+", default=["e2m1", "int4"])
    parser.add_argument("--frames", type=int, default=1000)
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")  # Brevitas warns of its own internals
    torch.set_num_threads(1)
    with np.load(options.data / "cifar10_train_20k.npz", allow_pickle=False) as archive:
        pixels, labels = archive["x"][: FIRST + options.frames], archive["y"][FIRST : FIRST + options.frames]
    print("| network | format | float % | merged % | kept % | used |\n| --- | --- | --- | --- | --- | --- |")
    for network in options.networks:
        calibration, images = (zoo.images(network, part) for part in (pixels[:CALIBRATION], pixels[FIRST:]))
        float_share = share(zoo.logits(zoo.load(network, options.data), images).argmax(1) == labels)
        for fmt in options.formats:
            merged, kept = (
                accuracy(network, fmt, options.data, calibration, images, labels, m) for m in (True, False)
            )
            used = "merged" if network in zoo.MERGED else "kept"
            print(
                f"| {network} | {fmt} | {float_share:.1f} | {merged:.1f} | {kept:.1f} | {used} |", flush=True
            )
    return 0


def accuracy(
    network: str,
    fmt: str,
    data: Path,
    calibration: np.ndarray,
    images: np.ndarray,
    labels: np.ndarray,
    merged: bool,
) -> float:
    """Top-1 of one choice."""
    model = zoo.load(network, data, Quantised(Formats.of(fmt)), merged)
    calibrate(model, zoo.batches(calibration, 64))
    return share(zoo.logits(model, images).argmax(1) == labels)


if __name__ == "__main__":
    sys.exit(main())
