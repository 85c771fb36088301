"""The command that quantises a float network after training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pyqkit.cli.float_network import float_network
from pyqkit.cli.group import main, print_json, progress
from pyqkit.command_files import Written
from pyqkit.errors import UserError, plain
from pyqkit.files import check_file

if TYPE_CHECKING:
    import numpy as np

    from pyqkit.quant.ptq.sensitivity import Sensitivity
    from pyqkit.quant.ptq.summary import Summary

_SCALES = click.Choice(["max", "percentile", "mse"])


@main.command()
@float_network("; or a folder of images, with --preprocess")
@click.option("-o", "--output", required=True, type=Written(), help="QONNX file to write.")
@click.option(
    "--preprocess",
    metavar="WORDS",
    help="For images: resize=256,crop=224,grey,scale=255,mean=0.485/0.456/0.406,std=0.229/0.224/0.225, each "
    "if wanted; 'scale=255' alone gives 0..1.",
)
@click.option("--weights-format", default="e2m1", show_default=True, help="Format of the weights.")
@click.option("--acts-format", default="", help="Format of activations; that of the weights by default.")
@click.option("--ends-format", default="", help="Format of first and last layer; one of 8 bits by default.")
@click.option(
    "--recipe", default="", help="Steps joined by +, such as equalise+gptq+round+bias; none by default."
)
@click.option(
    "--per",
    type=click.Choice(["channel", "tensor"]),
    default="channel",
    show_default=True,
    help="What has one scale of weights.",
)
@click.option(
    "--scaling", type=click.Choice(["power_of_two", "real"]), default="power_of_two", show_default=True
)
@click.option(
    "--weight-scale", type=_SCALES, default="mse", show_default=True, help="Where scales come from."
)
@click.option("--act-scale", type=_SCALES, default="mse", show_default=True, help="The same for activations.")
@click.option("--percentile", type=float, default=99.99, show_default=True, help="Of magnitudes, in percent.")
@click.option("--signed", is_flag=True, help="No unsigned twin where a tensor is never negative.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of what steps draw.")
@click.option(
    "--sensitivity", "alone", is_flag=True, help="Also how much the rounding of each tensor alone changes."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--force", is_flag=True, help="Replace an existing file.")
def quantise(
    network: str,
    output: str,
    weights: str | None,
    calib: str,
    preprocess: str | None,
    weights_format: str,
    acts_format: str,
    ends_format: str,
    recipe: str,
    seed: int,
    alone: bool,
    as_json: bool,
    force: bool,
    **scales: Any,
) -> None:
    """Quantise the float network that FACTORY makes, and write it as QONNX.

    MODULE.py is your own code; it is imported and FACTORY is called without arguments. Nothing else that is
    read is executed. The network is put into evaluation mode, in which dropout drops nothing and batch norms
    have the statistics of training.
    """
    from pyqkit.quant import export_qonnx
    from pyqkit.quant.ptq import Recipe, loading, quantised
    from pyqkit.quant.ptq.sensitivity import sensitivities
    from pyqkit.quant.ptq.summary import summary

    check_file(Path(output), force)
    wanted = Recipe.of(weights_format, acts_format, ends_format, recipe, **scales)
    with progress("quantising") as say:
        say("reading")
        frames = _frames(Path(calib), preprocess)
        model = loading.network(network, Path(weights) if weights else None)
        made = quantised(model, frames, wanted, seed, say)
        say("comparing with float")
        found = summary(made, model)
        each = sensitivities(made) if alone else ()
        say("writing")
        export_qonnx(made.quantised, made.data[:2], output, force=force)
    if as_json:
        further = {"sensitivity": [asdict(entry) for entry in each]} if alone else {}
        print_json({"network": output} | found.to_json() | further)
    else:
        _show(output, found)
        _show_alone(each)


def _frames(path: Path, preprocess: str | None) -> np.ndarray:
    from pyqkit import frames

    if not path.is_dir():
        if preprocess is not None:
            raise UserError(
                f"a folder of images was expected with --preprocess, but {path} is none; leave it out"
            )
        return frames.read(path)
    if preprocess is None:
        raise UserError(
            f"--preprocess was expected for the images of {path}, but it is missing; say what the network "
            "was trained with, such as scale=255 for pixels 0..1"
        )
    from pyqkit.quant.ptq import images

    return images.read(path, images.Preprocessing.parse(preprocess))


def _show(output: str, found: Summary) -> None:
    from pyqkit.tables import show

    rows = [
        {
            "layer": tensor.layer,
            "of": tensor.what,
            "format": tensor.format,
            "scale": _span(tensor.smallest_scale, tensor.largest_scale),
            "SQNR dB": "" if tensor.sqnr_db is None else f"{tensor.sqnr_db:.1f}",
        }
        for tensor in found.tensors
    ]
    decibels = "exact" if found.sqnr_db is None else f"{found.sqnr_db:.1f} dB"
    agreement = "" if found.agreement is None else f", the same answer in {found.agreement:.1%}"
    show(
        plain(output),
        rows,
        f"outputs against float on {found.frames} calibration frames: {decibels}{agreement}",
    )


def _show_alone(each: Sequence[Sensitivity]) -> None:
    if not each:
        return
    from pyqkit.tables import show

    rows = [
        {
            "layer": entry.name.removesuffix(".act_quant"),
            "of": entry.tensor,
            "format": entry.format,
            "noise": f"{entry.noise:.2g}",
            "divergence (nat)": f"{entry.divergence:.2g}",
            "same answer": f"{entry.agreement:.1%}",
        }
        for entry in each
    ]
    show("each tensor rounded alone", rows, "noise: of the outputs, relative to their mean square")


def _span(smallest: float, largest: float) -> str:
    return f"{smallest:.3g}" if smallest == largest else f"{smallest:.3g} to {largest:.3g}"
