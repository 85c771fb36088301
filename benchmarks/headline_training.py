"""Quantisation-aware training of the networks of `headline.py`, on a CPU.

    nice python benchmarks/headline_training.py mlp --data FOLDER --out build/mlp
    nice python benchmarks/headline_training.py resnet8 --data FOLDER --out build/resnet8 --resume

Each is a study (docs/studies.md): checkpoints, a learning curve in ``curves/``, and --resume after whatever
stopped it. With --publish the weights go to results/headline/, their provenance to
results/headline_training/. Nothing here reads test images: the last training images are kept aside to choose
hyper-parameters.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import click
import numpy as np
from headline_mlp import MlpTraining
from headline_networks import FILES
from headline_resnet8 import ResNet8Training, Settings
from records import write

from pyqkit.console import console
from pyqkit.errors import UserError
from pyqkit.files import replacing
from pyqkit.studies.options import StudyOptions, run_study, study_options
from pyqkit.studies.study import Study

RECORDS = Path(__file__).parent / "results" / "headline_training"
DATA = click.option("--data", type=click.Path(path_type=Path), required=True, help="Weights and images.")
SEED = click.option("--seed", default=0, show_default=True)
HELD_OUT = click.option("--held-out", default=1000, show_default=True, help="Training images kept aside.")
PUBLISH = click.option("--publish", is_flag=True, help="Put weights and provenance into results/.")


@click.group(help=__doc__.partition("\n")[0])
def main() -> None:
    """Trainings."""


@main.command()
@DATA
@SEED
@HELD_OUT
@PUBLISH
@study_options
def mlp(run: StudyOptions, data: Path, seed: int, held_out: int, publish: bool) -> None:
    """The perceptron."""
    finish(MlpTraining(data, seed, held_out), run, publish)


@main.command()
@DATA
@SEED
@HELD_OUT
@PUBLISH
@click.option("--epochs", default=Settings.epochs, show_default=True)
@click.option("--views", default=Settings.views, show_default=True, help="Augmented copies of the images.")
@click.option("--batch", default=Settings.batch, show_default=True)
@click.option("--rate", default=Settings.rate, show_default=True)
@click.option("--distilled", default=Settings.distilled, show_default=True, help="Weight of the teacher.")
@click.option("--temperature", default=Settings.temperature, show_default=True)
@study_options
def resnet8(run: StudyOptions, data: Path, seed: int, publish: bool, **settings: float) -> None:
    """ResNet-8."""
    finish(ResNet8Training(data, seed, Settings(**settings)), run, publish)


def finish(study: Study, run: StudyOptions, publish: bool) -> None:
    """Train, and publish the weights."""
    results = run_study(study, run)
    if publish:
        with replacing(FILES[study.name]) as beside, open(beside, "wb") as file:
            np.savez_compressed(file, **results.of(study.name).arrays)
        write(RECORDS / f"{study.name}.json", json.dumps(results.to_json(), indent=1) + "\n")


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # Brevitas warns of its own internals
    try:
        with console():
            main()
    except UserError as error:
        sys.exit(f"headline_training: {error}")
