"""The command that searches for formats per layer with the hardware in the loop."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pyqkit.cli.float_network import float_network
from pyqkit.cli.group import print_json, progress
from pyqkit.cli.search import search
from pyqkit.command_files import Named, Read, Written
from pyqkit.errors import UserError
from pyqkit.studies.options import StudyOptions, study_options

if TYPE_CHECKING:
    from pyqkit.studies.formats_search.command import Wanted
    from pyqkit.studies.formats_search.result import Built
    from pyqkit.studies.formats_search.space import Domain
    from pyqkit.studies.lpq.source import FileSource


@search.command()
@float_network()
@click.option(
    "--images",
    type=click.IntRange(8),
    default=64,
    show_default=True,
    help="How many of them, from the first.",
)
@click.option(
    "--labelled",
    nargs=2,
    type=Read(),
    metavar="X.npy Y.npy",
    help="Images and labels on which the networks found are counted.",
)
@click.option("--board", type=Named(), default="PYNQ-Z2", show_default=True, help="Name or TOML file.")
@click.option("--target-fps", type=float, required=True, help="Frames per second to reach.")
@click.option("--clock-mhz", type=float, help="Clock; the board's by default.")
@click.option(
    "--lut-share", type=float, default=1.0, show_default=True, help="Part of the board's LUTs to take."
)
@click.option("--weights-formats", help="Formats of weights, joined by commas; of all families by default.")
@click.option("--acts-formats", help="Formats of activations, joined by commas.")
@click.option(
    "--sizes",
    type=click.IntRange(1, 50),
    default=6,
    show_default=True,
    help="Networks of the front, at most.",
)
@click.option(
    "--evaluations", type=click.IntRange(2), default=60, show_default=True, help="Networks run for each size."
)
@click.option(
    "--recipe", default="", help="Steps by which networks are built, joined by +, such as gptq+bias."
)
@click.option("--compare", default="", help="Uniform formats to build beside them, joined by commas.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True)
@click.option("--compile", "point", metavar="POINT", help="Network to compile and verify, such as point-2.")
@click.option("--build", type=Written(Path), help="Build folder to write it to.")
@study_options
def formats(
    network: str,
    weights: str | None,
    calib: str,
    images: int,
    labelled: tuple[str, str] | None,
    point: str | None,
    build: Path | None,
    run: StudyOptions,
    **wishes: Any,
) -> None:
    """Formats for each layer of the float network that FACTORY makes: small and accurate at a rate.

    A genetic search over weights and activations in all families of formats, with the models of folding and
    resources as the cost. The networks found are quantised, folded and written to --out as front.json; what
    is done is kept there, and --resume goes on. See docs/formats_search.md.
    """
    from pyqkit.build_folder import check_target
    from pyqkit.studies.formats_search import command
    from pyqkit.studies.lpq.source import FileSource

    if (point is None) != (build is None):
        raise UserError("--compile and --build were expected together, but one came alone; give both")
    if build is not None:
        check_target(build, run.force)
    source = FileSource(network, weights, calib, images, *(labelled or (None, None)))
    wanted = _wanted(source, **wishes)
    built = command.found(wanted, run)
    if run.as_json:
        print_json({"networks": [each.row() for each in built]})
    else:
        _show(built)
    if point is not None and build is not None:
        with progress("compiling") as say:
            say(f"{point} into {build}")
            command.save(wanted, built, run, point, build)


def _wanted(
    source: FileSource,
    board: str,
    target_fps: float,
    clock_mhz: float | None,
    lut_share: float,
    weights_formats: str | None,
    acts_formats: str | None,
    sizes: int,
    evaluations: int,
    recipe: str,
    compare: str,
    seed: int,
) -> Wanted:
    from pyqkit.studies.formats_search.command import Wanted
    from pyqkit.studies.formats_search.study import Goal
    from pyqkit.studies.genetic import Evolution

    domain = _domain(weights_formats, acts_formats)
    goal = Goal.of(source, board, target_fps, clock_mhz, lut_share, domain, recipe)
    evolution = Evolution(evaluations, min(8, evaluations), cycles=2, children=4)
    others = tuple(name for name in compare.split(",") if name)
    return Wanted(source, goal, sizes, evolution, others, seed)


def _domain(weights: str | None, acts: str | None) -> Domain:
    from pyqkit.studies.formats_search.space import ACTS, WEIGHTS, Domain

    return Domain(
        WEIGHTS if weights is None else tuple(weights.split(",")),
        ACTS if acts is None else tuple(acts.split(",")),
    )


def _show(built: list[Built]) -> None:
    from pyqkit.studies.formats_search.result import LABEL
    from pyqkit.tables import show

    refused = [f"{each.name}: {each.refused}" for each in built if each.refused]
    show("networks found", [each.row() for each in built], f"LUTs and frames/s {LABEL}")
    for sentence in refused:
        click.echo(sentence)
