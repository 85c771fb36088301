"""Commands that search for number formats."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pyqkit.cli.float_network import float_network
from pyqkit.cli.group import main
from pyqkit.command_files import Written
from pyqkit.errors import UserError, plain
from pyqkit.studies.options import StudyOptions, run_study, study_options

if TYPE_CHECKING:
    from pyqkit.studies.lpq.result import CodedLayer
    from pyqkit.studies.lpq.space import Domain


@main.group()
def search() -> None:
    """Searches for the number formats of each layer; what is done is kept."""


@search.command()
@float_network()
@click.option(
    "--images",
    type=click.IntRange(8),
    default=128,
    show_default=True,
    help="How many of them, from the first.",
)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True)
@click.option(
    "--evaluations", type=click.IntRange(20), default=1800, show_default=True, help="Of genomes, in all."
)
@click.option(
    "--lambda",
    "compression",
    type=click.FloatRange(0, 100),
    default=0.4,
    show_default=True,
    help="What few bits weigh against fidelity: the power of compression in the fitness.",
)
@click.option(
    "--max-accumulator-bits",
    "accumulators",
    default="33,40,48",
    show_default=True,
    help="Widest exact sums with weights of up to 2, 4 and 8 bits; one number for all, or 'none'.",
)
@click.option("--all-widths", is_flag=True, help="Weights of 2 to 8 bits, not of 2, 4 and 8 alone.")
@click.option("--onnx", type=Written(Path), help="QONNX file to write the network found to.")
@click.option("--plot", type=Written(Path), help="png, svg or pdf file for trace and bits.")
@study_options(every=0.0)
def lpq(
    network: str,
    weights: str | None,
    calib: str,
    images: int,
    seed: int,
    evaluations: int,
    compression: float,
    accumulators: str,
    all_widths: bool,
    onnx: Path | None,
    plot: Path | None,
    run: StudyOptions,
) -> None:
    """The Logarithmic Posit of every layer of the float network that FACTORY makes (LPQ).

    A genetic search, block by block, for a network that sees in the images what the float one sees, in few
    bits. After every cycle it is kept in --out, and --resume goes on. See docs/lpq.md.
    """
    from pyqkit.studies.lpq import command
    from pyqkit.studies.lpq.source import FileSource

    command.check_outputs(onnx, plot, run.force or run.resume)
    source = FileSource(network, weights, calib, images)
    study = command.study(source, seed, evaluations, compression, _domain(accumulators, all_widths))
    with command.crewed(study, run.workers, run.dask) as crewed:
        results = run_study(crewed, replace(run, workers=1, dask=None))
    (outcome,) = results.outcomes
    layers = command.layers_of(outcome)
    if not run.as_json:
        _show(layers)
    command.write_outputs(source, outcome, layers, onnx, plot)


def _domain(accumulators: str, all_widths: bool) -> Domain:
    from pyqkit.studies.lpq.gene import ALL_WIDTHS, PACKED_WIDTHS
    from pyqkit.studies.lpq.space import Domain

    widths = ALL_WIDTHS if all_widths else PACKED_WIDTHS
    if accumulators == "none":
        return Domain(widths, None)
    given = accumulators.split(",")
    bits = [int(word) if word.strip().isdecimal() and len(word) < 4 else 0 for word in given]
    if len(bits) not in (1, 3) or not all(2 <= width <= 64 for width in bits):
        raise UserError(
            "one width of 2 to 64 bits, or three of them, or none, was expected with --max-accumulator-bits, "
            f"but {plain(accumulators)} came; 33,40,48 are the lanes of the array"
        )
    narrow, middle, wide = bits * (3 // len(bits))
    return Domain(widths, (narrow, middle, wide))


def _show(layers: list[CodedLayer]) -> None:
    from pyqkit.tables import show

    rows = [
        {
            "layer": layer.layer,
            "weights": layer.weights,
            "scale": f"{layer.weight_scale:.3g}",
            "reads": layer.activations,
            "its scale": f"{layer.activation_scale:.3g}",
            "sum bits": layer.accumulator_bits,
        }
        for layer in layers
    ]
    show("formats found", rows)
