"""Commands that run studies of number formats, and tell what they have found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pyqkit.cli.group import main
from pyqkit.command_files import Named, Read, Written
from pyqkit.errors import UserError
from pyqkit.studies.options import StudyOptions, run_study, study_options

if TYPE_CHECKING:
    from pyqkit.quant.ptq.recipe import Search


@main.group()
def study() -> None:
    """Grids of networks, formats and recipes, measured; what is done is kept."""


@study.command()
@click.option("--data", type=Read(path_type=Path), help="Folder of weights and images.")
@click.option(
    "--module", type=Named(), metavar="FILE.py:FACTORY", help="A network of your own, with the four next."
)
@click.option("--weights", type=Read(), help="Its weights: npz or safetensors.")
@click.option("--calib", type=Read(), help="Frames that recipes see: npy, preprocessed, float32.")
@click.option("--test", type=Read(), help="Frames of the test, likewise.")
@click.option("--labels", type=Read(), help="Their classes: npy of integers.")
@click.option("--network", "networks", multiple=True, help="resnet20, shufflenet, vit, digits and others.")
@click.option("--format", "formats", multiple=True, help="e2m1, or e2m1/e3m2 for weights/activations.")
@click.option("--recipe", "recipes", multiple=True, help="Steps joined by +, or none.")
@click.option(
    "--act-scale",
    type=click.Choice(["percentile", "mse", "max"]),
    default="percentile",
    show_default=True,
    help="Where the scales of activations come from.",
)
@click.option("--twin", is_flag=True, help="Unsigned formats for activations that are never negative.")
@click.option("--images", type=click.IntRange(2), default=5000, show_default=True, help="Of the test.")
@click.option(
    "--calibration", type=click.IntRange(1), default=1000, show_default=True, help="Images that recipes see."
)
@study_options
def minifloat(
    run: StudyOptions,
    data: Path | None,
    module: str | None,
    weights: str | None,
    calib: str | None,
    test: str | None,
    labels: str | None,
    networks: tuple[str, ...],
    formats: tuple[str, ...],
    recipes: tuple[str, ...],
    act_scale: Search,
    twin: bool,
    images: int,
    calibration: int,
) -> None:
    """Accuracy of minifloats and integers after post-training quantisation.

    Every --network in every --format after every --recipe; without formats and recipes the grid of
    docs/minifloats.md. 'pyqkit study report' makes tables and plots of what is done.
    """
    from pyqkit.studies.minifloat.rows import grid
    from pyqkit.studies.minifloat.sources import Own
    from pyqkit.studies.minifloat.study import MinifloatStudy, rows_of

    files = [module, weights, calib, test, labels]
    given = [file for file in files if file is not None]
    if given and len(given) < len(files):
        raise UserError(
            "--module, --weights, --calib, --test and --labels were expected together, but "
            f"{len(files) - len(given)} of them are missing; pass all, or --network"
        )
    own = Own(*given) if given else None
    wanted = grid(networks or ([own.name] if own else []), formats, recipes)
    rows = rows_of(wanted, data, calibration, images, not twin, act_scale, own)
    run_study(MinifloatStudy(rows, None if data is None else str(data), own), run)


@study.command()
@click.option("--data", required=True, type=Read(path_type=Path), help="Folder of models and texts.")
@click.option(
    "--model", "models", multiple=True, help="stories260k, chargpt, docstrings; those of --data by default."
)
@click.option("--condition", "conditions", multiple=True, help="natural (default), inject4, inject8.")
@click.option("--method", "methods", multiple=True, help="msq2, gptq2.matched and others; all by default.")
@click.option("--tokens", type=click.IntRange(1), default=8192, show_default=True, help="Of the test.")
@click.option(
    "--calibration", type=click.IntRange(1), default=4096, show_default=True, help="Tokens that methods see."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of what is put in.")
@study_options
def microscopiq(
    run: StudyOptions,
    data: Path,
    models: tuple[str, ...],
    conditions: tuple[str, ...],
    methods: tuple[str, ...],
    tokens: int,
    calibration: int,
    seed: int,
) -> None:
    """Perplexity of small language models whose linear layers are rounded, at measured bits.

    Every --method on every --model, in its natural --condition or with outliers put in by scaling channels,
    which leaves the function as it is. docs/microscopiq.md says what methods are.
    """
    from pyqkit.studies.microscopiq.methods import METHODS
    from pyqkit.studies.microscopiq.study import MicroscopiqStudy, rows_of
    from pyqkit.studies.microscopiq.texts import ARCHIVES

    there = [name for name, archive in ARCHIVES.items() if (data / archive.weights).exists()]
    wanted = models or there or tuple(ARCHIVES), conditions or ("natural",), methods or METHODS
    run_study(MicroscopiqStudy(rows_of(*wanted, data, calibration, tokens), str(data), seed), run)


@study.command("microscopiq-images")
@click.option("--data", required=True, type=Read(path_type=Path), help="Folder of weights and images.")
@click.option("--network", "networks", multiple=True, help="resnet20, resnet44; both by default.")
@click.option("--method", "methods", multiple=True, help="msq2.a8, gptq4.matched and others; all by default.")
@click.option("--images", type=click.IntRange(2), default=5000, show_default=True, help="Of the test.")
@click.option(
    "--calibration", type=click.IntRange(1), default=128, show_default=True, help="Images that methods see."
)
@study_options
def microscopiq_images(
    run: StudyOptions,
    data: Path,
    networks: tuple[str, ...],
    methods: tuple[str, ...],
    images: int,
    calibration: int,
) -> None:
    """Accuracy of ResNets for CIFAR-10 after the methods of the MicroScopiQ study, at measured bits.

    First and last layer stay float.
    """
    from pyqkit.studies.microscopiq.images import METHODS, NETWORKS, ImageStudy, rows_of

    rows = rows_of(networks or NETWORKS, methods or METHODS, data, calibration, images)
    run_study(ImageStudy(rows, str(data)), run)


@study.command()
@click.option("--models", required=True, type=Written(Path), help="Folder for weights and text.")
@click.option("--epochs", type=click.IntRange(1, 1000), help="9 by default.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the training.")
@study_options(every=60.0)
def docstrings(run: StudyOptions, models: Path, epochs: int | None, seed: int) -> None:
    """Train a language model of 0.8 M parameters on the docstrings of the Python library.

    It takes 20 minutes of one core. --models is then a --data of 'pyqkit study microscopiq'.
    """
    from pyqkit.studies.microscopiq.training import EPOCHS, DocstringTraining, check, write_archives

    check(models, run.force or run.resume)
    results = run_study(DocstringTraining(epochs or EPOCHS, seed), run)
    write_archives(results.outcomes[0].arrays, models, run.force or run.resume)


@study.command()
@click.argument("folders", nargs=-1, required=True, type=Read(path_type=Path))
@click.option("-o", "--output", required=True, type=Written(Path), help="Folder to write.")
@click.option("--force", is_flag=True, help="Replace what an earlier report has left.")
def report(folders: tuple[Path, ...], output: Path, force: bool) -> None:
    """Tables and plots of minifloat studies, as far as they have come.

    In --output: minifloat.parquet, minifloat.md with what the figures say, and a picture for each network.
    """
    from pyqkit.studies.minifloat.report import write

    for path in write(folders, output, force):
        click.echo(path)


@study.command()
@click.option("--data", type=Read(path_type=Path), help="Folder of CIFAR-10's images; digits without.")
@click.option("--arm", "arms", multiple=True, help="float, w4a4, w2a2, w2a2g2 and others; all by default.")
@click.option("--seeds", type=click.IntRange(1, 100), default=3, show_default=True, help="Of every arm.")
@click.option("--epochs", type=click.IntRange(1), help="7, on digits 20, with --full 200.")
@click.option("--width", type=click.IntRange(1, 256), help="Of the first stage: 8, or 16 with --full.")
@click.option("--images", type=click.IntRange(2), help="Of the test.")
@click.option("--full", is_flag=True, help="ResNet-20 and all images; on a GPU where there is one.")
@study_options(every=0.0)
def palquant(
    run: StudyOptions,
    data: Path | None,
    arms: tuple[str, ...],
    seeds: int,
    epochs: int | None,
    width: int | None,
    images: int | None,
    full: bool,
) -> None:
    """Two groups of 2 bits beside 4 bits and others, each trained from scratch.

    'pyqkit study palquant-report' says what follows, as far as trainings have come.
    """
    from pyqkit.studies.palquant.study import PalQuantStudy, check_arms, setting_of

    chosen = check_arms(arms)
    setting = setting_of(data, full, epochs, width, images)
    run_study(PalQuantStudy(setting, None if data is None else str(data), chosen, seeds, full), run)


@study.command("palquant-report")
@click.argument("folder", type=Read(path_type=Path))
@click.option("-o", "--output", required=True, type=Written(Path), help="Folder to write.")
@click.option("--force", is_flag=True, help="Replace what an earlier report has left.")
def palquant_report(folder: Path, output: Path, force: bool) -> None:
    """Table, claims with 95 % intervals and learning curves of a palquant study.

    In --output: palquant.md and palquant.png.
    """
    from pyqkit.studies.palquant.report import write

    for path in write(folder, output, force):
        click.echo(path)
