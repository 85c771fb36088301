"""Formats that the search LPQ finds for the transformers trained on digits; `vit.py` compiles them as LPQ.

    OMP_NUM_THREADS=1 python benchmarks/vit_genomes.py -o build/vit_genomes [--evaluations 400] [--resume]

The pretrained transformer's are those that `lpq.py` has found.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from lpq_records import RESULTS as SEARCHES
from lpq_records import layers_found
from records import Run
from torch import nn
from vit_networks import NETWORKS, SEED

from pyqkit.quant.ptq import frames
from pyqkit.studies.lpq import command
from pyqkit.studies.lpq.result import CodedLayer
from pyqkit.studies.lpq.space import Domain
from pyqkit.studies.runner import run

RESULTS = Path(__file__).parent / "results" / "vit_genomes"
_FOUND = {"vit": SEARCHES / "vit.lpq.0.json"}
_IMAGES, _COMPRESSION = 128, 0.4


@dataclass(frozen=True)
class DigitsSource:
    """A network of `NETWORKS` that is trained on digits, by its name."""

    name: str

    def network(self) -> nn.Module:
        """The float network."""
        return NETWORKS[self.name].model(Path())

    def images(self) -> np.ndarray:
        """Calibration images, float32."""
        x, _, _ = NETWORKS[self.name].images(Path())
        return frames.checked(x[:_IMAGES]).numpy()

    def labelled(self) -> tuple[np.ndarray, np.ndarray]:
        """Test images and labels."""
        _, x, y = NETWORKS[self.name].images(Path())
        return x.astype(np.float32), y.astype(np.int64)


def genome(network: str) -> list[CodedLayer]:
    """Formats and scales of all layers, as a search has found them."""
    return layers_found(_FOUND.get(network, RESULTS / f"{network}.json"))


def main(arguments: Sequence[str] | None = None) -> None:
    """Search, and keep what is found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder of the studies")
    parser.add_argument("--networks", nargs="+", default=[n for n in NETWORKS if n not in _FOUND])
    parser.add_argument("--evaluations", type=int, default=400)
    parser.add_argument("--resume", action="store_true")
    options = parser.parse_args(arguments)
    record = Run(options, [SEED])
    for network in options.networks:
        study = command.study(DigitsSource(network), SEED, options.evaluations, _COMPRESSION, Domain())
        (outcome,) = run(study, options.out / network, resume=options.resume).outcomes
        record.write_json(RESULTS / f"{network}.json", {"values": outcome.values})


if __name__ == "__main__":
    main()
