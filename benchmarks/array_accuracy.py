"""ResNet-20 in the formats of `array_comparison`: how many of CIFAR-10's test images it gets right.

python benchmarks/array_accuracy.py --data FOLDER    writes results/array_accuracy.json

Quantised after training (equalised, biases corrected, real scales); measured by the quantised network in
PyTorch. Formats that have a row are not measured again.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, replace
from pathlib import Path

from records import Run

from pyqkit.formats import NumberFormat, parse
from pyqkit.quant.ptq import Recipe
from pyqkit.quant.ptq.layers import rounded_once
from pyqkit.quant.ptq.pipeline import finished, prepared
from pyqkit.studies.minifloat.sources import source
from pyqkit.studies.trainer import logits

RESULTS = Path(__file__).parent / "results" / "array_accuracy.json"
RECIPE, CALIBRATION, IMAGES, BATCH = "equalise+bias", 256, 2000, 100


@dataclass(frozen=True)
class Formats:
    """Of a network on an array.

    Attributes
    ----------
    ends : str
        Of the input, and of the weights of first and last layer.
    weights, activations : str
        Of all others.
    """

    ends: str
    weights: str
    activations: str

    @property
    def name(self) -> str:
        """As in tables."""
        return ", ".join((self.ends, self.weights, self.activations))


def accuracies() -> dict[str, float]:
    """Percent of the images by the formats' name."""
    return json.loads(RESULTS.read_text())["top1"] if RESULTS.is_file() else {}


def measure(formats: Formats, data: Path, images: int) -> float:
    """Percent of test images."""
    found = source("resnet20", data)
    ends = parse(formats.ends)
    assert isinstance(ends, NumberFormat)
    recipe = Recipe.of(
        formats.weights, formats.activations, recipe=RECIPE, scaling="real", placement="layers", signed=True
    )
    recipe = replace(recipe, end_weights=ends, end_acts=ends)
    before = tuple(step for step in recipe.steps if step.stage == "float")
    network = prepared(found.network(), found.calibration(CALIBRATION), before, 0)
    model = finished(network, recipe, 0).quantised
    x, y = found.test(images)
    with rounded_once(model):
        return round(100 * float((logits(model, x.numpy(), BATCH).argmax(1) == y).mean()), 2)


def main() -> None:
    from array_comparison import NETWORKS

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of weights and images")
    options = parser.parse_args()
    run, known = Run(options, seeds=[0]), accuracies()
    for formats in dict.fromkeys(one for row in NETWORKS.values() for one in row):
        if formats.name not in known:
            known[formats.name] = measure(formats, options.data, IMAGES)
            print(formats.name, known[formats.name], flush=True)
            run.write_json(RESULTS, {"images": IMAGES, "top1": known}, merged=True)


if __name__ == "__main__":
    main()
